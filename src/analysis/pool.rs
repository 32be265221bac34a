//! `pool`: operations that wait for a free connection, and jobs that wait for a thread of the blocking pool.

use serde_json::json;

use super::{Analysis, evidence, largest, mean};
use crate::record::finding::{Finding, Severity};
use crate::record::{Phase, Run};
use crate::unit::Unit;

pub(super) static ANALYSIS: Analysis = Analysis {
    rule: "pool",
    about: "operations that wait for a connection, jobs that wait for a thread of the blocking pool",
    reads_invalid_runs: false,
    analyze,
};

/// Waiting for a connection for this part of their latency, operations have too few of them.
const SHARE: f64 = 0.1;
/// Below this a pool gives its connections fast enough for anybody.
const LEAST_NS: f64 = 100e3;
/// Above this busy ratio a phase that nobody knows the scheduled part of may wait for a thread.
const HELD: f64 = 0.8;
/// A job that waits longer for a thread is one whose pool is full.
const LONG_WAIT_NS: f64 = 10e6;

fn analyze(run: &Run) -> Vec<Finding> {
    run.phases.iter().filter_map(|phase| exhausted(run, phase)).chain(saturated(run)).collect()
}

/// Whether a phase is the waiting for a connection, by the name that the convention gives it.
pub(super) fn is_checkout(phase: &Phase) -> bool {
    phase.name == "checkout" || phase.name.ends_with(".checkout")
}

fn exhausted(run: &Run, phase: &Phase) -> Option<Finding> {
    let share = phase.share? * phase.idle_ns / phase.mean_ns.max(1.0);
    let held = phase.scheduled_ns.is_none() && mean(run, "runtime.busy_ratio").is_some_and(|ratio| ratio > HELD);
    let waits = is_checkout(phase) && share >= SHARE && phase.idle_ns >= LEAST_NS && !held;
    waits.then(|| Finding {
        rule: ANALYSIS.rule.to_owned(),
        severity: Severity::Warning,
        title: format!("operations wait {:.0} % of their time for a connection in `{}`", share * 100.0, phase.name),
        detail: format!(
            "It is passed {} times and waits {} each time, {} at most: the pool has fewer connections than are wanted at once.",
            Unit::Count.show(phase.count as f64),
            Unit::Ns.show(phase.idle_ns),
            Unit::Ns.show(phase.max_ns)
        ),
        evidence: evidence([
            ("phase", json!(phase.name)),
            ("count", json!(phase.count)),
            ("idle_ns", json!(phase.idle_ns)),
            ("max_ns", json!(phase.max_ns)),
            ("share", json!(share)),
        ]),
        next_step:
            "hold a connection for its command alone and not across other awaits; then enlarge the pool, or share one \
             multiplexed connection"
                .to_owned(),
    })
}

/// Both must be seen: a queue that is emptied at once is none, and a late job may come from a busy machine.
fn saturated(run: &Run) -> Option<Finding> {
    let queue = largest(run, "runtime.blocking_queue.max").filter(|queue| *queue > 0.0)?;
    let wait = largest(run, "blocking_pool.wait.max").filter(|wait| *wait >= LONG_WAIT_NS)?;
    Some(Finding {
        rule: ANALYSIS.rule.to_owned(),
        severity: Severity::Warning,
        title: format!("jobs wait up to {} for a thread of the blocking pool", Unit::Ns.show(wait)),
        detail: format!(
            "Up to {} jobs of spawn_blocking (tokio::fs uses it too) stood in its queue: all of its threads were taken.",
            Unit::Count.show(queue)
        ),
        evidence: evidence([("blocking_pool_wait_max_ns", json!(wait)), ("blocking_queue_max", json!(queue))]),
        next_step:
            "keep what runs for ever or computes for long out of it (a thread of its own, rayon); bound what is submitted \
             with a Semaphore; raise Builder::max_blocking_threads where the jobs only wait"
                .to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::super::summary::sample::{measured, phase, watched};
    use super::*;

    #[test]
    fn waiting_for_a_connection_is_told_with_its_part_of_the_latency() {
        let mut run = watched(1);
        run.phases = vec![phase("redis.checkout", 0.1e6, 3.9e6, 0.4), phase("redis.get", 0.1e6, 3.9e6, 0.4)];
        let findings = analyze(&run);
        assert_eq!(findings.len(), 1);
        assert_eq!(findings[0].title, "operations wait 39 % of their time for a connection in `redis.checkout`");
        let waiting = (super::super::waiting::ANALYSIS.analyze)(&run);
        assert!(waiting.iter().all(|finding| !finding.title.contains("checkout")), "{waiting:?}");
    }

    #[test]
    fn a_short_checkout_is_none_and_one_behind_held_threads_may_be_none() {
        let mut run = watched(1);
        run.phases = vec![phase("redis.checkout", 0.0, 3e6, 0.09)];
        assert_eq!(analyze(&run), []);
        run.phases = vec![phase("redis.checkout", 0.0, 0.05e6, 0.9)];
        assert_eq!(analyze(&run), []);
        run.phases = vec![phase("redis.checkout", 0.0, 3e6, 0.5)];
        run.phases[0].scheduled_ns = None;
        measured(&mut run, "runtime.busy_ratio", &[0.95]);
        assert_eq!(analyze(&run), []);
    }

    #[test]
    fn a_full_blocking_pool_has_a_queue_and_makes_jobs_wait() {
        for (queue, wait, found) in [(40.0, 200e6, 1), (40.0, 1e6, 0), (0.0, 200e6, 0)] {
            let mut run = watched(2);
            measured(&mut run, "runtime.blocking_queue.max", &[0.0, queue]);
            measured(&mut run, "blocking_pool.wait.max", &[0.0, wait]);
            let findings = analyze(&run);
            assert_eq!(findings.len(), found, "{queue} {wait}");
            assert!(findings.iter().all(|finding| finding.title.contains("200 ms for a thread of the blocking pool")));
        }
    }
}
