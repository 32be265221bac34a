//! Polls of the workers: how many, and which were slow. Where the time of an operation goes is taken by the load itself;
//! with `tokio_unstable` the runtime tells how long a task waited for a thread, without it tokio-metrics does, whose
//! `FutureMonitor` for each operation and `TaskMonitor` for each poll would cost more than everything else together.

use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::{Probe, Running, Settings};
use crate::error::Result;
use crate::record::Reading;
use crate::record::pass::Pass;
use crate::unit::{Better, Unit};

/// A poll that takes longer keeps other tasks of its thread waiting noticeably.
pub const SLOW_POLL: Duration = Duration::from_millis(1);
const SLOW_POLL_NS: u64 = SLOW_POLL.as_nanos() as u64;

/// The polls of each worker, which alone writes its own: threads that count together would wait for each other.
static POLLS: Mutex<Vec<Arc<AtomicU64>>> = Mutex::new(Vec::new());
static SLOW_POLLS: AtomicU64 = AtomicU64::new(0);

/// The probe `tasks`.
pub struct Tasks;

/// Wraps a worker's task; operations inside it then know how long they waited for a thread.
pub fn worker(task: impl Future<Output = ()> + Send) -> impl Future<Output = ()> + Send {
    let polls = Arc::new(AtomicU64::new(0));
    POLLS.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&polls));
    let counted = async move {
        let mut task = pin!(task);
        std::future::poll_fn(|cx| {
            polls.store(polls.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
            polling(|| task.as_mut().poll(cx))
        })
        .await;
    };
    waiting(counted)
}

/// Spawns a task that the stall probe watches, as `tokio::spawn` does.
///
/// In a program that is built with `--cfg tokio_unstable` the runtime tells of every task and this is `tokio::spawn` itself.
/// Without it the probe knows operations, and what is spawned here: with the place of the call. Cost: about a nanosecond a poll.
///
/// # Panics
/// Outside a tokio runtime, as `tokio::spawn` does.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let sum = perfkit::spawn(async { 1 + 1 }).await.unwrap();
/// assert_eq!(sum, 2);
/// # });
/// ```
#[track_caller]
pub fn spawn<F>(task: F) -> tokio::task::JoinHandle<F::Output>
where
    F: Future<Output: Send + 'static> + Send + 'static,
{
    tokio::spawn(watched(task, std::panic::Location::caller()))
}

#[cfg(tokio_unstable)]
fn watched<F: Future>(task: F, _spawned_at: &'static std::panic::Location<'static>) -> F {
    task
}

#[cfg(not(tokio_unstable))]
fn watched<F: Future>(
    task: F,
    spawned_at: &'static std::panic::Location<'static>,
) -> impl Future<Output = F::Output> + use<F> {
    async move {
        let mut task = pin!(task);
        std::future::poll_fn(|cx| {
            let _watched = super::slot::Watched::begin(Some(spawned_at));
            task.as_mut().poll(cx)
        })
        .await
    }
}

/// A poll that the runtime does not tell the watchdog about is told here.
#[inline]
fn polling<T>(poll: impl FnOnce() -> T) -> T {
    #[cfg(not(tokio_unstable))]
    let _watched = super::slot::Watched::begin(None);
    poll()
}

#[cfg(tokio_unstable)]
fn waiting(task: impl Future<Output = ()> + Send) -> impl Future<Output = ()> + Send {
    task
}

#[cfg(not(tokio_unstable))]
fn waiting(task: impl Future<Output = ()> + Send) -> impl Future<Output = ()> + Send {
    use tokio_metrics::{TaskMonitor, TaskScheduling};
    static WORKERS: std::sync::LazyLock<TaskMonitor> = std::sync::LazyLock::new(|| {
        let mut builder = TaskMonitor::builder();
        builder.publish_scheduling_delay();
        builder.build()
    });
    WORKERS.instrument(async move {
        let (mut task, mut before) = (pin!(task), Duration::ZERO);
        std::future::poll_fn(|cx| {
            let now = TaskScheduling::try_current().unwrap_or_default().total_scheduled_duration;
            let delay = now.saturating_sub(before);
            super::wait::note(nanoseconds(delay));
            super::stalls::delay::note(delay);
            before = now;
            task.as_mut().poll(cx)
        })
        .await;
    })
}

/// Counts the poll of an operation; gives whether it was slow.
#[inline]
pub fn polled(busy_ns: u64) -> bool {
    let slow = busy_ns >= SLOW_POLL_NS;
    if slow {
        SLOW_POLLS.fetch_add(1, Ordering::Relaxed);
    }
    slow
}

#[cfg(not(tokio_unstable))]
fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// All polls and the slow ones so far.
fn counted() -> (u64, u64) {
    let workers = POLLS.lock().unwrap_or_else(PoisonError::into_inner);
    let polls = workers.iter().map(|polls| polls.load(Ordering::Relaxed)).sum();
    (polls, SLOW_POLLS.load(Ordering::Relaxed))
}

struct Watching {
    before: (u64, u64),
}

impl Probe for Tasks {
    fn name(&self) -> &'static str {
        "tasks"
    }

    fn about(&self) -> &'static str {
        "each operation's time busy, scheduled and idle; slow polls"
    }

    fn passes(&self) -> &'static [Pass] {
        &[Pass::Time]
    }

    fn start(&self, _settings: &Settings) -> Result<Box<dyn Running>> {
        Ok(Box::new(Watching { before: counted() }))
    }
}

impl Running for Watching {
    fn stop(self: Box<Self>) -> Result<Reading> {
        let ((polls_before, slow_before), (polls, slow)) = (self.before, counted());
        let mut reading = Reading::of("tasks");
        reading.per_operation("worker.polls_per_op", Unit::Count, Better::Lower, (polls - polls_before) as f64);
        reading.metric("worker.slow_polls", Unit::Count, Better::Lower, (slow - slow_before) as f64);
        reading.fact("slow_poll_ns", SLOW_POLL_NS);
        Ok(reading)
    }
}
