//! `scheduling`: tasks that are ready but wait for a worker thread, and polls that keep them waiting.

use serde_json::json;

use super::summary::stalls;
use super::{Analysis, evidence, largest, mean};
use crate::record::Run;
use crate::record::finding::{Finding, Severity};
use crate::unit::Unit;

pub(super) static ANALYSIS: Analysis = Analysis {
    rule: "scheduling",
    about: "long polls, tasks that wait for a worker thread, a saturated runtime",
    reads_invalid_runs: false,
    analyze,
};

/// A poll that holds its thread longer is one that others wait for.
const LONG_POLL_NS: f64 = 10e6;
/// Ready but waiting for this part of its latency, an operation suffers from the others.
const WAITING_SHARE: f64 = 0.2;
/// Above this the worker threads have no reserve.
const SATURATED: f64 = 0.9;
/// Held threads that use less of the processors than this are blocked, not busy.
const COMPUTING: f64 = 0.5;
/// A wake that waits longer for its poll is a stall of its own.
const LONG_DELAY_NS: f64 = 5e6;

fn analyze(run: &Run) -> Vec<Finding> {
    [long_polls(run), waiting(run), delayed(run), saturated(run), pinned(run)].into_iter().flatten().collect()
}

/// Below this busy ratio there are workers with nothing to do.
const IDLE: f64 = 0.6;

/// Long polls of which nothing is known but their length.
fn long_polls(run: &Run) -> Option<Finding> {
    // Where the program's stalls are known, they say it with function and line.
    if stalls::own(run).next().is_some() {
        return None;
    }
    let longest = largest(run, "poll.max").filter(|longest| *longest > LONG_POLL_NS)?;
    let (slow, p99) = (mean(run, "poll.slow")?, mean(run, "poll.p99")?);
    Some(Finding {
        rule: ANALYSIS.rule.to_owned(),
        severity: if slow >= 1.0 { Severity::Warning } else { Severity::Info },
        title: format!("polls of up to {} hold a worker thread", Unit::Ns.show(longest)),
        detail: format!(
            "{} polls in a round took more than {}; 99 % took no more than {}. Meanwhile nothing else runs on that thread. \
             A machine that is busy with other work lengthens polls too: `perfkit doctor` tells.",
            Unit::Count.show(slow),
            Unit::Ns.show(LONG_POLL_NS),
            Unit::Ns.show(p99)
        ),
        evidence: evidence([("poll_max_ns", json!(longest)), ("slow_polls", json!(slow)), ("poll_p99_ns", json!(p99))]),
        next_step: "look in the flamegraph and in the phases for what runs without an await in between".to_owned(),
    })
}

fn waiting(run: &Run) -> Option<Finding> {
    let (scheduled, latency) = (mean(run, "operation.scheduled")?, mean(run, "latency.mean")?);
    let share = scheduled / latency;
    (share >= WAITING_SHARE && scheduled > 100e3).then(|| Finding {
        rule: ANALYSIS.rule.to_owned(),
        severity: Severity::Warning,
        title: format!("operations wait {:.0} % of their time for a worker thread", share * 100.0),
        detail: format!(
            "{} of {} on average: the task was ready, but no thread polled it.",
            Unit::Ns.show(scheduled),
            Unit::Ns.show(latency)
        ),
        evidence: evidence([("scheduled_ns", json!(scheduled)), ("latency_ns", json!(latency))]),
        next_step: "find what occupies the threads (long polls, CPU time), or give the runtime more threads".to_owned(),
    })
}

fn saturated(run: &Run) -> Option<Finding> {
    let ratio = mean(run, "runtime.busy_ratio").filter(|ratio| *ratio >= SATURATED)?;
    let computing = mean(run, "cpu.cores").unwrap_or(0.0) / f64::from(run.environment.cores.max(1));
    let evidence = evidence([("busy_ratio", json!(ratio)), ("cpu_share", json!(computing))]);
    let rule = ANALYSIS.rule.to_owned();
    if computing < COMPUTING {
        return Some(Finding {
            rule,
            severity: Severity::Warning,
            title: format!("the worker threads are held {:.0} % of the time without computing", ratio * 100.0),
            detail: format!(
                "only {:.0} % of the processors' time is used: calls block the threads, and every task waits for them.",
                computing * 100.0
            ),
            evidence,
            next_step: "find the call that blocks (see [blocking]) and use its async form or spawn_blocking".to_owned(),
        });
    }
    Some(Finding {
        rule,
        severity: Severity::Info,
        title: format!("the worker threads are busy {:.0} % of the time", ratio * 100.0),
        detail: "more load will not give more throughput, only longer queues".to_owned(),
        evidence,
        next_step: "the functions with the most CPU time are where to win".to_owned(),
    })
}

