//! What must be shown but stops nothing. Warnings are data: they travel in a run, and the words exist only here.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::unit::Unit;

/// One warning, as it stands in `run.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Warning {
    /// What kind of warning: stable, for programs.
    pub code: String,
    /// What it says, for people.
    pub message: String,
}

/// Every warning that perfkit gives, with the facts it is about.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Caution {
    /// A child process that ran a round ended without a result.
    RoundLost {
        /// The round's pass.
        pass: String,
        /// Its number within the pass, from 0.
        round: u32,
        /// How it ended.
        reason: String,
        /// The last lines of its stderr.
        last_lines: Vec<String>,
    },
    /// A service went away; the rounds after that were not run.
    ServiceLost {
        /// Which, and how it ended.
        reason: String,
    },
    /// The run was interrupted; what was measured is kept.
    Interrupted {
        /// The signal's name.
        signal: &'static str,
        /// Rounds that were done, of all passes.
        rounds_done: u32,
    },
    /// Too few rounds for an interval.
    FewRounds {
        /// The passes, joined by commas.
        passes: String,
        /// The good rounds of the one with the fewest.
        rounds: usize,
        /// Rounds it should have.
        needed: usize,
    },
    /// A percentile falls among operations that never finished.
    Censored {
        /// The metric.
        metric: String,
    },
    /// Too few operations in a round for a percentile.
    FewOperations {
        /// The metric.
        metric: String,
        /// Good operations of the smallest round.
        operations: u64,
        /// Operations it should have.
        needed: u64,
    },
    /// Of one of several numbers of users nothing was measured.
    LevelLost {
        /// The number of users.
        users: u32,
        /// Why.
        reason: String,
    },
    /// `track_heap!` is missing in the program.
    NoHeapTracking,
    /// tokio was built without `--cfg tokio_unstable`.
    NoTokioUnstable {
        /// What is therefore not measured.
        absent: &'static str,
    },
    /// A probe lost something but went on.
    ProbeDegraded {
        /// The probe.
        probe: &'static str,
        /// What it lost, and why.
        reason: String,
    },
    /// The two samplers of the CPU pass differ beyond sampling error.
    SamplersDiffer {
        /// Where they lie furthest apart.
        function: String,
        /// Its share of the stacks by pprof.
        pprof: f64,
        /// Its share by the jittered sampler.
        jittered: f64,
    },
    /// Something about two runs that stands beside their comparison.
    Compared {
        /// The stable code.
        code: &'static str,
        /// What it is.
        message: String,
    },
    /// The functions of a foreign profile carry weights that are no nanoseconds per operation.
    ForeignWeights {
        /// What they count: `samples (count)`.
        weight: String,
    },
    /// A value of a foreign file is the mean of many operations.
    BatchMeans {
        /// What measured them.
        by: &'static str,
    },
    /// The phases of operations are longer than the operations.
    PhasesOverlap {
        /// The part of the operations of which that is true.
        share: f64,
    },
    /// There is nothing that an operation's latency could be split into.
    Unwatched,
    /// What the latencies are made of could not be kept in the run.
    NoComponents {
        /// Why.
        reason: String,
    },
    /// A worker's teardown failed.
    Teardown {
        /// The first failure.
        message: String,
    },
}

impl Caution {
    /// The stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::RoundLost { .. } => "round-lost",
            Self::ServiceLost { .. } => "service-lost",
            Self::Interrupted { .. } => "interrupted",
            Self::FewRounds { .. } => "few-rounds",
            Self::Censored { .. } => "censored",
            Self::FewOperations { .. } => "few-operations",
            Self::LevelLost { .. } => "level-lost",
            Self::NoHeapTracking => "no-heap-tracking",
            Self::NoTokioUnstable { .. } => "no-tokio-unstable",
            Self::ProbeDegraded { .. } => "probe-degraded",
            Self::SamplersDiffer { .. } => "samplers-differ",
            Self::Compared { code, .. } => code,
            Self::ForeignWeights { .. } => "foreign-weights",
            Self::BatchMeans { .. } => "batch-means",
            Self::PhasesOverlap { .. } => "phases-overlap",
            Self::Unwatched => "unwatched",
            Self::NoComponents { .. } => "no-components",
            Self::Teardown { .. } => "teardown",
        }
    }
}

impl fmt::Display for Caution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RoundLost { pass, round, reason, last_lines } => {
                write!(f, "round {} of the {pass} pass was lost: {reason}", round + 1)?;
                if !last_lines.is_empty() {
                    write!(f, "; its last lines: {}", last_lines.join(" | "))?;
                }
                Ok(())
            }
            Self::ServiceLost { reason } => write!(f, "a service went away, no further rounds were run: {reason}"),
            Self::Interrupted { signal, rounds_done } => {
                write!(
                    f,
                    "interrupted by {signal} after {rounds_done} rounds; what was measured is kept as a partial run"
                )
            }
            Self::FewRounds { passes, rounds, needed } => {
                write!(f, "{rounds} good rounds ({passes}): an interval says little with fewer than {needed}")
            }
            Self::Censored { metric } => write!(
                f,
                "{metric} falls among operations that timed out or were dropped: the value is a lower bound (≥)"
            ),
            Self::FewOperations { metric, operations, needed } => write!(
                f,
                "{metric} needs {needed} operations in each round, the smallest round has {operations}: read it as a rough figure"
            ),
            Self::LevelLost { users, reason } => write!(f, "nothing was measured with {users} users: {reason}"),
            Self::NoHeapTracking => {
                write!(
                    f,
                    "no heap profile: the program does not track its heap; add `perfkit::track_heap!();` beside `fn main`"
                )
            }
            Self::NoTokioUnstable { absent } => write!(
                f,
                "built without `--cfg tokio_unstable`, so there are no {absent}; set it in .cargo/config.toml under [build] rustflags"
            ),
            Self::ProbeDegraded { probe, reason } => write!(f, "probe {probe}: {reason}"),
            Self::SamplersDiffer { function, pprof, jittered } => write!(
                f,
                "the CPU samplers differ: `{function}` has {} of the stacks by pprof, {} by the jittered sampler. The jittered one is shown: pprof samples at the kernel's tick, with which work that timers wake can keep step",
                Unit::Ratio.show(*pprof),
                Unit::Ratio.show(*jittered)
            ),
            Self::Compared { message, .. } => f.write_str(message),
            Self::ForeignWeights { weight } => write!(
                f,
                "functions carry the weights of the profile ({weight}, over all of it), not nanoseconds per operation"
            ),
            Self::BatchMeans { by } => write!(
                f,
                "{by} times batches of operations: percentiles and deviations are those of batch means, narrower than those of operations"
            ),
            Self::PhasesOverlap { share } => write!(
                f,
                "the phases of {} of the operations are longer than the operation: they ran in parallel, or lie in each other in a way their times do not tell; there they were scaled to the time there was",
                Unit::Ratio.show(*share)
            ),
            Self::Unwatched => write!(
                f,
                "the operations have no phases and were not watched: all of their latency is unattributed; open `tracing` spans in the code"
            ),
            Self::NoComponents { reason } => {
                write!(f, "a comparison will not say which component changed the spread: {reason}")
            }
            Self::Teardown { message } => write!(f, "a worker could not be torn down: {message}"),
        }
    }
}

impl From<Caution> for Warning {
    fn from(caution: Caution) -> Self {
        Self { code: caution.code().to_owned(), message: caution.to_string() }
    }
}
