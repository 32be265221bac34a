//! What each thread of the runtime is polling, and the phase that it is in: a slot with a number that is odd while a poll is on.
//! The thread alone writes it, without a clock and without a lock; the watchdog and the sampler read it. Judges nothing.

use std::cell::Cell;
use std::hash::{Hash, Hasher};
use std::panic::Location;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};

use crossbeam_utils::CachePadded;
use crossbeam_utils::atomic::AtomicCell;
use tracing::Metadata;

use super::hooks::Hooks;

/// Threads that can be watched at once.
pub(super) const SLOTS: usize = 256;

/// One thread of the runtime.
pub(super) struct Slot {
    /// The thread's number in the kernel; 0 while nobody has the slot.
    thread: AtomicU32,
    /// An address on its stack.
    stack: AtomicU64,
    /// Odd while a poll is on; every poll takes two numbers.
    sequence: AtomicU64,
    /// Polls inside the one that counts: a runtime that is driven inside a task.
    nested: AtomicU32,
    /// The task that is polled; 0 where it is not known.
    task: AtomicU64,
    /// Where it was spawned.
    spawned_at: AtomicCell<Option<&'static Location<'static>>>,
    /// The span that is entered, the innermost; also between polls.
    phase: AtomicCell<Option<&'static Metadata<'static>>>,
}

// A signal handler reads both, which may not wait for a lock.
const _: () = assert!(AtomicCell::<Option<&'static Location<'static>>>::is_lock_free());
const _: () = assert!(AtomicCell::<Option<&'static Metadata<'static>>>::is_lock_free());

#[expect(clippy::declare_interior_mutable_const, reason = "a pattern for the statics below, never used itself")]
const EMPTY: CachePadded<Slot> = CachePadded::new(Slot {
    thread: AtomicU32::new(0),
    stack: AtomicU64::new(0),
    sequence: AtomicU64::new(0),
    nested: AtomicU32::new(0),
    task: AtomicU64::new(0),
    spawned_at: AtomicCell::new(None),
    phase: AtomicCell::new(None),
});

static ALL: [CachePadded<Slot>; SLOTS] = [EMPTY; SLOTS];
/// The slot of threads for which there is no other: never looked at.
static SPARE: CachePadded<Slot> = EMPTY;
/// How many of them were ever used: the first.
static USED: AtomicUsize = AtomicUsize::new(0);
/// Threads that found no slot.
static UNWATCHED: AtomicU32 = AtomicU32::new(0);

thread_local! {
    static OWN: Cell<Option<&'static Slot>> = const { Cell::new(None) };
    /// Gives the slot back when the thread ends.
    static RETURN: Cell<Option<Owner>> = const { Cell::new(None) };
}

struct Owner(&'static Slot);

impl Drop for Owner {
    fn drop(&mut self) {
        OWN.set(Some(&SPARE));
        let sequence = self.0.sequence.load(Ordering::Relaxed);
        self.0.sequence.store((sequence + 1) & !1, Ordering::Release);
        self.0.nested.store(0, Ordering::Relaxed);
        self.0.phase.store(None);
        self.0.thread.store(0, Ordering::Release);
    }
}

/// Has the runtime tell which task is polled.
pub(super) fn watch(hooks: &mut Hooks) {
    #[cfg(tokio_unstable)]
    {
        hooks.before_poll(|task| begin(number_of(task.id()), Some(task.spawned_at())));
        hooks.after_poll(|_| end());
    }
    #[cfg(not(tokio_unstable))]
    let _ = hooks;
}

/// A poll begins on this thread.
#[inline]
pub(super) fn begin(task: u64, spawned_at: Option<&'static Location<'static>>) {
    let slot = OWN.get().unwrap_or_else(register);
    let sequence = slot.sequence.load(Ordering::Relaxed);
    if sequence & 1 == 1 {
        slot.nested.store(slot.nested.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        return;
    }
    slot.task.store(task, Ordering::Relaxed);
    slot.spawned_at.store(spawned_at);
    slot.sequence.store(sequence + 1, Ordering::Release);
}

/// The poll that began last on this thread ends.
#[inline]
pub(super) fn end() {
    let Some(slot) = OWN.get() else { return };
    let nested = slot.nested.load(Ordering::Relaxed);
    if nested > 0 {
        slot.nested.store(nested - 1, Ordering::Relaxed);
        return;
    }
    let sequence = slot.sequence.load(Ordering::Relaxed);
    // Watching may have begun in the middle of a poll.
    if sequence & 1 == 1 {
        slot.sequence.store(sequence + 1, Ordering::Release);
    }
}

/// This thread is in this phase now; `None` outside any.
#[inline]
pub(super) fn mark(phase: Option<&'static Metadata<'static>>) {
    OWN.get().unwrap_or_else(register).phase.store(phase);
}

/// A poll that ends with this value, also by a panic.
#[cfg(not(tokio_unstable))]
pub(super) struct Watched;

#[cfg(not(tokio_unstable))]
impl Watched {
    #[inline]
    pub(super) fn begin(spawned_at: Option<&'static Location<'static>>) -> Self {
        let task = tokio::task::try_id().map_or(0, number_of);
        begin(task, spawned_at);
        Self
    }
}

#[cfg(not(tokio_unstable))]
impl Drop for Watched {
    fn drop(&mut self) {
        end();
    }
}

#[cold]
fn register() -> &'static Slot {
    let thread = rustix::thread::gettid().as_raw_nonzero().get().unsigned_abs();
    let take = |slot: &&Slot| slot.thread.compare_exchange(0, thread, Ordering::AcqRel, Ordering::Relaxed).is_ok();
    let free = ALL.iter().enumerate().map(|(index, slot)| (index, &**slot)).find(|(_, slot)| take(slot));
    let slot: &'static Slot = if let Some((index, slot)) = free {
        USED.fetch_max(index + 1, Ordering::AcqRel);
        slot.stack.store((&raw const thread).addr() as u64, Ordering::Release);
        // A thread that is ending has no place to keep it: then it is not watched.
        if RETURN.try_with(|back| back.set(Some(Owner(slot)))).is_ok() {
            slot
        } else {
            slot.thread.store(0, Ordering::Release);
            &SPARE
        }
    } else {
        UNWATCHED.fetch_add(1, Ordering::Relaxed);
        &SPARE
    };
    OWN.set(Some(slot));
    slot
}

