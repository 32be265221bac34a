//! The places that allocate, and what each has done. Places are never forgotten while the program runs: a block that lives long
//! may be freed long after anybody asked.

use std::collections::HashMap;
use std::panic::Location;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, PoisonError};

use rustc_hash::FxBuildHasher;
use tracing::Metadata;

use super::trace::Purpose;

/// A place that allocates: a stack, and the task and the phase it was in.
#[derive(Debug)]
pub(super) struct Site {
    /// The addresses of its stack, the innermost first.
    pub(super) addresses: Box<[u64]>,
    /// Where the task was spawned that was polled; `None` outside tasks or where that is not known.
    pub(super) task: Option<&'static Location<'static>>,
    /// The phase that the thread was in; `None` outside phases or where that is not known.
    pub(super) phase: Option<&'static Metadata<'static>>,
    pub(super) counters: Counters,
}

/// What a site has done since tracking began. Sampled blocks count for as many as they stand for.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) bytes: AtomicI64,
    pub(super) blocks: AtomicI64,
    pub(super) freed_bytes: AtomicI64,
    pub(super) freed_blocks: AtomicI64,
    /// Bytes and blocks that were alive when the heap was at its largest.
    pub(super) peak_bytes: AtomicI64,
    pub(super) peak_blocks: AtomicI64,
    /// Blocks that were freed before their thread had made two more.
    pub(super) temporary_blocks: AtomicI64,
    /// Others that were freed before their thread had made a hundred more.
    pub(super) short_lived_blocks: AtomicI64,
    /// Times that a block was given another size, and bytes that may have been copied by that.
    pub(super) resizes: AtomicI64,
    pub(super) resized_bytes: AtomicI64,
}

impl Counters {
    /// Bytes and blocks that are alive.
    pub(super) fn live(&self) -> (i64, i64) {
        let less = |all: &AtomicI64, freed: &AtomicI64| all.load(Ordering::Relaxed) - freed.load(Ordering::Relaxed);
        (less(&self.bytes, &self.freed_bytes), less(&self.blocks, &self.freed_blocks))
    }

    fn all(&self) -> [&AtomicI64; 10] {
        [
            &self.bytes,
            &self.blocks,
            &self.freed_bytes,
            &self.freed_blocks,
            &self.peak_bytes,
            &self.peak_blocks,
            &self.temporary_blocks,
            &self.short_lived_blocks,
            &self.resizes,
            &self.resized_bytes,
        ]
    }
}

static SITES: Mutex<HashMap<u64, &'static Site, FxBuildHasher>> = Mutex::new(HashMap::with_hasher(FxBuildHasher));

/// The site that a key stands for; made where it is new.
pub(super) fn of(key: u64, (task, phase): Purpose, addresses: impl FnOnce() -> Box<[u64]>) -> &'static Site {
    let mut sites = SITES.lock().unwrap_or_else(PoisonError::into_inner);
    sites.entry(key).or_insert_with(|| {
        Box::leak(Box::new(Site { addresses: addresses(), task, phase, counters: Counters::default() }))
    })
}

/// Every site. To be called in `OurWork`.
pub(super) fn all() -> Vec<&'static Site> {
    SITES.lock().unwrap_or_else(PoisonError::into_inner).values().copied().collect()
}

/// Sets every counter of every site to nothing.
pub(super) fn reset() {
    for site in all() {
        site.counters.all().into_iter().for_each(|counter| counter.store(0, Ordering::Relaxed));
    }
}

/// Keeps what is alive of each site as what was alive at the peak.
pub(super) fn keep_peak() {
    let sites = SITES.lock().unwrap_or_else(PoisonError::into_inner);
    for site in sites.values() {
        let counters = &site.counters;
        let (bytes, blocks) = counters.live();
        counters.peak_bytes.store(bytes, Ordering::Relaxed);
        counters.peak_blocks.store(blocks, Ordering::Relaxed);
    }
}
