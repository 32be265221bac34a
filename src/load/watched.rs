//! The polls of one operation: each goes through the observer, and its time is taken with the load's clock. The first
//! poll begins when the operation does and the last ends with it, so an operation that never waits costs no clock reading.

use std::sync::Arc;
use std::task::Poll;

use super::clock::{self, Instant};
use super::drive::Observer;
use crate::record::operation::Parts;
use crate::workload::current::OperationId;

/// What happens around each poll of an operation.
pub(super) trait Around {
    fn poll<T>(&mut self, poll: impl FnOnce() -> Poll<T>) -> Poll<T>;
}

/// Nothing does.
pub(super) struct Unwatched;

impl Around for Unwatched {
    fn poll<T>(&mut self, poll: impl FnOnce() -> Poll<T>) -> Poll<T> {
        poll()
    }
}

/// An operation that is watched.
pub(super) struct Watched<'a> {
    observer: &'a Arc<dyn Observer>,
    id: OperationId,
    start: Instant,
    /// When the poll that is not yet counted began; `None` between polls.
    began: Option<Instant>,
    busy_ns: u64,
    scheduled_ns: u64,
    slow_polls: u32,
}

impl<'a> Watched<'a> {
    pub(super) fn new(observer: &'a Arc<dyn Observer>, id: OperationId, start: Instant) -> Self {
        Self { observer, id, start, began: Some(start), busy_ns: 0, scheduled_ns: 0, slow_polls: 0 }
    }

    fn ended(&mut self, end: Instant) {
        if let Some(began) = self.began.take() {
            let busy_ns = clock::ns_between(began, end);
            self.busy_ns += busy_ns;
            self.slow_polls += u32::from(self.observer.polled(busy_ns));
        }
    }

    /// Where its time went.
    pub(super) fn parts(mut self, end: Instant) -> Parts {
        self.ended(end);
        let total_ns = clock::ns_between(self.start, end);
        let busy_ns = self.busy_ns.min(total_ns);
        let scheduled_ns = self.scheduled_ns.min(total_ns - busy_ns);
        let idle_ns = total_ns - busy_ns - scheduled_ns;
        Parts { busy_ns, scheduled_ns, idle_ns, slow_polls: self.slow_polls }
    }
}

impl Around for Watched<'_> {
    fn poll<T>(&mut self, poll: impl FnOnce() -> Poll<T>) -> Poll<T> {
        // What the task waited for a thread before the first poll was before the operation.
        let first = self.began.is_some();
        self.began.get_or_insert_with(clock::now);
        let (mut poll, mut polled) = (Some(poll), Poll::Pending);
        // The current operation is set for each poll: the task may move between threads in between.
        let waited_ns = self.observer.poll(self.id, &mut || {
            if let Some(poll) = poll.take() {
                polled = self.id.scope(poll);
            }
        });
        if !first {
            self.scheduled_ns += waited_ns;
        }
        if polled.is_pending() {
            self.ended(clock::now());
        }
        polled
    }
}
