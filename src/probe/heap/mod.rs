//! The heap by call site: with the crate `dhat`, or with perfkit's own recorder, both behind perfkit's allocator. Recording slows
//! allocation, so it watches in a pass and a process of its own, and no latency is taken from there.

mod alloc;
mod blocks;
mod dhat_file;
mod growth;
mod memory;
mod named;
mod own;
mod recorder;
mod registers;
mod sampling;
mod sites;
mod trace;

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::hooks::Hooks;
use super::{Probe, Running, Settings, slot};
use crate::error::{Error, Result};
use crate::record::Reading;
use crate::record::pass::Pass;
use crate::unit::{Better, Unit};
use crate::warning::Caution;

pub use alloc::{Alloc, heap_is_tracked};
pub(crate) use growth::Watch;
pub use memory::Memory;
pub(crate) use own::untracked;
use recorder::{Blocks, Recording};

/// The file that the DHAT viewer opens.
pub const DHAT_FILE: &str = "dhat-heap.json";

/// Frames of a stack that are kept: the cost of an allocation under dhat grows with them.
const FRAMES: usize = 16;
/// Bytes between two recorded ones where a part is.
const INTERVAL: u64 = 512 << 10;

/// What records the heap in the heap pass.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Recorder {
    /// dhat: every block; makes allocation some forty times slower.
    #[default]
    Dhat,
    /// perfkit's own: every block, and how it was used.
    Exact,
    /// perfkit's own: one block in 512 KiB on average.
    Sampled,
    /// perfkit's own: blocks and bytes are counted, not charged to sites.
    Count,
}

impl Recorder {
    /// How many times slower a program that allocates much may become: the pass does so many operations fewer.
    #[must_use]
    pub fn slowness(self) -> u32 {
        match self {
            Self::Dhat => 40,
            Self::Exact => 4,
            Self::Sampled | Self::Count => 1,
        }
    }
}

impl FromStr for Recorder {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "dhat" => Ok(Self::Dhat),
            "exact" => Ok(Self::Exact),
            "sampled" => Ok(Self::Sampled),
            "count" => Ok(Self::Count),
            other => Err(Error::usage(
                format!("there is no recorder `{other}`"),
                "it is `dhat`, `exact`, `sampled` or `count`",
            )),
        }
    }
}

/// Has sites know the task that allocates.
pub(crate) fn watch_tasks(hooks: &mut Hooks) {
    slot::watch(hooks);
}

/// The probe `heap`.
pub struct Heap;

struct Dhat {
    profiler: dhat::Profiler,
    file: std::path::PathBuf,
}

struct Own {
    recording: Recording,
    recorder: Recorder,
    lost: Option<Caution>,
}

struct Absent;

impl Probe for Heap {
    fn name(&self) -> &'static str {
        "heap"
    }

    fn about(&self) -> &'static str {
        "allocations of the measured part by call site (dhat, or perfkit's own recorder)"
    }

    fn passes(&self) -> &'static [Pass] {
        &[Pass::Heap]
    }

    fn prepare(&self, hooks: &mut Hooks) -> Result<()> {
        watch_tasks(hooks);
        Ok(())
    }

    fn start(&self, settings: &Settings) -> Result<Box<dyn Running>> {
        if !heap_is_tracked() {
            return Ok(Box::new(Absent));
        }
        let own = |recorder, blocks, lost| -> Box<dyn Running> {
            Box::new(Own { recording: Recording::start(blocks), recorder, lost })
        };
        Ok(match settings.recorder {
            Recorder::Dhat if alloc::is_over_system() => {
                let file = settings.folder.join(DHAT_FILE);
                // The order matters: the switch, then the profiler; and back in `stop` the profiler, then the switch.
                alloc::switch(alloc::Mode::Dhat);
                let profiler = dhat::Profiler::builder().file_name(&file).trim_backtraces(Some(FRAMES)).build();
                Box::new(Dhat { profiler, file })
            }
            Recorder::Dhat => {
                let reason = "dhat works above the system's allocator alone; perfkit's own recorder took its place";
                let lost = Caution::ProbeDegraded { probe: "heap", reason: reason.to_owned() };
                own(Recorder::Exact, Blocks::All, Some(lost))
            }
            Recorder::Exact => own(Recorder::Exact, Blocks::All, None),
            Recorder::Sampled => own(Recorder::Sampled, Blocks::Sampled { interval: INTERVAL }, None),
            Recorder::Count => own(Recorder::Count, Blocks::Counted, None),
        })
    }
}

impl Running for Absent {
    fn stop(self: Box<Self>) -> Result<Reading> {
        let mut reading = Reading::of("heap");
        reading.warnings.push(Caution::NoHeapTracking.into());
        Ok(reading)
    }
}

impl Running for Dhat {
    fn stop(self: Box<Self>) -> Result<Reading> {
        let stats = dhat::HeapStats::get();
        drop(self.profiler);
        alloc::switch(alloc::Mode::Off);
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

impl Running for Own {
    fn stop(self: Box<Self>) -> Result<Reading> {
        let counts = self.recording.counts();
        let peak = self.recording.peak();
        let stacks = self.recording.stacks();
        drop(self.recording);
        let mut reading = Reading::of("heap");
        // Where every block is known, those that are older than the recording are not in it.
        let live = match stacks.weight("inuse_space") {
            Some(weight) if self.recorder == Recorder::Exact => stacks.total(weight) as f64,
            _ => counts.allocated_bytes as f64 - counts.freed_bytes as f64,
        };
        reading.per_operation("heap.bytes_per_op", Unit::Bytes, Better::Lower, counts.allocated_bytes as f64);
        reading.per_operation("heap.blocks_per_op", Unit::Count, Better::Lower, counts.allocated_blocks as f64);
        if self.recorder != Recorder::Count {
            reading.metric("heap.peak", Unit::Bytes, Better::Lower, peak as f64);
            reading.stacks.push(("heap".to_owned(), stacks));
        }
        reading.per_operation("heap.growth_per_op", Unit::Bytes, Better::Lower, live);
        reading.fact("recorder", serde_json::to_value(self.recorder).unwrap_or_default());
        reading.fact("total_bytes", counts.allocated_bytes);
        reading.fact("total_blocks", counts.allocated_blocks);
        if self.recorder == Recorder::Sampled {
            reading.fact("interval_bytes", INTERVAL);
        }
        reading.warnings.extend(self.lost.map(Into::into));
        Ok(reading)
    }
}
