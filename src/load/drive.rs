//! One round: preflight, warm-up, the measured part between two hooks, tear-down. Starts no probe itself.

use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hdrhistogram::Histogram;
use tokio::sync::watch;

use super::clock::{self, Instant};
use super::collect::{Collected, Collector, Counts};
use super::crew::{Crew, Shared, Stage, lock};
use super::lane::Driven;
use super::{Load, Model, closed, open};
use crate::error::{Error, Result};
use crate::record::operation::Operations;
use crate::workload::current::OperationId;
use crate::workload::{Context, Failure, Worker};

/// Operations that are tried before the load; one of them must be good.
const PREFLIGHT: u64 = 3;

/// Watches operations while they are driven. Implemented where load and probes meet.
pub trait Observer: Send + Sync {
    /// Wraps a worker's whole task.
    fn worker(&self, task: Pin<Box<dyn Future<Output = ()> + Send>>) -> Pin<Box<dyn Future<Output = ()> + Send>>;

    /// Does one poll of an operation; gives how long its task had waited for a thread, in nanoseconds, where it is known.
    fn poll(&self, id: OperationId, poll: &mut dyn FnMut()) -> u64;

    /// A poll took so long; gives whether that is slow.
    fn polled(&self, busy_ns: u64) -> bool;
}

/// Where a round is, for progress lines.
#[derive(Clone, Debug, Default)]
pub struct Progress {
    /// Live counts.
    pub counts: Arc<Counts>,
    /// Whether the measured part has begun.
    pub measuring: Arc<AtomicBool>,
    /// Set, it keeps workers from starting another operation.
    pub halt: Arc<AtomicBool>,
}

/// What a round is made of.
pub struct Round {
    /// The workload.
    pub workload: Arc<dyn Driven>,
    /// What its workers are told.
    pub context: Arc<Context>,
    /// How it is driven.
    pub load: Load,
    /// What watches the operations; `None` in passes where watching would show.
    pub observer: Option<Arc<dyn Observer>>,
    /// Where the rows are spilled to; `None`: nothing of a single operation is kept.
    pub rows: Option<PathBuf>,
}

/// How the generator of an open load did its own work.
#[derive(Clone, Debug)]
pub struct Pacing {
    /// From the time an operation was due to its hand-over.
    pub lateness: Histogram<u64>,
    /// Operations that were due.
    pub planned: u64,
    /// CPU time of the pacing thread as a part of the time it paced; `None` where it had no thread of its own.
    pub cpu_share: Option<f64>,
}

/// What was measured in a round.
#[derive(Debug)]
pub struct Measured {
    /// What became of the operations.
    pub operations: Operations,
    /// Latencies and sums.
    pub collected: Collected,
    /// From the start of the measured part to the end of its last operation.
    pub elapsed: Duration,
    /// How the generator of an open load kept its schedule; `None` for a closed load.
    pub pacing: Option<Pacing>,
    /// The most operations that were in flight at once.
    pub workers: u32,
    /// Whether the breaker ended it: more than half of the first operations failed.
    pub broken: bool,
    /// Teardowns that failed.
    pub teardown_errors: Vec<String>,
}

/// A round whose workers are still to be hired.
struct Begun {
    load: Load,
    stage: watch::Sender<Stage>,
    shared: Arc<Shared>,
    measuring: Arc<AtomicBool>,
    crew: Crew,
}

/// Looks whether the workload works at all, and tells how the round's progress can be seen.
async fn begin(round: Round, progress: impl FnOnce(Progress)) -> Result<Begun> {
    preflight(&round).await?;
    let (stage, stages) = watch::channel(Stage::WarmUp);
    let shared = Shared::new(&round, stages);
    let collector = Collector::start(round.rows)?;
    let measuring = Arc::default();
    progress(Progress {
        counts: collector.counts(),
        measuring: Arc::clone(&measuring),
        halt: Arc::clone(&shared.stop),
    });
    let crew = Crew::new(round.workload, Arc::clone(&shared), collector);
    Ok(Begun { load: round.load, stage, shared, measuring, crew })
}

/// Drives one round. `start` is called when all workers are warm and wait; `stop` when the last operation has ended and
/// before anything is torn down.
///
/// # Errors
/// The preflight failed, a worker could not be set up, a hook failed, or the rows could not be written.
pub async fn drive(
    round: Round,
    progress: impl FnOnce(Progress),
    start: impl FnOnce() -> Result<()>,
    stop: impl FnOnce() -> Result<()>,
) -> Result<Measured> {
    let Begun { load, stage, shared, measuring, crew } = begin(round, progress).await?;
    let mut source = Source::new(&load, &crew);

    source.warm_up(&crew).await?;
    shared.all_left().await;
    take_setup_error(&shared)?;
    start()?;
    measuring.store(true, Ordering::Release);
    let since = clock::now();
    shared.enter_again(crew.size());
    stage.send_replace(Stage::Measure { since });
    let pacing = source.measure(&crew, since).await?;
    shared.all_left().await;
    stop()?;
    stage.send_replace(Stage::Stop);
    let (collector, workers) = crew.dismiss().await;
    finish(&shared, collector, pacing, workers, source.planned())
}

