//! CPU time by function, for each round of the CPU pass.

use serde::{Deserialize, Serialize};

/// One function's CPU time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Function {
    /// Its readable name: closures and type parameters of async code folded.
    pub name: String,
    /// The source file, where debug information tells it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// The line that was seen most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// Whether it is runtime plumbing (tokio, std, libc) rather than the workload's or a library's code.
    #[serde(default)]
    pub plumbing: bool,
    /// Nanoseconds per operation in the function itself, one value per round.
    pub self_ns_per_op: Vec<f64>,
    /// The same with the plumbing that it called.
    #[serde(default)]
    pub folded_self_ns_per_op: Vec<f64>,
    /// Nanoseconds per operation in it and in all it called, one value per round.
    pub total_ns_per_op: Vec<f64>,
}
