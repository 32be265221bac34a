//! Samples where CPU time is spent, with two samplers that check each other: the crate `pprof`, and one of perfkit's own whose
//! moments keep step with nothing. Weights are measured CPU time, not counts over a frequency that the kernel's tick does not
//! keep; names come from debug information after the measuring.

mod by_pprof;
mod clock_event;
mod copies;
mod jittered;
mod moment;

use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::hooks::Hooks;
use super::phases::mark;
use super::symbols::Symbols;
use super::{Probe, Running, Settings};
use crate::error::{BoxError, Error, Result};
use crate::record::Reading;
use crate::record::pass::Pass;
use crate::record::stacks::{Stack, Stacks};
use crate::warning::Caution;

/// The probe `cpu`: pprof.
pub struct Cpu;

/// The probe `jittered`, in whose place pprof is and the other way round: both give the reading `cpu`.
pub struct Jittered;

/// What takes the stacks of a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Sampler {
    /// The crate `pprof`: at the kernel's tick.
    Pprof,
    /// perfkit's own, at random moments of each thread's CPU time. It knows which task was polled, and in which phase.
    Jittered,
}

impl fmt::Display for Sampler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pprof => "pprof",
            Self::Jittered => "jittered",
        })
    }
}

impl Sampler {
    /// Says why it cannot work here, where it cannot.
    ///
    /// # Errors
    /// The kernel or the program does not allow it.
    pub fn available(self) -> Result<()> {
        match self {
            Self::Pprof => Ok(()),
            Self::Jittered => jittered::available(),
        }
    }
}

/// Fewer stacks say little about any function.
const FEW_STACKS: i64 = 50;

/// One way to where CPU time was spent.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Trace {
    /// The innermost first; all but it are return addresses.
    addresses: Vec<u64>,
    thread: String,
    /// Where the task was spawned that was polled; empty where it is not known.
    task: String,
    /// The phase that was entered; empty where it is not known.
    phase: String,
}

/// A way that was met, and how often. Each time stands for as much CPU time as any other.
struct Met {
    trace: Trace,
    count: i64,
}

/// What a sampler gave.
#[derive(Default)]
struct Taken {
    met: Vec<Met>,
    /// CPU time of the sampler's own thread, which is no part of what it sampled.
    own: Duration,
    /// Stacks that were not looked at in time.
    lost: Option<u64>,
}

enum Sampling {
    Pprof(by_pprof::Sampling),
    Jittered(jittered::Sampling),
}

struct Watching {
    sampling: Sampling,
    sampler: Sampler,
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

    fn sampler(&self) -> Option<Sampler> {
        Some(Sampler::Pprof)
    }

    fn prepare(&self, _hooks: &mut Hooks) -> Result<()> {
        by_pprof::prepare()
    }

    fn start(&self, settings: &Settings) -> Result<Box<dyn Running>> {
        let sampling = by_pprof::Sampling::start(settings.frequency_hz)?;
        Ok(Watching::boxed(Sampling::Pprof(sampling), Sampler::Pprof, settings))
    }
}

impl Probe for Jittered {
    fn name(&self) -> &'static str {
        "jittered"
    }

    fn about(&self) -> &'static str {
        "stacks of running threads at random moments, with the task that is polled and its phase"
    }

    fn passes(&self) -> &'static [Pass] {
        &[Pass::Cpu]
    }

    fn sampler(&self) -> Option<Sampler> {
        Some(Sampler::Jittered)
    }

    fn prepare(&self, hooks: &mut Hooks) -> Result<()> {
        jittered::prepare(hooks)
    }

    fn start(&self, settings: &Settings) -> Result<Box<dyn Running>> {
        let sampling = jittered::Sampling::start(settings.frequency_hz)?;
        Ok(Watching::boxed(Sampling::Jittered(sampling), Sampler::Jittered, settings))
    }
}

impl Watching {
    fn boxed(sampling: Sampling, sampler: Sampler, settings: &Settings) -> Box<dyn Running> {
        Box::new(Self { sampling, sampler, cpu_ns: process_cpu_ns(), frequency_hz: settings.frequency_hz })
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

impl Running for Watching {
    fn stop(self: Box<Self>) -> Result<Reading> {
        let cpu_ns = process_cpu_ns().saturating_sub(self.cpu_ns);
        let taken = match self.sampling {
            Sampling::Pprof(sampling) => sampling.stop()?,
            Sampling::Jittered(sampling) => sampling.stop()?,
        };
        let own_ns = u64::try_from(taken.own.as_nanos()).unwrap_or(u64::MAX);
        let cpu_ns = cpu_ns.saturating_sub(own_ns);
        let count: i64 = taken.met.iter().map(|met| met.count).sum();
        let mut reading = Reading::of("cpu");
        reading.stacks.push(("cpu".to_owned(), weigh(&taken.met, cpu_ns)));
        reading.fact("sampler", self.sampler.to_string());
        reading.fact("stacks", count);
        reading.fact("cpu_ns", cpu_ns);
        reading.fact("frequency_asked_hz", self.frequency_hz);
        if cpu_ns > 0 {
            reading.fact("frequency_reached_hz", (count as f64 / (cpu_ns as f64 / 1e9) * 10.0).round() / 10.0);
        }
        if let Some(lost) = taken.lost {
            reading.fact("lost", lost);
            reading.fact("sampler_cpu_ns", own_ns);
        }
        if self.sampler == Sampler::Jittered && !mark::is_installed() {
            let reason =
                "its stacks have no phases: the program sets a tracing subscriber of its own before perfkit runs";
            reading.warnings.push(Caution::ProbeDegraded { probe: "cpu", reason: reason.to_owned() }.into());
        }
        if count < FEW_STACKS {
            let reason = format!(
                "fewer than {FEW_STACKS} stacks in a round: too little CPU time for a profile; use a longer --duration"
            );
            reading.warnings.push(Caution::ProbeDegraded { probe: "cpu", reason }.into());
        }
        Ok(reading)
    }
}

/// Names the addresses and gives every stack its part of the measured CPU time.
fn weigh(all: &[Met], cpu_ns: u64) -> Stacks {
    let symbols = Symbols::load();
    let mut stacks = Stacks::new(&[("samples", "count"), ("cpu", "nanoseconds")]);
    stacks.modules = symbols.modules();
    let whole: i64 = all.iter().map(|met| met.count).sum();
    let mut known: HashMap<(u64, bool), u32> = HashMap::new();
    let mut given: i64 = 0;
    let mut so_far = 0;
    for Met { trace, count } in all {
        let mut path = Vec::with_capacity(trace.addresses.len());
        for (depth, address) in trace.addresses.iter().enumerate() {
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
        let upto = if so_far >= whole { cpu_ns as i64 } else { (cpu_ns as f64 * so_far as f64 / whole as f64) as i64 };
        stacks.stacks.push(Stack {
            locations: path,
            thread: trace.thread.clone(),
            task: trace.task.clone(),
            phase: trace.phase.clone(),
            values: vec![*count, upto - given],
        });
        given = upto;
    }
    stacks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_of_the_cpu_time_add_up_to_the_whole() {
        let trace =
            |n: u64| Trace { addresses: vec![n], thread: "t".to_owned(), task: String::new(), phase: String::new() };
        let met = |n: i64| Met { trace: trace(n.unsigned_abs()), count: n };
        let stacks = weigh(&(1..8).map(met).collect::<Vec<_>>(), 1_000_000_007);
        assert_eq!(stacks.total(0), 28);
        assert_eq!(stacks.total(1), 1_000_000_007);
    }
}
