//! What counts as worse: margins by metric, floors, what was accepted, what head is held to. Plain data; the command line fills it
//! from `perfkit.toml`.

use crate::stats::paired::Design;
use crate::unit::Unit;

/// How two runs are judged.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    /// The confidence of every interval.
    pub confidence: f64,
    /// Whether round i of both runs belongs together.
    pub design: Design,
    /// Whether the number of rounds depended on what they gave.
    pub stopping: Stopping,
    /// What is done where the two runs were made under other conditions.
    pub mismatch: Mismatch,
    /// Margins that were set; the first that names the metric counts, the rest have defaults.
    pub limits: Vec<(String, Limit)>,
    /// Regressions that were accepted.
    pub accepted: Vec<Accepted>,
    /// What head is held to, as it was written.
    pub objectives: Vec<super::objective::Target>,
    /// The seed of everything random.
    pub seed: u64,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            confidence: 0.95,
            design: Design::Unpaired,
            stopping: Stopping::Fixed,
            mismatch: Mismatch::Refuse,
            limits: Vec::new(),
            accepted: Vec::new(),
            objectives: Vec::new(),
            seed: 1,
        }
    }
}

/// When measuring ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stopping {
    /// After a number of rounds that was fixed before.
    Fixed,
    /// When the intervals were narrow enough. They are narrow too early where few rounds happen to lie close together, so what is
    /// printed as 95 % is computed at [`ADAPTIVE_LEVEL`] of what 95 % leaves: then it holds what it says.
    Adaptive,
}

/// The part of the error probability that an adaptive comparison may use: at 0.6 a 95 % interval is computed at 97 %. Without it, equal
/// programs with 5 to 7 % between rounds are called different in 7.2 to 7.6 of 100 checks (`cargo bench --bench calibration`).
pub const ADAPTIVE_LEVEL: f64 = 0.6;

/// What is done with runs that were made under other conditions: another processor, another kind of Redis, another load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mismatch {
    /// They are not compared.
    Refuse,
    /// They are compared, with a warning.
    Allow,
}

/// What was set for one metric; what is absent has its default.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Limit {
    /// The margin that fails: 0.10 is 10 %; of a success rate in percentage points.
    pub fail: Option<f64>,
    /// The margin that warns.
    pub warn: Option<f64>,
    /// A change smaller than this is no regression; with the unit it was written in.
    pub min_effect: Option<(f64, Option<Unit>)>,
    /// Whether it counts for the verdict.
    pub gate: Option<bool>,
}

/// A regression that somebody accepted.
#[derive(Clone, Debug, PartialEq)]
pub struct Accepted {
    /// The metric.
    pub metric: String,
    /// The change that is accepted, in the worse direction: 0.25 is 25 %.
    pub change: f64,
    /// Why.
    pub reason: String,
    /// The commit that brought it.
    pub commit: String,
}

/// The rules of one metric, every one decided.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rules {
    /// The margin that fails.
    pub fail: f64,
    /// The margin that warns.
    pub warn: Option<f64>,
    /// A change smaller than this is no regression; with the unit it was written in.
    pub min_effect: (f64, Option<Unit>),
    /// Whether it counts for the verdict.
    pub gated: bool,
}

/// The metrics that are gated without a word from the policy, with their margins. A metric of a foreign file stands under its last
/// part: `build.p95` is held to what is said of `p95`.
const DEFAULTS: &[(&str, f64)] = &[
    ("latency.mean", 0.10),
    ("latency.p50", 0.10),
    ("latency.p95", 0.15),
    ("latency.p99", 0.25),
    ("latency.sd", 0.50),
    ("latency.mad", 0.50),
    ("throughput", 0.10),
    ("success_rate", 0.01),
    ("cpu.per_op", 0.10),
    ("heap.bytes_per_op", 0.10),
    ("heap.blocks_per_op", 0.10),
];

/// Whether it is a metric that perfkit gates by itself: a pass that was not run may lack it.
pub(super) fn is_known(metric: &str) -> bool {
    DEFAULTS.iter().any(|(name, _)| *name == metric)
}

/// The margin of every other metric.
const MARGIN: f64 = 0.10;

impl Policy {
    /// The confidence that intervals are computed at.
    #[must_use]
    pub fn level(&self) -> f64 {
        match self.stopping {
            Stopping::Fixed => self.confidence,
            Stopping::Adaptive => 1.0 - (1.0 - self.confidence) * ADAPTIVE_LEVEL,
        }
    }

    /// The rules of a metric.
    #[must_use]
    pub fn rules(&self, metric: &str, origin: Origin) -> Rules {
        let set = self.limits.iter().find(|(name, _)| name == metric).map(|(_, limit)| limit);
        let known = DEFAULTS.iter().find(|(name, _)| *name == metric);
        let alike = || {
            let last = metric.rsplit('.').next().filter(|last| last.len() < metric.len())?;
            DEFAULTS.iter().find(|(name, _)| name.strip_prefix("latency.") == Some(last))
        };
        let (margin, gated) = match (known, origin) {
            (Some((_, margin)), _) => (*margin, true),
            (None, Origin::Foreign) => (alike().map_or(MARGIN, |(_, margin)| *margin), true),
            (None, Origin::Perfkit) => (MARGIN, set.is_some_and(|limit| limit.fail.is_some())),
        };
        let limit = set.cloned().unwrap_or_default();
        Rules {
            fail: limit.fail.unwrap_or(margin),
            warn: limit.warn,
            min_effect: limit.min_effect.unwrap_or((0.0, None)),
            gated: limit.gate.unwrap_or(gated),
        }
    }
}

/// Who measured a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// perfkit: the metrics that decide are known.
    Perfkit,
    /// Another program: all that it measured decides.
    Foreign,
}