/// What `repeat` tells between two rounds.
#[derive(Clone, Copy, Debug)]
pub struct Rest {
    /// Rounds that are done.
    pub rounds: u32,
    /// How long the last one took.
    pub elapsed: Duration,
    /// Whether it was stopped before it had done its operations.
    pub halted: bool,
}

/// Drives rounds of so many operations each in one process, by the same workers. `rest` is called before the first and after each,
/// when no operation is under way; it gives the operations of the next round, or `None` to end.
///
/// # Errors
/// As [`drive`]; and the load is an open one.
pub async fn repeat(
    round: Round,
    progress: impl FnOnce(Progress),
    mut rest: impl AsyncFnMut(Rest) -> Result<Option<u64>>,
) -> Result<Measured> {
    let Model::Closed { users } = round.load.model else {
        return Err(Error::usage("an open load cannot be repeated", "give --users instead of --rate"));
    };
    let Begun { load, stage, shared, measuring, crew } = begin(round, progress).await?;
    let source = closed::Closed::new(&load, users);
    source.hire(&crew);
    shared.all_left().await;
    take_setup_error(&shared)?;
    measuring.store(true, Ordering::Release);
    let mut now = Rest { rounds: 0, elapsed: Duration::ZERO, halted: false };
    let mut planned = 0;
    while let Some(operations) = rest(now).await? {
        source.renew(operations);
        planned += operations;
        shared.enter_again(crew.size());
        let since = clock::now();
        stage.send_replace(Stage::Measure { since });
        shared.all_left().await;
        let halted = shared.stop.load(Ordering::Acquire);
        now = Rest { rounds: now.rounds + 1, elapsed: clock::now().saturating_duration_since(since), halted };
    }
    stage.send_replace(Stage::Stop);
    let (collector, workers) = crew.dismiss().await;
    // Operations of a round that was halted were not to be done any more.
    let planned = (!now.halted || shared.breaker.tripped()).then_some(planned);
    finish(&shared, collector, None, workers, planned)
}

/// Puts together what was measured.
fn finish(
    shared: &Shared,
    collector: Collector,
    pacing: Option<Pacing>,
    workers: u32,
    planned: Option<u64>,
) -> Result<Measured> {
    take_setup_error(shared)?;
    let collected = collector.finish()?;
    let mut operations = lock(&shared.failures).clone();
    operations.ok = collected.ok;
    let ended = operations.ok + operations.failed + operations.timed_out + operations.dropped;
    // Operations that the breaker kept from starting were planned all the same.
    operations.planned = planned.unwrap_or(ended).max(ended);
    operations.by_error.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.kind.cmp(&b.kind)));
    Ok(Measured {
        elapsed: Duration::from_nanos(collected.last_end_ns),
        operations,
        collected,
        pacing,
        workers,
        broken: shared.breaker.tripped(),
        teardown_errors: lock(&shared.teardown_errors).clone(),
    })
}

/// The kinds of load, as a source of turns.
enum Source {
    Closed(closed::Closed),
    Open(open::Open),
}

impl Source {
    fn new(load: &Load, crew: &Crew) -> Self {
        match &load.model {
            Model::Closed { users } => Self::Closed(closed::Closed::new(load, *users)),
            Model::Open { schedule } => Self::Open(open::Open::new(load, schedule, crew)),
        }
    }

    async fn warm_up(&mut self, crew: &Crew) -> Result<()> {
        match self {
            Self::Closed(closed) => {
                closed.hire(crew);
                Ok(())
            }
            Self::Open(open) => open.warm_up(crew).await,
        }
    }

    async fn measure(&mut self, crew: &Crew, since: Instant) -> Result<Option<Pacing>> {
        match self {
            Self::Closed(_) => Ok(None),
            Self::Open(open) => open.measure(crew, since).await.map(Some),
        }
    }

    fn planned(&self) -> Option<u64> {
        match self {
            Self::Closed(closed) => closed.planned(),
            Self::Open(open) => Some(open.planned()),
        }
    }
}

/// Up to three operations of one worker before any load: if none is good, nothing else is tried.
async fn preflight(round: &Round) -> Result<()> {
    let worker = Worker::new(0, Arc::clone(&round.context));
    let failed = |failure: Failure| Error::Workload {
        name: String::new(),
        source: format!("invalid: the preflight failed: {}: {failure}", failure.kind()).into(),
        hint: "an operation fails before there is any load: mend that first, or check the services it talks to".into(),
    };
    let work = Arc::clone(&round.workload).preflight(worker, PREFLIGHT, round.load.timeout);
    work.await.map_err(failed)
}

fn take_setup_error(shared: &Shared) -> Result<()> {
    match lock(&shared.setup_error).take() {
        None => Ok(()),
        Some(failure) => Err(Error::Workload {
            name: String::new(),
            source: format!("a worker could not be set up: {failure}").into(),
            hint: "nothing was measured; mend the set-up or check the services it talks to".into(),
        }),
    }
}
