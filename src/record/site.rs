//! Heap allocation by call site.

use serde::{Deserialize, Serialize};

use super::stacks::Frame;

/// One place that allocates.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
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
    /// Where the task was spawned that allocated; empty where that is not known.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub task: String,
    /// Bytes of it alive after each round of a `leaks` session.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub live_bytes: Vec<f64>,
    /// Blocks of it alive after each round of a `leaks` session.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub live_blocks: Vec<f64>,
    /// What became of them: `leak`, `growing`, `warm-up`, `ok`, `inconclusive`; absent where nobody looked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict: Option<String>,
    /// The part of its blocks that were freed before their thread had made two more; from perfkit's own recorder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub temporary: Option<f64>,
    /// The part of its blocks that were freed before their thread had made a hundred more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub short_lived: Option<f64>,
    /// How often one of its blocks was given another size, per operation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resizes_per_op: Option<f64>,
}
