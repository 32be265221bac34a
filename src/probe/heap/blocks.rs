//! The blocks that are alive, by address: of each its size, its site and what it stands for. Sharded, so that threads seldom meet.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, AtomicU8, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crossbeam_utils::CachePadded;
use rustc_hash::FxBuildHasher;

use super::own::Slot;
use super::sites::{self, Site};

/// A block that is alive.
#[derive(Clone, Copy, Debug)]
pub(super) struct Block {
    pub(super) site: &'static Site,
    pub(super) size: usize,
    /// The blocks, of this size, that it stands for; `None` where every block is recorded.
    pub(super) weight: Option<f64>,
    /// The thread that made it, by its slot, and how many it had been given then.
    pub(super) thread: usize,
    pub(super) event: u64,
}

const SHARDS: usize = 64;
const SHARD_BITS: u32 = SHARDS.trailing_zeros();
type Shard = CachePadded<Mutex<HashMap<usize, Block, FxBuildHasher>>>;

static BLOCKS: [Shard; SHARDS] = [const { CachePadded::new(Mutex::new(HashMap::with_hasher(FxBuildHasher))) }; SHARDS];

/// Where a sampled block may be: most blocks are not sampled, and what is freed of them is known by one byte not to be.
static FILTER: [AtomicU8; 1 << FILTER_BITS] = [const { AtomicU8::new(0) }; 1 << FILTER_BITS];
const FILTER_BITS: u32 = 16;
/// A byte that has reached this stays: its count is lost, and the table is looked into.
const FULL: u8 = u8::MAX;

/// Bytes that are alive, and the most that were.
static LIVE: CachePadded<AtomicI64> = CachePadded::new(AtomicI64::new(0));
static PEAK: AtomicI64 = AtomicI64::new(0);
/// What was alive when the sites were last asked for what they had at the peak.
static KEPT: AtomicI64 = AtomicI64::new(0);

/// The sites are asked again when this part more is alive, and at least so many bytes.
const PEAK_STEP: i64 = 512;
const LEAST_STEP: i64 = 4096;

/// A block of the same thread that is freed before so many more were made is short-lived.
const SHORT: u64 = 100;
/// One that is freed before so many more were made: itself, and one other.
const TEMPORARY: u64 = 2;

#[inline]
fn hash(address: usize) -> u64 {
    (address as u64 >> 4).wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

fn shard(address: usize) -> MutexGuard<'static, HashMap<usize, Block, FxBuildHasher>> {
    BLOCKS[(hash(address) >> (64 - SHARD_BITS)) as usize].lock().unwrap_or_else(PoisonError::into_inner)
}

fn filter(address: usize) -> &'static AtomicU8 {
    &FILTER[(hash(address) >> (64 - SHARD_BITS - FILTER_BITS)) as usize & ((1 << FILTER_BITS) - 1)]
}

/// Whether a block may be recorded. A look at one byte.
#[inline]
pub(super) fn may_hold(address: usize) -> bool {
    filter(address).load(Ordering::Relaxed) != 0
}

/// Records a block and charges its site.
pub(super) fn insert(address: usize, block: Block) {
    let counters = &block.site.counters;
    let (bytes, count) = block.stands_for();
    add(&counters.bytes, bytes);
    add(&counters.blocks, count);
    if block.weight.is_some() {
        let more = |count: u8| (count != FULL).then(|| count + 1);
        let _ = filter(address).fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
    }
    let stale = shard(address).insert(address, block);
    // A block that was freed while nobody looked.
    if let Some(stale) = stale {
        stale.leave(address);
    }
    let live = LIVE.fetch_add(bytes, Ordering::Relaxed) + bytes;
    if live > PEAK.load(Ordering::Relaxed) {
        PEAK.fetch_max(live, Ordering::Relaxed);
        let kept = KEPT.load(Ordering::Relaxed);
        let enough = live > kept + (kept / PEAK_STEP).max(LEAST_STEP);
        if enough && KEPT.compare_exchange(kept, live, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
            sites::keep_peak();
        }
    }
}

/// Records a block that was given another size, and perhaps another address. As dhat does, its site is charged with all of the new
/// size and one more block.
pub(super) fn resize(address: usize, block: Block, size: usize) {
    let counters = &block.site.counters;
    add(&counters.resizes, block.stands_for().1);
    add(&counters.resized_bytes, block.stands_for().0);
    insert(address, Block { size, ..block });
}

/// Forgets a block; gives it where it was recorded.
pub(super) fn remove(address: usize) -> Option<Block> {
    let block = shard(address).remove(&address)?;
    block.leave(address);
    Some(block)
}

/// Forgets a block that is freed by the thread with this slot.
pub(super) fn free(address: usize, slot: &Slot) {
    let Some(block) = remove(address) else { return };
    if block.thread == slot.number() {
        let since = slot.allocations().saturating_sub(block.event);
        let count = block.stands_for().1;
        let counters = &block.site.counters;
        if since <= TEMPORARY {
            add(&counters.temporary_blocks, count);
        } else if since <= SHORT {
            add(&counters.short_lived_blocks, count);
        }
    }
}

/// Forgets all blocks and what was alive. Nothing is recorded meanwhile.
pub(super) fn reset() {
    for shard in &BLOCKS {
        *shard.lock().unwrap_or_else(PoisonError::into_inner) = HashMap::with_hasher(FxBuildHasher);
    }
    for byte in &FILTER {
        byte.store(0, Ordering::Relaxed);
    }
    for number in [&*LIVE, &PEAK, &KEPT] {
        number.store(0, Ordering::Relaxed);
    }
}

/// The most bytes that were alive.
pub(super) fn peak() -> i64 {
    PEAK.load(Ordering::Relaxed)
}

#[inline]
fn add(counter: &AtomicI64, number: i64) {
    counter.fetch_add(number, Ordering::Relaxed);
}

impl Block {
    /// The bytes and blocks it stands for.
    #[inline]
    fn stands_for(&self) -> (i64, i64) {
        match self.weight {
            None => (self.size as i64, 1),
            Some(weight) => ((self.size as f64 * weight).round() as i64, weight.round() as i64),
        }
    }

    fn leave(&self, address: usize) {
        let (bytes, count) = self.stands_for();
        add(&self.site.counters.freed_bytes, bytes);
        add(&self.site.counters.freed_blocks, count);
        LIVE.fetch_sub(bytes, Ordering::Relaxed);
        if self.weight.is_none() {
            return;
        }
        let left = |count: u8| (count != FULL && count != 0).then(|| count - 1);
        let _ = filter(address).fetch_update(Ordering::Relaxed, Ordering::Relaxed, left);
    }
}
