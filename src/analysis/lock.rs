//! `lock`: worker threads that wait for a lock of threads. Says which is likelier: that many want it, or that its holder
//! slept with the guard in its hand. Who held it nobody saw.

use serde_json::json;

use super::blocking::calls;
use super::summary::stalls::{self, HotStall};
use super::{Analysis, MOST_STALLS, mean};
use crate::record::finding::{Finding, Severity};
use crate::record::stall::Cause;
use crate::record::{Run, Stall, name};
use crate::unit::Unit;

pub(super) static ANALYSIS: Analysis = Analysis {
    rule: "lock",
    about: "worker threads that wait for a Mutex or RwLock of threads",
    reads_invalid_runs: false,
    analyze,
};

/// Using fewer processors than this on average, the process has nobody who computes under a lock.
const ASLEEP_CORES: f64 = 0.5;

fn analyze(run: &Run) -> Vec<Finding> {
    let hot = stalls::stalls(run);
    hot.iter().filter(|stall| is_lock(stall.worst)).take(MOST_STALLS).map(|stall| finding(run, stall)).collect()
}

fn is_lock(stall: &Stall) -> bool {
    let waits_for_thread = stall.syscall.as_deref().is_none_or(|syscall| syscall.starts_with("futex"));
    stall.cause == Cause::Blocked && waits_for_thread && calls::of(stall).kind == calls::Kind::Lock
}

/// The stall of another thread that went on during at least half of this one: whoever holds a lock is likely to be there.
fn meanwhile<'a>(run: &'a Run, stall: &Stall) -> Option<&'a Stall> {
    let overlap = |other: &Stall| {
        let end =
            (other.start_ns.saturating_add(other.duration_ns)).min(stall.start_ns.saturating_add(stall.duration_ns));
        end.saturating_sub(other.start_ns.max(stall.start_ns))
    };
    let others = stalls::own(run).filter(|other| other.round == stall.round && *other != stall && !is_lock(other));
    let longest = others.max_by_key(|other| overlap(other))?;
    (overlap(longest) >= stall.duration_ns.div_ceil(2)).then_some(longest)
}

/// What the wait is likely to come from, in a word, a sentence, and what to do about it.
fn judged(run: &Run, stall: &HotStall<'_>) -> (&'static str, String, &'static str) {
    if let Some(other) = meanwhile(run, stall.worst) {
        let holder = other.culprit().map_or_else(|| "[unknown]".to_owned(), |frame| name::readable(&frame.function));
        let doing = match other.cause {
            Cause::Blocked => format!("was blocked in {}", other.syscall.as_deref().unwrap_or("the kernel")),
            Cause::Cpu | Cause::Preempted => "computed".to_owned(),
        };
        let sentence = format!("During the worst of them `{holder}` {doing}: it is likely to hold the lock meanwhile.");
        return (
            "held while blocking or computing",
            sentence,
            "take what is long out from under the lock: copy what it needs, drop the guard, then do it",
        );
    }
    match mean(run, "cpu.cores") {
        Some(cores) if cores < ASLEEP_CORES => (
            "held across an await or a blocking call",
            format!(
                "The process used {cores:.2} processors on average, so hardly anybody computed under the lock: its holder is \
                 likely to sleep, with a guard held across an await or a blocking call."
            ),
            "drop the guard before the await; where it must stay, use tokio::sync::Mutex, which waits without a thread",
        ),
        Some(cores) => (
            "contended",
            format!(
                "The process used {cores:.2} processors on average: it is likely that many threads want the lock at once."
            ),
            "shorten what is done under it, split it into shards, or use an RwLock or atomics where most only read; never \
             hold it across an await",
        ),
        None => (
            "unknown",
            "Whether its holder computed or slept was not measured.".to_owned(),
            "shorten what is done under it, or split it; where it is held across an await, use tokio::sync::Mutex",
        ),
    }
}

fn finding(run: &Run, stall: &HotStall<'_>) -> Finding {
    let (likely, sentence, next_step) = judged(run, stall);
    let mut evidence = stall.evidence(run);
    evidence.insert("likely".to_owned(), json!(likely));
    evidence.insert("cpu_cores".to_owned(), json!(mean(run, "cpu.cores")));
    Finding {
        rule: ANALYSIS.rule.to_owned(),
        severity: Severity::Warning,
        title: format!(
            "{} waits {} for a lock with a worker thread, {}",
            stall.named(),
            Unit::Ns.show(stall.mean_ns()),
            stall.often(run)
        ),
        detail: format!("{sentence} {}", stall.effect(run)),
        evidence,
        next_step: next_step.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::summary::sample::{blocked, computing, library, locked, measured, preempted, watched};
    use super::*;

    /// A run with a wait for a lock in a process that uses so many processors.
    fn waiting(cores: f64) -> Run {
        let mut run = watched(1);
        run.stalls = vec![locked("shop::cart::add", 7)];
        measured(&mut run, "cpu.cores", &[cores]);
        run
    }

    #[test]
    fn a_lock_whose_holder_sleeps_is_told_from_one_that_many_want() {
        let asleep = &analyze(&waiting(0.1))[0];
        assert_eq!(asleep.title, "`shop::cart::add` (src/x.rs:7) waits 32.0 ms for a lock with a worker thread, once");
        assert!(asleep.next_step.contains("tokio::sync::Mutex"), "{asleep:?}");
        assert_eq!(asleep.evidence["likely"], "held across an await or a blocking call");
        let contended = &analyze(&waiting(1.8))[0];
        assert_eq!(contended.evidence["likely"], "contended");
        assert!(contended.next_step.contains("shards"), "{contended:?}");
    }

    #[test]
    fn what_held_another_thread_meanwhile_is_named_as_the_likely_holder() {
        let mut run = waiting(0.1);
        run.stalls.push(blocked("shop::cart::save", 9));
        let found = &analyze(&run)[0];
        assert!(found.detail.contains("`shop::cart::save` was blocked in clock_nanosleep"), "{}", found.detail);
        // Half of the wait must have passed with it, in the same round.
        for other in [
            Stall { start_ns: 20_000_000, ..computing("shop::cart::save", 9) },
            Stall { round: 1, ..computing("shop::cart::save", 9) },
        ] {
            run.stalls[1] = other;
            assert!(!analyze(&run)[0].detail.contains("save"), "{:?}", run.stalls);
        }
    }

    #[test]
    fn other_waits_are_no_locks() {
        let mut run = waiting(1.0);
        let channel = vec![library("std::sync::mpmc::list::Channel<T>::recv")];
        run.stalls = vec![
            blocked("shop::load", 1),
            computing("shop::load", 1),
            Stall { stack: channel, ..locked("shop::load", 1) },
            Stall { stack: locked("shop::load", 1).stack, ..preempted("shop::load", 1) },
        ];
        assert_eq!(analyze(&run), []);
    }
}
