//! Objectives: `latency.p95 < 2s`. Read from text, and held against a run with the interval, never with the point alone.

use crate::unit::Unit;

/// An objective as it was written.
#[derive(Clone, Debug, PartialEq)]
pub struct Target {
    /// As it was written.
    pub text: String,
    /// The metric.
    pub metric: String,
    /// How the metric must stand to the value.
    pub relation: Relation,
    /// The value, in `unit`.
    pub value: f64,
    /// The unit that the value was written in: `2s` is nanoseconds. `None` for a plain number, which takes the metric's.
    pub unit: Option<Unit>,
}

/// How a metric must stand to its target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relation {
    /// `<`
    Below,
    /// `<=`
    AtMost,
    /// `>`
    Above,
    /// `>=`
    AtLeast,
    /// `==`
    Equal,
}
