//! `scheduling`: tasks that are ready but wait for a worker thread, and polls that keep them waiting.

use serde_json::json;

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
    [long_polls(run), waiting(run), delayed(run), saturated(run)].into_iter().flatten().collect()
}

fn long_polls(run: &Run) -> Option<Finding> {
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
