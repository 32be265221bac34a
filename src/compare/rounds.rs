//! Which rounds of two runs stand against each other: the values of a metric in both, with pairs where the design asks for them.
//! Never drops a round silently: what was left out is counted.

use crate::record::pass::Pass;
use crate::record::{Metric, Run};
use crate::stats::paired::Design;

/// The values of a metric in both runs.
#[derive(Debug, Default)]
pub(super) struct Values {
    pub(super) base: Vec<f64>,
    pub(super) head: Vec<f64>,
    /// Rounds of either run that have no value, or no partner in a paired design.
    pub(super) left_out: usize,
}

/// Takes the values that can be compared.
pub(super) fn values(base: (&Run, &Metric), head: (&Run, &Metric), design: Design) -> Values {
    let (base, head) = (numbered(base.0, base.1), numbered(head.0, head.1));
    let all = base.len() + head.len();
    let good =
        |values: &[(u32, f64)]| values.iter().copied().filter(|(_, value)| value.is_finite()).collect::<Vec<_>>();
    let (mut base, mut head) = (good(&base), good(&head));
    if design == Design::Paired {
        let has = |values: &[(u32, f64)], round: u32| values.iter().any(|(other, _)| *other == round);
        let heads = head.clone();
        head.retain(|(round, _)| has(&base, *round));
        base.retain(|(round, _)| has(&heads, *round));
        base.sort_by_key(|(round, _)| *round);
        head.sort_by_key(|(round, _)| *round);
    }
    let left_out = all - base.len() - head.len();
    let plain = |values: Vec<(u32, f64)>| values.into_iter().map(|(_, value)| value).collect();
    Values { base: plain(base), head: plain(head), left_out }
}

/// The values with the numbers of their rounds: those of the pass that has as many, else counted from 0.
fn numbered(run: &Run, metric: &Metric) -> Vec<(u32, f64)> {
    let of = |pass: Pass| -> Vec<u32> {
        run.rounds.iter().filter(|round| round.pass == pass).map(|round| round.round).collect()
    };
    let pass = match metric.name.split('.').next() {
        Some("heap") => Pass::Heap,
        Some("memory") => Pass::Memory,
        _ => Pass::Time,
    };
    let numbers = of(pass);
    let numbers =
        if numbers.len() == metric.values.len() { numbers } else { (0..).take(metric.values.len()).collect() };
    numbers.into_iter().zip(metric.values.iter().copied()).collect()
}

/// Operations that a round needs for a metric: three beyond the percentile.
pub(super) fn operations_needed(metric: &str) -> u64 {
    match metric.rsplit('.').next() {
        Some("p90") => 30,
        Some("p95") => 60,
        Some("p99") => 300,
        _ => 0,
    }
}

/// Good operations of the smallest round of the time pass, where that is known.
pub(super) fn fewest_operations(run: &Run) -> Option<u64> {
    run.rounds.iter().filter(|round| round.pass == Pass::Time && round.planned > 0).map(|round| round.ok).min()
}
