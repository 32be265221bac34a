//! The closed load: each user's next operation starts when its last is done. It makes no claim about requests that
//! would have come meanwhile; reports say `closed` beside every number.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use super::Load;
use super::clock::{self, Instant};
use super::crew::{Crew, Stage};
use super::lane::{Turn, Turns};
use crate::record::operation::Fate;

/// A closed load's settings.
pub(super) struct Closed {
    users: u32,
    warmup: Duration,
    duration: Duration,
    operations: Option<u64>,
    budget: Arc<Budget>,
}

/// Operations that all users of a round do together.
#[derive(Debug)]
struct Budget {
    operations: AtomicU64,
    claimed: AtomicU64,
}

/// One user's turns.
pub(super) struct ClosedTurns {
    user: u32,
    users: u32,
    done: u64,
    warm_since: Option<Instant>,
    warmup: Duration,
    duration: Duration,
    /// What ends the round, where the time does not.
    budget: Option<Arc<Budget>>,
}

impl Closed {
    pub(super) fn new(load: &Load, users: u32) -> Self {
        Self {
            users,
            warmup: load.warmup,
            duration: load.duration,
            operations: load.operations,
            budget: Arc::new(Budget {
                operations: AtomicU64::new(load.operations.unwrap_or(0)),
                claimed: AtomicU64::new(0),
            }),
        }
    }

    /// A round of so many operations more. No user has a turn meanwhile.
    pub(super) fn renew(&self, operations: u64) {
        self.budget.operations.store(operations, Ordering::Relaxed);
        self.budget.claimed.store(0, Ordering::Relaxed);
    }

    pub(super) fn hire(&self, crew: &Crew) {
        for user in 0..self.users {
            crew.hire(Turns::Closed(ClosedTurns {
                user,
                users: self.users,
                done: 0,
                warm_since: None,
                warmup: self.warmup,
                duration: self.duration,
                budget: self.operations.map(|_| Arc::clone(&self.budget)),
            }));
        }
    }

    /// How many operations were to be done, where a number was given.
    pub(super) fn planned(&self) -> Option<u64> {
        self.operations
    }
}

impl ClosedTurns {
    pub(super) fn next(&mut self, stage: Stage) -> Option<Turn> {
        let (since, limit) = match stage {
            // From the first operation on: connecting takes nothing from the warm-up.
            Stage::WarmUp => (*self.warm_since.get_or_insert_with(clock::now), self.warmup),
            Stage::Measure { since } => (since, self.duration),
            Stage::Stop => return None,
        };
        if let (Some(budget), Stage::Measure { .. }) = (&self.budget, stage) {
            let seq = budget.claimed.fetch_add(1, Ordering::Relaxed);
            let due = seq < budget.operations.load(Ordering::Relaxed);
            return due.then_some(Turn { seq, due: None, start: None });
        }
        let now = clock::now();
        if now.saturating_duration_since(since) >= limit {
            return None;
        }
        // Numbers are unique without a shared counter: users take them in turn.
        let seq = self.done * u64::from(self.users) + u64::from(self.user);
        if matches!(stage, Stage::Measure { .. }) {
            self.done += 1;
        }
        Some(Turn { seq, due: None, start: Some(now) })
    }
}

/// Operations after which it is decided whether to go on.
const BREAKER_OPERATIONS: u64 = 50;

/// Ends a round whose first operations fail: below half good among the first fifty.
#[derive(Debug, Default)]
pub(super) struct Breaker {
    settled: AtomicBool,
    tripped: AtomicBool,
    seen: AtomicU64,
    ok: AtomicU64,
}

impl Breaker {
    /// Counts an operation; true when the round must stop.
    pub(super) fn count(&self, fate: Fate) -> bool {
        if self.settled.load(Ordering::Relaxed) {
            return false;
        }
        if fate == Fate::Ok {
            self.ok.fetch_add(1, Ordering::AcqRel);
        }
        if self.seen.fetch_add(1, Ordering::AcqRel) + 1 < BREAKER_OPERATIONS {
            return false;
        }
        self.settled.store(true, Ordering::Release);
        let trip = self.ok.load(Ordering::Acquire) * 2 < BREAKER_OPERATIONS;
        self.tripped.fetch_or(trip, Ordering::AcqRel);
        trip
    }

    pub(super) fn tripped(&self) -> bool {
        self.tripped.load(Ordering::Acquire)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_breaker_trips_on_failures_and_not_on_good_operations() {
        let breaker = Breaker::default();
        assert!((0..200).all(|_| !breaker.count(Fate::Ok)));
        assert!(!breaker.tripped());
        let breaker = Breaker::default();
        assert_eq!((0..200).filter(|_| breaker.count(Fate::Failed)).count(), 1);
        assert!(breaker.tripped());
    }
}
