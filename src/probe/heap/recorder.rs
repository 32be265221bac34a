//! Perfkit's own recorder of the heap: turned on and off here, and read while it records. Where dhat is too slow or cannot be: long
//! runs, programs with another allocator, growth from round to round.

use std::sync::atomic::Ordering;

use super::alloc::{self, Mode};
use super::named::Named;
use super::own::{self, Counts, untracked};
use super::sites::Site;
use super::{blocks, sampling, sites, trace};
use crate::probe::phases::mark;
use crate::record::dhat::WEIGHTS;
use crate::record::stacks::Stacks;

/// What its stacks count beside what dhat's do: how blocks were used.
const USE: &[(&str, &str)] = &[
    ("temporary_objects", "count"),
    ("short_lived_objects", "count"),
    ("resizes", "count"),
    ("resized_space", "bytes"),
];

/// Which blocks are charged to their sites.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Blocks {
    /// None: they are only counted.
    Counted,
    /// One in so many bytes on average.
    Sampled { interval: u64 },
    /// Every one.
    All,
}

/// The recorder at work; dropped, it stops.
pub(super) struct Recording {
    before: Counts,
}

impl Recording {
    /// Forgets what was recorded before, and begins. Sites know the phase from now on, where the program's spans are ours to watch.
    pub(super) fn start(blocks: Blocks) -> Self {
        if blocks != Blocks::Counted {
            mark::install();
        }
        untracked(|| {
            alloc::switch(Mode::Off);
            blocks::reset();
            sites::reset();
            trace::prepare();
            let before = own::counts();
            alloc::switch(match blocks {
                Blocks::Counted => Mode::Count,
                Blocks::Sampled { interval } => {
                    sampling::set_interval(interval);
                    Mode::Sampled
                }
                Blocks::All => Mode::Exact,
            });
            Self { before }
        })
    }

    /// Blocks and bytes since the start, of all threads.
    pub(super) fn counts(&self) -> Counts {
        let now = own::counts();
        Counts {
            allocated_blocks: now.allocated_blocks - self.before.allocated_blocks,
            allocated_bytes: now.allocated_bytes - self.before.allocated_bytes,
            freed_blocks: now.freed_blocks - self.before.freed_blocks,
            freed_bytes: now.freed_bytes - self.before.freed_bytes,
        }
    }

    /// The most bytes that were alive of what is recorded.
    #[expect(clippy::unused_self, reason = "there is something to read only while it records")]
    pub(super) fn peak(&self) -> u64 {
        blocks::peak().max(0).unsigned_abs()
    }

    /// What every site has done so far, with names. Slow: debug information is read.
    #[expect(clippy::unused_self, reason = "there is something to read only while it records")]
    pub(super) fn stacks(&self) -> Stacks {
        untracked(|| {
            let mut named = Named::load(&[WEIGHTS, USE].concat());
            for site in sites::all() {
                let values = values(site);
                if values.iter().any(|value| *value != 0) {
                    let stack = named.stack(site, values);
                    named.stacks.stacks.push(stack);
                }
            }
            named.stacks
        })
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        alloc::switch(Mode::Off);
    }
}

/// A site's numbers in the order of [`WEIGHTS`] and [`USE`].
fn values(site: &Site) -> Vec<i64> {
    let counters = &site.counters;
    let (live_bytes, live_blocks) = counters.live();
    let of = |counter: &std::sync::atomic::AtomicI64| counter.load(Ordering::Relaxed);
    let temporary = of(&counters.temporary_blocks);
    vec![
        of(&counters.blocks),
        of(&counters.bytes),
        live_blocks,
        live_bytes,
        of(&counters.peak_blocks),
        of(&counters.peak_bytes),
        temporary,
        temporary + of(&counters.short_lived_blocks),
        of(&counters.resizes),
        of(&counters.resized_bytes),
    ]
}
