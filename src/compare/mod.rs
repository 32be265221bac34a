//! Is it worse? Two [`Run`]s and a [`Policy`] in, a [`Comparison`] out. Pure: no clock, no file, no thread; it cannot fail. What
//! cannot be compared is `not_compared` with the reason, never a pass.

pub mod allocators;
#[cfg(test)]
mod calibration_tests;
mod change;
mod comparable;
mod comparison;
pub mod control;
mod exposure;
pub mod functions;
#[cfg(test)]
mod functions_tests;
pub mod judged;
mod metrics;
mod moved;
pub mod objective;
mod overall;
mod planning;
pub mod policy;
mod rounds;
mod shape;
pub mod spread;
mod success;
#[cfg(test)]
mod tests;
mod words;

use crate::record::Run;
use crate::stats::paired::Design;

pub use comparison::{
    AllocatorChange, Alternative, Comparison, DecileChange, Difference, FunctionChange, Kept, Method, MetricChange,
    ModeChange, Objective, SCHEMA, Shape, Side, TotalChange, Verdict,
};
pub use judged::{CHECK_SCHEMA, Check, Control, Fitness, Judged};
pub use planning::{Affordable, is_blind, is_precise};
pub use policy::{Policy, Stopping};
pub use spread::{ComponentChange, HeldBy, SpreadChange};

/// Compares two runs.
///
/// ```
/// use perfkit::compare::{self, Policy, Verdict};
/// use perfkit::record::{Metric, Run};
/// use perfkit::{Better, Unit};
/// let run = |id: &str, values: [f64; 5]| {
///     let mut run = Run::foreign("csv", id, "build");
///     run.metrics.push(Metric { values: values.to_vec(), ..Metric::new("build", Unit::Ns, Better::Lower) });
///     run
/// };
/// let base = run("base.csv", [100.0, 102.0, 99.0, 101.0, 98.0]);
/// let head = run("head.csv", [125.0, 126.0, 123.0, 127.0, 124.0]);
/// let comparison = compare::compare(&base, &head, &Policy::default());
/// assert_eq!(comparison.verdict, Verdict::Regressed);
/// assert!(comparison.metrics[0].low.unwrap() > 1.2);
/// ```
#[must_use]
pub fn compare(base: &Run, head: &Run, policy: &Policy) -> Comparison {
    let conditions = comparable::conditions(base, head, policy.mismatch);
    let refused = (!conditions.refusals.is_empty()).then(|| conditions.refusals.join("; "));
    let compared = metrics::compare(base, head, policy, refused.as_deref());
    let shape = if refused.is_none() { shape::compare(base, head, policy) } else { None };
    let spread = match refused {
        None => spread::compare(base, head, &compared.changes, policy),
        Some(_) => None,
    };
    let functions = if refused.is_none() { functions::compare(base, head, policy.level()) } else { Vec::new() };
    let allocators = if refused.is_none() { allocators::compare(base, head, policy) } else { Vec::new() };
    let (verdict, reason) = match refused {
        Some(reason) => (Verdict::NotCompared, reason),
        None => overall::verdict(&compared, policy.mismatch),
    };
    let metrics::Metrics { changes, family, .. } = compared;
    let mut warnings = conditions.warnings;
    warnings.extend(overall::idle_rules(&changes, policy));
    Comparison {
        schema: SCHEMA.to_owned(),
        verdict,
        reason,
        confidence: policy.confidence,
        family_size: family,
        paired: policy.design == Design::Paired,
        adaptive: policy.stopping == Stopping::Adaptive,
        seed: policy.seed,
        base: Side::of(base),
        head: Side::of(head),
        metrics: changes,
        functions,
        allocators,
        shape,
        spread,
        objectives: policy.objectives.iter().map(|target| objective::hold(head, target, policy.level())).collect(),
        warnings,
    }
}

impl Side {
    fn of(run: &Run) -> Self {
        Self {
            id: run.id.clone(),
            workload: run.workload.clone(),
            variant: run.variant.clone(),
            status: run.status,
            status_reason: run.status_reason.clone(),
            git_sha: run.environment.git_sha.clone(),
            planned: run.operations.planned,
            ok: run.operations.ok,
        }
    }
}
