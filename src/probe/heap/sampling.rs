//! Which blocks are recorded when not all are: each byte with the same chance, so that a block stands for as many as the chance of
//! its size says. One countdown for each thread.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::stats::random::Random;

/// The mean number of bytes between two recorded ones.
static INTERVAL: AtomicU64 = AtomicU64::new(1 << 19);

thread_local! {
    /// Bytes until the next recorded one; `None` before the first.
    static UNTIL: Cell<Option<i64>> = const { Cell::new(None) };
    static RANDOM: Cell<Option<Random>> = const { Cell::new(None) };
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
    // The seed is the thread's place in memory: sampling must not keep step with the program, nor threads with each other.
    let seeded = || Random::new(RANDOM.with(|cell| std::ptr::from_ref(cell).addr() as u64));
    let mut random = RANDOM.take().unwrap_or_else(seeded);
    let uniform = random.uniform();
    RANDOM.set(Some(random));
    (-(1.0 - uniform).ln() * INTERVAL.load(Ordering::Relaxed) as f64) as i64 + 1
}
