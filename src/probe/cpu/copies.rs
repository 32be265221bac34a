//! Room for the copies that running threads make of their stacks, several at once: taken and given back without a lock, and there
//! before the first is made, because a signal handler writes them. Unwinds nothing.

use std::panic::Location;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use crossbeam_utils::atomic::AtomicCell;
use tracing::Metadata;

use crate::probe::slot::Slot;

/// Words of a stack that are copied; deeper ones are cut.
pub(super) const WORDS: usize = 32 * 1024;
/// Copies that each processor can make before they are looked at.
const FOR_EACH_PROCESSOR: usize = 32;

const FREE: u32 = 0;
const TAKEN: u32 = 1;
const READY: u32 = 2;

/// All copies that there can be at a time.
pub(super) struct Copies {
    all: Box<[Copy]>,
    /// Those for which there was no room.
    lost: AtomicU64,
}

/// A thread's registers, stack and place, of one moment.
pub(super) struct Copy {
    state: AtomicU32,
    thread: AtomicU32,
    /// Program counter, stack pointer, frame pointer.
    registers: [AtomicU64; 3],
    /// The thread's name, up to the first byte that is zero.
    name: [AtomicU64; 2],
    /// The number of the poll that was on; even outside polls.
    sequence: AtomicU64,
    spawned_at: AtomicCell<Option<&'static Location<'static>>>,
    phase: AtomicCell<Option<&'static Metadata<'static>>>,
    /// How often it counts.
    count: AtomicU64,
    /// How many words of the stack were copied.
    words: AtomicU64,
    stack: Box<[AtomicU64]>,
}

/// What a thread tells of the moment beside its stack.
pub(super) struct Told {
    pub(super) thread: u32,
    pub(super) registers: [u64; 3],
    pub(super) name: [u64; 2],
    /// How often this copy counts: for how many moments it stands.
    pub(super) count: u64,
    /// Where it says what it polls.
    pub(super) slot: Option<&'static Slot>,
}

/// A copy that was made.
pub(super) struct Copied {
    pub(super) thread: u32,
    pub(super) registers: [u64; 3],
    pub(super) name: String,
    /// How often it counts.
    pub(super) count: u64,
    /// The number of the poll that was on; even outside polls.
    pub(super) sequence: u64,
    /// Where the task was spawned that was polled.
    pub(super) spawned_at: Option<&'static Location<'static>>,
    /// The phase that was entered, in a poll or outside.
    pub(super) phase: Option<&'static Metadata<'static>>,
    pub(super) stack: Vec<u64>,
}

impl Copies {
    /// Room for some copies of each processor. `stack` makes the room for one stack.
    pub(super) fn new(stack: fn() -> Box<[AtomicU64]>) -> Self {
        let processors = std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
        let copy = |_| Copy {
            state: AtomicU32::new(FREE),
            thread: AtomicU32::new(0),
            registers: Default::default(),
            name: Default::default(),
            sequence: AtomicU64::new(0),
            spawned_at: AtomicCell::new(None),
            phase: AtomicCell::new(None),
            count: AtomicU64::new(0),
            words: AtomicU64::new(0),
            stack: stack(),
        };
        Self { all: (0..processors * FOR_EACH_PROCESSOR).map(copy).collect(), lost: AtomicU64::new(0) }
    }

    /// Makes a copy, unless there is no room. `copy` writes the stack and says how many words of it. May be called in a signal
    /// handler, if `copy` may.
    pub(super) fn make(&self, told: &Told, copy: impl FnOnce(&[AtomicU64]) -> usize) {
        let is_free =
            |place: &&Copy| place.state.compare_exchange(FREE, TAKEN, Ordering::Acquire, Ordering::Relaxed).is_ok();
        let Some(place) = self.all.iter().find(is_free) else {
            self.lost.fetch_add(1, Ordering::Relaxed);
            return;
        };
        place.thread.store(told.thread, Ordering::Relaxed);
        for (to, value) in place.registers.iter().zip(told.registers).chain(place.name.iter().zip(told.name)) {
            to.store(value, Ordering::Relaxed);
        }
        place.count.store(told.count, Ordering::Relaxed);
        // The thread alone writes its slot: between two of its writes, all is of one poll.
        place.sequence.store(told.slot.map_or(0, Slot::sequence), Ordering::Relaxed);
        place.spawned_at.store(told.slot.and_then(Slot::spawned_at));
        place.phase.store(told.slot.and_then(Slot::phase));
        place.words.store(copy(&place.stack) as u64, Ordering::Relaxed);
        place.state.store(READY, Ordering::Release);
    }

    /// Takes out what was copied since the last time.
    pub(super) fn take(&self) -> impl Iterator<Item = Copied> {
        let ready = self.all.iter().filter(|place| place.state.load(Ordering::Acquire) == READY);
        ready.map(|place| {
            let copied = place.read();
            place.state.store(FREE, Ordering::Release);
            copied
        })
    }

    /// Copies for which there was no room, since the last time.
    pub(super) fn lost(&self) -> u64 {
        self.lost.swap(0, Ordering::Relaxed)
    }
}

impl Copy {
    fn read(&self) -> Copied {
        let value = |from: &AtomicU64| from.load(Ordering::Relaxed);
        let sequence = value(&self.sequence);
        let words = (value(&self.words) as usize).min(self.stack.len());
        let name: Vec<u8> = self.name.iter().flat_map(|word| value(word).to_ne_bytes()).collect();
        let name = name.split(|byte| *byte == 0).next().unwrap_or_default();
        Copied {
            thread: self.thread.load(Ordering::Relaxed),
            registers: self.registers.each_ref().map(value),
            name: String::from_utf8_lossy(name).into_owned(),
            count: value(&self.count),
            sequence,
            spawned_at: self.spawned_at.load().filter(|_| sequence & 1 == 1),
            phase: self.phase.load(),
            stack: self.stack[..words].iter().map(value).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_that_find_no_room_are_counted_and_room_is_given_back() {
        let copies = Copies::new(|| (0..4).map(|_| AtomicU64::new(0)).collect());
        let make = |thread: u32| {
            let name = [u64::from_ne_bytes(*b"worker\0x"), 0];
            let told = Told { thread, registers: [1, 2, 3], name, count: 1, slot: None };
            copies.make(&told, |stack| {
                stack[0].store(u64::from(thread), Ordering::Relaxed);
                1
            });
        };
        let room = copies.all.len() as u32;
        (0..room + 3).for_each(make);
        assert_eq!(copies.lost(), 3);
        let taken: Vec<Copied> = copies.take().collect();
        assert_eq!(taken.len(), room as usize);
        assert!(taken.iter().all(|copied| copied.stack == [u64::from(copied.thread)] && copied.name == "worker"));
        assert_eq!(copies.take().count(), 0);
        make(7);
        assert_eq!((copies.take().map(|copied| copied.thread).collect::<Vec<_>>(), copies.lost()), (vec![7], 0));
    }
}
