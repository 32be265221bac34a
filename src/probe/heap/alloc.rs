//! The allocator behind [`track_heap!`](crate::track_heap): the system's or another, with a switch. Switched off it costs a load
//! and a branch; what is recorded when it is on is in the modules beside it.

#![allow(unsafe_code, reason = "GlobalAlloc is an unsafe trait; each method says why it is sound")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::any::TypeId;
use std::sync::atomic::{AtomicU8, Ordering};

use super::blocks::{self, Block};
use super::own::{self, OurWork};
use super::registers;
use super::{sampling, trace};
use crate::probe::slot;

const OFF: u8 = 0;
const COUNT: u8 = 1;
const SAMPLED: u8 = 2;
const EXACT: u8 = 3;
const DHAT: u8 = 4;
const PRESENCE: u8 = 5;

static MODE: AtomicU8 = AtomicU8::new(OFF);

/// What is known of the program's allocator.
static PRESENT: AtomicU8 = AtomicU8::new(ABSENT);
const ABSENT: u8 = 0;
const OVER_SYSTEM: u8 = 1;
const OVER_ANOTHER: u8 = 2;

/// perfkit's global allocator. Install it with [`track_heap!`](crate::track_heap).
///
/// Every mode hands out blocks of the allocator below without headers of its own, so a block may be allocated in one
/// mode and freed in another.
#[derive(Debug, Default)]
pub struct Alloc<A = System>(A);

impl Alloc {
    /// An allocator over the system's.
    #[must_use]
    pub const fn system() -> Self {
        Self(System)
    }
}

impl<A> Alloc<A> {
    /// An allocator over another one, such as jemalloc.
    #[must_use]
    pub const fn over(allocator: A) -> Self {
        Self(allocator)
    }
}

pub(super) fn switch(mode: Mode) {
    let mode = match mode {
        Mode::Off => OFF,
        Mode::Count => COUNT,
        Mode::Sampled => SAMPLED,
        Mode::Exact => EXACT,
        Mode::Dhat => DHAT,
    };
    MODE.store(mode, Ordering::SeqCst);
}

/// What is done with an allocation beside making it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// Nothing.
    Off,
    /// Blocks and bytes are counted, for each thread.
    Count,
    /// And a part of the blocks is charged to its site.
    Sampled,
    /// And every block.
    Exact,
    /// Every block is handed out by dhat.
    Dhat,
}

/// Makes [`Alloc`] the program's global allocator, so that its heap can be profiled. Write it once, beside `fn main`.
///
/// With an argument it stands over that allocator instead of the system's: `track_heap!(tikv_jemallocator::Jemalloc, tikv_jemallocator::Jemalloc)`
/// takes the type and a value of it.
///
/// ```
/// perfkit::track_heap!();
///
/// fn main() {
///     assert!(perfkit::heap_is_tracked());
/// }
/// ```
#[macro_export]
macro_rules! track_heap {
    () => {
        #[global_allocator]
        static PERFKIT_ALLOC: $crate::Alloc = $crate::Alloc::system();
    };
    ($kind:ty, $value:expr) => {
        #[global_allocator]
        static PERFKIT_ALLOC: $crate::Alloc<$kind> = $crate::Alloc::over($value);
    };
}

/// Whether this program uses [`track_heap!`](crate::track_heap). Asks by allocating a block.
#[must_use]
pub fn heap_is_tracked() -> bool {
    known() != ABSENT
}

/// Whether blocks come from the system's allocator, which dhat's must.
pub(super) fn is_over_system() -> bool {
    known() == OVER_SYSTEM
}

fn known() -> u8 {
    if PRESENT.load(Ordering::Acquire) == ABSENT {
        let before = MODE.swap(PRESENCE, Ordering::AcqRel);
        drop(std::hint::black_box(Box::new(0u64)));
        MODE.store(before, Ordering::Release);
    }
    PRESENT.load(Ordering::Acquire)
}

#[cold]
fn note_presence<A: 'static>() {
    let over = if TypeId::of::<A>() == TypeId::of::<System>() { OVER_SYSTEM } else { OVER_ANOTHER };
    PRESENT.store(over, Ordering::Release);
}

/// A block was handed out.
#[inline]
fn note(mode: u8, address: usize, size: usize) {
    if OurWork::is_on() {
        return;
    }
    let slot = own::slot();
    let event = slot.allocated(size);
    if mode != COUNT && address != 0 {
        record_if_drawn(mode, address, size, slot.number(), event);
    }
}

#[inline]
fn record_if_drawn(mode: u8, address: usize, size: usize, thread: usize, event: u64) {
    if mode == EXACT {
        record(address, size, None, thread, event);
    } else if let Some(weight) = sampling::weight(size) {
        record(address, size, Some(weight), thread, event);
    }
}

#[inline(never)]
fn record(address: usize, size: usize, weight: Option<f64>, thread: usize, event: u64) {
    let _ours = OurWork::begin();
    let registers = registers::here();
    if let Some(site) = trace::site(registers, (slot::spawned_at(), slot::phase())) {
        blocks::insert(address, Block { site, size, weight, thread, event });
    }
}

/// A block is about to be given back: its address may be another's as soon as it is.
#[inline]
fn forget(mode: u8, address: usize, size: usize) {
    if OurWork::is_on() {
        return;
    }
    let slot = own::slot();
    slot.freed(size);
    if mode == EXACT || (mode == SAMPLED && blocks::may_hold(address)) {
        let _ours = OurWork::begin();
        blocks::free(address, slot);
    }
}

