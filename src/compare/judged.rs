//! One workload as `check` judged it: the comparison, the objectives, and the control that tells whether the machine was fit to judge
//! at all. Plain data; a workload without a base stands here too, as `not_compared` with the reason.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::{Comparison, MetricChange, Objective, Verdict};

/// The `schema` of a [`Check`].
pub const CHECK_SCHEMA: &str = "perfkit.check/1";

/// A whole check: what `check --format json` prints.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Check<'a> {
    /// `perfkit.check/1`.
    pub schema: Cow<'a, str>,
    /// The worst of the workloads.
    pub verdict: Verdict,
    /// The code that the process ends with.
    pub exit_code: u8,
    /// Every workload that was to be judged.
    pub workloads: Cow<'a, [Judged]>,
}

/// What became of one workload.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Judged {
    /// The workload.
    pub workload: String,
    /// What is said of it.
    pub verdict: Verdict,
    /// What led to the verdict, or why there is nothing to compare; empty where the comparison says it.
    pub reason: String,
    /// Why head could not be measured at all; absent where it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Base and head; `null` where there is no base, or no head.
    pub comparison: Option<Comparison>,
    /// The objectives that head was held to, where the comparison does not hold them.
    #[serde(default)]
    pub objectives: Vec<Objective>,
    /// Base against base in the same job; `null` where that was not done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub control: Option<Control>,
}

/// Base against base: what the setup says where nothing has changed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Control {
    /// Rounds of either arm.
    pub rounds: usize,
    /// Whether the setup is fit to judge.
    pub fit: Fitness,
    /// Why, in words; empty where there is nothing to say.
    pub note: String,
    /// The metrics as they compared.
    pub metrics: Vec<MetricChange>,
}

/// Whether a setup is fit to judge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Fitness {
    /// No difference was seen where there is none.
    Fit,
    /// A difference was seen where there is none: what it says of head cannot be relied on.
    Unfit,
    /// Too few rounds to see either.
    Unknown,
}

impl Judged {
    /// The objectives that head was held to, wherever they stand.
    #[must_use]
    pub fn held_to(&self) -> &[Objective] {
        match &self.comparison {
            Some(comparison) if self.objectives.is_empty() => &comparison.objectives,
            _ => &self.objectives,
        }
    }
}

impl From<Comparison> for Judged {
    fn from(comparison: Comparison) -> Self {
        Self {
            workload: comparison.head.workload.clone(),
            verdict: comparison.verdict,
            reason: String::new(),
            error: None,
            comparison: Some(comparison),
            objectives: Vec::new(),
            control: None,
        }
    }
}

/// The word that opens or stands in the note of an inconclusive metric whose whole interval is on the worse side of no change, and
/// whose estimate is beyond the margin: `likely slower`.
pub const LIKELY: &str = "likely";

impl MetricChange {
    /// Whether it is inconclusive, but probably worse by more than the margin.
    #[must_use]
    pub fn is_likely(&self) -> bool {
        self.verdict == Verdict::Inconclusive && self.note.contains(LIKELY)
    }

    /// Whether it is a regression that nobody accepted.
    #[must_use]
    pub fn is_failure(&self) -> bool {
        self.verdict == Verdict::Regressed && !self.accepted
    }
}
