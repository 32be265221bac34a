//! Commands about sorted sets, ranges of which go by rank or by score. Refuses ranges by name.

use std::cmp::Ordering;
use std::collections::{BTreeSet, HashMap};
use std::ops::Bound;

use super::argument::{float, integer, is, slice};
use super::command::{ANY, Call, Command, reads, writes};
use super::refusal::Refusal;
use super::reply::{self, Reply};

/// ZADD, ZRANGE and the like.
pub(super) const COMMANDS: &[Command] = &[
    writes("zadd", 3, ANY, add),
    reads("zcard", 1, 1, |call, arguments| {
        let key = arguments.first().copied().unwrap_or_default();
        Ok(reply::count(call.store.read::<SortedSet>(key)?.map_or(0, |set| set.ranks.len())))
    }),
    reads("zrange", 3, ANY, |call, arguments| range(call, arguments, By::Rank)),
    reads("zrangebyscore", 3, ANY, |call, arguments| range(call, arguments, By::Score)),
    writes("zremrangebyscore", 3, 3, remove_by_score),
];

/// A score, in the order of numbers. There is no "not a number" among them.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Score(f64);

impl Eq for Score {}

impl Ord for Score {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.total_cmp(&other.0)
    }
}

impl PartialOrd for Score {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Members by score, and scores by member.
#[derive(Debug, Default)]
pub(super) struct SortedSet {
    scores: HashMap<Vec<u8>, Score>,
    ranks: BTreeSet<(Score, Vec<u8>)>,
}

impl SortedSet {
    /// Whether there is no member.
    pub(super) fn is_empty(&self) -> bool {
        self.ranks.is_empty()
    }

    /// All members, in no order.
    pub(super) fn members(&self) -> impl Iterator<Item = &Vec<u8>> {
        self.scores.keys()
    }

    fn insert(&mut self, member: &[u8], score: Score) {
        if let Some(previous) = self.scores.insert(member.to_vec(), score) {
            self.ranks.remove(&(previous, member.to_vec()));
        }
        self.ranks.insert((score, member.to_vec()));
    }

    /// The members with scores within the limits, which may be the wrong way round.
    fn within(&self, low: Limit, high: Limit) -> impl DoubleEndedIterator<Item = &(Score, Vec<u8>)> {
        let first = Bound::Included((Score(low.score), Vec::new()));
        let last = low.score <= high.score;
        let from = self.ranks.range((first, Bound::Unbounded)).filter(move |_| last);
        let from = from.filter(move |(score, _)| low.end == End::Closed || score.0 > low.score);
        from.take_while(move |(score, _)| match score.cmp(&Score(high.score)) {
            Ordering::Less => true,
            Ordering::Equal => high.end == End::Closed,
            Ordering::Greater => false,
        })
        .collect::<Vec<_>>()
        .into_iter()
    }
}

/// Whether a limit belongs to its range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Closed,
    Open,
}

/// An end of a range of scores.
#[derive(Clone, Copy, Debug)]
struct Limit {
    score: f64,
    end: End,
}

impl Limit {
    fn read(bytes: &[u8]) -> Result<Self, Refusal> {
        let (end, digits) = bytes.strip_prefix(b"(").map_or((End::Closed, bytes), |rest| (End::Open, rest));
        Ok(Self { score: score(digits).map_err(|_| Refusal::NotRange)?, end })
    }
}

/// Minus zero would be another score than zero.
fn score(bytes: &[u8]) -> Result<f64, Refusal> {
    float(bytes).map(|score| score + 0.0)
}

/// The options of ZADD.
#[derive(Debug, Default)]
struct Options {
    only_new: bool,
    only_known: bool,
    direction: Option<Ordering>,
    counts_changes: bool,
}

impl Options {
    fn read<'a, 'b>(arguments: &'b [&'a [u8]]) -> Result<(Self, &'b [&'a [u8]]), Refusal> {
        let mut options = Self::default();
        let mut rest = arguments;
        while let [word, after @ ..] = rest {
            match word.to_ascii_lowercase().as_slice() {
                b"nx" => options.only_new = true,
                b"xx" => options.only_known = true,
                b"gt" | b"lt" if options.direction.is_some() => return Err(INCOMPATIBLE),
                b"gt" => options.direction = Some(Ordering::Greater),
                b"lt" => options.direction = Some(Ordering::Less),
                b"ch" => options.counts_changes = true,
                _ => break,
            }
            rest = after;
        }
        match (options.only_new, options.only_known, options.direction) {
            (true, true, _) => Err(Refusal::Fixed("ERR XX and NX options at the same time are not compatible")),
            (true, _, Some(_)) => Err(INCOMPATIBLE),
            _ => Ok((options, rest)),
        }
    }

    fn admits(&self, previous: Option<Score>, score: Score) -> bool {
        match previous {
            None => !self.only_known,
            Some(previous) => !self.only_new && self.direction.is_none_or(|wanted| score.cmp(&previous) == wanted),
        }
    }
}

const INCOMPATIBLE: Refusal = Refusal::Fixed("ERR GT, LT, and/or NX options at the same time are not compatible");

