//! The modes of the latencies, and what sets each apart from the one before. Refuses fewer than four operations.
//!
//! Modes are those of the logarithms of each round's latencies at a hundred shares, as a comparison takes them: rounds count
//! alike, and a million operations show no finer false modes than a thousand. Weights are counted over all operations.

use super::shares::{CONFIDENCE, ROUNDS};
use super::split::Splitter;
use super::types::{Mode, Separation};
use crate::record::ops::Columns;
use crate::record::round;
use crate::stats::density;
use crate::stats::interval;
use crate::stats::quantile::Sorted;

/// A mode with less of the operations than this joins its neighbour.
const LEAST_WEIGHT: f64 = 0.05;
/// Latencies are put on a logarithmic scale; a shorter one than this cannot be told from it.
const SHORTEST_NS: f64 = 1.0;
/// Operations that modes are looked for in.
const LEAST_OPERATIONS: usize = 4;

/// The operations of one mode.
#[derive(Clone)]
struct Members {
    /// By round.
    counts: Vec<f64>,
    latency_ns: f64,
    parts: Vec<f64>,
}

impl Members {
    fn all(&self) -> f64 {
        self.counts.iter().sum()
    }
}

/// The modes, the fastest first.
pub(super) fn modes(splitter: &Splitter<'_>, columns: &Columns) -> Vec<Mode> {
    if columns.len() < LEAST_OPERATIONS {
        return Vec::new();
    }
    let Ok(found) = density::modes(&logarithms(columns), LEAST_WEIGHT) else { return Vec::new() };
    // The first mode has no valley below it, the last none above.
    let valleys: Vec<f64> = found.iter().skip(1).map(|mode| mode.low).collect();
    let empty = Members {
        counts: vec![0.0; columns.rounds().len()],
        latency_ns: 0.0,
        parts: vec![0.0; splitter.names().len()],
    };
    let mut members = vec![empty; found.len()];
    splitter.each(|place, _, whole, parts| {
        let logarithm = whole.latency_ns.max(SHORTEST_NS).ln();
        let own = &mut members[valleys.iter().filter(|valley| **valley <= logarithm).count()];
        own.counts[place] += 1.0;
        own.latency_ns += whole.latency_ns;
        own.parts.iter_mut().zip(parts).for_each(|(sum, part)| *sum += part);
    });
    let mut modes: Vec<Mode> = Vec::new();
    let mut before: Option<&Members> = None;
    for (mode, own) in found.iter().zip(&members).filter(|(_, own)| own.all() > 0.0) {
        let (low, high) = weight_interval(own, columns).unzip();
        modes.push(Mode {
            center_ns: mode.center.exp(),
            weight: own.all() / columns.len() as f64,
            low,
            high,
            mean_ns: own.latency_ns / own.all(),
            separated_by: before.and_then(|before| separation(splitter.names(), before, own)),
        });
        before = Some(own);
    }
    modes
}

/// The logarithms of each round's latencies at a hundred shares.
fn logarithms(columns: &Columns) -> Vec<f64> {
    let of_round = |round: &crate::record::ops::RoundOps| {
        let sorted = Sorted::new(&round.latency_ns)?;
        Some(round::places().map(|share| sorted.quantile(share).max(SHORTEST_NS).ln()).collect::<Vec<f64>>())
    };
    columns.rounds().iter().filter_map(of_round).flatten().collect()
}

/// The interval of a mode's weight: t over the rounds' weights, as far as a weight can be.
fn weight_interval(own: &Members, columns: &Columns) -> Option<(f64, f64)> {
    let sizes = columns.rounds().iter().map(|round| round.len() as f64);
    let weights: Vec<f64> = own.counts.iter().zip(sizes).map(|(count, size)| count / size).collect();
    let interval = interval::mean(&weights, CONFIDENCE).filter(|_| weights.len() >= ROUNDS)?;
    Some((interval.low.clamp(0.0, 1.0), interval.high.clamp(0.0, 1.0)))
}

/// The component that grew most from one mode to the next.
fn separation(names: &[String], before: &Members, own: &Members) -> Option<Separation> {
    let difference = |component: usize| own.parts[component] / own.all() - before.parts[component] / before.all();
    let most = (0..names.len()).max_by(|a, b| difference(*a).total_cmp(&difference(*b)))?;
    let all = own.latency_ns / own.all() - before.latency_ns / before.all();
    let difference_ns = difference(most);
    (all > 0.0).then(|| Separation { component: names[most].clone(), difference_ns, share: difference_ns / all })
}
