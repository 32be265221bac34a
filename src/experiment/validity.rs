//! Whether a run's numbers are results. A run of failed operations, or one whose generator was late, is invalid whatever
//! its latencies look like.

use super::Plan;
use super::recording::Rounds;
use crate::record::Status;
use crate::record::operation::Operations;
use crate::record::pass::Pass;
use crate::unit::Unit;

/// The generator may be late by so much, or by this part of the median latency if that is more: beyond, the plan was not
/// what was driven.
const LATENESS_NS: f64 = 1e6;
const LATENESS_SHARE: f64 = 0.1;
/// CPU time over time above which the generator has no reserve.
const BUSY: f64 = 0.85;
/// Achieved over planned operations below which the generator did not keep up.
const ACHIEVED: f64 = 0.99;

/// The status and why it is not `complete`.
pub(super) fn status(plan: &Plan, rounds: &Rounds) -> (Status, Option<String>) {
    let failed = plan.passes.iter().find_map(|pass| too_many_failed(plan, rounds, *pass));
    let invalid = failed.or_else(|| generator_late(rounds)).or_else(|| generator_fell_behind(plan, rounds));
    if let Some(reason) = invalid {
        return (Status::Invalid, Some(reason));
    }
    if let Some(signal) = rounds.interrupted {
        return (Status::Partial, Some(format!("interrupted by {signal}")));
    }
    let wanted = plan.rounds as usize * plan.passes.len();
    if rounds.results.len() < wanted {
        let reason = format!("{} of {wanted} rounds were measured", rounds.results.len());
        return (Status::Partial, Some(reason));
    }
    (Status::Complete, None)
}

/// Every pass is held to the floor: what is charged to operations means nothing where they failed.
fn too_many_failed(plan: &Plan, rounds: &Rounds, pass: Pass) -> Option<String> {
    let mut counted = Operations::default();
    rounds.of(pass).for_each(|result| counted.add(&result.operations));
    rounds.of(pass).next()?;
    let Some(rate) = counted.success_rate() else {
        return Some(format!("no operation was measured in the {pass} pass"));
    };
    let broken = if rounds.of(pass).any(|result| result.broken) {
        "; stopped early because most of the first operations failed"
    } else {
        ""
    };
    (rate < plan.floor).then(|| {
        format!(
            "{} of {} operations of the {pass} pass succeeded ({:.1} %), the floor is {:.1} %{broken}",
            counted.ok,
            counted.planned,
            rate * 100.0,
            plan.floor * 100.0
        )
    })
}

/// The generator's own health: a late or busy generator did not drive what was planned.
fn generator_late(rounds: &Rounds) -> Option<String> {
    let health: Vec<_> = rounds.of(Pass::Time).filter_map(|result| result.generator).collect();
    let late = rounds.of(Pass::Time).filter_map(|result| {
        let limit = LATENESS_NS.max(result.median_ns().unwrap_or(0.0) * LATENESS_SHARE);
        result.generator.map(|health| health.lateness_p99_ns).filter(|lateness| *lateness > limit)
    });
    let lateness = late.fold(0.0, f64::max);
    let busy = health.iter().filter_map(|health| health.cpu_share).fold(0.0, f64::max);
    if lateness > 0.0 {
        let late = Unit::Ns.show(lateness);
        return Some(format!(
            "invalid (generator): operations were handed over up to {late} late (p99); the machine is too busy for this rate"
        ));
    }
    (busy > BUSY).then(|| {
        format!(
            "invalid (generator): its thread was busy {:.0} % of the time; the rate is too high for it",
            busy * 100.0
        )
    })
}

/// An open load must hand over what was planned, in the time that was planned.
fn generator_fell_behind(plan: &Plan, rounds: &Rounds) -> Option<String> {
    let crate::load::Model::Open { schedule } = &plan.load.model else { return None };
    let due = schedule.mean_rate() * schedule.duration().as_secs_f64();
    let least = rounds.of(Pass::Time).map(|result| result.operations.planned as f64).fold(f64::INFINITY, f64::min);
    (least.is_finite() && least < due * ACHIEVED)
        .then(|| format!("invalid (generator): only {least:.0} of {due:.0} operations of a round were handed over"))
}
