//! Heap allocation by call site.

use serde::{Deserialize, Serialize};

use super::stacks::Frame;

/// One place that allocates.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Site {
    /// The stack, the allocating function first.
    pub stack: Vec<Frame>,
    /// Bytes it allocated per operation, mean over rounds.
    pub bytes_per_op: f64,
    /// Blocks it allocated per operation, mean over rounds.
    pub blocks_per_op: f64,
    /// Bytes of it still alive at the end of the measured part, mean over rounds.
    pub live_bytes_end: f64,
    /// Bytes of it alive when the heap was at its largest, mean over rounds.
    #[serde(default)]
    pub peak_bytes: f64,
    /// Bytes still alive at the end, per operation: one value per round.
    #[serde(default)]
    pub growth_bytes_per_op: Vec<f64>,
}
