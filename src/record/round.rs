//! One round beside its metrics: how many operations it had, how their latencies were distributed, how many stacks were
//! taken. What comparing needs of a round; the operations themselves are in `ops.csv`.

use serde::{Deserialize, Serialize};

use super::pass::Pass;

/// Places of [`Round::latencies`]: the shares (i + ½)/100.
pub const PLACES: usize = 100;

/// One round of a pass; a process of its own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Round {
    /// Its pass.
    #[schemars(with = "String")]
    pub pass: Pass,
    /// Its number within the pass, from 0. Rounds of one number of two interleaved runs belong together.
    pub round: u32,
    /// Operations that were to be done.
    pub planned: u64,
    /// Good ones.
    pub ok: u64,
    /// The latencies of its good operations in nanoseconds at the shares 0.005, 0.015, … 0.995 (quantiles of type 7); empty where
    /// it had none, or for other passes than `time`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub latencies: Vec<f64>,
    /// Stacks that the CPU sampler took.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stacks: Option<u64>,
    /// CPU time that those stacks stand for, in nanoseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_ns: Option<f64>,
}

/// The shares at which latencies are kept.
pub fn places() -> impl Iterator<Item = f64> {
    (0..PLACES).map(|place| (place as f64 + 0.5) / PLACES as f64)
}
