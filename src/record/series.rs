//! Values over time within a round: what `series.csv` holds.

use serde::{Deserialize, Serialize};

use crate::unit::Unit;

/// One quantity, read again and again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Series {
    /// Dotted name: `rss`.
    pub name: String,
    /// The unit of the values.
    pub unit: Unit,
    /// Time from the start of the measured part, in nanoseconds, and the value then.
    pub points: Vec<(u64, f64)>,
}

impl Series {
    /// An empty series.
    pub fn new(name: impl Into<String>, unit: Unit) -> Self {
        Self { name: name.into(), unit, points: Vec::new() }
    }
}
