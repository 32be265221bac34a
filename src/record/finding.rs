//! A finding as it stands in `run.json`: a rule that spoke, its evidence and the next step.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Something an analysis found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Finding {
    /// The rule that spoke: stable, for `--fail-on`.
    pub rule: String,
    /// How bad it is.
    pub severity: Severity,
    /// One line.
    pub title: String,
    /// What was seen, in a sentence or two.
    pub detail: String,
    /// The numbers behind it.
    #[serde(default)]
    pub evidence: Map<String, Value>,
    /// What to do next.
    pub next_step: String,
}

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// The results cannot be used, or the program is broken.
    Error,
    /// It costs much.
    Warning,
    /// Good to know.
    Info,
}

impl Severity {
    /// The word in files and reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Info => "info",
        }
    }
}
