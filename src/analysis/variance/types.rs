//! What is said of a run's variance: plain data. Judges nothing.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::record::Status;
use crate::record::stacks::Frame;
use crate::warning::Warning;

/// The schema of [`Variance`].
pub const SCHEMA: &str = "perfkit.variance/1";

/// Where the variance of a run's latencies comes from. Of an invalid run there are no figures.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Variance {
    /// `perfkit.variance/1`.
    pub schema: Cow<'static, str>,
    /// The run's id.
    pub run: String,
    /// The workload's name.
    pub workload: String,
    /// The variant; empty where the workload has only one way.
    pub variant: String,
    /// Whether the run can be relied on.
    pub status: Status,
    /// Why the status is not `complete`.
    pub status_reason: Option<String>,
    /// Good operations of the time pass.
    pub operations: u64,
    /// Rounds of the time pass that have good operations.
    pub rounds: u32,
    /// The mean latency; `null` without operations.
    pub mean_ns: Option<f64>,
    /// The square root of `total_variance_ns2`.
    pub standard_deviation_ns: Option<f64>,
    /// The variance of the latency, within rounds and between them; `null` where no round has two operations.
    pub total_variance_ns2: Option<f64>,
    /// The part of it within rounds, which `shares` are parts of.
    pub within_rounds_ns2: Option<f64>,
    /// `Cov(component, latency) / Var(latency)` within rounds, the largest first. They sum to 1; empty where latencies do not
    /// vary. A negative one belongs to a component that is short where the operation is long.
    pub shares: Vec<Share>,
    /// The same variance by what the operation's own future did, with phases left aside; empty where that is not known, or where
    /// there are no phases and `shares` say it.
    pub states: Vec<Share>,
    /// What lies between rounds; `null` below two rounds.
    pub between_rounds: Option<Between>,
    /// The modes of the latencies, the fastest first.
    pub modes: Vec<Mode>,
    /// By how much the slow operations exceed the others, by component, the largest first.
    pub tail: Vec<Excess>,
    /// Which operations are the slow ones; `null` where rounds are too short to have any.
    pub slow: Option<Slow>,
    /// How much of the tail falls together with stalls, by function; empty where there were none.
    pub stalls: Vec<StallShare>,
    /// Whether latencies rise or fall within rounds; `null` where rounds are too short to say.
    pub drift: Option<Drift>,
    /// Phases that count inside others: their time is taken out of the one around them.
    pub nesting: Vec<Nested>,
    /// What must be known beside the figures.
    pub warnings: Vec<Warning>,
}

/// A component's part of the variance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Share {
    /// The component: `redis.get/idle`, `llm.call`, `operation/busy`, `lateness`, `unattributed`.
    pub component: String,
    /// Its share.
    pub share: f64,
    /// Lower end of the 95 % interval over rounds; `null` below three rounds.
    pub low: Option<f64>,
    /// Upper end of it.
    pub high: Option<f64>,
    /// Its mean time in an operation.
    pub mean_ns: f64,
}

/// The variance between rounds: what no number of operations in a round reduces.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Between {
    /// The variance between rounds; 0 where rounds differ no more than their operations explain.
    pub variance_ns2: f64,
    /// It as a part of the total.
    pub share_of_total: f64,
    /// What makes the rounds differ, the largest first; they sum to 1. Empty below three rounds, or where nothing lies between.
    pub components: Vec<Part>,
    /// The p-value of "the rounds' means have no trend"; `null` below five rounds, where it could show none.
    pub trend_p: Option<f64>,
}

/// A component's part of something.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Part {
    /// The component.
    pub component: String,
    /// Its share.
    pub share: f64,
}

/// A mode of the latencies.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Mode {
    /// Where operations are densest.
    pub center_ns: f64,
    /// The share of the operations between its valleys.
    pub weight: f64,
    /// Lower end of the 95 % interval of the weight over rounds; `null` below three rounds.
    pub low: Option<f64>,
    /// Upper end of it.
    pub high: Option<f64>,
    /// The mean latency of its operations.
    pub mean_ns: f64,
    /// The component that sets it apart from the mode before; `null` for the first.
    pub separated_by: Option<Separation>,
}

/// What two modes differ by most.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Separation {
    /// The component.
    pub component: String,
    /// How much longer it takes in the slower mode.
    pub difference_ns: f64,
    /// That as a part of how much longer the operation takes.
    pub share: f64,
}

/// How much longer a component takes in slow operations.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Excess {
    /// The component.
    pub component: String,
    /// Its mean in slow operations less its mean in the others, mean over rounds.
    pub excess_ns: f64,
    /// Lower end of the 95 % interval over rounds; `null` below three rounds.
    pub low: Option<f64>,
    /// Upper end of it.
    pub high: Option<f64>,
    /// It as a part of the excess of the whole latency.
    pub share: f64,
}

/// The slow operations: in each round the slowest 5 %, and those that took exactly as long as one of these.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Slow {
    /// How many there are, in all rounds.
    pub operations: u64,
    /// The shortest of them, mean over rounds.
    pub from_ns: f64,
    /// Their mean latency less that of the others, mean over rounds: what the excesses add up to.
    pub excess_ns: f64,
}

/// What stalls of one function have to do with slow operations.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct StallShare {
    /// Where the worker was held longest, from the innermost function to the one that has to be looked at, which is the last; empty
    /// where no stack could be taken.
    pub stack: Vec<Frame>,
    /// Operations, slow or not, in whose time such a stall fell.
    pub operations_hit: u64,
    /// How much more of the slow operations' time than of the others' such stalls took, as a part of how much longer the slow ones
    /// took; from 0 to 1. Stalls on another thread count too, so it is an upper bound of what mending them would save.
    pub share_of_tail: f64,
}

/// The trend of latencies within rounds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Drift {
    /// Change of the mean latency in a second: the Theil–Sen slope over windows of a round, mean over rounds.
    pub slope_ns_per_s: f64,
    /// Lower end of the 95 % interval over rounds; `null` below three rounds.
    pub low: Option<f64>,
    /// Upper end of it.
    pub high: Option<f64>,
    /// The slope over the length of a round.
    pub change_ns: f64,
    /// The p-value of "no drift": over rounds from three on, else the largest of the rounds' Mann–Kendall tests.
    pub p: f64,
    /// The component that drifts most in the same direction.
    pub component: Option<String>,
}

/// A phase that counts inside another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Nested {
    /// The phase.
    pub phase: String,
    /// The one around it.
    pub within: String,
}
