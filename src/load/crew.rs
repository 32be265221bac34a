//! The workers of a round and what they share: the stage that is on, the first failures, the word to stop.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::{Notify, watch};

use super::clock::Instant;
use super::closed::Breaker;
use super::collect::{Collector, Inlet};
use super::drive::{Observer, Round};
use super::lane::{Driven, Lane, Turns};
use crate::record::operation::Operations;
use crate::workload::{Context, Failure, Worker};

/// What all workers of a round share.
pub(super) struct Shared {
    pub(super) context: Arc<Context>,
    pub(super) timeout: Duration,
    pub(super) observer: Option<Arc<dyn Observer>>,
    pub(super) stage: watch::Receiver<Stage>,
    pub(super) stop: Arc<AtomicBool>,
    pub(super) breaker: Breaker,
    pub(super) failures: Mutex<Operations>,
    pub(super) teardown_errors: Mutex<Vec<String>>,
    pub(super) setup_error: Mutex<Option<Failure>>,
    /// Workers that have not yet ended the stage.
    active: AtomicU64,
    ended: Notify,
}

/// What the workers are to do.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Stage {
    WarmUp,
    Measure { since: Instant },
    Stop,
}

impl Shared {
    pub(super) fn new(round: &Round, stage: watch::Receiver<Stage>) -> Arc<Self> {
        Arc::new(Self {
            context: Arc::clone(&round.context),
            timeout: round.load.timeout,
            observer: round.observer.clone(),
            stage,
            stop: Arc::default(),
            breaker: Breaker::default(),
            failures: Mutex::default(),
            teardown_errors: Mutex::default(),
            setup_error: Mutex::default(),
            active: AtomicU64::new(0),
            ended: Notify::new(),
        })
    }

    /// One more worker has the stage to end.
    fn enter(&self) {
        self.active.fetch_add(1, Ordering::AcqRel);
    }

    /// A worker has ended the stage.
    pub(super) fn leave(&self) {
        if self.active.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.ended.notify_one();
        }
    }

    /// All workers begin the next stage.
    pub(super) fn enter_again(&self, workers: u32) {
        self.active.store(u64::from(workers), Ordering::Release);
    }

    /// Waits until every worker has ended the stage.
    pub(super) async fn all_left(&self) {
        while self.active.load(Ordering::Acquire) > 0 {
            self.ended.notified().await;
        }
    }

    /// The first worker that could not be set up ends the round.
    pub(super) fn fail_setup(&self, failure: Failure) {
        self.stop.store(true, Ordering::Release);
        if let Ok(mut first) = self.setup_error.lock() {
            first.get_or_insert(failure);
        }
    }
}

/// The workers of a round: hired as they are needed, dismissed together.
pub(super) struct Crew {
    workload: Arc<dyn Driven>,
    pub(super) shared: Arc<Shared>,
    collector: Collector,
    tasks: Mutex<Vec<tokio::task::JoinHandle<()>>>,
}

impl Crew {
    pub(super) fn new(workload: Arc<dyn Driven>, shared: Arc<Shared>, collector: Collector) -> Self {
        Self { workload, shared, collector, tasks: Mutex::new(Vec::new()) }
    }

    /// One more worker, which counts for the stage that is on.
    pub(super) fn hire(&self, turns: Turns) {
        let mut tasks = lock(&self.tasks);
        self.shared.enter();
        let worker = Worker::new(tasks.len() as u32, Arc::clone(&self.shared.context));
        let lane = Lane::new(worker, turns, Arc::clone(&self.shared), self.collector.inlet());
        let task = Arc::clone(&self.workload).work(lane);
        let task = match &self.shared.observer {
            Some(observer) => observer.worker(task),
            None => task,
        };
        tasks.push(tokio::spawn(task));
    }

    pub(super) fn size(&self) -> u32 {
        lock(&self.tasks).len() as u32
    }

    pub(super) fn inlet(&self) -> Inlet {
        self.collector.inlet()
    }

    /// Waits for their end.
    pub(super) async fn dismiss(self) -> (Collector, u32) {
        let tasks = std::mem::take(&mut *lock(&self.tasks));
        let workers = tasks.len() as u32;
        for task in tasks {
            // A worker catches its own panics; what is left is a cancelled task, which lost nothing.
            let _ = task.await;
        }
        (self.collector, workers)
    }
}

/// Locks; a panic of another holder changes nothing about plain data.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
