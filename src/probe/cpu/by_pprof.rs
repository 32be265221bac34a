//! The sampler of the crate `pprof`, which takes stacks when the kernel's tick finds a thread running.
//!
//! pprof 0.15.0 needs care, and gets it here: only its framehop unwinder keeps the interrupted function and survives
//! panics; that unwinder is built in the first signal, so the first signal is raised while the process has one thread;
//! no block list is used, because it drops every stack whose leaf is in libc.

use pprof::{ProfilerGuard, ProfilerGuardBuilder};

use super::{Met, Taken, Trace, failed};
use crate::error::Result;

/// The first sample builds the unwinder inside the signal handler, which allocates: with other threads in malloc, 21 of 60
/// starts hung. With one thread: 0 of 60.
pub(super) fn prepare() -> Result<()> {
    let guard = ProfilerGuardBuilder::default().frequency(1).build().map_err(|error| failed(error.into()))?;
    signal_hook::low_level::raise(signal_hook::consts::SIGPROF).map_err(|error| failed(error.into()))?;
    drop(guard);
    Ok(())
}

/// pprof at work.
pub(super) struct Sampling(ProfilerGuard<'static>);

impl Sampling {
    pub(super) fn start(frequency_hz: u32) -> Result<Self> {
        let frequency = i32::try_from(frequency_hz).unwrap_or(i32::MAX);
        let guard = ProfilerGuardBuilder::default().frequency(frequency).build();
        guard.map(Self).map_err(|error| failed(error.into()))
    }

    pub(super) fn stop(self) -> Result<Taken> {
        let report = self.0.report().build_unresolved().map_err(|error| failed(error.into()))?;
        drop(self.0);
        let met = report.data.iter().map(|(frames, count)| {
            let name = &frames.thread_name[..frames.thread_name_length.min(frames.thread_name.len())];
            let name = name.split(|byte| *byte == 0).next().unwrap_or_default();
            let trace = Trace {
                addresses: frames.frames.iter().map(|frame| frame.ip as u64).collect(),
                thread: String::from_utf8_lossy(name).into_owned(),
                task: String::new(),
                phase: String::new(),
            };
            Met { trace, count: *count as i64 }
        });
        Ok(Taken { met: met.collect(), ..Taken::default() })
    }
}
