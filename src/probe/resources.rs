//! What the process takes from the machine: CPU, memory, threads, descriptors, I/O, ten times a second on a thread of its
//! own. Reads /proc of this process only; the services' processes are not in it.

#![allow(clippy::disallowed_methods, reason = "a probe keeps time of its own: the load's clock may be a test's")]

use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use procfs::process::Process;

use super::{Probe, Running, Settings};
use crate::error::{Error, Result};
use crate::record::Reading;
use crate::record::pass::Pass;
use crate::record::series::Series;
use crate::unit::{Better, Unit};
use crate::warning::Caution;

/// Time between two samples: about 50 µs of work each, 0.05 % of a core.
const INTERVAL: Duration = Duration::from_millis(100);

/// The probe `resources`.
pub struct Resources;

/// One look at the process.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sample {
    at_ns: u64,
    cpu_ns: u64,
    pub(super) rss_bytes: u64,
    vms_bytes: u64,
    pub(super) threads: u64,
    pub(super) descriptors: u64,
    read_bytes: u64,
    written_bytes: u64,
}

struct Watching {
    stop: Sender<()>,
    switches: u64,
    thread: JoinHandle<Vec<Sample>>,
}

impl Probe for Resources {
    fn name(&self) -> &'static str {
        "resources"
    }

    fn about(&self) -> &'static str {
        "CPU time, memory, threads, descriptors and I/O of the process"
    }

    fn passes(&self) -> &'static [Pass] {
        &[Pass::Time]
    }

    fn start(&self, _settings: &Settings) -> Result<Box<dyn Running>> {
        let (stop, stopped) = channel();
        let body = move || {
            let started = Instant::now();
            let mut samples = Vec::from_iter(sample(started).ok());
            while stopped.recv_timeout(INTERVAL) == Err(RecvTimeoutError::Timeout) {
                samples.extend(sample(started).ok());
            }
            samples.extend(sample(started).ok());
            samples
        };
        let thread = std::thread::Builder::new()
            .name("perfkit-resource".into())
            .spawn(body)
            .map_err(|error| Error::probe("resources", error, "the process may not start more threads"))?;
        Ok(Box::new(Watching { stop, switches: switches(), thread }))
    }
}

pub(super) fn sample(started: Instant) -> std::result::Result<Sample, procfs::ProcError> {
    let process = Process::myself()?;
    let stat = process.stat()?;
    // Another user's or a container's limits may hide these two; the rest stands without them.
    let io = process.io().ok();
    let cpu = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Ok(Sample {
        at_ns: u64::try_from(started.elapsed().as_nanos()).unwrap_or(u64::MAX),
        cpu_ns: cpu.tv_sec.unsigned_abs() * 1_000_000_000 + cpu.tv_nsec.unsigned_abs(),
        rss_bytes: stat.rss * procfs::page_size(),
        vms_bytes: stat.vsize,
        threads: stat.num_threads.unsigned_abs(),
        descriptors: process.fd_count().unwrap_or(0) as u64,
        read_bytes: io.as_ref().map_or(0, |io| io.rchar),
        written_bytes: io.as_ref().map_or(0, |io| io.wchar),
    })
}

/// Context switches of all threads that live now. Read twice in a round only: it looks at every thread.
fn switches() -> u64 {
    let tasks = Process::myself().and_then(|process| process.tasks());
    let of = |status: procfs::process::Status| {
        status.nonvoluntary_ctxt_switches.unwrap_or(0) + status.voluntary_ctxt_switches.unwrap_or(0)
    };
    tasks.map_or(0, |tasks| tasks.flatten().filter_map(|task| task.status().ok()).map(of).sum())
}

impl Running for Watching {
    fn stop(self: Box<Self>) -> Result<Reading> {
        let switches = switches().saturating_sub(self.switches);
        let _ = self.stop.send(());
        let samples = self
            .thread
            .join()
            .map_err(|_| Error::probe("resources", "its thread panicked", "report this with the command"))?;
        let mut reading = read(&samples);
        if samples.len() < 2 {
            // Out of descriptors, or no /proc: the round is worth more than its resources.
            let reason = "/proc could not be read; are all file descriptors in use?".to_owned();
            reading.warnings.push(Caution::ProbeDegraded { probe: "resources", reason }.into());
        }
        reading.per_operation("switches.per_op", Unit::Count, Better::Lower, switches as f64);
        Ok(reading)
    }
}

/// Turns the samples into metrics and series.
fn read(samples: &[Sample]) -> Reading {
    let mut reading = Reading::of("resources");
    let (Some(first), Some(last)) = (samples.first(), samples.last()) else { return reading };
    let largest = |of: fn(&Sample) -> u64| samples.iter().map(of).max().unwrap_or(0) as f64;
    let grown = |of: fn(&Sample) -> u64| of(last).saturating_sub(of(first)) as f64;
    let wall_ns = last.at_ns.saturating_sub(first.at_ns) as f64;
    reading.per_operation("cpu.per_op", Unit::Ns, Better::Lower, grown(|s| s.cpu_ns));
    reading.metric("cpu.cores", Unit::Count, Better::Lower, grown(|s| s.cpu_ns) / wall_ns);
    let cores = |pair: &[Sample]| {
        let wall_ns = pair[1].at_ns.saturating_sub(pair[0].at_ns).max(1) as f64;
        pair[1].cpu_ns.saturating_sub(pair[0].cpu_ns) as f64 / wall_ns
    };
    // A last sample soon after the one before says more of the clock than of the program.
    let whole = |pair: &&[Sample]| pair[1].at_ns - pair[0].at_ns >= INTERVAL.as_nanos() as u64 / 2;
    let busiest = samples.windows(2).filter(whole).map(cores).reduce(f64::max);
    reading.metric("cpu.cores.max", Unit::Count, Better::Lower, busiest.unwrap_or(f64::NAN));
    reading.metric("rss.max", Unit::Bytes, Better::Lower, largest(|s| s.rss_bytes));
    reading.metric("rss.growth", Unit::Bytes, Better::Lower, last.rss_bytes as f64 - first.rss_bytes as f64);
    reading.metric("vms.max", Unit::Bytes, Better::Lower, largest(|s| s.vms_bytes));
    reading.metric("threads.max", Unit::Count, Better::Lower, largest(|s| s.threads));
    reading.metric("descriptors.max", Unit::Count, Better::Lower, largest(|s| s.descriptors));
    reading.per_operation("io.read_per_op", Unit::Bytes, Better::Lower, grown(|s| s.read_bytes));
    reading.per_operation("io.written_per_op", Unit::Bytes, Better::Lower, grown(|s| s.written_bytes));
    let mut series = |name: &str, unit, of: fn(&Sample) -> u64| {
        let points = samples.iter().map(|sample| (sample.at_ns, of(sample) as f64)).collect();
        reading.series.push(Series { name: name.to_owned(), unit, points });
    };
    series("rss", Unit::Bytes, |s| s.rss_bytes);
    series("vms", Unit::Bytes, |s| s.vms_bytes);
    series("threads", Unit::Count, |s| s.threads);
    series("descriptors", Unit::Count, |s| s.descriptors);
    series("cpu_time", Unit::Ns, |s| s.cpu_ns);
    reading.fact("samples", samples.len());
    reading
}
