//! What `track_heap!` costs a program while no heap is recorded: perfkit's allocator, switched off, against the system's.
//! Once per call in a tight loop, where a load and a branch show, and once in work that parses, writes and churns; and what its
//! own recorder costs the same work.

#![allow(clippy::print_stdout, reason = "a benchmark's result goes to the terminal")]
#![allow(unsafe_code, reason = "an allocator is called and one is written; each place says why it is sound")]

mod ratio;

use std::alloc::{GlobalAlloc, Layout, System};
use std::hint::black_box;
use std::sync::atomic::{AtomicBool, Ordering};

use perfkit::Alloc;
use perfkit::probe::heap::{Heap, Recorder};
use perfkit::probe::{Probe, Settings};
use ratio::{Clock, Cost, Side};

/// The goal: the whole of a program's work with the allocator, over without it.
const WHOLE: f64 = 1.01;
/// The goals of the recorder: counting, sampling at 512 KiB, every block.
const RECORDERS: [(Recorder, &str, f64); 3] =
    [(Recorder::Count, "counting", 1.02), (Recorder::Sampled, "sampling", 1.10), (Recorder::Exact, "every block", 4.0)];
const ROUNDS: usize = 41;
/// Many, because a hundredth is to be seen.
const WHOLE_ROUNDS: usize = 401;
const PAIRS: u64 = 100_000;
const DOCUMENTS: u64 = 60;

/// The global allocator of this benchmark: one of the two, chosen at run time. Both sides pay the same for the choice.
struct Either;

static OURS: AtomicBool = AtomicBool::new(false);
static OUR_ALLOC: Alloc = Alloc::system();

#[global_allocator]
static EITHER: Either = Either;

// SAFETY: every method passes its arguments unchanged to one of two allocators that fulfil the contract, and that hand out
// blocks of the same heap without headers, so that a block may go back through the other.
unsafe impl GlobalAlloc for Either {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promises are passed on.
        if OURS.load(Ordering::Relaxed) { unsafe { OUR_ALLOC.alloc(layout) } } else { unsafe { System.alloc(layout) } }
    }

    #[inline]
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: as above.
        if OURS.load(Ordering::Relaxed) {
            unsafe { OUR_ALLOC.dealloc(block, layout) }
        } else {
            unsafe { System.dealloc(block, layout) }
        }
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as above.
        if OURS.load(Ordering::Relaxed) {
            unsafe { OUR_ALLOC.alloc_zeroed(layout) }
        } else {
            unsafe { System.alloc_zeroed(layout) }
        }
    }

    #[inline]
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: as above.
        if OURS.load(Ordering::Relaxed) {
            unsafe { OUR_ALLOC.realloc(block, layout, size) }
        } else {
            unsafe { System.realloc(block, layout, size) }
        }
    }
}

/// Allocates and frees blocks of a few sizes, straight through one allocator.
fn pairs(allocator: &impl GlobalAlloc) -> Cost {
    ratio::per_unit(PAIRS, || {
        for number in 0..PAIRS as usize {
            let layout = Layout::from_size_align(black_box(16 << (number % 4)), 8).expect("a layout");
            // SAFETY: the size is not zero, and the block goes back once, with its own layout.
            unsafe {
                let block = black_box(allocator.alloc(layout));
                assert!(!block.is_null());
                allocator.dealloc(block, layout);
            }
        }
    })
}

/// Documents are parsed, changed, written and dropped, as a service does with its messages.
fn documents(ours: bool) -> Cost {
    OURS.store(ours, Ordering::Relaxed);
    let cost = ratio::per_unit(DOCUMENTS, || {
        let mut kept: Vec<String> = Vec::new();
        for number in 0..DOCUMENTS {
            let text = document(20 + number as usize % 7);
            let mut value: serde_json::Value = serde_json::from_str(&text).expect("a document");
            value["number"] = number.into();
            let churn: Vec<Vec<u8>> = (0..200).map(|size| vec![1; 16 + size % 300]).collect();
            black_box(&churn);
            kept.push(value.to_string());
            if kept.len() > 8 {
                kept.remove(0);
            }
        }
        kept.iter().map(String::len).sum::<usize>()
    });
    OURS.store(false, Ordering::Relaxed);
    cost
}

/// The same while the recorder records.
fn recorded(settings: &Settings, recorder: Recorder) -> Cost {
    OURS.store(true, Ordering::Relaxed);
    let running = Heap.start(&Settings { recorder, ..settings.clone() }).expect("the recorder starts");
    let cost = documents(true);
    OURS.store(true, Ordering::Relaxed);
    // Dropped and not stopped: stopping would name the sites between the sides of the comparison.
    drop(running);
    OURS.store(false, Ordering::Relaxed);
    cost
}

fn document(messages: usize) -> String {
    let message = |number: usize| serde_json::json!({ "role": "user", "content": "what is it? ".repeat(number % 9 + 1), "tags": [number, "a", null] });
    serde_json::json!({ "messages": (0..messages).map(message).collect::<Vec<_>>(), "number": 0 }).to_string()
}

fn main() {
    let sides = vec![
        Side::new("System: allocate and free", || pairs(&System)),
        Side::new("perfkit::Alloc, off: allocate and free", || pairs(&Alloc::system())),
    ];
    ratio::heading("one block", Clock::Cpu);
    ratio::interleaved(ROUNDS, sides).print(Clock::Cpu);

    let sides = vec![
        Side::new("System: one document", || documents(false)),
        Side::new("perfkit::Alloc, off: one document", || documents(true)),
    ];
    let paired = ratio::interleaved(WHOLE_ROUNDS, sides);
    ratio::heading("work that allocates", Clock::Cpu);
    paired.print(Clock::Cpu);
    ratio::goal("work with the allocator over without", paired.ratio(1, 0, Clock::Cpu), WHOLE, "");

    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let settings = Settings {
        frequency_hz: 99,
        stall_threshold: perfkit::experiment::STALL_THRESHOLD,
        recorder: Recorder::Dhat,
        folder: std::env::temp_dir(),
        runtime: runtime.handle().clone(),
    };
    let settings = &settings;
    let mut sides = vec![Side::new("perfkit::Alloc, off", || documents(true))];
    for (recorder, name, _) in RECORDERS {
        sides.push(Side::new(name, move || recorded(settings, recorder)));
    }
    let paired = ratio::interleaved(ROUNDS, sides);
    ratio::heading("work that allocates, recorded", Clock::Cpu);
    paired.print(Clock::Cpu);
    for (index, (_, name, goal)) in RECORDERS.iter().enumerate() {
        ratio::goal(&format!("{name} over off"), paired.ratio(index + 1, 0, Clock::Cpu), *goal, "");
    }
}
