//! The heap by call site, with the crate `dhat` behind perfkit's own allocator. It makes allocation 40 times slower, so it
//! watches in a pass and a process of its own, and no latency is taken from there.

mod alloc;
mod dhat_file;

use super::{Probe, Running, Settings};
use crate::error::{Error, Result};
use crate::record::Reading;
use crate::record::pass::Pass;
use crate::unit::{Better, Unit};
use crate::warning::Caution;

pub use alloc::{Alloc, heap_is_tracked};

/// The file that the DHAT viewer opens.
pub const DHAT_FILE: &str = "dhat-heap.json";

/// Frames of a stack that are kept: the cost of an allocation under dhat grows with them.
const FRAMES: usize = 16;

/// The probe `heap`.
pub struct Heap;

struct Recording {
    profiler: dhat::Profiler,
    file: std::path::PathBuf,
}

struct Absent;

impl Probe for Heap {
    fn name(&self) -> &'static str {
        "heap"
    }

    fn about(&self) -> &'static str {
        "every allocation of the measured part by call site (dhat)"
    }

    fn passes(&self) -> &'static [Pass] {
        &[Pass::Heap]
    }

    fn start(&self, settings: &Settings) -> Result<Box<dyn Running>> {
        if !heap_is_tracked() {
            return Ok(Box::new(Absent));
        }
        let file = settings.folder.join(DHAT_FILE);
        // The order matters: the switch, then the profiler; and back in `stop` the profiler, then the switch.
        alloc::dhat_on();
        let profiler = dhat::Profiler::builder().file_name(&file).trim_backtraces(Some(FRAMES)).build();
        Ok(Box::new(Recording { profiler, file }))
    }
}

impl Running for Absent {
    fn stop(self: Box<Self>) -> Result<Reading> {
        let mut reading = Reading::of("heap");
        reading.warnings.push(Caution::NoHeapTracking.into());
        Ok(reading)
    }
}

impl Running for Recording {
    fn stop(self: Box<Self>) -> Result<Reading> {
        let stats = dhat::HeapStats::get();
        drop(self.profiler);
        alloc::dhat_off();
        let failed = |error: crate::BoxError| Error::probe("heap", error, "was the disk full?");
        let text = std::fs::read(&self.file).map_err(|error| failed(error.into()))?;
        let stacks = dhat_file::read(&text).map_err(failed)?;
        let mut reading = Reading::of("heap");
        reading.per_operation("heap.bytes_per_op", Unit::Bytes, Better::Lower, stats.total_bytes as f64);
        reading.per_operation("heap.blocks_per_op", Unit::Count, Better::Lower, stats.total_blocks as f64);
        reading.metric("heap.peak", Unit::Bytes, Better::Lower, stats.max_bytes as f64);
        reading.per_operation("heap.growth_per_op", Unit::Bytes, Better::Lower, stats.curr_bytes as f64);
        reading.fact("recorder", "dhat");
        reading.fact("total_bytes", stats.total_bytes);
        reading.fact("total_blocks", stats.total_blocks);
        reading.fact("live_bytes_end", stats.curr_bytes);
        reading.stacks.push(("heap".to_owned(), stacks));
        Ok(reading)
    }
}
