//! Workloads of which one knows the answer: what a profile of them must say is written beside them.
//!
//! ```text
//! cargo run --release --example truth -- profile split --passes cpu
//! ```

use std::hint::black_box;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use perfkit::{Load, Suite, Work};

perfkit::track_heap!();

fn main() -> ExitCode {
    Suite::new("truth")
        .workload("split", || async { split() })
        .workload("dozing", || async { doze() })
        .workload("tasks", || async { tasks().await })
        .workload("recursion", || async { Work::items(descend(8)) })
        .workload("array", || async { <[u8; 4] as Churn>::churn(black_box([1, 2, 3, 4])) })
        .workload("blocks", || async { blocks() })
        .load(Load::closed(1).lasting(Duration::from_secs(2)).warmup(Duration::from_millis(100)))
        .main()
}

/// Steps of the same loop: 7 parts in one function, 3 in the other.
const PART: u64 = 2_000;

/// One operation: 70 % of its CPU time in `long_leaf`, 30 % in `short_leaf`.
///
/// Operations take different times. Were they all alike, they could keep step with the kernel's tick, which is when stacks
/// are taken, and one leaf would be met more often than it runs.
#[inline(never)]
fn split() -> Work {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let times = 1 + NUMBER.fetch_add(1, Ordering::Relaxed).wrapping_mul(7919) % 13;
    let mixed = (0..times).fold(1, |sum, _| sum ^ long_leaf::<7>(black_box(1)));
    Work::items((0..times).fold(mixed, |sum, _| sum ^ short_leaf(black_box(2))) | 1)
}

#[inline(never)]
fn long_leaf<const PARTS: u64>(mut state: u64) -> u64 {
    let mut left = PART * PARTS;
    while left > 0 {
        state = state * 5 % 1_000_003 + left % 7;
        left -= 1;
    }
    black_box(state)
}

#[inline(never)]
fn short_leaf(mut state: u64) -> u64 {
    let mut left = PART * 3;
    while left > 0 {
        state = state * 5 % 1_000_003 + left % 7;
        left -= 1;
    }
    black_box(state)
}

/// As `split`, then a sleep: a thread that wakes again and again on a timer keeps step with the kernel's tick.
#[inline(never)]
fn doze() -> Work {
    let work = split();
    std::thread::sleep(Duration::from_micros(300));
    work
}

/// One operation: 70 % of its CPU time in a task that is spawned at one place, 30 % at another.
async fn tasks() -> Work {
    let long = tokio::spawn(async { long_leaf::<7>(black_box(1)) });
    let short = tokio::spawn(async { short_leaf(black_box(2)) });
    let (long, short) = (long.await.unwrap_or(0), short.await.unwrap_or(0));
    Work::items((long ^ short) | 1)
}

/// Calls itself `depth` times, with the same work in each.
#[inline(never)]
fn descend(depth: u64) -> u64 {
    let here = short_leaf(black_box(depth));
    if depth == 0 { here } else { black_box(descend(depth - 1)) ^ here }
}

/// A trait of a type with a `;` in its name.
trait Churn {
    fn churn(self) -> Work;
}

impl Churn for [u8; 4] {
    #[inline(never)]
    fn churn(self) -> Work {
        Work::items(black_box(short_leaf(u64::from(self[0]))) | 1)
    }
}

/// One operation: three blocks of 100, 200 and 300 bytes.
fn blocks() -> Work {
    for size in [100, 200, 300] {
        drop(black_box(Vec::<u8>::with_capacity(size)));
    }
    Work::done()
}
