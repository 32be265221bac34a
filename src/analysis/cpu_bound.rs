//! `cpu-bound`: polls that compute for so long that they are stalls.

use super::summary::stalls::{self, HotStall};
use super::{Analysis, MOST_STALLS};
use crate::record::Run;
use crate::record::finding::{Finding, Severity};
use crate::record::stall::Cause;
use crate::unit::Unit;

pub(super) static ANALYSIS: Analysis = Analysis {
    rule: "cpu-bound",
    about: "polls that compute for long without an await in between",
    reads_invalid_runs: false,
    analyze,
};

/// From this part of the worker threads' time on it costs much.
const SHARE: f64 = 0.05;
/// So does what delayed others by this much, all together.
const DELAY_NS: u64 = 100_000_000;

fn analyze(run: &Run) -> Vec<Finding> {
    let computing = stalls::stalls(run).into_iter().filter(|stall| stall.cause == Cause::Cpu);
    computing.take(MOST_STALLS).map(|stall| finding(run, &stall)).collect()
}

fn finding(run: &Run, stall: &HotStall<'_>) -> Finding {
    let costly = stall.share(run).is_some_and(|share| share >= SHARE) || stall.caused_ns() > DELAY_NS;
    // A runtime of one thread has none to hand its tasks to: block_in_place panics there.
    let in_place =
        if stalls::workers(run) == Some(1) { "" } else { ", or tokio::task::block_in_place where it borrows" };
    Finding {
        rule: ANALYSIS.rule.to_owned(),
        severity: if costly { Severity::Warning } else { Severity::Info },
        title: format!(
            "{} computes for {} in one poll, {}",
            stall.named(),
            Unit::Ns.show(stall.mean_ns()),
            stall.often(run)
        ),
        detail: format!("Nothing else runs on that worker thread meanwhile. {}", stall.effect(run)),
        evidence: stall.evidence(run),
        next_step: format!(
            "move it to tokio::task::spawn_blocking (or rayon, where there is much of it){in_place}; a loop can be split \
             with tokio::task::yield_now"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::super::summary::sample::{blocked, computing, measured, preempted, watched};
    use super::*;
    use crate::record::Stall;

    #[test]
    fn a_poll_that_computes_is_told_and_weighs_what_it_costs() {
        let mut run = watched(1);
        run.stalls = vec![computing("shop::tokenize", 9)];
        let findings = analyze(&run);
        assert_eq!(findings.len(), 1);
        assert_eq!(findings[0].title, "`shop::tokenize` (src/x.rs:9) computes for 32.0 ms in one poll, once");
        assert_eq!(findings[0].severity, Severity::Info);
        let mut delaying = run.clone();
        delaying.stalls = vec![Stall { delay_ns: 101_000_000, ..computing("shop::tokenize", 9) }];
        assert_eq!(analyze(&delaying)[0].severity, Severity::Warning);
        measured(&mut run, "throughput", &[200.0]);
        run.load.runtime = "current".into();
        let findings = analyze(&run);
        assert_eq!(findings[0].severity, Severity::Warning, "6.4 % of the only worker's time");
        assert!(!findings[0].next_step.contains("block_in_place"), "{}", findings[0].next_step);
    }

    #[test]
    fn what_waits_or_is_kept_from_a_processor_does_not_compute() {
        let mut run = watched(1);
        run.stalls = vec![blocked("shop::load", 1), preempted("shop::load", 1)];
        assert_eq!(analyze(&run), []);
    }
}
