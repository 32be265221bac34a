//! What a run means. Pure functions of the [`Run`]: no clock, no file, no thread; they cannot fail.

mod allocation;
mod block_in_place;
mod blocking;
mod cpu_bound;
mod hot_path;
pub mod leaks;
mod lock;
mod pool;
mod preempted;
pub mod scale;
mod scheduling;
pub mod summary;
mod timer;
mod validity;
pub mod variance;
mod waiting;

use serde_json::{Map, Value};

use crate::record::finding::{Finding, Severity};
use crate::record::{Run, Status};

/// An analysis: one rule, and what it reads out of a run.
pub struct Analysis {
    /// The rule's name, for `--fail-on`.
    pub rule: &'static str,
    /// What it looks for, in one line.
    pub about: &'static str,
    /// Whether it says anything about a run whose operations failed.
    pub reads_invalid_runs: bool,
    /// Looks.
    pub analyze: fn(&Run) -> Vec<Finding>,
}

/// Every analysis, in the order their findings are shown.
pub static ALL: &[&Analysis] = &[
    &validity::ANALYSIS,
    &leaks::ANALYSIS,
    &blocking::ANALYSIS,
    &lock::ANALYSIS,
    &cpu_bound::ANALYSIS,
    &timer::ANALYSIS,
    &pool::ANALYSIS,
    &scheduling::ANALYSIS,
    &preempted::ANALYSIS,
    &block_in_place::ANALYSIS,
    &hot_path::ANALYSIS,
    &waiting::ANALYSIS,
    &allocation::ANALYSIS,
];

/// The most places with stalls that a rule tells; the report's table has more.
const MOST_STALLS: usize = 5;

/// All findings of a run, the worst first.
#[must_use]
pub fn analyze(run: &Run) -> Vec<Finding> {
    let valid = run.status != Status::Invalid;
    let mut findings: Vec<Finding> = ALL
        .iter()
        .filter(|analysis| valid || analysis.reads_invalid_runs)
        .flat_map(|analysis| (analysis.analyze)(run))
        .collect();
    findings.sort_by_key(|finding| finding.severity);
    findings
}

/// The mean of a metric's rounds, if it was measured.
fn mean(run: &Run, metric: &str) -> Option<f64> {
    let values = run.metric(metric)?.finite();
    crate::stats::describe::mean(&values)
}

/// The largest value of a metric's rounds, if it was measured.
fn largest(run: &Run, metric: &str) -> Option<f64> {
    let values = run.metric(metric)?.finite();
    values.into_iter().reduce(f64::max)
}

/// Evidence from pairs.
fn evidence<const N: usize>(pairs: [(&str, Value); N]) -> Map<String, Value> {
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// Bad above one limit, worth knowing above another.
fn graded(value: f64, warning: f64, info: f64) -> Option<Severity> {
    if value >= warning {
        Some(Severity::Warning)
    } else if value >= info {
        Some(Severity::Info)
    } else {
        None
    }
}
