//! Who waited for a stall: tasks that were woken long before they were polled, and timers of the runtime that fired late. Both
//! are joined with stalls by the time in which they fell together.

#![allow(clippy::disallowed_methods, reason = "a probe keeps time of its own: the load's clock may be a test's")]

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A wait that is shorter delays nobody noticeably.
const LEAST: Duration = Duration::from_millis(1);
/// Late polls of a round that are kept: 16 bytes each.
const MOST: usize = 1_000_000;
/// Between two timers of the canary.
const PERIOD: Duration = Duration::from_millis(5);
/// Between two jobs that look how long the blocking pool takes to start one.
#[cfg(tokio_unstable)]
const JOB_PERIOD: Duration = Duration::from_millis(100);

/// Tasks that were polled late: when, and how long after their wake.
static POLLED: Mutex<Vec<(Instant, Duration)>> = Mutex::new(Vec::new());
static ACTIVE: AtomicBool = AtomicBool::new(false);
/// Late polls for which there was no room.
static BEYOND: AtomicU64 = AtomicU64::new(0);

/// A task is polled so long after its wake.
#[inline]
pub(in crate::probe) fn note(delay: Duration) {
    if delay >= LEAST && ACTIVE.load(Ordering::Relaxed) {
        keep(delay);
    }
}

#[cold]
fn keep(delay: Duration) {
    let mut polled = POLLED.lock().unwrap_or_else(PoisonError::into_inner);
    if polled.len() < MOST {
        polled.push((Instant::now(), delay));
    } else {
        BEYOND.fetch_add(1, Ordering::Relaxed);
    }
}

/// Waits of a round: when each began and ended, from the origin, in the order of their ends.
#[derive(Clone, Debug, Default)]
pub(super) struct Waits(Vec<(Duration, Duration)>);

impl Waits {
    fn new(mut waits: Vec<(Duration, Duration)>) -> Self {
        waits.sort_by_key(|(_, end)| *end);
        Self(waits)
    }

    /// How many of them fell together with a time for noticeably long, and how long all together.
    pub(super) fn during(&self, start: Duration, end: Duration) -> (u64, Duration) {
        let from = self.0.partition_point(|(_, wait_end)| *wait_end <= start);
        let mut found = (0, Duration::ZERO);
        for (wait_start, wait_end) in &self.0[from..] {
            let together = (*wait_end).min(end).saturating_sub((*wait_start).max(start));
            if together >= LEAST {
                found.0 += 1;
                found.1 += together;
            }
        }
        found
    }

    /// The longest of those that fell together with a time, as long as it did.
    pub(super) fn longest_during(&self, start: Duration, end: Duration) -> Duration {
        let from = self.0.partition_point(|(_, wait_end)| *wait_end <= start);
        let together = |(from, to): &(Duration, Duration)| (*to).min(end).saturating_sub((*from).max(start));
        self.0[from..].iter().map(together).max().unwrap_or_default()
    }

    /// The longest of all.
    pub(super) fn longest(&self) -> Duration {
        self.0.iter().map(|(start, end)| end.saturating_sub(*start)).max().unwrap_or_default()
    }
}

