//! What a comparison says: plain data, the content of `perfkit.comparison/1`. Computes nothing.

use serde::{Deserialize, Serialize};

use super::spread::SpreadChange;
use crate::record::Status;
use crate::unit::{Better, Unit};
use crate::warning::Warning;

/// The `schema` of a [`Comparison`].
pub const SCHEMA: &str = "perfkit.comparison/1";

/// What is said of a metric, a function, or a whole comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Worse by more than the margin: the whole interval lies beyond it.
    Regressed,
    /// Better by more than the margin: the whole interval lies beyond it.
    Improved,
    /// Shown to lie within the margin on both sides.
    Unchanged,
    /// The interval is too wide to say any of these.
    Inconclusive,
    /// There was nothing to compare; the note says why.
    NotCompared,
}

/// How an interval was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Method {
    /// Student's t of the differences of rounds that belong together.
    PairedT,
    /// Welch's t of two arms of rounds.
    WelchT,
    /// The Hodges–Lehmann shift with the exact inversion of its rank test.
    HodgesLehmann,
    /// Nothing varies: the figures are compared as they are.
    Exact,
    /// The difference of two shares with Newcombe's interval.
    Newcombe,
    /// The negative binomial model of stacks, with moderated dispersion.
    NegativeBinomial,
}

/// A whole comparison: what `compare --format json` prints.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Comparison {
    /// `perfkit.comparison/1`.
    pub schema: String,
    /// The worst of the gated metrics.
    pub verdict: Verdict,
    /// What led to the verdict, in one line.
    pub reason: String,
    /// The confidence of every interval.
    pub confidence: f64,
    /// Gated metrics that could be compared: `regressed` is corrected for their number by Holm's method.
    pub family_size: usize,
    /// Whether round i of both runs belongs together.
    pub paired: bool,
    /// Whether measuring ended when the intervals were narrow enough. They are then computed wider, so that they hold `confidence`.
    #[serde(default)]
    pub adaptive: bool,
    /// The seed of everything random in it.
    pub seed: u64,
    /// The run that is compared with.
    pub base: Side,
    /// The run that is judged.
    pub head: Side,
    /// Every metric of either run.
    pub metrics: Vec<MetricChange>,
    /// CPU time of functions, the largest change first.
    #[serde(default)]
    pub functions: Vec<FunctionChange>,
    /// Heap allocation of functions, the largest change first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allocators: Vec<AllocatorChange>,
    /// How the distribution of latencies changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shape: Option<Shape>,
    /// What changed the spread of the latencies; only where it is shown to have changed, and both runs know their components.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spread: Option<SpreadChange>,
    /// The objectives that head was held to.
    #[serde(default)]
    pub objectives: Vec<Objective>,
    /// What must be known beside the verdicts.
    pub warnings: Vec<Warning>,
}

/// Which run stood on one side.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Side {
    /// The run's id; of a foreign file its path.
    pub id: String,
    /// The workload.
    pub workload: String,
    /// The variant; empty where there is only one.
    pub variant: String,
    /// Whether it can be relied on.
    pub status: Status,
    /// Why it is not complete.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status_reason: Option<String>,
    /// The commit it was made of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub git_sha: Option<String>,
    /// Operations that were to be done, over all rounds of the time pass.
    pub planned: u64,
    /// Good ones.
    pub ok: u64,
}

/// The change of one metric.
#[expect(clippy::struct_excessive_bools, reason = "the flags of a document, each with a name")]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct MetricChange {
    /// The metric.
    pub name: String,
    /// The unit of `base`, `head` and the differences.
    pub unit: Unit,
    /// Which way is better.
    pub better: Better,
    /// The figure of base over its rounds (geometric mean; of a metric that is compared by differences the mean); `null` where there is
    /// none, or where it would be the latency of failures.
    pub base: Option<f64>,
    /// The figure of head.
    pub head: Option<f64>,
    /// The estimate of head / base; `null` where base is not positive.
    pub ratio: Option<f64>,
    /// The lower end of its interval; `null` where there is no interval.
    pub low: Option<f64>,
    /// The upper end.
    pub high: Option<f64>,
    /// The estimate of head − base, with its interval, of a metric that cannot be put on a scale of ratios.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub difference: Option<Difference>,
    /// How the interval was made; `null` where there is none.
    pub method: Option<Method>,
    /// Rounds of base that have a value.
    pub rounds_base: usize,
    /// Rounds of head that have a value.
    pub rounds_head: usize,
    /// The margin that fails: 0.10 is 10 %; of a success rate in percentage points.
    pub margin: f64,
    /// The margin that warns; `null` where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warn_margin: Option<f64>,
    /// Whether it counts for the verdict of the comparison.
    pub gated: bool,
    /// The verdict.
    pub verdict: Verdict,
    /// What must be known beside the verdict, in words; empty where there is nothing.
    pub note: String,
    /// The p-value of "worse by no more than the margin", as it is, not corrected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p_regressed: Option<f64>,
    /// The other method's interval, where one was computed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alternative: Option<Alternative>,
    /// Whether the two methods disagree on the verdict.
    #[serde(default)]
    pub sensitive: bool,
    /// Whether it is shown to be worse by more than the margin that warns; it passes nevertheless.
    #[serde(default)]
    pub warned: bool,
    /// Whether the policy accepts this regression.
    #[serde(default)]
    pub accepted: bool,
    /// The smallest change that these rounds detect with 80 % probability: 0.14 is 14 %.
    pub minimum_detectable: Option<f64>,
    /// Rounds that would decide, beside those that there are; `null` where that is not known, or none are needed.
    pub more_rounds: Option<usize>,
}

