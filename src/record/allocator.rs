//! The heap by function: what each allocates, and what each held when the heap was at its largest.

use serde::{Deserialize, Serialize};

/// A function of the program that allocates in the measured part.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Allocator {
    /// The nearest function of the program above the allocation, readable.
    pub name: String,
    /// Its file; absent where that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// The line that most of it was allocated at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// Bytes per operation, one value for each round of the heap pass.
    pub bytes_per_op: Vec<f64>,
    /// Blocks per operation.
    pub blocks_per_op: Vec<f64>,
}

/// A function of the program whose blocks were alive when the heap was at its largest.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Holder {
    /// The nearest function of the program above the allocation, readable.
    pub name: String,
    /// Its file; absent where that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// The line that most of it was allocated at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// Bytes, one value for each round of the memory pass.
    pub peak_bytes: Vec<f64>,
}
