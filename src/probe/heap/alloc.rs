//! The allocator behind [`track_heap!`](crate::track_heap): the system's, with a switch. Switched off it costs a load and a
//! branch; it never keeps a lock or a table of its own.

#![allow(unsafe_code, reason = "GlobalAlloc is an unsafe trait; each method says why it is sound")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

const OFF: u8 = 0;
const DHAT: u8 = 1;
const PRESENCE: u8 = 2;

static MODE: AtomicU8 = AtomicU8::new(OFF);
static PRESENT: AtomicBool = AtomicBool::new(false);

/// perfkit's global allocator. Install it with [`track_heap!`](crate::track_heap).
///
/// Every mode hands out blocks of the system allocator without headers of its own, so a block may be allocated in one
/// mode and freed in another.
#[derive(Debug, Default)]
pub struct Alloc;

impl Alloc {
    /// An allocator over the system's.
    #[must_use]
    pub const fn system() -> Self {
        Self
    }
}

/// Makes [`Alloc`] the program's global allocator, so that its heap can be profiled. Write it once, beside `fn main`.
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
}

/// Whether this program uses [`track_heap!`](crate::track_heap). Asks by allocating a block.
#[must_use]
pub fn heap_is_tracked() -> bool {
    if PRESENT.load(Ordering::Acquire) {
        return true;
    }
    let before = MODE.swap(PRESENCE, Ordering::AcqRel);
    drop(std::hint::black_box(Box::new(0u64)));
    MODE.store(before, Ordering::Release);
    PRESENT.load(Ordering::Acquire)
}

/// Sends allocations through dhat from now on.
pub(super) fn dhat_on() {
    MODE.store(DHAT, Ordering::SeqCst);
}

/// Sends allocations to the system again. dhat's profiler must be gone before: it panics in the allocator when an address
/// it knows is handed out behind its back.
pub(super) fn dhat_off() {
    MODE.store(OFF, Ordering::SeqCst);
}

#[cold]
fn note_presence() {
    PRESENT.store(true, Ordering::Release);
}

// SAFETY: every method passes its arguments unchanged to `System` or to `dhat::Alloc`, which itself allocates with
// `System`; both fulfil `GlobalAlloc`'s contract, and as both use the same heap without headers, a block from one may go
// back to the other. The switch is an atomic byte: reading it neither allocates nor panics.
unsafe impl GlobalAlloc for Alloc {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        match MODE.load(Ordering::Relaxed) {
            // SAFETY: the caller's promises about `layout` are passed on.
            DHAT => unsafe { dhat::Alloc.alloc(layout) },
            mode => {
                if mode == PRESENCE {
                    note_presence();
                }
                // SAFETY: as above.
                unsafe { System.alloc(layout) }
            }
        }
    }

    #[inline]
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        match MODE.load(Ordering::Relaxed) {
            // SAFETY: the caller's promises about `block` and `layout` are passed on; the block came from `System`.
            DHAT => unsafe { dhat::Alloc.dealloc(block, layout) },
            // SAFETY: as above.
            _ => unsafe { System.dealloc(block, layout) },
        }
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        match MODE.load(Ordering::Relaxed) {
            // SAFETY: as in `alloc`; dhat uses the trait's own zeroing.
            DHAT => unsafe { dhat::Alloc.alloc_zeroed(layout) },
            // SAFETY: as in `alloc`. Not the trait's default: the system hands out zeroed pages without touching them.
            _ => unsafe { System.alloc_zeroed(layout) },
        }
    }

    #[inline]
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        match MODE.load(Ordering::Relaxed) {
            // SAFETY: as in `dealloc`, with the caller's promise about `new_size`.
            DHAT => unsafe { dhat::Alloc.realloc(block, layout, new_size) },
            // SAFETY: as above. Not the trait's default: the system can grow a block in place.
            _ => unsafe { System.realloc(block, layout, new_size) },
        }
    }
}
