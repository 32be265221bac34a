//! What a probe gives back after a round: metrics, series, phases, weighted stacks, stalls. A probe has no other shape, so
//! record, analysis and report know shapes, not probes.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::growth::Growth;
use super::phase::Phase;
use super::series::Series;
use super::site::Site;
use super::stacks::Stacks;
use super::stall::Stall;
use crate::unit::{Better, Unit};
use crate::warning::Warning;

/// One round's reading of one probe.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Reading {
    /// The probe's name.
    pub probe: String,
    /// Single values of this round.
    pub metrics: Vec<RoundValue>,
    /// Values over time.
    pub series: Vec<Series>,
    /// Counts by name with their durations.
    pub phases: Vec<Phase>,
    /// Weighted call stacks, with what they are of: `cpu`, `heap`.
    pub stacks: Vec<(String, Stacks)>,
    /// Times in which a worker thread was held; their round is the parent's to say.
    #[serde(default)]
    pub stalls: Vec<Stall>,
    /// What was alive after each round of a `leaks` session, with its call sites.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub growth: Option<(Growth, Vec<Site>)>,
    /// Facts about the probe's own work.
    pub detail: Map<String, Value>,
    /// What it lost.
    pub warnings: Vec<Warning>,
    /// Phases of single operations, for the columns of `ops.csv`; they never leave the process.
    #[serde(skip)]
    pub spans: Spans,
}

/// Which operation spent how long in which phase.
#[derive(Clone, Debug, Default)]
pub struct Spans {
    /// The phases' names.
    pub names: Vec<String>,
    /// The spans, in no order.
    pub times: Vec<SpanTime>,
    /// Whether it is known how long tasks were ready but not polled; without it every `scheduled_ns` is meaningless.
    pub knows_scheduled: bool,
}

/// One span of one operation. What is neither busy nor scheduled of `total_ns` was idle; they are never more than it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpanTime {
    /// The operation's number.
    pub operation: u64,
    /// The index of the phase.
    pub phase: u16,
    /// From opened to closed.
    pub total_ns: u64,
    /// In which it was entered.
    pub busy_ns: u64,
    /// In which its task was ready but not polled.
    pub scheduled_ns: u64,
}

/// One value of one round, with what it means.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RoundValue {
    /// The metric's name.
    pub name: String,
    /// Its unit.
    pub unit: Unit,
    /// Which way is better.
    pub better: Better,
    /// The value of this round; `None` where it could not be said.
    pub value: Option<f64>,
    /// Whether it has yet to be divided by the good operations of the round: probes do not know the load.
    pub per_operation: bool,
}

impl Reading {
    /// An empty reading of a probe.
    #[must_use]
    pub fn of(probe: &str) -> Self {
        Self { probe: probe.to_owned(), ..Self::default() }
    }

    /// Adds a value.
    pub fn metric(&mut self, name: &str, unit: Unit, better: Better, value: f64) {
        let value = value.is_finite().then_some(value);
        self.metrics.push(RoundValue { name: name.to_owned(), unit, better, value, per_operation: false });
    }

    /// Adds a total that is to be shown for one operation.
    pub fn per_operation(&mut self, name: &str, unit: Unit, better: Better, total: f64) {
        let value = total.is_finite().then_some(total);
        self.metrics.push(RoundValue { name: name.to_owned(), unit, better, value, per_operation: true });
    }

    /// Adds a fact about the probe's own work.
    pub fn fact(&mut self, name: &str, value: impl Into<Value>) {
        self.detail.insert(name.to_owned(), value.into());
    }
}
