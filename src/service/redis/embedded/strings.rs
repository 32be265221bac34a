//! Commands about strings of bytes and counters. Refuses values longer than an argument may be.

use super::argument::{Unit, after, integer, is};
use super::command::{ANY, Call, Changes, Command, reads, writes};
use super::refusal::Refusal;
use super::reply::{self, Reply};
use super::request::LONGEST_ARGUMENT;
use super::store::Expiry;

/// GET, SET and the like.
pub(super) const COMMANDS: &[Command] = &[
    reads("get", 1, 1, get),
    writes("set", 2, ANY, set),
    writes("setex", 3, 3, |call, arguments| set_expiring(call, arguments, "setex")),
    writes("psetex", 3, 3, |call, arguments| set_expiring(call, arguments, "psetex")),
    reads("mget", 1, ANY, get_many),
    Command { name: "mset", arguments: (2, ANY), changes: Changes::Alternate, run: set_many },
    writes("append", 2, 2, append),
    reads("strlen", 1, 1, length),
    writes("incr", 1, 1, |call, arguments| add(call, arguments, 1)),
    writes("decr", 1, 1, |call, arguments| add(call, arguments, -1)),
    writes("incrby", 2, 2, |call, arguments| {
        let amount = integer(arguments.get(1).copied().unwrap_or_default())?;
        add(call, arguments, amount)
    }),
    writes("decrby", 2, 2, |call, arguments| {
        let amount = integer(arguments.get(1).copied().unwrap_or_default())?;
        let amount = amount.checked_neg().ok_or(Refusal::Fixed("ERR decrement would overflow"))?;
        add(call, arguments, amount)
    }),
];

fn first<'a>(arguments: &[&'a [u8]]) -> &'a [u8] {
    arguments.first().copied().unwrap_or_default()
}

fn get(call: &mut Call<'_>, arguments: &[&[u8]]) -> Result<Reply, Refusal> {
    Ok(reply::optional(call.store.read::<Vec<u8>>(first(arguments))?.cloned()))
}

/// When SET writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Condition {
    Always,
    IfAbsent,
    IfPresent,
}

/// What SET answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    Status,
    Previous,
}

fn set(call: &mut Call<'_>, arguments: &[&[u8]]) -> Result<Reply, Refusal> {
    let [key, value, options @ ..] = arguments else { return Err(Refusal::Syntax) };
    let (mut condition, mut answer, mut expiry) = (Condition::Always, Answer::Status, None);
    let mut options = options.iter();
    while let Some(option) = options.next() {
        if is(option, "nx") && condition == Condition::Always {
            condition = Condition::IfAbsent;
        } else if is(option, "xx") && condition == Condition::Always {
            condition = Condition::IfPresent;
        } else if is(option, "get") {
            answer = Answer::Previous;
        } else if is(option, "keepttl") && expiry.is_none() {
            expiry = Some(Expiry::Keep);
        } else if (is(option, "ex") || is(option, "px")) && expiry.is_none() {
            let unit = if is(option, "ex") { Unit::Seconds } else { Unit::Milliseconds };
            let amount = integer(options.next().ok_or(Refusal::Syntax)?)?;
            let deadline = after(call.store.now(), amount, unit).ok_or(Refusal::ExpireTime("set"))?;
            expiry = Some(Expiry::At(deadline));
        } else {
            return Err(Refusal::Syntax);
        }
    }
    let previous = match answer {
        Answer::Status => None,
        Answer::Previous => call.store.read::<Vec<u8>>(key)?.cloned(),
    };
    let is_present = call.store.value(key).is_some();
    let writes = match condition {
        Condition::Always => true,
        Condition::IfAbsent => !is_present,
        Condition::IfPresent => is_present,
    };
    if writes {
        call.store.set(key, value.to_vec(), expiry.unwrap_or(Expiry::Never));
    }
    Ok(match answer {
        Answer::Previous => reply::optional(previous),
        Answer::Status if writes => reply::ok(),
        Answer::Status => Reply::Null,
    })
}

fn set_expiring(call: &mut Call<'_>, arguments: &[&[u8]], name: &'static str) -> Result<Reply, Refusal> {
    let [key, amount, value] = arguments else { return Err(Refusal::Syntax) };
    let unit = if name == "setex" { Unit::Seconds } else { Unit::Milliseconds };
    let deadline = after(call.store.now(), integer(amount)?, unit).ok_or(Refusal::ExpireTime(name))?;
    call.store.set(key, value.to_vec(), Expiry::At(deadline));
    Ok(reply::ok())
}

fn get_many(call: &mut Call<'_>, keys: &[&[u8]]) -> Result<Reply, Refusal> {
    let mut size = 0;
    let mut replies = Vec::with_capacity(keys.len());
    for key in keys {
        // A key of another type counts as absent here, in Redis too.
        let value = call.store.read::<Vec<u8>>(key).unwrap_or(None);
        // The same large value can be asked for a million times in one request.
        size += value.map_or(0, Vec::len);
        if size > reply::LARGEST {
            return Err(Refusal::ReplyTooLarge);
        }
        replies.push(reply::optional(value.cloned()));
    }
    Ok(Reply::Array(replies))
}

fn set_many(call: &mut Call<'_>, arguments: &[&[u8]]) -> Result<Reply, Refusal> {
    let (pairs, []) = arguments.as_chunks::<2>() else { return Err(Refusal::Arity("mset")) };
    for [key, value] in pairs {
        call.store.set(key, value.to_vec(), Expiry::Never);
    }
    Ok(reply::ok())
}

fn append(call: &mut Call<'_>, arguments: &[&[u8]]) -> Result<Reply, Refusal> {
    let [key, addition] = arguments else { return Err(Refusal::Syntax) };
    let longest = usize::try_from(LONGEST_ARGUMENT).unwrap_or(usize::MAX);
    if call.store.read::<Vec<u8>>(key)?.is_some_and(|text| text.len() + addition.len() > longest) {
        return Err(Refusal::TooLong);
    }
    let length = call.store.upsert(key, |text: &mut Vec<u8>| {
        text.extend_from_slice(addition);
        text.len()
    })?;
    Ok(reply::count(length))
}

fn length(call: &mut Call<'_>, arguments: &[&[u8]]) -> Result<Reply, Refusal> {
    Ok(reply::count(call.store.read::<Vec<u8>>(first(arguments))?.map_or(0, Vec::len)))
}

fn add(call: &mut Call<'_>, arguments: &[&[u8]], amount: i64) -> Result<Reply, Refusal> {
    let key = first(arguments);
    let before = call.store.read::<Vec<u8>>(key)?.map_or(Ok(0), |text| integer(text))?;
    let after = before.checked_add(amount).ok_or(Refusal::Overflow)?;
    call.store.set(key, after.to_string().into_bytes(), Expiry::Keep);
    Ok(Reply::Integer(after))
}