/// Tasks that wait long for a thread, whichever they are: server tasks are not part of an operation's own future.
fn delayed(run: &Run) -> Option<Finding> {
    let p99 = mean(run, "schedule_delay.p99").filter(|p99| *p99 > LONG_DELAY_NS)?;
    Some(Finding {
        rule: ANALYSIS.rule.to_owned(),
        severity: Severity::Warning,
        title: format!("tasks wait up to {} for a worker thread", Unit::Ns.show(p99)),
        detail:
            "one wake in a hundred waits longer than that before its task is polled; a phase that has yet to begin \
                 does not show it."
                .to_owned(),
        evidence: evidence([("schedule_delay_p99_ns", json!(p99))]),
        next_step: "shorten what holds the threads: long polls, blocking calls, CPU time".to_owned(),
    })
}

/// Tasks that waited behind a stall although other workers were idle. Nobody saw which queue they stood in: what tokio does
/// makes one place likely.
fn pinned(run: &Run) -> Option<Finding> {
    let workers = stalls::workers(run).filter(|workers| *workers > 1)?;
    let ratio = mean(run, "runtime.busy_ratio").filter(|ratio| *ratio < IDLE)?;
    let behind = || stalls::own(run).filter(|stall| stall.delayed_tasks > 0);
    let (count, tasks) = (behind().count(), behind().map(|stall| stall.delayed_tasks).sum::<u64>());
    let delay = behind().map(|stall| stall.delay_ns as f64).sum::<f64>();
    (count > 0).then(|| Finding {
        rule: ANALYSIS.rule.to_owned(),
        severity: Severity::Info,
        title: "tasks waited behind held workers although others were idle".to_owned(),
        detail: format!(
            "The {workers} workers were busy {:.0} % of the time, yet tasks that were ready waited during {} stalls \
             ({tasks} waits, {} in all). Likely the last task that the held worker woke: tokio keeps it in a slot that no \
             other worker takes from.",
            ratio * 100.0,
            Unit::Count.show(count as f64),
            Unit::Ns.show(delay)
        ),
        evidence: evidence([
            ("busy_ratio", json!(ratio)),
            ("workers", json!(workers)),
            ("stalls", json!(count)),
            ("delayed_tasks", json!(tasks)),
            ("delay_ns", json!(delay)),
        ]),
        next_step:
            "end the stalls; until then do not wake a task right before the call that blocks, or yield_now between the two \
             (tokio_unstable has Builder::disable_lifo_slot)"
                .to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::super::summary::sample::{blocked, measured, preempted, watched};
    use super::*;
    use crate::record::Stall;

    /// A run of two workers of which one was held while a task waited.
    fn held() -> Run {
        let mut run = watched(1);
        run.load.runtime = "multi:2".into();
        measured(&mut run, "runtime.busy_ratio", &[0.4]);
        run.stalls = vec![Stall { delayed_tasks: 1, delay_ns: 30_000_000, ..blocked("shop::load", 1) }];
        run
    }

    #[test]
    fn a_task_that_waits_although_workers_are_idle_is_told_with_care() {
        let findings = analyze(&held());
        assert_eq!(findings.len(), 1);
        assert!(findings[0].severity == Severity::Info && findings[0].detail.contains("Likely"), "{findings:?}");
        assert_eq!(findings[0].evidence["delayed_tasks"], 1);
    }

    #[test]
    fn nothing_is_pinned_on_one_worker_on_busy_ones_or_behind_what_delays_nobody() {
        let mut single = held();
        single.load.runtime = "current".into();
        let mut busy = held();
        busy.metrics[0].values = vec![0.7];
        let mut alone = held();
        alone.stalls[0].delayed_tasks = 0;
        let mut machine = held();
        machine.stalls = vec![Stall { delayed_tasks: 1, ..preempted("shop::load", 1) }];
        for run in [single, busy, alone, machine] {
            assert_eq!(analyze(&run), []);
        }
    }

    #[test]
    fn long_polls_are_told_only_where_no_stall_says_whose_they_are() {
        let mut run = watched(1);
        for (metric, value) in [("poll.max", 32e6), ("poll.slow", 3.0), ("poll.p99", 1e6)] {
            measured(&mut run, metric, &[value]);
        }
        assert_eq!(analyze(&run).len(), 1);
        run.stalls = vec![blocked("shop::load", 1)];
        assert_eq!(analyze(&run), []);
    }
}
