//! Commands about hashes. Fields come back sorted, where Redis gives no order.

use super::command::{ANY, Call, Command, reads, writes};
use super::refusal::Refusal;
use super::reply::{self, Reply};
use super::store::Hash;

/// HSET, HGET and the like.
pub(super) const COMMANDS: &[Command] = &[
    writes("hset", 3, ANY, set),
    reads("hget", 2, 2, get),
    reads("hgetall", 1, 1, get_all),
    writes("hdel", 2, ANY, delete),
    reads("hlen", 1, 1, length),
];

fn set(call: &mut Call<'_>, arguments: &[&[u8]]) -> Result<Reply, Refusal> {
    let [key, pairs @ ..] = arguments else { return Err(Refusal::Syntax) };
    let (pairs, []) = pairs.as_chunks::<2>() else { return Err(Refusal::Arity("hset")) };
    let added = call.store.upsert(key, |hash: &mut Hash| {
        pairs.iter().filter(|[field, value]| hash.insert(field.to_vec(), value.to_vec()).is_none()).count()
    })?;
    Ok(reply::count(added))
}

fn get(call: &mut Call<'_>, arguments: &[&[u8]]) -> Result<Reply, Refusal> {
    let [key, field] = arguments else { return Err(Refusal::Syntax) };
    Ok(reply::optional(call.store.read::<Hash>(key)?.and_then(|hash| hash.get(*field).cloned())))
}

fn get_all(call: &mut Call<'_>, arguments: &[&[u8]]) -> Result<Reply, Refusal> {
    let key = arguments.first().copied().unwrap_or_default();
    let hash = call.store.read::<Hash>(key)?;
    Ok(reply::strings(hash.into_iter().flatten().flat_map(|(field, value)| [field, value])))
}

fn delete(call: &mut Call<'_>, arguments: &[&[u8]]) -> Result<Reply, Refusal> {
    let [key, fields @ ..] = arguments else { return Err(Refusal::Syntax) };
    let removed = call
        .store
        .change(key, |hash: &mut Hash| fields.iter().filter(|field| hash.remove(**field).is_some()).count())?;
    Ok(reply::count(removed.unwrap_or(0)))
}

fn length(call: &mut Call<'_>, arguments: &[&[u8]]) -> Result<Reply, Refusal> {
    let key = arguments.first().copied().unwrap_or_default();
    Ok(reply::count(call.store.read::<Hash>(key)?.map_or(0, Hash::len)))
}
