//! Batches of rows on their way from workers to the collecting thread and back, without a lock: a worker that waited for one whose
//! holder has lost its processor would be a stall of perfkit's own making.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::Thread;
use std::time::Duration;

use crossbeam_queue::ArrayQueue;

use crate::record::operation::Row;

/// Batches that can be under way, in either direction.
const ROOM: usize = 1024;
/// How long a worker that is done waits between two tries to hand over its last rows.
const MOMENT: Duration = Duration::from_millis(1);

/// What workers and the collecting thread share.
#[derive(Debug)]
pub(super) struct Handover {
    full: ArrayQueue<Vec<Row>>,
    empty: ArrayQueue<Vec<Row>>,
    /// Workers that may still hand something over.
    open: AtomicUsize,
    /// Whether there will be no further ones.
    closed: AtomicBool,
    /// Whether the collecting thread has ended.
    ended: AtomicBool,
    collector: OnceLock<Thread>,
}

/// The collecting thread's end: dropped, also by a panic, nobody waits for it any more.
pub(super) struct Taking<'a>(&'a Handover);

impl Handover {
    pub(super) fn new() -> Self {
        Self {
            full: ArrayQueue::new(ROOM),
            empty: ArrayQueue::new(ROOM),
            open: AtomicUsize::new(0),
            closed: AtomicBool::new(false),
            ended: AtomicBool::new(false),
            collector: OnceLock::new(),
        }
    }

    /// The calling thread is the one that collects.
    pub(super) fn take(&self) -> Taking<'_> {
        let _ = self.collector.set(std::thread::current());
        Taking(self)
    }

    /// One more worker.
    pub(super) fn open(&self) {
        self.open.fetch_add(1, Ordering::AcqRel);
    }

    /// An empty batch, where there is one.
    pub(super) fn empty(&self) -> Option<Vec<Row>> {
        self.empty.pop()
    }

    /// Gives an empty batch back; where there are many it is one too many.
    pub(super) fn give_back(&self, batch: Vec<Row>) {
        let _ = self.empty.push(batch);
    }

    /// Hands a batch over.
    ///
    /// # Errors
    /// There is no room: the collector is behind.
    pub(super) fn hand_over(&self, batch: Vec<Row>) -> Result<(), Vec<Row>> {
        self.full.push(batch)?;
        self.wake();
        Ok(())
    }

    /// A worker's last rows: waits for room, which costs no operation anything.
    pub(super) fn hand_over_last(&self, mut batch: Vec<Row>) {
        while !batch.is_empty() && !self.ended.load(Ordering::Acquire) {
            match self.hand_over(batch) {
                Ok(()) => break,
                Err(back) => batch = back,
            }
            std::thread::sleep(MOMENT);
        }
        self.open.fetch_sub(1, Ordering::AcqRel);
        self.wake();
    }

    /// There will be no further workers.
    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.wake();
    }

    fn wake(&self) {
        if let Some(collector) = self.collector.get() {
            collector.unpark();
        }
    }
}

impl Taking<'_> {
    /// The next batch; waits for it. `None` when all workers are done and everything was taken.
    pub(super) fn next(&self) -> Option<Vec<Row>> {
        loop {
            // Asked before the queue: what is handed over after that is found in it.
            let done = self.0.closed.load(Ordering::Acquire) && self.0.open.load(Ordering::Acquire) == 0;
            match self.0.full.pop() {
                Some(batch) => return Some(batch),
                None if done => return None,
                None => std::thread::park(),
            }
        }
    }
}

impl Drop for Taking<'_> {
    fn drop(&mut self) {
        self.0.ended.store(true, Ordering::Release);
    }
}
