//! Commands about keys of any type: existence, removal, expiry. Refuses the conditions of EXPIRE.

use std::time::Duration;

use super::argument::{Unit, after, integer};
use super::command::{ANY, Call, Changes, Command, reads, writes};
use super::refusal::{self, Refusal};
use super::reply::{self, Reply};
use super::store::{Expiry, Value};

/// DEL, EXISTS, EXPIRE and the like.
pub(super) const COMMANDS: &[Command] = &[
    Command { name: "del", arguments: (1, ANY), changes: Changes::Each, run: delete },
    Command { name: "unlink", arguments: (1, ANY), changes: Changes::Each, run: delete },
    reads("exists", 1, ANY, exists),
    reads("type", 1, 1, kind),
    reads("ttl", 1, 1, |call, arguments| time_left(call, arguments, Unit::Seconds)),
    reads("pttl", 1, 1, |call, arguments| time_left(call, arguments, Unit::Milliseconds)),
    writes("expire", 2, ANY, |call, arguments| expire(call, arguments, Unit::Seconds)),
    writes("pexpire", 2, ANY, |call, arguments| expire(call, arguments, Unit::Milliseconds)),
];

fn delete(call: &mut Call<'_>, keys: &[&[u8]]) -> Result<Reply, Refusal> {
    Ok(reply::count(keys.iter().filter(|key| call.store.remove(key)).count()))
}

fn exists(call: &mut Call<'_>, keys: &[&[u8]]) -> Result<Reply, Refusal> {
    Ok(reply::count(keys.iter().filter(|key| call.store.value(key).is_some()).count()))
}

fn kind(call: &mut Call<'_>, arguments: &[&[u8]]) -> Result<Reply, Refusal> {
    let value = arguments.first().and_then(|key| call.store.value(key));
    Ok(reply::simple(match value {
        None => "none",
        Some(Value::Text(_)) => "string",
        Some(Value::List(_)) => "list",
        Some(Value::Hash(_)) => "hash",
        Some(Value::SortedSet(_)) => "zset",
    }))
}

fn time_left(call: &mut Call<'_>, arguments: &[&[u8]], unit: Unit) -> Result<Reply, Refusal> {
    let expiry = arguments.first().and_then(|key| call.store.expiry(key));
    Ok(Reply::Integer(match expiry {
        None => -2,
        Some(Expiry::Never | Expiry::Keep) => -1,
        Some(Expiry::At(deadline)) => {
            let left = deadline.saturating_duration_since(call.store.now());
            // Redis rounds seconds to the nearest; a key that is still there has a millisecond left at least.
            let amount = match unit {
                Unit::Seconds => (left + Duration::from_millis(500)).as_secs(),
                Unit::Milliseconds => u64::try_from(left.as_millis()).unwrap_or(u64::MAX).max(1),
            };
            i64::try_from(amount).unwrap_or(i64::MAX)
        }
    }))
}

fn expire(call: &mut Call<'_>, arguments: &[&[u8]], unit: Unit) -> Result<Reply, Refusal> {
    let [key, amount, options @ ..] = arguments else { return Err(Refusal::Syntax) };
    let name = if unit == Unit::Seconds { "expire" } else { "pexpire" };
    let amount = integer(amount)?;
    if let Some(option) = options.first() {
        return Err(Refusal::Other(format!("ERR Unsupported option {}", refusal::text(option, 128))));
    }
    if call.store.value(key).is_none() {
        return Ok(Reply::Integer(0));
    }
    if amount <= 0 {
        call.store.remove(key);
        return Ok(Reply::Integer(1));
    }
    let deadline = after(call.store.now(), amount, unit).ok_or(Refusal::ExpireTime(name))?;
    call.store.set_deadline(key, Some(deadline));
    Ok(Reply::Integer(1))
}
