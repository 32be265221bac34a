//! Which blocks are recorded when not all are: each byte with the same chance, so that a block stands for as many as the chance of
//! its size says. One countdown for each thread.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};

/// The mean number of bytes between two recorded ones.
static INTERVAL: AtomicU64 = AtomicU64::new(1 << 19);

thread_local! {
    /// Bytes until the next recorded one; `None` before the first.
    static UNTIL: Cell<Option<i64>> = const { Cell::new(None) };
    static STATE: Cell<u64> = const { Cell::new(0) };
}

/// Sets the mean number of bytes between two recorded ones.
pub(super) fn set_interval(bytes: u64) {
    INTERVAL.store(bytes.max(1), Ordering::Relaxed);
}

/// Whether a block of this size is recorded, and how many it then stands for.
#[inline]
pub(super) fn weight(size: usize) -> Option<f64> {
    let until = UNTIL.get().unwrap_or_else(gap) - size as i64;
    UNTIL.set(Some(until));
    if until > 0 { None } else { Some(sampled(size)) }
}

#[cold]
fn sampled(size: usize) -> f64 {
    UNTIL.set(Some(gap()));
    // The chance that at least one of its bytes is drawn; sources: tcmalloc and Go sample so.
    -1.0 / (-(size as f64) / INTERVAL.load(Ordering::Relaxed) as f64).exp_m1()
}

/// Bytes to the next recorded one: exponentially distributed.
#[cold]
fn gap() -> i64 {
    let uniform = (next() >> 11) as f64 / (1_u64 << 53) as f64;
    (-(1.0 - uniform).ln() * INTERVAL.load(Ordering::Relaxed) as f64) as i64 + 1
}

/// Vigna's splitmix64. The seed is the thread's place in memory: sampling must not keep step with the program, nor threads with
/// each other.
fn next() -> u64 {
    let seed = |state: u64| if state == 0 { STATE.with(|cell| std::ptr::from_ref(cell).addr() as u64) } else { state };
    let state = seed(STATE.get()).wrapping_add(0x9E37_79B9_7F4A_7C15);
    STATE.set(state);
    let mixed = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}
