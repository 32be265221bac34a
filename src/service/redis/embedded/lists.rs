//! Commands about lists. Refuses to block.

use super::argument::{integer, slice};
use super::command::{ANY, Call, Command, reads, writes};
use super::refusal::Refusal;
use super::reply::{self, Reply};
use super::store::List;

/// LPUSH, LRANGE and the like.
pub(super) const COMMANDS: &[Command] = &[
    writes("lpush", 2, ANY, |call, arguments| push(call, arguments, End::Left)),
    writes("rpush", 2, ANY, |call, arguments| push(call, arguments, End::Right)),
    writes("lpop", 1, 2, |call, arguments| pop(call, arguments, End::Left)),
    writes("rpop", 1, 2, |call, arguments| pop(call, arguments, End::Right)),
    reads("llen", 1, 1, length),
    reads("lrange", 3, 3, range),
    writes("ltrim", 3, 3, trim),
];

/// An end of a list.
#[derive(Clone, Copy, Debug)]
enum End {
    Left,
    Right,
}

fn push(call: &mut Call<'_>, arguments: &[&[u8]], end: End) -> Result<Reply, Refusal> {
    let [key, elements @ ..] = arguments else { return Err(Refusal::Syntax) };
    let length = call.store.upsert(key, |list: &mut List| {
        for element in elements {
            match end {
                End::Left => list.push_front(element.to_vec()),
                End::Right => list.push_back(element.to_vec()),
            }
        }
        list.len()
    })?;
    Ok(reply::count(length))
}

fn pop(call: &mut Call<'_>, arguments: &[&[u8]], end: End) -> Result<Reply, Refusal> {
    let [key, count @ ..] = arguments else { return Err(Refusal::Syntax) };
    let take = |list: &mut List| match end {
        End::Left => list.pop_front(),
        End::Right => list.pop_back(),
    };
    let Some(count) = count.first() else {
        return Ok(reply::optional(call.store.change(key, take)?.flatten()));
    };
    let count = integer(count).ok().and_then(|count| usize::try_from(count).ok());
    let count = count.ok_or(Refusal::Fixed("ERR value is out of range, must be positive"))?;
    let taken = call
        .store
        .change(key, |list: &mut List| (0..count).map_while(|_| take(list)).map(Reply::BulkString).collect())?;
    Ok(taken.map_or(Reply::Null, Reply::Array))
}

fn length(call: &mut Call<'_>, arguments: &[&[u8]]) -> Result<Reply, Refusal> {
    let key = arguments.first().copied().unwrap_or_default();
    Ok(reply::count(call.store.read::<List>(key)?.map_or(0, List::len)))
}

fn range(call: &mut Call<'_>, arguments: &[&[u8]]) -> Result<Reply, Refusal> {
    let [key, start, stop] = arguments else { return Err(Refusal::Syntax) };
    let (start, stop) = (integer(start)?, integer(stop)?);
    Ok(match call.store.read::<List>(key)? {
        None => Reply::Array(Vec::new()),
        Some(list) => reply::strings(list.range(slice(start, stop, list.len()))),
    })
}

fn trim(call: &mut Call<'_>, arguments: &[&[u8]]) -> Result<Reply, Refusal> {
    let [key, start, stop] = arguments else { return Err(Refusal::Syntax) };
    let (start, stop) = (integer(start)?, integer(stop)?);
    call.store.change(key, |list: &mut List| {
        let kept = slice(start, stop, list.len());
        list.truncate(kept.end);
        list.drain(..kept.start.min(list.len()));
    })?;
    Ok(reply::ok())
}
