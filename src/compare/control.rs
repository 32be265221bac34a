//! The control: base against base in the same job. Where that differs, the machine is not fit to judge head.

use super::judged::{Control, Fitness};
use super::{Method, MetricChange, Policy, compare, success};
use crate::record::Run;
use crate::stats::paired::Design;
use crate::unit::Unit;

/// The control must stay within this part of the margin.
const PART: f64 = 0.5;

/// Judges a second recording of base against the rounds of the first that were run beside it.
#[must_use]
pub fn control(base: &Run, again: &Run, policy: &Policy) -> Control {
    let mut policy = Policy { design: Design::Paired, objectives: Vec::new(), accepted: Vec::new(), ..policy.clone() };
    // Every metric may differ in both directions: at the level of one of them a noisy but fair machine would fail too often.
    let gated = base.metrics.iter().filter(|metric| policy.rules(&metric.name, super::policy::Origin::Perfkit).gated);
    policy.confidence = 1.0 - (1.0 - policy.confidence) / gated.count().max(1) as f64;
    let mut metrics = compare(base, again, &policy).metrics;
    metrics.retain(|change| change.gated && change.method.is_some());
    let rounds = metrics.iter().map(|change| change.rounds_head).max().unwrap_or(0);
    let differing = metrics.iter().find(|change| differs(change));
    let known = metrics.iter().any(|change| {
        super::planning::half_width(change)
            .is_some_and(|(half, margin)| change.method != Some(Method::Exact) && half <= margin)
    });
    let (fit, note) = match differing {
        Some(change) => (Fitness::Unfit, describe(change)),
        None if known => (Fitness::Fit, String::new()),
        None => (Fitness::Unknown, "too few rounds to tell whether base differs from itself".to_owned()),
    };
    Control { rounds, fit, note, metrics }
}

/// Whether the whole interval lies beyond half of the margin, on either side.
fn differs(change: &MetricChange) -> bool {
    let part = change.margin * PART;
    match (change.low, change.high, change.difference) {
        (Some(low), Some(high), _) => low > 1.0 + part || high < 1.0 / (1.0 + part),
        (_, _, Some(difference)) => {
            let scale = if change.name == success::METRIC { 1.0 } else { change.base.unwrap_or(0.0).abs() };
            difference.low.is_some_and(|low| low > part * scale)
                || difference.high.is_some_and(|high| high < -part * scale)
        }
        _ => false,
    }
}

fn describe(change: &MetricChange) -> String {
    let figures = match (change.ratio, change.low, change.high) {
        (Some(ratio), Some(low), Some(high)) => format!("×{ratio:.2} [{low:.2}, {high:.2}]"),
        _ => format!("by {}", change.unit.show(change.difference.map_or(0.0, |difference| difference.estimate))),
    };
    let margin = Unit::Ratio.show(change.margin * PART);
    format!("base differs from itself in {}, {figures}: more than half of the margin ({margin})", change.name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Metric;
    use crate::unit::Better;

    fn run(values: &[f64]) -> Run {
        let mut run = Run::foreign("csv", "a", "chat");
        run.foreign = None;
        run.metrics.push(Metric { values: values.to_vec(), ..Metric::new("latency.p50", Unit::Ns, Better::Lower) });
        run
    }

    #[test]
    fn a_machine_on_which_base_differs_from_itself_is_unfit() {
        let base = run(&[100.0, 101.0, 99.0, 100.0, 102.0]);
        let mut policy = Policy { mismatch: crate::compare::policy::Mismatch::Allow, ..Policy::default() };
        policy.seed = 1;
        let slower = control(&base, &run(&[108.0, 109.0, 107.0, 108.0, 110.0]), &policy);
        assert_eq!((slower.fit, slower.rounds), (Fitness::Unfit, 5));
        assert!(slower.note.contains("latency.p50, ×1.08"), "{}", slower.note);
        assert_eq!(control(&base, &run(&[101.0, 100.0, 99.5, 101.0, 101.0]), &policy).fit, Fitness::Fit);
    }
}
