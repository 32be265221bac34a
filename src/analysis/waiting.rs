//! `waiting`: the phase that most of the latency is waited in. No fault by itself: it says where latency can be won.

use serde_json::json;

use super::{Analysis, evidence};
use crate::record::finding::{Finding, Severity};
use crate::record::{Phase, Run};
use crate::unit::Unit;

pub(super) static ANALYSIS: Analysis = Analysis {
    rule: "waiting",
    about: "the phase that most of the latency is waited in",
    reads_invalid_runs: false,
    analyze,
};

/// From this part of the latency on it is worth a line.
const SHARE: f64 = 0.3;
/// Above this busy ratio the process itself is what is waited for.
const HELD: f64 = 0.8;
fn analyze(run: &Run) -> Vec<Finding> {
    let idle_share = |phase: &Phase| phase.share.unwrap_or(0.0) * phase.idle_ns / phase.mean_ns.max(1.0);
    // Where the threads are held, a phase waits for them and not for what it called.
    if super::mean(run, "runtime.busy_ratio").is_some_and(|ratio| ratio > HELD) {
        return Vec::new();
    }
    let most = run.phases.iter().map(idle_share).fold(0.0, f64::max);
    // Phases around it wait as long as it does: the one with the least time of those is where it is waited.
    let total = |phase: &Phase| phase.mean_ns * phase.count as f64;
    let candidates = run.phases.iter().filter(|phase| idle_share(phase) >= most * 0.8);
    let Some(phase) = candidates.min_by(|a, b| total(a).total_cmp(&total(b))) else { return Vec::new() };
    let share = idle_share(phase);
    // What is waited for in a pool is the pool, and `pool` says so.
    if share < SHARE || super::pool::is_checkout(phase) {
        return Vec::new();
    }
    vec![Finding {
        rule: ANALYSIS.rule.to_owned(),
        severity: Severity::Info,
        title: format!("{:.0} % of the latency is waiting in `{}`", share * 100.0, phase.name),
        detail: format!(
            "it is passed {} times and waits {} each time; the process itself has nothing to do meanwhile.",
            Unit::Count.show(phase.count as f64),
            Unit::Ns.show(phase.idle_ns)
        ),
        evidence: evidence([("phase", json!(phase.name)), ("idle_ns", json!(phase.idle_ns)), ("share", json!(share))]),
        next_step: "latency is won at what it waits for: cache it, start it earlier, or do it beside other phases"
            .to_owned(),
    }]
}
