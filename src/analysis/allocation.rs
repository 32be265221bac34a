//! `allocation`: call sites that allocate much of the bytes of an operation.

use serde_json::json;

use super::summary::{self, Frames, HotSite, SiteOrder};
use super::{Analysis, evidence, mean};
use crate::record::Run;
use crate::record::finding::{Finding, Severity};
use crate::unit::Unit;

pub(super) static ANALYSIS: Analysis = Analysis {
    rule: "allocation",
    about: "call sites that allocate much of an operation's bytes",
    reads_invalid_runs: false,
    analyze,
};

/// A site is told from this part of the bytes on.
const SHARE: f64 = 0.2;
/// The most sites that are told.
const MOST: usize = 2;
/// Below this an operation allocates too little to speak of.
const LEAST_BYTES: f64 = 1024.0;

fn analyze(run: &Run) -> Vec<Finding> {
    let Some(bytes) = mean(run, "heap.bytes_per_op").filter(|bytes| *bytes >= LEAST_BYTES) else { return Vec::new() };
    let sites = summary::hot_sites(run, Frames::Program, SiteOrder::Bytes, MOST);
    sites.iter().filter(|site| site.share >= SHARE).map(|site| finding(site, bytes)).collect()
}

fn finding(site: &HotSite, bytes: f64) -> Finding {
    let place = if site.place.is_empty() { String::new() } else { format!(" ({})", site.place) };
    Finding {
        rule: ANALYSIS.rule.to_owned(),
        severity: Severity::Info,
        title: format!("`{}` allocates {:.0} % of the bytes", site.name, site.share * 100.0),
        detail: format!(
            "{} in {} blocks per operation{place}, of {} in all.",
            Unit::Bytes.show(site.bytes),
            Unit::Count.show(site.blocks),
            Unit::Bytes.show(bytes)
        ),
        evidence: evidence([
            ("function", json!(site.name)),
            ("bytes_per_op", json!(site.bytes)),
            ("blocks_per_op", json!(site.blocks)),
            ("share", json!(site.share)),
        ]),
        next_step: "reuse the buffer between operations, or size it once with `with_capacity`".to_owned(),
    }
}
