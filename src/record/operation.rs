//! Operations: the row of `ops.csv`, and the counts of what became of them. Computes no statistics.

use serde::{Deserialize, Serialize};

/// What became of one operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum Fate {
    /// It was answered, and the answer was good.
    Ok,
    /// It was answered wrongly, or not at all.
    Failed,
    /// It took longer than it may.
    TimedOut,
    /// It was due but never started: too many were in flight.
    Dropped,
}

impl Fate {
    /// The word in `ops.csv`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Failed => "failed",
            Self::TimedOut => "timed_out",
            Self::Dropped => "dropped",
        }
    }
}

/// One operation; times in nanoseconds from the start of the round's measured part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// Its number in the round.
    pub seq: u64,
    /// The worker that did it.
    pub worker: u32,
    /// When it was due. In a closed load: when it started.
    pub due_ns: u64,
    /// When it started.
    pub start_ns: u64,
    /// When it ended.
    pub end_ns: u64,
    /// What became of it.
    pub fate: Fate,
    /// Where its time went, if that was watched.
    pub parts: Option<Parts>,
}

impl Row {
    /// The headline latency: from the time it was due to its end.
    #[must_use]
    pub fn latency_ns(&self) -> u64 {
        self.end_ns.saturating_sub(self.due_ns)
    }

    /// How late it started.
    #[must_use]
    pub fn lateness_ns(&self) -> u64 {
        self.start_ns.saturating_sub(self.due_ns)
    }
}

/// The three parts of a future's life.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Parts {
    /// Being polled.
    pub busy_ns: u64,
    /// Woken, but waiting for a worker thread.
    pub scheduled_ns: u64,
    /// Waiting for something else.
    pub idle_ns: u64,
    /// Polls that took longer than the probe's threshold.
    pub slow_polls: u32,
}

/// What became of the operations, over all rounds of the time pass.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Operations {
    /// All that were to be done.
    pub planned: u64,
    /// Answered, and the answer was good.
    pub ok: u64,
    /// Answered wrongly or not at all.
    pub failed: u64,
    /// Due but never started.
    pub dropped: u64,
    /// Took longer than they may.
    pub timed_out: u64,
    /// The failures by kind, the commonest first, each with its first example.
    #[serde(default)]
    pub by_error: Vec<ErrorKind>,
}

/// Failures of one kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ErrorKind {
    /// The kind.
    pub kind: String,
    /// How many.
    pub count: u64,
    /// The first one's message.
    pub example: String,
}

impl Operations {
    /// Good operations as a part of all that were to be done; `None` when none were.
    #[must_use]
    pub fn success_rate(&self) -> Option<f64> {
        (self.planned > 0).then(|| self.ok as f64 / self.planned as f64)
    }

    /// Counts a failure under its kind.
    pub fn count_error(&mut self, kind: &str, example: &str) {
        match self.by_error.iter_mut().find(|known| known.kind == kind) {
            Some(known) => known.count += 1,
            None => {
                self.by_error.push(ErrorKind { kind: kind.to_owned(), count: 1, example: example.to_owned() });
            }
        }
    }

    /// Adds the counts of another round.
    pub fn add(&mut self, other: &Operations) {
        self.planned += other.planned;
        self.ok += other.ok;
        self.failed += other.failed;
        self.dropped += other.dropped;
        self.timed_out += other.timed_out;
        for error in &other.by_error {
            match self.by_error.iter_mut().find(|known| known.kind == error.kind) {
                Some(known) => known.count += error.count,
                None => self.by_error.push(error.clone()),
            }
        }
        self.by_error.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.kind.cmp(&b.kind)));
    }
}
