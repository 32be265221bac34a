//! The phases of an operation, summed over the time pass.

use serde::{Deserialize, Serialize};

/// All spans of one name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Phase {
    /// The span's name.
    pub name: String,
    /// How often it was passed.
    pub count: u64,
    /// Mean time from its opening to its closing.
    pub mean_ns: f64,
    /// Mean time in which code inside it ran.
    pub busy_ns: f64,
    /// Mean time in which its task was ready but not running; `null` where tokio does not tell.
    pub scheduled_ns: Option<f64>,
    /// The rest: waiting for something else.
    pub idle_ns: f64,
    /// Its time as a part of all operations' latency; phases that overlap or nest can add up to more than 1.
    pub share: Option<f64>,
    /// The longest one.
    #[serde(default)]
    pub max_ns: f64,
}
