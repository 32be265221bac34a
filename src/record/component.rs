//! What the latency of an operation is made of, and how much of its variance each part has, round by round. What comparing the
//! spread of two runs needs; the operations themselves are in `ops.csv`.

use serde::{Deserialize, Serialize};

/// One part of the latency of the good operations of the time pass. In each round the parts add up to the latency, and their
/// covariances with it to its variance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Component {
    /// The part: `redis.get/idle`, `operation/busy`, `lateness`, `unattributed`; `others` is what has no room of its own.
    pub name: String,
    /// The phase that it counts inside: its time is taken out of that one's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub within: Option<String>,
    /// Its covariance with the latency within each round of the time pass, in ns² (sample covariance); `null` where a round has
    /// fewer than two good operations.
    #[serde(with = "super::metric::nullable")]
    #[schemars(with = "Vec<Option<f64>>")]
    pub covariance_ns2: Vec<f64>,
    /// Its mean time in an operation of each of these rounds, in nanoseconds; `null` where there was none.
    #[serde(with = "super::metric::nullable")]
    #[schemars(with = "Vec<Option<f64>>")]
    pub mean_ns: Vec<f64>,
}
