//! The slow 5 % of each round against the rest of it: by how much each component is longer. Refuses rounds of fewer than twenty operations, which have no slow 5 %.

use super::shares::{CONFIDENCE, ROUNDS};
use super::split::Splitter;
use super::types::{Excess, Slow};
use crate::record::ops::{Columns, RoundOps};
use crate::stats::describe;
use crate::stats::interval::{self, Interval};

/// The part of the operations that is the slow one.
pub(super) const SLOW: f64 = 0.05;
/// The fewest operations of a round that have a slow part.
pub(super) const LEAST_OPERATIONS: usize = 20;

/// Sums over the slow operations of a round, and over the others.
#[derive(Clone, Debug)]
struct Sides {
    counts: [f64; 2],
    latencies: [f64; 2],
    parts: [Vec<f64>; 2],
}

impl Sides {
    /// The mean over the slow less that over the others, of sums.
    fn excess(&self, [slow, others]: [f64; 2]) -> f64 {
        slow / self.counts[0] - others / self.counts[1]
    }
}

/// The tail of a run.
pub(super) struct Tail {
    pub(super) slow: Option<Slow>,
    pub(super) excesses: Vec<Excess>,
    /// From which latency on operations of each round are slow; `None` where it has none.
    pub(super) thresholds: Vec<Option<f64>>,
}

/// The latency of the fastest slow operation: one of the slowest 5 %, or as slow as one. `None` where that is all of them.
fn threshold(round: &RoundOps) -> Option<f64> {
    let count = round.len();
    if count < LEAST_OPERATIONS {
        return None;
    }
    let slow = (count as f64 * SLOW).ceil() as usize;
    let mut latencies = round.latency_ns.clone();
    let (others, threshold, _) = latencies.select_nth_unstable_by(count - slow, f64::total_cmp);
    let fastest = others.iter().copied().fold(*threshold, f64::min);
    Some(*threshold).filter(|threshold| *threshold > fastest)
}

/// Compares the slow operations with the others.
pub(super) fn tail(splitter: &Splitter<'_>, columns: &Columns) -> Tail {
    let thresholds: Vec<Option<f64>> = columns.rounds().iter().map(threshold).collect();
    let zeros = vec![0.0; splitter.names().len()];
    let empty = Sides { counts: [0.0; 2], latencies: [0.0; 2], parts: [zeros.clone(), zeros] };
    let mut rounds = vec![empty; thresholds.len()];
    splitter.each(|place, _, whole, parts| {
        let Some(threshold) = thresholds[place] else { return };
        let side = usize::from(whole.latency_ns < threshold);
        let round = &mut rounds[place];
        round.counts[side] += 1.0;
        round.latencies[side] += whole.latency_ns;
        round.parts[side].iter_mut().zip(parts).for_each(|(sum, part)| *sum += part);
    });
    rounds.retain(|round| round.counts[0] > 0.0 && round.counts[1] > 0.0);
    let excess: Vec<f64> = rounds.iter().map(|round| round.excess(round.latencies)).collect();
    let from: Vec<f64> = thresholds.iter().flatten().copied().collect();
    let (Some(excess_ns), Some(from_ns)) = (describe::mean(&excess), describe::mean(&from)) else {
        return Tail { slow: None, excesses: Vec::new(), thresholds };
    };
    let operations = rounds.iter().map(|round| round.counts[0] as u64).sum();
    let of_component = |(component, name): (usize, &String)| {
        let parts: Vec<f64> =
            rounds.iter().map(|round| round.excess([round.parts[0][component], round.parts[1][component]])).collect();
        let (mean, interval) = over_rounds(&parts)?;
        let unused = rounds.iter().all(|round| round.parts.iter().all(|side| side[component] == 0.0));
        (!unused).then(|| Excess {
            component: name.clone(),
            excess_ns: mean,
            low: interval.map(|interval| interval.low),
            high: interval.map(|interval| interval.high),
            share: mean / excess_ns,
        })
    };
    let mut excesses: Vec<Excess> = splitter.names().iter().enumerate().filter_map(of_component).collect();
    excesses.sort_by(|a, b| b.excess_ns.total_cmp(&a.excess_ns).then_with(|| a.component.cmp(&b.component)));
    Tail { slow: Some(Slow { operations, from_ns, excess_ns }), excesses, thresholds }
}

/// The mean of one value a round, and its interval where there are rounds enough.
pub(super) fn over_rounds(values: &[f64]) -> Option<(f64, Option<Interval>)> {
    let mean = describe::mean(values)?;
    Some((mean, interval::mean(values, CONFIDENCE).filter(|_| values.len() >= ROUNDS)))
}
