//! How a workload is driven: closed (each operation follows the last) or open (operations are due at a rate).
//! Knows no probe: what watches comes in through [`Observer`].

pub mod clock;
mod closed;
pub mod collect;
mod crew;
mod deadline;
pub mod drive;
mod handover;
mod lane;
mod open;
mod pacer;
mod schedule;
#[cfg(test)]
mod tests;
mod watched;

use std::time::Duration;

use crate::error::{Error, Result};

pub use drive::{Measured, Observer, Pacing, Progress};
pub use lane::Driven;
pub use schedule::{Schedule, Segment};

/// How operations follow each other.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Model {
    /// So many users, each starting its next operation when the last is done.
    Closed {
        /// The users.
        users: u32,
    },
    /// Operations are due at times that do not depend on the answers.
    Open {
        /// When.
        schedule: Schedule,
    },
}

/// How a round is driven.
///
/// ```
/// use std::time::Duration;
/// use perfkit::Load;
/// let load = Load::closed(50).lasting(Duration::from_secs(2));
/// assert!(load.validate().is_ok());
/// assert!(Load::closed(50).operations(0).validate().is_err());
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Load {
    /// How operations follow each other.
    pub model: Model,
    /// How long the measured part of a round lasts.
    pub duration: Duration,
    /// Ends a round of a closed load after so many operations instead.
    pub operations: Option<u64>,
    /// Operations before the measured part, not recorded.
    pub warmup: Duration,
    /// How long an operation may take; a longer one is stopped and counts as timed out.
    pub timeout: Duration,
}

/// Without a word from the suite or the command line: short enough for all passes to end within a minute.
const DEFAULT_DURATION: Duration = Duration::from_secs(2);
const DEFAULT_WARMUP: Duration = Duration::from_millis(500);
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(5);

impl Load {
    /// A closed load of so many users.
    #[must_use]
    pub fn closed(users: u32) -> Self {
        Self::of(Model::Closed { users })
    }

    /// An open load at a constant rate of operations in a second.
    #[must_use]
    pub fn open(rate_per_s: f64) -> Self {
        Self::of(Model::Open { schedule: Schedule::constant(rate_per_s, DEFAULT_DURATION) })
    }

    fn of(model: Model) -> Self {
        Self { model, duration: DEFAULT_DURATION, operations: None, warmup: DEFAULT_WARMUP, timeout: DEFAULT_TIMEOUT }
    }

    /// Sets how long the measured part of a round lasts.
    #[must_use]
    pub fn lasting(mut self, duration: Duration) -> Self {
        self.duration = duration;
        if let Model::Open { schedule } = &mut self.model {
            *schedule = schedule.lasting(duration);
        }
        self
    }

    /// Ends a round of a closed load after so many operations, however long they take.
    #[must_use]
    pub fn operations(self, operations: u64) -> Self {
        Self { operations: Some(operations), ..self }
    }

    /// Sets how long the warm-up lasts.
    #[must_use]
    pub fn warmup(self, warmup: Duration) -> Self {
        Self { warmup, ..self }
    }

    /// Sets how long an operation may take.
    #[must_use]
    pub fn timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    /// Whether it can be driven at all.
    ///
    /// # Errors
    /// No users, no operations, no time, or a rate that is not a positive number.
    pub fn validate(&self) -> Result<()> {
        let refuse = |message: &str, hint: &str| Err(Error::usage(message, hint));
        if self.operations == Some(0) {
            return refuse("--operations 0 measures nothing", "give at least 1");
        }
        if self.duration.is_zero() && self.operations.is_none() {
            return refuse("--duration 0s measures nothing", "give a duration such as 10s, or --operations N");
        }
        if self.timeout.is_zero() {
            return refuse("--timeout 0s fails every operation", "give a timeout such as 5s");
        }
        match &self.model {
            Model::Closed { users: 0 } => refuse("--users 0 measures nothing", "give at least 1"),
            Model::Closed { users } if *users > 100_000 => {
                refuse("more than 100,000 users do not fit in one process", "give fewer users")
            }
            Model::Closed { .. } => Ok(()),
            Model::Open { .. } if self.operations.is_some() => {
                refuse("--operations does not go with --rate", "an open load ends by --duration")
            }
            Model::Open { schedule } => schedule.validate(),
        }
    }
}
