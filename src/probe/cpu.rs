//! Samples where CPU time is spent, with the crate `pprof`. Weights are measured CPU time, not counts over a frequency
//! that the kernel's tick does not keep; names come from debug information after the measuring.
//!
//! pprof 0.15.0 needs care, and gets it here: only its framehop unwinder keeps the interrupted function and survives
//! panics; that unwinder is built in the first signal, so the first signal is raised while the process has one thread;
//! no block list is used, because it drops every stack whose leaf is in libc.

use std::collections::HashMap;

use pprof::{ProfilerGuard, ProfilerGuardBuilder};

use super::hooks::Hooks;
use super::symbols::Symbols;
use super::{Probe, Running, Settings};
use crate::error::{BoxError, Error, Result};
use crate::record::Reading;
use crate::record::pass::Pass;
use crate::record::stacks::{Stack, Stacks};
use crate::warning::Caution;

/// The probe `cpu`.
pub struct Cpu;

/// Fewer stacks say little about any function.
const FEW_STACKS: i64 = 50;

struct Sampling {
    guard: ProfilerGuard<'static>,
    cpu_ns: u64,
    frequency_hz: u32,
}

impl Probe for Cpu {
    fn name(&self) -> &'static str {
        "cpu"
    }

    fn about(&self) -> &'static str {
        "stacks of running threads (pprof), weighted with the CPU time that was measured"
    }

    fn passes(&self) -> &'static [Pass] {
        &[Pass::Cpu]
    }

    /// The first sample builds the unwinder inside the signal handler, which allocates: with other threads in malloc, 21
    /// of 60 starts hung. With one thread: 0 of 60.
    fn prepare(&self, _hooks: &mut Hooks) -> Result<()> {
        let guard = ProfilerGuardBuilder::default().frequency(1).build().map_err(|error| failed(error.into()))?;
        signal_hook::low_level::raise(signal_hook::consts::SIGPROF).map_err(|error| failed(error.into()))?;
        drop(guard);
        Ok(())
    }

    fn start(&self, settings: &Settings) -> Result<Box<dyn Running>> {
        let frequency = i32::try_from(settings.frequency_hz).unwrap_or(i32::MAX);
        let guard =
            ProfilerGuardBuilder::default().frequency(frequency).build().map_err(|error| failed(error.into()))?;
        Ok(Box::new(Sampling { guard, cpu_ns: process_cpu_ns(), frequency_hz: settings.frequency_hz }))
    }
}

fn failed(source: BoxError) -> Error {
    Error::Probe {
        name: "cpu",
        source,
        hint: "another profiler may own SIGPROF; leave this pass out with --passes time,heap".into(),
    }
}

fn process_cpu_ns() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    time.tv_sec.unsigned_abs() * 1_000_000_000 + time.tv_nsec.unsigned_abs()
}

impl Running for Sampling {
    fn stop(self: Box<Self>) -> Result<Reading> {
        let cpu_ns = process_cpu_ns().saturating_sub(self.cpu_ns);
        let report = self.guard.report().build_unresolved().map_err(|error| failed(error.into()))?;
        drop(self.guard);
        let counted: Vec<(Vec<u64>, String, i64)> = report
            .data
            .iter()
            .map(|(frames, count)| {
                let addresses = frames.frames.iter().map(|frame| frame.ip as u64).collect();
                let name = &frames.thread_name[..frames.thread_name_length.min(frames.thread_name.len())];
                let name = name.split(|byte| *byte == 0).next().unwrap_or_default();
                (addresses, String::from_utf8_lossy(name).into_owned(), *count as i64)
            })
            .collect();
        let taken: i64 = counted.iter().map(|(_, _, count)| count).sum();
        let mut reading = Reading::of("cpu");
        reading.stacks.push(("cpu".to_owned(), weigh(&counted, cpu_ns)));
        reading.fact("sampler", "pprof");
        reading.fact("stacks", taken);
        reading.fact("cpu_ns", cpu_ns);
        reading.fact("frequency_asked_hz", self.frequency_hz);
        if cpu_ns > 0 {
            reading.fact("frequency_reached_hz", (taken as f64 / (cpu_ns as f64 / 1e9) * 10.0).round() / 10.0);
        }
        if taken < FEW_STACKS {
            let reason = format!(
                "fewer than {FEW_STACKS} stacks in a round: too little CPU time for a profile; use a longer --duration"
            );
            reading.warnings.push(Caution::ProbeDegraded { probe: "cpu", reason }.into());
        }
        Ok(reading)
    }
}

/// Names the addresses and gives every stack its part of the measured CPU time.
fn weigh(counted: &[(Vec<u64>, String, i64)], cpu_ns: u64) -> Stacks {
    let symbols = Symbols::load();
    let mut stacks = Stacks::new(&[("samples", "count"), ("cpu", "nanoseconds")]);
    stacks.modules = symbols.modules();
    let taken: i64 = counted.iter().map(|(_, _, count)| count).sum();
    let mut known: HashMap<(u64, bool), u32> = HashMap::new();
    let mut given: i64 = 0;
    let mut so_far: i64 = 0;
    for (addresses, thread, count) in counted {
        let mut path = Vec::with_capacity(addresses.len());
        for (depth, address) in addresses.iter().enumerate() {
            // Above the leaf these are return addresses: the call is the byte before.
            let leaf = depth == 0;
            let lookup = if leaf { *address } else { address.saturating_sub(1) };
            path.push(*known.entry((*address, leaf)).or_insert_with(|| {
                stacks.locations.push(symbols.locate(*address, lookup));
                (stacks.locations.len() - 1) as u32
            }));
        }
        // Rounded so that the parts add up to the whole.
        so_far += count;
        let upto = (i128::from(cpu_ns) * i128::from(so_far) / i128::from(taken.max(1))) as i64;
        stacks.stacks.push(Stack { locations: path, thread: thread.clone(), values: vec![*count, upto - given] });
        given = upto;
    }
    stacks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_of_the_cpu_time_add_up_to_the_whole() {
        let counted: Vec<_> = (1..8).map(|n| (vec![n as u64], "t".to_owned(), n)).collect();
        let stacks = weigh(&counted, 1_000_000_007);
        assert_eq!(stacks.total(0), 28);
        assert_eq!(stacks.total(1), 1_000_000_007);
    }
}
