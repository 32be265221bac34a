//! `preempted`: worker threads that were ready in the middle of a poll and got no processor. The machine's doing, not the
//! program's.

use serde_json::json;

use super::summary::stalls;
use super::{Analysis, evidence};
use crate::record::Run;
use crate::record::finding::{Finding, Severity};
use crate::record::stall::Cause;
use crate::unit::Unit;

pub(super) static ANALYSIS: Analysis = Analysis {
    rule: "preempted",
    about: "worker threads that other programs kept from the processors",
    reads_invalid_runs: false,
    analyze,
};

/// From this part of all stalls on, and as often as this in a round, the machine is what was measured.
const SHARE: f64 = 0.5;
const OFTEN: f64 = 1.0;

fn analyze(run: &Run) -> Vec<Finding> {
    let Some(all) = stalls::overview(run).filter(|all| all.preempted_per_round > 0.0) else { return Vec::new() };
    let share = all.preempted_per_round / (all.preempted_per_round + all.per_round);
    let kept = || run.stalls.iter().filter(|stall| stall.cause == Cause::Preempted);
    let starved: u64 = kept().map(|stall| stall.preempted_ns).sum();
    let longest = kept().map(|stall| stall.duration_ns).max().unwrap_or(0);
    let count = all.preempted_per_round * all.rounds as f64;
    let mut detail = format!(
        "{} of {} stalls were none of the code's: the thread was ready to run, but other threads or programs had the \
         processors.",
        Unit::Count.show(count),
        Unit::Count.show(count + all.count as f64)
    );
    if longest > 0 {
        detail.push_str(&format!(" The longest took {}.", Unit::Ns.show(longest as f64)));
    }
    vec![Finding {
        rule: ANALYSIS.rule.to_owned(),
        severity: if share >= SHARE && all.preempted_per_round >= OFTEN { Severity::Warning } else { Severity::Info },
        title: format!("starved by the machine: {} stalls for want of a processor", Unit::Count.show(count)),
        detail,
        evidence: evidence([
            ("count", json!(count)),
            ("rounds", json!(all.rounds)),
            ("share_of_stalls", json!(share)),
            ("preempted_ns", json!(starved)),
            ("longest_ns", json!(longest)),
        ]),
        next_step:
            "see what `perfkit doctor` says of the machine; end other programs, give the runtime no more threads than there \
             are processors, or pin both sides (taskset)"
                .to_owned(),
    }]
}

#[cfg(test)]
mod tests {
    use super::super::summary::sample::{blocked, measured, preempted, watched};
    use super::*;

    #[test]
    fn a_machine_that_starves_the_program_is_blamed_by_its_part_of_the_stalls() {
        let mut run = watched(2);
        run.stalls = vec![preempted("shop::load", 1)];
        measured(&mut run, "stalls.count", &[0.0, 1.0]);
        measured(&mut run, "stalls.preempted", &[3.0, 4.0]);
        let findings = analyze(&run);
        assert_eq!((findings.len(), findings[0].severity), (1, Severity::Warning));
        assert!(findings[0].detail.starts_with("7 of 8 stalls were none of the code's"), "{}", findings[0].detail);
        assert!(findings[0].next_step.contains("perfkit doctor"));
        run.metrics[0].values = vec![30.0, 30.0];
        assert_eq!(analyze(&run)[0].severity, Severity::Info);
    }

    #[test]
    fn the_programs_own_stalls_are_not_the_machines() {
        let mut run = watched(1);
        run.stalls = vec![blocked("shop::load", 1)];
        assert_eq!(analyze(&run), []);
        assert_eq!(analyze(&Run::foreign("test", "1", "shop")), []);
    }
}
