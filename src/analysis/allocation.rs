//! `allocation`: call sites that allocate much of the bytes of an operation.

use serde_json::json;

use super::{Analysis, evidence, mean};
use crate::record::finding::{Finding, Severity};
use crate::record::{Run, Site, name};
use crate::unit::Unit;

pub(super) static ANALYSIS: Analysis = Analysis {
    rule: "allocation",
    about: "call sites that allocate much of an operation's bytes",
    reads_invalid_runs: false,
    analyze,
};

/// A site is told from this part of the bytes on.
const SHARE: f64 = 0.2;
/// Below this an operation allocates too little to speak of.
const LEAST_BYTES: f64 = 1024.0;

fn analyze(run: &Run) -> Vec<Finding> {
    let Some(bytes) = mean(run, "heap.bytes_per_op").filter(|bytes| *bytes >= LEAST_BYTES) else { return Vec::new() };
    let big = run.sites.iter().filter(|site| site.bytes_per_op >= bytes * SHARE).take(2);
    big.map(|site| finding(site, bytes)).collect()
}

fn finding(site: &Site, bytes: f64) -> Finding {
    let share = site.bytes_per_op / bytes;
    // The nearest function of the program; where the stack holds none, the one that allocates.
    let frame = site.stack.iter().find(|frame| !name::is_plumbing(&frame.function, true)).or(site.stack.first());
    let function = frame.map(|frame| name::readable(&frame.function)).unwrap_or_default();
    let place =
        frame.and_then(|frame| Some(format!(" ({}:{})", frame.file.as_ref()?, frame.line?))).unwrap_or_default();
    Finding {
        rule: ANALYSIS.rule.to_owned(),
        severity: Severity::Info,
        title: format!("`{function}` allocates {:.0} % of the bytes", share * 100.0),
        detail: format!(
            "{} in {} blocks per operation{place}, of {} in all.",
            Unit::Bytes.show(site.bytes_per_op),
            Unit::Count.show(site.blocks_per_op),
            Unit::Bytes.show(bytes)
        ),
        evidence: evidence([
            ("function", json!(function)),
            ("bytes_per_op", json!(site.bytes_per_op)),
            ("blocks_per_op", json!(site.blocks_per_op)),
            ("share", json!(share)),
        ]),
        next_step: "reuse the buffer between operations, or size it once with `with_capacity`".to_owned(),
    }
}