/// A change on the scale of the values themselves.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Difference {
    /// head − base.
    pub estimate: f64,
    /// The lower end of its interval; `null` where there is no interval.
    pub low: Option<f64>,
    /// The upper end.
    pub high: Option<f64>,
}

/// What the other method says.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Alternative {
    /// The method.
    pub method: Method,
    /// head / base.
    pub ratio: f64,
    /// The lower end of its interval.
    pub low: f64,
    /// The upper end.
    pub high: f64,
    /// Its verdict, not corrected for the family.
    pub verdict: Verdict,
}

/// The change of one function's CPU time per operation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct FunctionChange {
    /// The function.
    pub name: String,
    /// Nanoseconds per operation in the function itself.
    pub base_ns_per_op: f64,
    /// The same of head.
    pub head_ns_per_op: f64,
    /// head / base; `null` where base was never seen in it.
    pub ratio: Option<f64>,
    /// The lower end of its interval.
    pub low: Option<f64>,
    /// The upper end.
    pub high: Option<f64>,
    /// The verdict.
    pub verdict: Verdict,
    /// The p-value of "no change", corrected for the number of functions (Benjamini–Hochberg).
    pub q: f64,
    /// The function with all that it calls.
    pub total: TotalChange,
    /// `moved within MODULE` where the cost only changed place: the verdict is then the module's. Otherwise why there is no ratio or
    /// nothing was compared; else empty.
    pub note: String,
}

/// The change of what one function allocates.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct AllocatorChange {
    /// The nearest function of the program above the allocations.
    pub name: String,
    /// Bytes per operation.
    pub base_bytes_per_op: f64,
    /// The same of head.
    pub head_bytes_per_op: f64,
    /// Blocks per operation.
    pub base_blocks_per_op: f64,
    /// The same of head.
    pub head_blocks_per_op: f64,
    /// head / base of the bytes; `null` where one of them is zero.
    pub ratio: Option<f64>,
    /// The lower end of its interval; where there is no ratio, of head − base in bytes.
    pub low: Option<f64>,
    /// The upper end.
    pub high: Option<f64>,
    /// How the interval was made; `exact` where rounds do not vary.
    pub method: Option<Method>,
    /// The verdict.
    pub verdict: Verdict,
    /// The p-value of "no change beyond the margin", corrected for the number of functions (Benjamini–Hochberg).
    pub q: f64,
    /// What must be known beside it; else empty.
    pub note: String,
}

/// The change of a function with all that it calls.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct TotalChange {
    /// Nanoseconds per operation.
    pub base_ns_per_op: f64,
    /// The same of head.
    pub head_ns_per_op: f64,
    /// head / base; `null` where base was never seen in it.
    pub ratio: Option<f64>,
    /// The lower end of its interval.
    pub low: Option<f64>,
    /// The upper end.
    pub high: Option<f64>,
    /// The verdict.
    pub verdict: Verdict,
}

/// How the distribution of latencies changed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Shape {
    /// The change at each decile, with a band that holds for all nine together.
    pub deciles: Vec<DecileChange>,
    /// The modes of both runs together, with the weight that each has in either.
    pub modes: Vec<ModeChange>,
    /// The energy distance of the two distributions in the unit of the metric.
    pub distance: f64,
    /// Its p-value by exchanging the labels of whole rounds.
    pub p: f64,
    /// What it says in words; empty where nothing can be said.
    pub note: String,
}

/// The change at one decile.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct DecileChange {
    /// 0.1 to 0.9.
    pub share: f64,
    /// Nanoseconds.
    pub base: f64,
    /// Nanoseconds.
    pub head: f64,
    /// head / base.
    pub ratio: f64,
    /// The lower end of the band.
    pub low: f64,
    /// The upper end of the band.
    pub high: f64,
}

/// One mode of the latencies.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ModeChange {
    /// Where it is, in nanoseconds.
    pub center: f64,
    /// The share of base's operations in it, mean over rounds.
    pub base_weight: f64,
    /// The share of head's.
    pub head_weight: f64,
    /// The lower end of the interval of the difference of the weights; `null` where there is no interval.
    pub low: Option<f64>,
    /// The upper end.
    pub high: Option<f64>,
}

/// What is said of an objective.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Kept {
    /// The whole interval keeps it.
    Met,
    /// The whole interval misses it.
    Missed,
    /// The interval holds the target, or there is none.
    NotShown,
}

/// An objective that a run was held to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Objective {
    /// As it was written: `latency.p95 < 2s`.
    pub objective: String,
    /// The metric.
    pub metric: String,
    /// Its unit.
    pub unit: Unit,
    /// The target in that unit.
    pub target: f64,
    /// The mean over rounds; `null` where it was not measured, or would be the latency of failures.
    pub value: Option<f64>,
    /// The lower end of its interval.
    pub low: Option<f64>,
    /// The upper end.
    pub high: Option<f64>,
    /// What is left to the target as a part of it: 0.25 is 25 % in reserve, negative is beyond; `null` for a target of 0.
    pub margin: Option<f64>,
    /// Whether it is kept.
    pub kept: Kept,
    /// Why it could not be shown; empty where there is nothing to say.
    pub note: String,
}

impl Method {
    /// The method for people.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::PairedT => "paired t",
            Self::WelchT => "Welch's t",
            Self::HodgesLehmann => "ranks (Hodges–Lehmann)",
            Self::Exact => "exact figures",
            Self::Newcombe => "Newcombe's interval",
            Self::NegativeBinomial => "the negative binomial model",
        }
    }
}

impl Verdict {
    /// The verdict for people.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Regressed => "regressed",
            Self::Improved => "improved",
            Self::Unchanged => "unchanged",
            Self::Inconclusive => "inconclusive",
            Self::NotCompared => "not compared",
        }
    }
}
