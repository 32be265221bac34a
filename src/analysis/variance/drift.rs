//! Whether latencies rise or fall within rounds. Refuses rounds that are too short to be cut into windows.
//!
//! Each round is cut into windows of equal length by when operations were due; the Theil–Sen slope of the windows' means is the
//! round's. Over rounds, which are the replicates, a t-interval says whether slopes have a direction. Below three rounds only the
//! Mann–Kendall tests of single rounds are left, whose variance is made larger by what windows repeat of each other.

use super::shares::{CONFIDENCE, ROUNDS};
use super::split::Splitter;
use super::tail::over_rounds;
use super::types::Drift;
use crate::record::ops::Columns;
use crate::stats::student::Estimate;
use crate::stats::trend::{self, Dependence};
use crate::stats::{describe, refusal::Refusal};

/// The most windows of a round.
const MOST_WINDOWS: usize = 50;
/// The fewest, for a slope to be one.
const LEAST_WINDOWS: usize = 8;
/// Operations in a window, on the average.
const OPERATIONS: usize = 5;

/// The windows of one round.
struct Windows {
    length_ns: f64,
    counts: Vec<f64>,
    latencies: Vec<f64>,
    parts: Vec<Vec<f64>>,
}

/// The slopes of one round, in nanoseconds a second.
struct Slopes {
    latency: f64,
    parts: Vec<f64>,
    p: f64,
    length_s: f64,
}

/// The trend within rounds.
pub(super) fn drift(splitter: &Splitter<'_>, columns: &Columns) -> Option<Drift> {
    let rounds: Vec<Slopes> = windows(splitter, columns).iter().filter_map(slopes).collect();
    let all: Vec<f64> = rounds.iter().map(|round| round.latency).collect();
    let (slope, interval) = over_rounds(&all)?;
    let lengths: Vec<f64> = rounds.iter().map(|round| round.length_s).collect();
    let largest = rounds.iter().map(|round| round.p).fold(0.0, f64::max);
    let p = if rounds.len() >= ROUNDS { p_over_rounds(&all).unwrap_or(largest) } else { largest };
    let of_component = |component: usize| {
        let slopes: Vec<f64> = rounds.iter().map(|round| round.parts[component]).collect();
        describe::mean(&slopes).map_or(0.0, |mean| mean * slope.signum())
    };
    let most = (0..splitter.names().len()).max_by(|a, b| of_component(*a).total_cmp(&of_component(*b)));
    Some(Drift {
        slope_ns_per_s: slope,
        low: interval.map(|interval| interval.low),
        high: interval.map(|interval| interval.high),
        change_ns: slope * describe::mean(&lengths)?,
        p,
        component: most.filter(|most| of_component(*most) > 0.0).map(|most| splitter.names()[most].clone()),
    })
}

/// The p-value of "the slopes have no direction", over rounds.
fn p_over_rounds(slopes: &[f64]) -> Option<f64> {
    let count = slopes.len() as f64;
    let (mean, deviation) = (describe::mean(slopes)?, describe::standard_deviation(slopes)?);
    match Estimate::new(mean, deviation / count.sqrt(), count - 1.0) {
        Ok(estimate) => Some(estimate.p_two_sided()),
        Err(Refusal::Constant) if mean == 0.0 => Some(1.0),
        Err(_) => None,
    }
}

/// Cuts every round into windows.
fn windows(splitter: &Splitter<'_>, columns: &Columns) -> Vec<Windows> {
    let width = splitter.names().len();
    let mut rounds: Vec<Windows> = Vec::new();
    for round in columns.rounds() {
        let count = (round.len() / OPERATIONS).min(MOST_WINDOWS);
        let last = round.due_ns.iter().copied().fold(0.0, f64::max);
        let count = if count < LEAST_WINDOWS || last <= 0.0 { 0 } else { count };
        rounds.push(Windows {
            length_ns: last / count.max(1) as f64,
            counts: vec![0.0; count],
            latencies: vec![0.0; count],
            parts: vec![vec![0.0; count]; width],
        });
    }
    splitter.each(|place, index, whole, parts| {
        let round = &mut rounds[place];
        let Some(last) = round.counts.len().checked_sub(1) else { return };
        let window = ((columns.rounds()[place].due_ns[index] / round.length_ns) as usize).min(last);
        round.counts[window] += 1.0;
        round.latencies[window] += whole.latency_ns;
        round.parts.iter_mut().zip(parts).for_each(|(sums, part)| sums[window] += part);
    });
    rounds
}

/// The slopes of a round; `None` where too few windows have operations.
fn slopes(round: &Windows) -> Option<Slopes> {
    let filled: Vec<usize> = (0..round.counts.len()).filter(|window| round.counts[*window] > 0.0).collect();
    if filled.len() < LEAST_WINDOWS {
        return None;
    }
    let places: Vec<f64> = filled.iter().map(|window| (*window as f64 + 0.5) * round.length_ns / 1e9).collect();
    let means = |sums: &[f64]| filled.iter().map(|window| sums[*window] / round.counts[*window]).collect::<Vec<f64>>();
    let slope = |values: &[f64]| trend::theil_sen(&places, values, CONFIDENCE).ok().map(|line| line.slope.estimate);
    let latencies = means(&round.latencies);
    let test = trend::mann_kendall(&latencies, Dependence::Autocorrelated);
    Some(Slopes {
        latency: slope(&latencies)?,
        parts: round.parts.iter().map(|sums| slope(&means(sums)).unwrap_or(0.0)).collect(),
        // Latencies that do not vary do not drift.
        p: test.map_or(1.0, |test| test.p),
        length_s: round.length_ns * round.counts.len() as f64 / 1e9,
    })
}
