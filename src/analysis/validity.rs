//! `validity`: the operations failed, or the load was not what was planned. Then nothing else is a result.

use serde_json::json;

use super::{Analysis, evidence};
use crate::record::finding::{Finding, Severity};
use crate::record::{Run, Status};

pub(super) static ANALYSIS: Analysis = Analysis {
    rule: "validity",
    about: "operations failed, or the load generator was late: the numbers are no result",
    reads_invalid_runs: true,
    analyze,
};

fn analyze(run: &Run) -> Vec<Finding> {
    let operations = &run.operations;
    if run.status == Status::Invalid {
        let commonest = operations.by_error.first();
        let next_step = match commonest {
            Some(error) => {
                format!("mend the commonest failure first: {} × {}: {}", error.count, error.kind, error.example)
            }
            None => "measure on a machine with less other load, or at a lower rate".to_owned(),
        };
        return vec![Finding {
            rule: ANALYSIS.rule.to_owned(),
            severity: Severity::Error,
            title: "the run is invalid".to_owned(),
            detail: run.status_reason.clone().unwrap_or_default(),
            evidence: evidence([
                ("planned", json!(operations.planned)),
                ("ok", json!(operations.ok)),
                ("failed", json!(operations.failed)),
                ("timed_out", json!(operations.timed_out)),
                ("dropped", json!(operations.dropped)),
            ]),
            next_step,
        }];
    }
    let bad = operations.planned.saturating_sub(operations.ok);
    let Some(error) = operations.by_error.first().filter(|_| bad > 0) else { return Vec::new() };
    vec![Finding {
        rule: ANALYSIS.rule.to_owned(),
        severity: Severity::Warning,
        title: format!("{bad} of {} operations did not succeed", operations.planned),
        detail: format!("the commonest failure is {} ({} times): {}", error.kind, error.count, error.example),
        evidence: evidence([("failures", json!(operations.by_error))]),
        next_step: "look at the rows of ops.csv whose outcome is not ok".to_owned(),
    }]
}