/// Threads that could not be watched, because there are too many.
pub(super) fn unwatched() -> u32 {
    UNWATCHED.load(Ordering::Relaxed)
}

/// Every slot that was ever used, with its number.
pub(super) fn all() -> impl Iterator<Item = (usize, &'static Slot)> {
    ALL.iter().take(USED.load(Ordering::Acquire)).enumerate().map(|(index, slot)| (index, &**slot))
}

/// The slot of that number.
pub(super) fn at(index: usize) -> Option<&'static Slot> {
    ALL.get(index).map(|slot| &**slot)
}

/// A poll that is on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Poll {
    /// Differs between polls of a thread.
    pub(super) sequence: u64,
    /// The task; 0 where it is not known.
    pub(super) task: u64,
    /// Where the task was spawned.
    pub(super) spawned_at: Option<&'static Location<'static>>,
}

impl Slot {
    /// The thread that has it.
    pub(super) fn thread(&self) -> Option<u32> {
        Some(self.thread.load(Ordering::Acquire)).filter(|thread| *thread != 0)
    }

    /// An address on the stack of the thread that has it.
    pub(super) fn stack(&self) -> u64 {
        self.stack.load(Ordering::Acquire)
    }

    /// Odd while a poll is on.
    pub(super) fn sequence(&self) -> u64 {
        self.sequence.load(Ordering::Acquire)
    }

    /// Where the task was spawned that was polled last. The thread itself, also in a signal handler, gets that of its poll.
    pub(super) fn spawned_at(&self) -> Option<&'static Location<'static>> {
        self.spawned_at.load()
    }

    /// The phase that the thread is in. The thread itself, also in a signal handler, gets that of its code.
    pub(super) fn phase(&self) -> Option<&'static Metadata<'static>> {
        self.phase.load()
    }

    /// The poll that is on, all of it of the same poll.
    pub(super) fn poll(&self) -> Option<Poll> {
        let sequence = self.sequence();
        if sequence & 1 == 0 {
            return None;
        }
        let poll = Poll { sequence, task: self.task.load(Ordering::Acquire), spawned_at: self.spawned_at.load() };
        (self.sequence() == sequence).then_some(poll)
    }
}

/// The phase that this thread is in; `None` outside any, and where threads are not marked.
#[inline]
pub(super) fn phase() -> Option<&'static Metadata<'static>> {
    OWN.get()?.phase()
}

/// Where the task was spawned that this thread polls; `None` outside polls.
#[inline]
pub(super) fn spawned_at() -> Option<&'static Location<'static>> {
    let slot = OWN.get()?;
    if slot.sequence.load(Ordering::Relaxed) & 1 == 1 { slot.spawned_at.load() } else { None }
}

/// The number of a task: tokio shows it only as text, and to a hasher.
#[inline]
pub(super) fn number_of(id: tokio::task::Id) -> u64 {
    struct Number(u64);
    impl Hasher for Number {
        fn finish(&self) -> u64 {
            self.0
        }
        fn write(&mut self, bytes: &[u8]) {
            for byte in bytes {
                self.0 = self.0 << 8 | u64::from(*byte);
            }
        }
        fn write_u64(&mut self, number: u64) {
            self.0 = number;
        }
    }
    let mut number = Number(0);
    id.hash(&mut number);
    number.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_poll_is_seen_while_it_is_on_and_polls_inside_it_are_not_counted() {
        let here = Location::caller();
        begin(7, Some(here));
        let own = rustix::thread::gettid().as_raw_nonzero().get().unsigned_abs();
        let of_thread =
            |thread| all().find(|(_, slot)| slot.thread() == Some(thread)).and_then(|(_, slot)| slot.poll());
        let poll = of_thread(own).expect("a poll is on");
        assert_eq!((poll.task, poll.spawned_at.map(Location::line)), (7, Some(here.line())));
        begin(8, None);
        end();
        assert_eq!(of_thread(own).map(|poll| poll.sequence), Some(poll.sequence));
        end();
        assert!(of_thread(own).is_none());
    }

    #[test]
    fn a_thread_that_ends_gives_its_slot_back() {
        let thread = std::thread::spawn(|| {
            begin(1, None);
            rustix::thread::gettid().as_raw_nonzero().get().unsigned_abs()
        });
        let thread = thread.join().unwrap();
        assert!(all().all(|(_, slot)| slot.thread() != Some(thread)));
    }

    #[test]
    fn the_number_of_a_task_is_the_one_that_tokio_shows() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let id = tokio::spawn(async { tokio::task::id() }).await.unwrap();
            assert_eq!(number_of(id).to_string(), id.to_string());
        });
    }
}
