//! How much of the slow operations' time falls together with stalls, by the function that has to be looked at. Refuses to say that
//! a stall caused what it fell together with: one on another thread overlaps too.
//!
//! Stalls of one function go together wherever it was called from and whatever it called: the runtime's part of a stack differs
//! between workers, and the innermost part with the moment at which the stack was taken.

use std::collections::HashMap;

use super::tail::Tail;
use super::types::StallShare;
use crate::record::Stall;
use crate::record::ops::Columns;
use crate::record::stacks::Frame;

/// The most functions that are looked at, those that held longest: each is looked for in every operation.
const MOST: usize = 50;

/// The stalls of one function in one round: they do not overlap, and ascend.
#[derive(Default)]
struct Held {
    spans: Vec<(f64, f64)>,
    /// The time held before each span.
    before: Vec<f64>,
}

impl Held {
    fn of(mut spans: Vec<(f64, f64)>) -> Self {
        spans.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut held = Self::default();
        let mut sum = 0.0;
        for (start, end) in spans {
            match held.spans.last_mut() {
                Some(last) if start <= last.1 => {
                    sum += (end - last.1).max(0.0);
                    last.1 = last.1.max(end);
                }
                _ => {
                    held.spans.push((start, end));
                    held.before.push(sum);
                    sum += end - start;
                }
            }
        }
        held
    }

    /// The time held up to a moment.
    fn until(&self, moment: f64) -> f64 {
        let begun = self.spans.partition_point(|(start, _)| *start < moment);
        let Some(last) = begun.checked_sub(1) else { return 0.0 };
        let (start, end) = self.spans[last];
        self.before[last] + moment.min(end) - start
    }
}

/// How much of the tail falls together with the program's own stalls, by function, the most first.
pub(super) fn stalls(tail: &Tail, columns: &Columns, stalls: &[Stall]) -> Vec<StallShare> {
    let mut places: HashMap<Option<(&str, Option<&str>)>, usize> = HashMap::new();
    let mut groups: Vec<Vec<&Stall>> = Vec::new();
    for stall in stalls.iter().filter(|stall| stall.is_own()) {
        let next = groups.len();
        let culprit = stall.culprit().map(|frame| (frame.function.as_str(), frame.file.as_deref()));
        let place = *places.entry(culprit).or_insert(next);
        if place == next {
            groups.push(Vec::new());
        }
        groups[place].push(stall);
    }
    let held = |group: &Vec<&Stall>| group.iter().map(|stall| stall.duration_ns as f64).sum::<f64>();
    // Stable: functions that are alike stay in the order in which they were first seen.
    groups.sort_by(|a, b| held(b).total_cmp(&held(a)));
    groups.truncate(MOST);
    let mut shares: Vec<StallShare> = groups.iter().map(|stalls| stall_share(tail, columns, stalls)).collect();
    shares.sort_by(|a, b| b.share_of_tail.total_cmp(&a.share_of_tail).then(b.operations_hit.cmp(&a.operations_hit)));
    shares
}

/// The stack of the stall that held longest, from the innermost function to the one that has to be looked at.
fn stack(stalls: &[&Stall]) -> Vec<Frame> {
    let mut longest: Option<&Stall> = None;
    for stall in stalls {
        if longest.is_none_or(|longest| stall.duration_ns > longest.duration_ns) {
            longest = Some(stall);
        }
    }
    let Some(stall) = longest else { return Vec::new() };
    let culprit = stall.culprit().and_then(|frame| stall.stack.iter().position(|other| other == frame));
    stall.stack[..culprit.map_or(0, |place| place + 1)].to_vec()
}

fn stall_share(tail: &Tail, columns: &Columns, stalls: &[&Stall]) -> StallShare {
    let (mut hit, mut overlaps, mut excesses) = (0, Vec::new(), Vec::new());
    for (round, threshold) in columns.rounds().iter().zip(&tail.thresholds) {
        let own = stalls.iter().filter(|stall| stall.round == round.round);
        let span = |stall: &&Stall| (stall.start_ns as f64, stall.start_ns as f64 + stall.duration_ns as f64);
        let held = Held::of(own.map(span).collect());
        let (mut counts, mut sums, mut latencies) = ([0.0; 2], [0.0; 2], [0.0; 2]);
        for (due, latency) in round.due_ns.iter().zip(&round.latency_ns) {
            let overlap = held.until(due + latency) - held.until(*due);
            hit += u64::from(overlap > 0.0);
            let side = usize::from(threshold.is_none_or(|threshold| *latency < threshold));
            counts[side] += 1.0;
            sums[side] += overlap;
            latencies[side] += latency;
        }
        if counts[0] > 0.0 && counts[1] > 0.0 {
            overlaps.push(sums[0] / counts[0] - sums[1] / counts[1]);
            excesses.push(latencies[0] / counts[0] - latencies[1] / counts[1]);
        }
    }
    let share = overlaps.iter().sum::<f64>() / excesses.iter().sum::<f64>();
    StallShare {
        stack: stack(stalls),
        operations_hit: hit,
        share_of_tail: if share.is_finite() { share.clamp(0.0, 1.0) } else { 0.0 },
    }
}