/// Watches who waits: notes late polls, and has a timer of its own in the runtime.
pub(super) struct Delays {
    origin: Instant,
    stop: Arc<AtomicBool>,
    timers: Arc<Mutex<Vec<(Duration, Duration)>>>,
    jobs: Arc<Mutex<Vec<Duration>>>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

/// What was seen of waits.
pub(super) struct Seen {
    pub(super) polls: Waits,
    pub(super) timers: Waits,
    /// The longest time that a job waited for a thread of the blocking pool; `None` where the pool was not used or not seen.
    pub(super) job: Option<Duration>,
    /// Late polls for which there was no room.
    pub(super) beyond: u64,
}

impl Delays {
    pub(super) fn watch(runtime: &tokio::runtime::Handle, origin: Instant) -> Self {
        POLLED.lock().unwrap_or_else(PoisonError::into_inner).clear();
        ACTIVE.store(true, Ordering::Release);
        let stop = Arc::new(AtomicBool::new(false));
        let (timers, jobs): (Arc<Mutex<_>>, Arc<Mutex<_>>) = (Arc::default(), Arc::default());
        #[cfg_attr(not(tokio_unstable), allow(unused_mut))]
        let mut tasks = vec![runtime.spawn(canary(origin, Arc::clone(&stop), Arc::clone(&timers)))];
        #[cfg(tokio_unstable)]
        tasks.push(runtime.spawn(pool_canary(runtime.clone(), Arc::clone(&stop), Arc::clone(&jobs))));
        Self { origin, stop, timers, jobs, tasks }
    }

    pub(super) fn stop(self) -> Seen {
        ACTIVE.store(false, Ordering::Release);
        self.stop.store(true, Ordering::Release);
        self.tasks.iter().for_each(tokio::task::JoinHandle::abort);
        let polled = std::mem::take(&mut *POLLED.lock().unwrap_or_else(PoisonError::into_inner));
        let since = |at: Instant| at.saturating_duration_since(self.origin);
        let polls = polled.into_iter().map(|(at, delay)| (since(at).saturating_sub(delay), since(at))).collect();
        let timers = std::mem::take(&mut *self.timers.lock().unwrap_or_else(PoisonError::into_inner));
        let jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner).iter().copied().max();
        let beyond = BEYOND.swap(0, Ordering::Relaxed);
        Seen { polls: Waits::new(polls), timers: Waits::new(timers), job: jobs, beyond }
    }
}

/// A timer after the other. A worker that holds the runtime's driver keeps all timers and sockets from waking anybody, and what
/// is measured from the wake does not show it.
async fn canary(origin: Instant, stop: Arc<AtomicBool>, late: Arc<Mutex<Vec<(Duration, Duration)>>>) {
    while !stop.load(Ordering::Acquire) {
        let due = origin.elapsed() + PERIOD;
        tokio::time::sleep(PERIOD).await;
        let fired = origin.elapsed();
        // tokio's timers are a millisecond coarse.
        if fired > due + LEAST * 2 {
            late.lock().unwrap_or_else(PoisonError::into_inner).push((due, fired));
        }
    }
}

/// Sends jobs to the blocking pool where it is in use, and notes how long they waited for a thread.
#[cfg(tokio_unstable)]
async fn pool_canary(runtime: tokio::runtime::Handle, stop: Arc<AtomicBool>, waits: Arc<Mutex<Vec<Duration>>>) {
    while !stop.load(Ordering::Acquire) {
        tokio::time::sleep(JOB_PERIOD).await;
        if runtime.metrics().num_blocking_threads() == 0 {
            continue;
        }
        let (sent, waits) = (Instant::now(), Arc::clone(&waits));
        // Not awaited: while the pool is full further ones show that it still is.
        drop(runtime.spawn_blocking(move || {
            waits.lock().unwrap_or_else(PoisonError::into_inner).push(sent.elapsed());
        }));
    }
}

/// Whether a task is one of those here.
#[cfg(tokio_unstable)]
pub(super) fn is_canary(spawned_at: &std::panic::Location<'_>) -> bool {
    spawned_at.file() == file!()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_are_charged_for_the_time_in_which_they_fell_together() {
        let ms = Duration::from_millis;
        let waits = Waits::new(vec![(ms(10), ms(30)), (ms(0), ms(5)), (ms(28), ms(100))]);
        assert_eq!(waits.during(ms(20), ms(40)), (2, ms(22)));
        assert_eq!(waits.during(ms(200), ms(300)), (0, Duration::ZERO));
        assert_eq!((waits.longest_during(ms(20), ms(40)), waits.longest()), (ms(12), ms(72)));
    }
}
