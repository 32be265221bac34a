//! Phases that hold their worker thread. A phase that is entered for most of its time neither yields nor waits
//! asynchronously: other tasks of that thread stand still meanwhile. Says nothing that a stall says better.

use serde_json::json;

use super::super::summary::stalls;
use super::super::{evidence, largest};
use super::ANALYSIS;
use crate::record::finding::{Finding, Severity};
use crate::record::{Phase, Run};
use crate::unit::Unit;

/// Held for so long on average, a phase delays every other task of its thread noticeably.
const HELD_NS: f64 = 1e6;
/// Busy for this part of its time: it does not wait asynchronously.
const HELD_SHARE: f64 = 0.8;
/// A shorter call counts too where it blocks again and again: this part of all latency.
const SHORT_NS: f64 = 200e3;

/// Where stalls hold threads for this part of a phase's time, they may be what it is busy with.
const EXPLAINED: f64 = 0.5;

pub(super) fn analyze(run: &Run) -> Vec<Finding> {
    let holds = |phase: &&Phase| {
        let share = phase.busy_ns / phase.mean_ns.max(1.0);
        let heavy = phase.busy_ns >= HELD_NS || (phase.busy_ns >= SHORT_NS && phase.share.unwrap_or(0.0) >= 0.02);
        heavy && share >= HELD_SHARE && !has_children(run, phase)
    };
    run.phases.iter().filter(holds).filter(|phase| !is_explained(run, phase)).map(|phase| finding(run, phase)).collect()
}

/// Whether stalls were watched and say already what the phase says, with function, line and system call; or whether there
/// were none, because its time is in many short polls.
fn is_explained(run: &Run, phase: &Phase) -> bool {
    let Some(all) = stalls::overview(run) else { return false };
    if phase.busy_ns >= all.threshold_ns && all.covered == Some(stalls::EVERY_TASK) {
        return true;
    }
    let busy_ns = phase.busy_ns * phase.count as f64;
    phase.max_ns >= all.threshold_ns && stalls::held_ns(run) >= busy_ns * EXPLAINED
}

/// A phase that others nest in is busy through them; they are named instead. Told by time: it is as long as several.
fn has_children(run: &Run, phase: &Phase) -> bool {
    let inner: f64 = run
        .phases
        .iter()
        .filter(|other| other.name != phase.name && other.mean_ns < phase.mean_ns && other.busy_ns >= SHORT_NS)
        .map(|other| other.busy_ns)
        .sum();
    let root = phase.share.is_some_and(|share| share > 0.9);
    root && inner >= phase.busy_ns * 0.5
}

fn finding(run: &Run, phase: &Phase) -> Finding {
    let share = phase.busy_ns / phase.mean_ns.max(1.0);
    let culprit = function_of(run, phase);
    let longest = largest(run, "poll.max");
    let mut detail = format!(
        "`{}` takes {} and holds its worker thread for {:.0} % of that; the longest one took {}.",
        phase.name,
        Unit::Ns.show(phase.mean_ns),
        share * 100.0,
        Unit::Ns.show(phase.max_ns),
    );
    if let Some(longest) = longest {
        detail.push_str(&format!(" The longest poll of the runtime took {}.", Unit::Ns.show(longest)));
    }
    if let Some(function) = culprit {
        detail.push_str(&format!(" CPU time inside is spent in {function}."));
    }
    Finding {
        rule: ANALYSIS.rule.to_owned(),
        severity: Severity::Warning,
        title: format!("phase `{}` blocks its worker thread for {}", phase.name, Unit::Ns.show(phase.busy_ns)),
        detail,
        evidence: evidence([
            ("phase", json!(phase.name)),
            ("busy_ns", json!(phase.busy_ns)),
            ("mean_ns", json!(phase.mean_ns)),
            ("count", json!(phase.count)),
            ("poll_max_ns", json!(longest)),
        ]),
        next_step:
            "use the async client or tokio::fs for calls that wait; move CPU-heavy work to tokio::task::spawn_blocking \
                    or split it with yield_now"
                .to_owned(),
    }
}

/// The program's function whose total CPU time per operation is nearest to what the phase is busy, if one is near.
fn function_of(run: &Run, phase: &Phase) -> Option<String> {
    let mean = |values: &[f64]| crate::stats::describe::mean(values).unwrap_or(0.0);
    let near = |own: f64| (own / phase.busy_ns - 1.0).abs();
    let candidates = run.functions.iter().filter(|function| !function.plumbing);
    let best = candidates
        .min_by(|a, b| near(mean(&a.folded_self_ns_per_op)).total_cmp(&near(mean(&b.folded_self_ns_per_op))))?;
    (near(mean(&best.folded_self_ns_per_op)) < 0.5).then(|| format!("`{}`", best.name))
}
