//! How much of the slow operations' time falls together with stalls, by stack. Refuses to say that a stall caused what it fell
//! together with: one on another thread overlaps too.

use std::collections::HashMap;

use super::Stall;
use super::tail::Tail;
use super::types::StallShare;
use crate::record::ops::Columns;
use crate::record::stacks::Frame;

/// The stalls of one stack in one round: they do not overlap, and ascend.
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

/// How much of the tail falls together with stalls, by stack, the most first.
pub(super) fn stalls(tail: &Tail, columns: &Columns, stalls: &[Stall]) -> Vec<StallShare> {
    let mut places: HashMap<&[Frame], usize> = HashMap::new();
    let mut stacks: Vec<Vec<&Stall>> = Vec::new();
    for stall in stalls {
        let next = stacks.len();
        let place = *places.entry(&stall.stack).or_insert(next);
        if place == next {
            stacks.push(Vec::new());
        }
        stacks[place].push(stall);
    }
    let mut shares: Vec<StallShare> = stacks.iter().map(|stalls| stall_share(tail, columns, stalls)).collect();
    // Stable: stacks that are alike stay in the order in which they were first seen.
    shares.sort_by(|a, b| b.share_of_tail.total_cmp(&a.share_of_tail).then(b.operations_hit.cmp(&a.operations_hit)));
    shares
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
        stack: stalls.first().map(|stall| stall.stack.clone()).unwrap_or_default(),
        operations_hit: hit,
        share_of_tail: if share.is_finite() { share.clamp(0.0, 1.0) } else { 0.0 },
    }
}
