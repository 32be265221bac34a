//! `blocking`: calls that wait while they hold a worker thread. Told from stalls where those were watched, and from phases
//! where they were not or where the calls are too short to be stalls. Locks are `lock`'s.

pub(super) mod calls;
mod phases;

use super::summary::stalls::{self, HotStall};
use super::{Analysis, MOST_STALLS};
use crate::record::Run;
use crate::record::finding::{Finding, Severity};
use crate::record::stall::Cause;
use crate::unit::Unit;

pub(super) static ANALYSIS: Analysis = Analysis {
    rule: "blocking",
    about: "calls and phases that hold their worker thread instead of yielding",
    reads_invalid_runs: false,
    analyze,
};

fn analyze(run: &Run) -> Vec<Finding> {
    let mut findings: Vec<Finding> = stalls::stalls(run)
        .iter()
        .filter(|stall| is_call(stall))
        .take(MOST_STALLS)
        .map(|stall| finding(run, stall))
        .collect();
    findings.extend(phases::analyze(run));
    findings
}

fn is_call(stall: &HotStall<'_>) -> bool {
    stall.cause == Cause::Blocked && calls::of(stall.worst).kind == calls::Kind::Wait
}

fn finding(run: &Run, stall: &HotStall<'_>) -> Finding {
    let call = calls::of(stall.worst);
    let syscall = stall.syscall.map_or_else(String::new, |syscall| format!(", in {syscall}"));
    let mut evidence = stall.evidence(run);
    evidence.insert("call".to_owned(), call.what.into());
    Finding {
        rule: ANALYSIS.rule.to_owned(),
        // However little it costs here, it grows with the load and with whatever is waited for.
        severity: Severity::Warning,
        title: format!(
            "{} blocks a worker thread for {}, {}{syscall}",
            stall.named(),
            Unit::Ns.show(stall.mean_ns()),
            stall.often(run)
        ),
        detail: format!("It waits in {}. {}", call.what, stall.effect(run)),
        evidence,
        next_step: call.instead.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::summary::sample::{blocked, computing, locked, measured, phase, preempted, watched};
    use super::*;
    use crate::record::Stall;

    #[test]
    fn a_call_that_blocks_is_told_with_its_place_and_its_async_form() {
        let mut run = watched(2);
        run.load.runtime = "multi:2".into();
        measured(&mut run, "throughput", &[100.0, 100.0]);
        let stall =
            Stall { delayed_tasks: 3, delay_ns: 60_000_000, timer_delay_ns: 9_000_000, ..blocked("load_history", 12) };
        run.stalls = vec![stall; 82];
        let findings = analyze(&run);
        assert_eq!(findings.len(), 1);
        let finding = &findings[0];
        let title =
            "`load_history` (src/x.rs:12) blocks a worker thread for 32.0 ms, 41 times a round, in clock_nanosleep";
        assert_eq!((finding.title.as_str(), finding.severity), (title, Severity::Warning));
        assert!(finding.next_step.contains("tokio::time::sleep"), "{}", finding.next_step);
        for text in ["waits in std::thread::sleep.", "65.6 % of the worker", "246, for 4.92 s", "up to 9.00 ms late"] {
            assert!(finding.detail.contains(text), "{text}: {}", finding.detail);
        }
        assert_eq!((&finding.evidence["line"], &finding.evidence["held_ns"]), (&12.into(), &2_624_000_000_u64.into()));
    }

    #[test]
    fn what_computes_waits_for_a_lock_or_for_the_machine_is_not_blocking() {
        let mut run = watched(1);
        run.stalls = vec![computing("shop::a", 1), preempted("shop::b", 2), locked("shop::c", 3)];
        assert_eq!(analyze(&run), []);
    }

    #[test]
    fn the_worst_come_first_and_the_list_ends() {
        let mut run = watched(1);
        let stall = |line: u32| Stall { delay_ns: u64::from(line) * 1_000_000, ..blocked("shop::load", line) };
        run.stalls = (1..=20).map(stall).collect();
        let findings = analyze(&run);
        assert_eq!(findings.len(), MOST_STALLS);
        assert!(findings[0].title.contains("src/x.rs:20"), "{}", findings[0].title);
    }

    #[test]
    fn a_phase_is_told_where_stalls_were_not_watched_or_do_not_say_it() {
        let mut run = watched(1);
        run.phases = vec![phase("redis.get", 5e6, 0.1e6, 0.4)];
        assert_eq!(analyze(&run).len(), 1, "too short to be a stall");
        run.phases = vec![phase("redis.get", 32e6, 0.1e6, 0.4)];
        assert_eq!(analyze(&run), [], "longer than a stall, but none was seen: its polls are short");
        run.probes[0]
            .detail
            .insert("rounds".into(), serde_json::json!([{ "covered": "operations and perfkit::spawn" }]));
        assert_eq!(analyze(&run).len(), 1, "it may be in a task that nobody watched");
        run.probes.clear();
        assert_eq!(analyze(&run).len(), 1, "nobody looked for stalls");
    }

    #[test]
    fn a_phase_whose_time_the_stalls_explain_is_not_told_again() {
        let mut run = watched(1);
        run.phases = vec![phase("redis.get", 8e6, 0.1e6, 0.4)];
        run.phases[0].max_ns = 40e6;
        run.stalls = vec![blocked("shop::load", 1); 20];
        let titles: Vec<String> = analyze(&run).into_iter().map(|finding| finding.title).collect();
        assert!(titles.len() == 1 && titles[0].contains("shop::load"), "{titles:?}");
        run.stalls.truncate(2);
        assert_eq!(analyze(&run).len(), 2, "most of the phase's time is in calls that are no stalls");
    }
}
