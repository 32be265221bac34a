//! Commands about the connection. Refuses RESP3 and every password, because none is configured.

use super::VERSION;
use super::argument::{integer, is};
use super::command::{ANY, Call, Command, reads};
use super::refusal::{self, Refusal};
use super::reply::{self, Reply};

/// MULTI, EXEC, DISCARD, WATCH and QUIT are carried out by the session; here they only have their number of arguments.
pub(super) const COMMANDS: &[Command] = &[
    reads("ping", 0, 1, ping),
    reads("echo", 1, 1, echo),
    reads("select", 1, 1, select),
    reads("auth", 1, 2, auth),
    reads("hello", 0, ANY, hello),
    reads("client", 1, ANY, client),
    reads("quit", 0, ANY, of_session),
    reads("multi", 0, 0, of_session),
    reads("exec", 0, 0, of_session),
    reads("discard", 0, 0, of_session),
    reads("watch", 1, ANY, of_session),
    reads("unwatch", 0, 0, of_session),
];

fn of_session(_: &mut Call<'_>, _: &[&[u8]]) -> Result<Reply, Refusal> {
    // Reached by UNWATCH within MULTI, where it does nothing: EXEC has forgotten all watches by then.
    Ok(reply::ok())
}

fn ping(_: &mut Call<'_>, arguments: &[&[u8]]) -> Result<Reply, Refusal> {
    Ok(arguments.first().map_or_else(|| reply::simple("PONG"), |message| reply::bulk(message)))
}

fn echo(_: &mut Call<'_>, arguments: &[&[u8]]) -> Result<Reply, Refusal> {
    Ok(arguments.first().map_or(Reply::Null, |message| reply::bulk(message)))
}

fn select(_: &mut Call<'_>, arguments: &[&[u8]]) -> Result<Reply, Refusal> {
    match integer(arguments.first().copied().unwrap_or_default())? {
        0 => Ok(reply::ok()),
        _ => Err(Refusal::Fixed("ERR DB index is out of range")),
    }
}

fn auth(_: &mut Call<'_>, arguments: &[&[u8]]) -> Result<Reply, Refusal> {
    match arguments {
        // Redis lets its default user in with any password as long as it has none.
        [b"default", _] => Ok(reply::ok()),
        [_, _] => Err(Refusal::Fixed("WRONGPASS invalid username-password pair or user is disabled.")),
        _ => Err(Refusal::Fixed(
            "ERR AUTH <password> called without any password configured for the default user. Are you sure your \
             configuration is correct?",
        )),
    }
}

fn hello(call: &mut Call<'_>, arguments: &[&[u8]]) -> Result<Reply, Refusal> {
    let mut rest = arguments.iter().copied();
    match rest.next() {
        None | Some(b"2") => {}
        Some(version) => {
            let _ = integer(version)
                .map_err(|_| Refusal::Fixed("ERR Protocol version is not an integer or out of range"))?;
            return Err(Refusal::Fixed("NOPROTO unsupported protocol version"));
        }
    }
    while let Some(option) = rest.next() {
        if is(option, "auth") {
            let (user, password) = rest.next().zip(rest.next()).ok_or_else(|| hello_syntax(option))?;
            auth(call, &[user, password])?;
        } else if is(option, "setname") {
            call.client.name = checked_name(rest.next().ok_or_else(|| hello_syntax(option))?)?;
        } else {
            return Err(hello_syntax(option));
        }
    }
    Ok(Reply::Array(vec![
        reply::bulk(b"server"),
        reply::bulk(b"redis"),
        reply::bulk(b"version"),
        reply::bulk(VERSION.as_bytes()),
        reply::bulk(b"proto"),
        Reply::Integer(2),
        reply::bulk(b"id"),
        Reply::Integer(call.client.number),
        reply::bulk(b"mode"),
        reply::bulk(b"standalone"),
        reply::bulk(b"role"),
        reply::bulk(b"master"),
        reply::bulk(b"modules"),
        Reply::Array(Vec::new()),
    ]))
}

fn hello_syntax(option: &[u8]) -> Refusal {
    Refusal::Other(format!("ERR Syntax error in HELLO option '{}'", refusal::text(option, 128)))
}

fn client(call: &mut Call<'_>, arguments: &[&[u8]]) -> Result<Reply, Refusal> {
    let (name, rest) = arguments.split_first().ok_or(Refusal::Arity("client"))?;
    match name.to_ascii_lowercase().as_slice() {
        b"id" => arity(rest, 0, "client|id").map(|()| Reply::Integer(call.client.number)),
        b"getname" => {
            arity(rest, 0, "client|getname")?;
            Ok(if call.client.name.is_empty() { Reply::Null } else { reply::bulk(&call.client.name) })
        }
        b"setname" => {
            arity(rest, 1, "client|setname")?;
            call.client.name = checked_name(rest.first().copied().unwrap_or_default())?;
            Ok(reply::ok())
        }
        b"setinfo" => arity(rest, 2, "client|setinfo").map(|()| reply::ok()),
        _ => Err(Refusal::unknown_subcommand("CLIENT", name)),
    }
}

fn arity(rest: &[&[u8]], wanted: usize, name: &'static str) -> Result<(), Refusal> {
    if rest.len() == wanted { Ok(()) } else { Err(Refusal::Arity(name)) }
}

fn checked_name(name: &[u8]) -> Result<Vec<u8>, Refusal> {
    const REFUSAL: Refusal = Refusal::Fixed("ERR Client names cannot contain spaces, newlines or special characters.");
    if name.iter().all(u8::is_ascii_graphic) { Ok(name.to_vec()) } else { Err(REFUSAL) }
}
