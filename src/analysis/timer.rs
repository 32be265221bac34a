//! `timer`: timers of the runtime that fire late, and with them all that waits for time or for a socket. A stall that holds
//! the thread with the runtime's driver does that; no delay from wake to poll shows it, because nobody is woken.

use serde_json::{Map, json};

use super::summary::stalls;
use super::{Analysis, largest};
use crate::record::Run;
use crate::record::finding::{Finding, Severity};
use crate::record::stall::Cause;
use crate::unit::Unit;

pub(super) static ANALYSIS: Analysis = Analysis {
    rule: "timer",
    about: "timers and sockets of the runtime that are served late",
    reads_invalid_runs: false,
    analyze,
};

/// So late a timer is noticed by whoever waits for it; tokio itself promises a millisecond.
const LATE_NS: f64 = 10e6;

fn analyze(run: &Run) -> Vec<Finding> {
    let Some(late) = largest(run, "stalls.timer_lateness.max").filter(|late| *late >= LATE_NS) else {
        return Vec::new();
    };
    let hot = stalls::stalls(run);
    let own = hot.iter().max_by_key(|stall| stall.timer_late_ns).filter(|stall| stall.timer_late_ns > 0);
    let preempted = run.stalls.iter().filter(|stall| stall.cause == Cause::Preempted);
    let starved = preempted.map(|stall| stall.timer_delay_ns).max().unwrap_or(0);
    let mut evidence = Map::from_iter([("timer_lateness_max_ns".to_owned(), json!(late))]);
    let (severity, detail, next_step) = match own {
        Some(stall) if stall.timer_late_ns >= starved => {
            evidence.extend(stall.evidence(run));
            let detail = format!(
                "{} held the thread that drives timers and sockets: up to {} of the delay come from it. Every sleep, timeout \
                 and socket of the runtime waited with it.",
                stall.named(),
                Unit::Ns.show(stall.timer_late_ns as f64)
            );
            (Severity::Warning, detail, "end that stall first: its own finding says how")
        }
        _ if starved > 0 => {
            evidence.insert("preempted_timer_delay_ns".to_owned(), json!(starved));
            let detail = "The thread that drives timers and sockets was ready, but the machine gave it no processor.";
            (Severity::Info, detail.to_owned(), "see what `perfkit doctor` says of the machine")
        }
        _ => {
            let detail = "No stall explains it: the worker threads had too much to do to look after timers and sockets in time, \
                          or the machine was busy with other work.";
            (
                Severity::Info,
                detail.to_owned(),
                "shorten what runs between two awaits, or give the runtime more threads",
            )
        }
    };
    vec![Finding {
        rule: ANALYSIS.rule.to_owned(),
        severity,
        title: format!("timers of the runtime fire up to {} late", Unit::Ns.show(late)),
        detail,
        evidence,
        next_step: next_step.to_owned(),
    }]
}

#[cfg(test)]
mod tests {
    use super::super::summary::sample::{blocked, computing, measured, preempted, watched};
    use super::*;
    use crate::record::Stall;

    /// A run in which a timer was so late.
    fn late(ns: f64) -> Run {
        let mut run = watched(2);
        measured(&mut run, "stalls.timer_lateness.max", &[0.0, ns]);
        run
    }

    #[test]
    fn the_stall_that_held_the_driver_is_named() {
        let mut run = late(31e6);
        let driver = Stall { timer_delay_ns: 31_000_000, ..computing("shop::tokenize", 9) };
        run.stalls = vec![Stall { delay_ns: 900_000_000, ..blocked("shop::load", 1) }, driver];
        let findings = analyze(&run);
        assert_eq!((findings.len(), findings[0].severity), (1, Severity::Warning));
        assert_eq!(findings[0].title, "timers of the runtime fire up to 31.0 ms late");
        assert!(findings[0].detail.starts_with("`shop::tokenize` (src/x.rs:9) held"), "{}", findings[0].detail);
        assert_eq!(findings[0].evidence["line"], 9);
    }

    #[test]
    fn without_such_a_stall_the_machine_or_the_load_is_named() {
        let mut run = late(31e6);
        assert!(analyze(&run)[0].detail.starts_with("No stall explains it"));
        run.stalls = vec![Stall { timer_delay_ns: 30_000_000, ..preempted("shop::load", 1) }];
        let findings = analyze(&run);
        assert!(findings[0].severity == Severity::Info && findings[0].detail.contains("no processor"), "{findings:?}");
    }

    #[test]
    fn a_timer_that_is_in_time_is_not_told() {
        assert_eq!(analyze(&late(9e6)), []);
        assert_eq!(analyze(&watched(1)), []);
    }
}
