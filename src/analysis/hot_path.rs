//! `hot-path`: the functions of the program that most of the CPU time is spent in, plumbing charged to its callers.

use serde_json::json;

use super::{Analysis, evidence, graded};
use crate::record::Run;
use crate::record::finding::Finding;
use crate::stats::describe;
use crate::unit::Unit;

pub(super) static ANALYSIS: Analysis = Analysis {
    rule: "hot-path",
    about: "functions that take much of the CPU time",
    reads_invalid_runs: false,
    analyze,
};

/// Shares of the CPU time from which a function is worth a warning, and a mention.
const WARNING: f64 = 0.30;
const INFO: f64 = 0.10;
/// The most functions that are told.
const MOST: usize = 3;

/// With fewer stacks a function's share is chance.
const LEAST_STACKS: u64 = 100;

/// Stacks of all rounds of the CPU pass.
fn stacks(run: &Run) -> u64 {
    let rounds = run.probes.iter().filter(|probe| probe.name == "cpu").filter_map(|probe| probe.detail.get("rounds"));
    rounds.filter_map(|rounds| rounds.as_array()).flatten().filter_map(|round| round.get("stacks")?.as_u64()).sum()
}

fn analyze(run: &Run) -> Vec<Finding> {
    if stacks(run) < LEAST_STACKS {
        return Vec::new();
    }
    let mean = |values: &[f64]| describe::mean(values).unwrap_or(0.0);
    let whole: f64 = run.functions.iter().map(|function| mean(&function.self_ns_per_op)).sum();
    let mut hot: Vec<(f64, f64, &crate::record::Function)> = run
        .functions
        .iter()
        .filter(|function| !function.plumbing)
        .map(|function| {
            let own = mean(&function.folded_self_ns_per_op);
            (own / whole, own, function)
        })
        .collect();
    hot.sort_by(|a, b| b.0.total_cmp(&a.0));
    let told = hot.into_iter().take(MOST).filter_map(|(share, own, function)| {
        let severity = graded(share, WARNING, INFO)?;
        let place = match (&function.file, function.line) {
            (Some(file), Some(line)) => format!(" ({file}:{line})"),
            _ => String::new(),
        };
        Some(Finding {
            rule: ANALYSIS.rule.to_owned(),
            severity,
            title: format!("`{}` takes {:.0} % of the CPU time", function.name, share * 100.0),
            detail: format!(
                "{} of CPU time per operation is spent in it and in the runtime code it calls{place}.",
                Unit::Ns.show(own)
            ),
            evidence: evidence([
                ("function", json!(function.name)),
                ("file", json!(function.file)),
                ("line", json!(function.line)),
                ("self_ns_per_op", json!(own)),
                ("share", json!(share)),
            ]),
            next_step:
                "make it do less; where it runs long in one go, tokio::task::spawn_blocking keeps it off the workers"
                    .to_owned(),
        })
    });
    told.collect()
}
