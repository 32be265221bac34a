//! `block-in-place`: sections in `tokio::task::block_in_place`. No stalls: the worker hands its tasks over first. Good
//! to know where they are many, because each may start a thread.

use serde_json::json;

use super::Analysis;
use super::summary::stalls;
use crate::record::Run;
use crate::record::finding::{Finding, Severity};
use crate::unit::Unit;

pub(super) static ANALYSIS: Analysis = Analysis {
    rule: "block-in-place",
    about: "sections that block in block_in_place, after their worker handed its tasks over",
    reads_invalid_runs: false,
    analyze,
};

/// The most functions that are told.
const MOST: usize = 3;

fn analyze(run: &Run) -> Vec<Finding> {
    let rounds = stalls::rounds(run);
    let within = if rounds == 1 { "one round".to_owned() } else { format!("{rounds} rounds") };
    let holds = stalls::in_place(run).into_iter().take(MOST);
    let told = holds.map(|(function, count, held)| {
        let evidence = [("function", json!(function)), ("count", json!(count)), ("held_ns", json!(held)), ("rounds", json!(rounds))];
        Finding {
            rule: ANALYSIS.rule.to_owned(),
            severity: Severity::Info,
            title: format!("`{function}` holds a thread in block_in_place for {}", Unit::Ns.show(held / count as f64)),
            detail: format!(
                "{} times in {within}, {} in all. Other tasks ran on meanwhile, but not those joined with it in one task.",
                Unit::Count.show(count as f64),
                Unit::Ns.show(held)
            ),
            evidence: evidence.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
            next_step: "nothing, if it is rare; else tokio::task::spawn_blocking or an async client, which need no thread's \
                        handing over"
                .to_owned(),
        }
    });
    told.collect()
}

#[cfg(test)]
mod tests {
    use super::super::summary::sample::watched;
    use super::*;

    #[test]
    fn sections_are_told_by_function_over_all_rounds() {
        let mut run = watched(2);
        let round =
            json!({ "in_place": [{ "function": "shop::load::{{closure}}", "count": 2, "held_ns": 50_000_000 }] });
        run.probes[0].detail.insert("rounds".into(), json!([round, round]));
        let findings = analyze(&run);
        assert_eq!((findings.len(), findings[0].severity), (1, Severity::Info));
        assert_eq!(findings[0].title, "`shop::load` holds a thread in block_in_place for 25.0 ms");
        assert_eq!(findings[0].evidence["count"], 4);
    }

    #[test]
    fn a_run_without_such_sections_says_nothing() {
        assert_eq!(analyze(&watched(1)), []);
        assert_eq!(analyze(&Run::foreign("test", "1", "shop")), []);
    }
}