fn add(call: &mut Call<'_>, arguments: &[&[u8]]) -> Result<Reply, Refusal> {
    let [key, rest @ ..] = arguments else { return Err(Refusal::Syntax) };
    let (options, pairs) = Options::read(rest)?;
    let (pairs, []) = pairs.as_chunks::<2>() else { return Err(Refusal::Syntax) };
    if pairs.is_empty() {
        return Err(Refusal::Syntax);
    }
    let mut members = Vec::with_capacity(pairs.len());
    for [number, member] in pairs {
        members.push((*member, Score(score(number)?)));
    }
    let count = call.store.upsert(key, |set: &mut SortedSet| {
        let mut count = 0;
        for (member, score) in members {
            let previous = set.scores.get(member).copied();
            if options.admits(previous, score) {
                set.insert(member, score);
                let changed = options.counts_changes && previous != Some(score);
                count += usize::from(previous.is_none() || changed);
            }
        }
        count
    })?;
    Ok(reply::count(count))
}

/// What the ends of a range mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum By {
    Rank,
    Score,
}

/// What ZRANGE and ZRANGEBYSCORE are asked for beside the ends.
struct Wanted {
    by: By,
    reversed: bool,
    scores: bool,
    part: Option<(i64, i64)>,
}

impl Wanted {
    fn read(arguments: &[&[u8]], command: By) -> Result<Self, Refusal> {
        let mut wanted = Self { by: command, reversed: false, scores: false, part: None };
        let mut rest = arguments.iter();
        while let Some(word) = rest.next() {
            if is(word, "withscores") {
                wanted.scores = true;
            } else if is(word, "limit") {
                let (offset, count) = rest.next().zip(rest.next()).ok_or(Refusal::Syntax)?;
                wanted.part = Some((integer(offset)?, integer(count)?));
            } else if is(word, "rev") && command == By::Rank {
                wanted.reversed = true;
            } else if is(word, "byscore") && command == By::Rank {
                wanted.by = By::Score;
            } else {
                return Err(Refusal::Syntax);
            }
        }
        if wanted.part.is_some() && wanted.by == By::Rank {
            return Err(Refusal::Fixed(
                "ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX",
            ));
        }
        Ok(wanted)
    }
}

fn range(call: &mut Call<'_>, arguments: &[&[u8]], command: By) -> Result<Reply, Refusal> {
    let [key, start, stop, options @ ..] = arguments else { return Err(Refusal::Syntax) };
    let wanted = Wanted::read(options, command)?;
    let (start, stop) = if wanted.by == By::Score && wanted.reversed { (stop, start) } else { (start, stop) };
    // The ends are checked before the key is looked at, as in Redis.
    let found: Vec<&(Score, Vec<u8>)> = match wanted.by {
        By::Rank => {
            let (start, stop) = (integer(start)?, integer(stop)?);
            let set = call.store.read::<SortedSet>(key)?;
            let length = set.map_or(0, |set| set.ranks.len());
            let part = slice(start, stop, length);
            let (skipped, taken) = (part.start, part.len());
            let ranks = set.into_iter().flat_map(|set| &set.ranks);
            if wanted.reversed {
                ranks.rev().skip(skipped).take(taken).collect()
            } else {
                ranks.skip(skipped).take(taken).collect()
            }
        }
        By::Score => {
            let (low, high) = (Limit::read(start)?, Limit::read(stop)?);
            let within = call.store.read::<SortedSet>(key)?.map(|set| set.within(low, high)).into_iter().flatten();
            let (offset, count) = wanted.part.unwrap_or((0, -1));
            // A negative offset finds nothing, a negative count everything.
            let offset = usize::try_from(offset).unwrap_or(usize::MAX);
            let count = usize::try_from(count).unwrap_or(usize::MAX);
            if wanted.reversed {
                within.rev().skip(offset).take(count).collect()
            } else {
                within.skip(offset).take(count).collect()
            }
        }
    };
    if !wanted.scores {
        return Ok(reply::strings(found.iter().map(|(_, member)| member)));
    }
    let pairs = found.iter().flat_map(|(score, member)| [member.clone(), score_text(score.0).into_bytes()]);
    Ok(reply::strings(pairs))
}

fn remove_by_score(call: &mut Call<'_>, arguments: &[&[u8]]) -> Result<Reply, Refusal> {
    let [key, low, high] = arguments else { return Err(Refusal::Syntax) };
    let (low, high) = (Limit::read(low)?, Limit::read(high)?);
    let removed = call.store.change(key, |set: &mut SortedSet| {
        let gone: Vec<_> = set.within(low, high).cloned().collect();
        for entry in &gone {
            set.ranks.remove(entry);
            set.scores.remove(&entry.1);
        }
        gone.len()
    })?;
    Ok(reply::count(removed.unwrap_or(0)))
}

/// A score as Redis 7.2 and later write it: the shortest text that reads back as the same number.
fn score_text(score: f64) -> String {
    if score.is_infinite() {
        return if score > 0.0 { "inf" } else { "-inf" }.to_owned();
    }
    if score == 0.0 || (1e-5..1e17).contains(&score.abs()) {
        return score.to_string();
    }
    // Rust writes `1e20`, Redis `1e+20`.
    let text = format!("{score:e}");
    match text.split_once('e') {
        Some((digits, exponent)) if !exponent.starts_with('-') => format!("{digits}e+{exponent}"),
        _ => text,
    }
}
