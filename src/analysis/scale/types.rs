//! What several runs of one workload with different numbers of users say, as data: the document `perfkit.scale/1`.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::record::Status;
use crate::unit::Unit;
use crate::warning::Warning;

/// The document's schema.
pub const SCHEMA: &str = "perfkit.scale/1";

/// A value with its interval at the document's confidence.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Estimate {
    /// The mean over rounds.
    pub estimate: f64,
    /// The lower end; `null` where one round is all there is.
    pub low: Option<f64>,
    /// The upper end.
    pub high: Option<f64>,
}

/// Everything that was measured, and what follows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Scale {
    /// `perfkit.scale/1`.
    pub schema: Cow<'static, str>,
    /// The workload.
    pub workload: String,
    /// Its variant; empty where it has none.
    pub variant: String,
    /// The confidence of the intervals.
    pub confidence: f64,
    /// What was measured with each number of users; the fewest first.
    pub levels: Vec<Level>,
    /// What a user adds.
    pub fits: Vec<Fit>,
    /// The functions whose live memory a user adds to, at the heap's largest; those that add most first.
    pub functions: Vec<FunctionFit>,
    /// What must be known beside it.
    pub warnings: Vec<Warning>,
}

/// One number of users.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Level {
    /// Users.
    pub users: u32,
    /// The run's id.
    pub run: String,
    /// Whether all of it was measured, and whether it means anything.
    pub status: Status,
    /// Why the status is not `complete`.
    pub status_reason: Option<String>,
    /// Its metrics; none of an invalid run but the success rate.
    pub metrics: Vec<LevelMetric>,
}

/// A metric with one number of users.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct LevelMetric {
    /// Its name.
    pub name: String,
    /// Its unit.
    pub unit: Unit,
    /// Its value.
    #[serde(flatten)]
    pub value: Estimate,
}

/// A metric as a line over users: `value = at_zero + per_user · users`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Fit {
    /// `memory.peak`, `rss.max`.
    pub metric: String,
    /// Its unit.
    pub unit: Unit,
    /// What each user adds; `null` where that cannot be said.
    pub per_user: Option<Estimate>,
    /// What is there without users.
    pub at_zero: Option<Estimate>,
    /// Where the line bends; `null` where nothing shows that it does.
    pub bend: Option<Bend>,
    /// Users and values along the line, bent where it bends; from no users to the most that were measured.
    pub line: Vec<(f64, f64)>,
    /// Why something cannot be said.
    pub note: String,
}

/// A bend of a line.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Bend {
    /// The number of users, of those that were measured; the knee lies between its neighbours.
    pub users: u32,
    /// What each user adds up to there.
    pub before: Estimate,
    /// What each further one adds.
    pub after: Estimate,
}

/// What a user adds to what one function holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct FunctionFit {
    /// The nearest function of the program above the allocations.
    pub function: String,
    /// Its file and line; empty where that is not known.
    pub place: String,
    /// Bytes for each user.
    pub per_user: Estimate,
    /// Its part of what a user adds in all; `null` where that is not known.
    pub share: Option<f64>,
}