// SAFETY: every method passes its arguments unchanged to the allocator below or to `dhat::Alloc`, which itself allocates with
// `System` and is used only above `System`; all fulfil `GlobalAlloc`'s contract, and as they use the same heap without headers, a
// block from one may go back to the other. What is noted beside keeps to its own memory, and calls itself on no thread twice
// (`OurWork`). The switch is an atomic byte: reading it neither allocates nor panics.
unsafe impl<A: GlobalAlloc + 'static> GlobalAlloc for Alloc<A> {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let mode = MODE.load(Ordering::Relaxed);
        if mode == OFF {
            // SAFETY: the caller's promises about `layout` are passed on.
            return unsafe { self.0.alloc(layout) };
        }
        // SAFETY: as above.
        unsafe { noted::alloc(&self.0, mode, layout) }
    }

    #[inline]
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        let mode = MODE.load(Ordering::Relaxed);
        if mode == OFF {
            // SAFETY: the caller's promises about `block` and `layout` are passed on.
            return unsafe { self.0.dealloc(block, layout) };
        }
        // SAFETY: as above.
        unsafe { noted::dealloc(&self.0, mode, block, layout) }
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        let mode = MODE.load(Ordering::Relaxed);
        if mode == OFF {
            // SAFETY: as in `alloc`. Not the trait's default: the system hands out zeroed pages without touching them.
            return unsafe { self.0.alloc_zeroed(layout) };
        }
        // SAFETY: as above.
        unsafe { noted::alloc_zeroed(&self.0, mode, layout) }
    }

    #[inline]
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        let mode = MODE.load(Ordering::Relaxed);
        if mode == OFF {
            // SAFETY: as in `dealloc`, with the caller's promise about `new_size`. Not the trait's default: the system can grow a
            // block in place.
            return unsafe { self.0.realloc(block, layout, new_size) };
        }
        // SAFETY: as above.
        unsafe { noted::realloc(&self.0, mode, block, layout, new_size) }
    }
}

/// The same with the switch on.
mod noted {
    use super::{
        COUNT, DHAT, EXACT, GlobalAlloc, Layout, OurWork, PRESENCE, SAMPLED, blocks, forget, note, note_presence, own,
        record_if_drawn,
    };

    #[inline(never)]
    pub(super) unsafe fn alloc<A: GlobalAlloc + 'static>(below: &A, mode: u8, layout: Layout) -> *mut u8 {
        if mode >= DHAT {
            if mode == PRESENCE {
                note_presence::<A>();
            } else {
                // SAFETY: the caller's promises about `layout` are passed on.
                return unsafe { dhat::Alloc.alloc(layout) };
            }
        }
        // SAFETY: as above.
        let block = unsafe { below.alloc(layout) };
        if mode < DHAT {
            note(mode, block.addr(), layout.size());
        }
        block
    }

    #[inline(never)]
    pub(super) unsafe fn alloc_zeroed<A: GlobalAlloc + 'static>(below: &A, mode: u8, layout: Layout) -> *mut u8 {
        if mode == DHAT {
            // SAFETY: as in `alloc`; dhat uses the trait's own zeroing.
            return unsafe { dhat::Alloc.alloc_zeroed(layout) };
        }
        // SAFETY: as in `alloc`.
        let block = unsafe { below.alloc_zeroed(layout) };
        if mode < DHAT {
            note(mode, block.addr(), layout.size());
        }
        block
    }

    #[inline(never)]
    pub(super) unsafe fn dealloc<A: GlobalAlloc>(below: &A, mode: u8, block: *mut u8, layout: Layout) {
        if mode == DHAT {
            // SAFETY: the caller's promises about `block` and `layout` are passed on; the block came from `System`.
            return unsafe { dhat::Alloc.dealloc(block, layout) };
        }
        if mode < DHAT {
            forget(mode, block.addr(), layout.size());
        }
        // SAFETY: as above.
        unsafe { below.dealloc(block, layout) }
    }

    #[inline(never)]
    pub(super) unsafe fn realloc<A: GlobalAlloc>(
        below: &A,
        mode: u8,
        block: *mut u8,
        layout: Layout,
        new_size: usize,
    ) -> *mut u8 {
        if mode == DHAT {
            // SAFETY: as in `dealloc`, with the caller's promise about `new_size`.
            return unsafe { dhat::Alloc.realloc(block, layout, new_size) };
        }
        let may_hold = !OurWork::is_on() && (mode == EXACT || (mode == SAMPLED && blocks::may_hold(block.addr())));
        // The old address may be another's as soon as the block has moved: it is forgotten before.
        let known = may_hold.then(|| own::untracked(|| blocks::remove(block.addr()))).flatten();
        let old = block.addr();
        // SAFETY: as above.
        let moved = unsafe { below.realloc(block, layout, new_size) };
        if mode >= DHAT || OurWork::is_on() {
            return moved;
        }
        match known {
            // Nothing was done: the block is what it was. Its site is charged for it twice: a program without memory has other worries.
            Some(known) if moved.is_null() => own::untracked(|| blocks::insert(old, known)),
            None if moved.is_null() => {}
            known => {
                let slot = own::slot();
                slot.freed(layout.size());
                let event = slot.allocated(new_size);
                match known {
                    _ if mode == COUNT => {}
                    // A block keeps the site that made it first: a vector that grows is one thing.
                    Some(known) if mode == EXACT => own::untracked(|| blocks::resize(moved.addr(), known, new_size)),
                    // What a drawn block stands for depends on its size: at the new one it is drawn anew.
                    _ => record_if_drawn(mode, moved.addr(), new_size, slot.number(), event),
                }
            }
        }
        moved
    }
}
