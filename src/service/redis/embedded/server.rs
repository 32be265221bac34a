//! Commands about the server as a whole. Refuses to be configured.

use super::command::{ANY, Call, Changes, Command, reads};
use super::refusal::Refusal;
use super::reply::{self, Reply};
use super::{VERSION, argument::is};

/// INFO, CONFIG and the like.
pub(super) const COMMANDS: &[Command] = &[
    reads("info", 0, ANY, info),
    reads("config", 1, ANY, config),
    reads("command", 0, ANY, command),
    reads("dbsize", 0, 0, dbsize),
    Command { name: "flushdb", arguments: (0, 1), changes: Changes::Everything, run: flush },
    Command { name: "flushall", arguments: (0, 1), changes: Changes::Everything, run: flush },
];

/// What is configured, as far as clients and benchmarks ask.
const CONFIGURATION: [(&str, &str); 5] =
    [("appendonly", "no"), ("databases", "1"), ("maxmemory-policy", "noeviction"), ("save", ""), ("port", "0")];

fn info(call: &mut Call<'_>, sections: &[&[u8]]) -> Result<Reply, Refusal> {
    let wanted = |name: &str| {
        sections.is_empty()
            || sections
                .iter()
                .any(|section| ["all", "default", "everything", name].iter().any(|known| is(section, known)))
    };
    let mut text = String::new();
    if wanted("server") {
        let process = std::process::id().to_string();
        text.extend(["# Server\r\nredis_version:", VERSION, "\r\nredis_mode:standalone\r\n"]);
        text.extend(["server_name:perfkit\r\nprocess_id:", &process, "\r\n\r\n"]);
    }
    if wanted("keyspace") {
        text += "# Keyspace\r\n";
        if call.store.len() > 0 {
            text.extend(["db0:keys=", &call.store.len().to_string(), "\r\n"]);
        }
    }
    Ok(reply::bulk(text.as_bytes()))
}

fn config(_: &mut Call<'_>, arguments: &[&[u8]]) -> Result<Reply, Refusal> {
    let (name, rest) = arguments.split_first().ok_or(Refusal::Arity("config"))?;
    if !is(name, "get") {
        return Err(Refusal::unknown_subcommand("CONFIG", name));
    }
    if rest.is_empty() {
        return Err(Refusal::Arity("config|get"));
    }
    let asked = |key: &str| rest.iter().any(|pattern| is(pattern, key) || *pattern == b"*");
    let found = CONFIGURATION.iter().filter(|(key, _)| asked(key));
    Ok(reply::strings(found.flat_map(|(key, value)| [key, value])))
}

fn command(_: &mut Call<'_>, arguments: &[&[u8]]) -> Result<Reply, Refusal> {
    match arguments.first() {
        // Clients ask for it to help their users type; an empty answer helps nobody and harms nobody.
        None => Ok(Reply::Array(Vec::new())),
        Some(name) if is(name, "docs") || is(name, "info") => Ok(Reply::Array(Vec::new())),
        Some(name) => Err(Refusal::unknown_subcommand("COMMAND", name)),
    }
}

fn dbsize(call: &mut Call<'_>, _: &[&[u8]]) -> Result<Reply, Refusal> {
    Ok(reply::count(call.store.len()))
}

fn flush(call: &mut Call<'_>, arguments: &[&[u8]]) -> Result<Reply, Refusal> {
    if arguments.first().is_some_and(|mode| !is(mode, "sync") && !is(mode, "async")) {
        return Err(Refusal::Syntax);
    }
    call.store.clear();
    Ok(reply::ok())
}
