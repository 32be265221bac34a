//! What each thread has allocated: counters in a slot of its own, which it alone writes, so that counting takes no lock and
//! loses nothing when the thread ends. Knows no block and no site.

use std::cell::Cell;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use crossbeam_utils::CachePadded;

/// The counters of one thread, and of those that had the slot before.
#[derive(Debug, Default)]
pub(super) struct Slot {
    taken: AtomicBool,
    allocated_blocks: AtomicU64,
    allocated_bytes: AtomicU64,
    freed_blocks: AtomicU64,
    freed_bytes: AtomicU64,
}

/// Blocks and bytes of all threads since the program began to count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    /// Blocks that were handed out.
    pub(super) allocated_blocks: u64,
    /// Their bytes.
    pub(super) allocated_bytes: u64,
    /// Blocks that were given back.
    pub(super) freed_blocks: u64,
    /// Their bytes.
    pub(super) freed_bytes: u64,
}

/// Every slot that was ever needed; a thread's is given to another when it ends.
static ALL: Mutex<Vec<&'static CachePadded<Slot>>> = Mutex::new(Vec::new());
/// The slot of threads that are ending, which several may write.
static SPARE: CachePadded<Slot> = CachePadded::new(Slot {
    taken: AtomicBool::new(true),
    allocated_blocks: AtomicU64::new(0),
    allocated_bytes: AtomicU64::new(0),
    freed_blocks: AtomicU64::new(0),
    freed_bytes: AtomicU64::new(0),
});

thread_local! {
    static OWN: Cell<Option<&'static Slot>> = const { Cell::new(None) };
    /// Set while perfkit allocates for itself on this thread.
    static OUR_WORK: Cell<bool> = const { Cell::new(false) };
    /// Gives the slot back when the thread ends.
    static RETURN: Cell<Option<Owner>> = const { Cell::new(None) };
}

struct Owner(&'static Slot);

impl Drop for Owner {
    fn drop(&mut self) {
        OWN.set(Some(&SPARE));
        self.0.taken.store(false, Ordering::Release);
    }
}

/// The time in which a thread's allocations are perfkit's own and not looked at.
pub(crate) struct OurWork(());

impl OurWork {
    /// Whether it is on.
    #[inline]
    pub(super) fn is_on() -> bool {
        OUR_WORK.get()
    }

    /// Begins it; `None` where it has begun already.
    #[inline]
    pub(crate) fn begin() -> Option<Self> {
        if OUR_WORK.replace(true) { None } else { Some(Self(())) }
    }
}

impl Drop for OurWork {
    #[inline]
    fn drop(&mut self) {
        OUR_WORK.set(false);
    }
}

/// Does something whose allocations are perfkit's own.
pub(crate) fn untracked<T>(work: impl FnOnce() -> T) -> T {
    let _ours = OurWork::begin();
    work()
}

/// This thread's slot.
#[inline]
pub(super) fn slot() -> &'static Slot {
    OWN.get().unwrap_or_else(take)
}

#[cold]
fn take() -> &'static Slot {
    let _ours = OurWork::begin();
    let mut all = ALL.lock().unwrap_or_else(PoisonError::into_inner);
    let free = all.iter().find(|slot| !slot.taken.swap(true, Ordering::AcqRel)).copied();
    let slot = free.unwrap_or_else(|| {
        let made: &'static CachePadded<Slot> = Box::leak(Box::default());
        made.taken.store(true, Ordering::Release);
        all.push(made);
        made
    });
    drop(all);
    // A thread that is ending cannot say when it has ended.
    let slot: &'static Slot = if RETURN.try_with(|back| back.set(Some(Owner(slot)))).is_ok() {
        slot
    } else {
        slot.taken.store(false, Ordering::Release);
        &SPARE
    };
    OWN.set(Some(slot));
    slot
}

impl Slot {
    /// A block was handed out; gives how many this slot's threads had before.
    #[inline]
    pub(super) fn allocated(&self, bytes: usize) -> u64 {
        self.add(&self.allocated_bytes, bytes as u64);
        self.add(&self.allocated_blocks, 1)
    }

    /// A block was given back.
    #[inline]
    pub(super) fn freed(&self, bytes: usize) {
        self.add(&self.freed_bytes, bytes as u64);
        self.add(&self.freed_blocks, 1);
    }

    /// How many blocks this slot's threads were given.
    #[inline]
    pub(super) fn allocations(&self) -> u64 {
        self.allocated_blocks.load(Ordering::Relaxed)
    }

    /// Where this slot is: what tells it from the others.
    #[inline]
    pub(super) fn number(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }

    #[inline]
    fn add(&self, counter: &AtomicU64, number: u64) -> u64 {
        if std::ptr::eq(self, &raw const *SPARE) {
            return counter.fetch_add(number, Ordering::Relaxed);
        }
        // One writer: a load and a store, without the lock prefix of an addition that others may join in.
        let before = counter.load(Ordering::Relaxed);
        counter.store(before + number, Ordering::Relaxed);
        before
    }
}

/// Adds all threads up. Exact when none of them allocates meanwhile.
pub(super) fn counts() -> Counts {
    untracked(|| {
        let all = ALL.lock().unwrap_or_else(PoisonError::into_inner);
        let mut sum = Counts::default();
        for slot in all.iter().copied().chain([&SPARE]) {
            sum.allocated_blocks += slot.allocated_blocks.load(Ordering::Relaxed);
            sum.allocated_bytes += slot.allocated_bytes.load(Ordering::Relaxed);
            sum.freed_blocks += slot.freed_blocks.load(Ordering::Relaxed);
            sum.freed_bytes += slot.freed_bytes.load(Ordering::Relaxed);
        }
        sum
    })
}
