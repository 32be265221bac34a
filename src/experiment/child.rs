//! One round, in a process of its own: reads an order on stdin, drives the load with the pass's probes, writes the result.
//! The pipe that was its stdout carries the lines of `order`, nothing else: what the workload prints goes to stderr.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Write};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use hdrhistogram::serialization::{Serializer, V2Serializer};
use tokio::runtime::Builder;

use super::growth::Session;
use super::observe::Watch;
use super::order::{Generator, Line, Order, Refusal, RoundResult};
use super::plan::{self, Flavor};
use super::{latency, rows};
use crate::error::{Error, Result};
use crate::load::drive::{Round, drive, repeat};
use crate::load::{Measured, Progress, clock};
use crate::probe::{self, Running, Settings, hooks::Hooks};
use crate::record::Reading;
use crate::record::pass::Pass;
use crate::suite::Suite;
use crate::warning::Caution;
use crate::workload::current::OperationId;
use crate::workload::{Context, Need};

/// Time between two progress lines.
const PROGRESS: Duration = Duration::from_millis(250);

/// The pipe to the parent.
static PARENT: OnceLock<Mutex<File>> = OnceLock::new();

/// What the hidden verb `__round` does. Errors go to the parent as a line; the return value says only whether all was well.
#[must_use]
pub fn serve(suite: &Suite) -> bool {
    if keep_stdout().is_err() {
        return false;
    }
    let said = match run(suite) {
        Ok(()) => Line::Done,
        Err(error) => Line::Refused(Refusal::of(&error)),
    };
    say(&said);
    matches!(said, Line::Done)
}

/// Keeps the pipe for perfkit alone, closed in whatever the workload starts, and has the workload's prints go to stderr: a
/// line of its own would join one of ours.
fn keep_stdout() -> std::io::Result<()> {
    let pipe = rustix::io::fcntl_dupfd_cloexec(std::io::stdout(), 3)?;
    rustix::stdio::dup2_stdout(std::io::stderr())?;
    let _ = PARENT.set(Mutex::new(File::from(pipe)));
    Ok(())
}

/// Writes a line; a parent that is gone does not read it, and this process ends with it.
fn say(line: &Line) {
    if let (Some(pipe), Ok(mut text)) = (PARENT.get(), serde_json::to_string(line)) {
        text.push('\n');
        let _ = pipe.lock().unwrap_or_else(PoisonError::into_inner).write_all(text.as_bytes());
    }
}

fn run(suite: &Suite) -> Result<()> {
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text).map_err(Error::internal)?;
    let order: Order = serde_json::from_str(&text).map_err(Error::internal)?;
    die_with(order.parent)?;
    let entry = suite.find(&order.workload).ok_or_else(|| plan::unknown_workload(suite, &order.workload))?;

    let in_pass = probe::ALL.iter().copied().filter(|probe| probe.passes().contains(&order.pass));
    let probes = in_pass.filter(|probe| probe.sampler().is_none_or(|sampler| sampler == order.sampler));
    let mut hooks = Hooks::new(builder(order.runtime));
    let mut degraded = Vec::new();
    let mut prepared = Vec::new();
    for probe in probes {
        match probe.prepare(&mut hooks) {
            Ok(()) => prepared.push(probe),
            Err(error) => {
                let reason = format!("{error}; {}", error.hint());
                degraded.push(Caution::ProbeDegraded { probe: probe.name(), reason }.into());
            }
        }
    }
    if order.pass == Pass::Leaks {
        probe::alive::watch(&mut hooks);
        probe::heap::watch_tasks(&mut hooks);
    }
    probe::phases::resolve_traceparent(|text| OperationId::from_traceparent(text).map(|id| id.0));
    let runtime = hooks.into_builder().build().map_err(Error::internal)?;
    let settings = Settings {
        frequency_hz: order.frequency_hz,
        stall_threshold: order.stall_threshold,
        recorder: order.recorder,
        folder: order.folder.clone(),
        runtime: runtime.handle().clone(),
    };
    let round = Round {
        workload: Arc::clone(&entry.workload),
        context: Arc::new(context(&order)?),
        load: order.load(),
        observer: (order.pass == Pass::Time).then(|| Arc::new(Watch) as _),
        rows: order.pass.keeps_rows().then(|| order.folder.join(rows::SPILLED)),
    };
    if order.pass == Pass::Leaks {
        return watch_growth(&order, round, &runtime);
    }
    let watching = std::cell::RefCell::new(Vec::new());
    let readings = std::cell::RefCell::new(Vec::new());
    let began = std::cell::Cell::new(Duration::ZERO);
    let start = || {
        began.set(clock::since_epoch());
        *watching.borrow_mut() = prepared.iter().map(|probe| probe.start(&settings)).collect::<Result<Vec<_>>>()?;
        Ok(())
    };
    let stop = || {
        let started: Vec<Box<dyn Running>> = watching.take();
        *readings.borrow_mut() = started.into_iter().map(Running::stop).collect::<Result<Vec<_>>>()?;
        Ok(())
    };
    let measured = runtime.block_on(drive(round, report_progress, start, stop))?;
    let mut result = summarize(&order, &measured, began.get(), readings.take())?;
    result.warnings.extend(degraded);
    let spans = result
        .readings
        .iter_mut()
        .map(|reading| std::mem::take(&mut reading.spans))
        .find(|spans| !spans.times.is_empty());
    if order.pass.keeps_rows() {
        rows::join(&order.folder, spans.unwrap_or_default())?;
    }
    write_result(&order, &result)?;
    // What the workload left running must not hold the process.
    runtime.shutdown_background();
    Ok(())
}

/// A `leaks` session. SIGTERM ends it after the operations that are under way; what was seen until then is kept.
fn watch_growth(order: &Order, round: Round, runtime: &tokio::runtime::Runtime) -> Result<()> {
    let began = clock::since_epoch();
    let mut session = Session::start(order.growth.clone(), order.users.unwrap_or(1), runtime.handle().clone());
    let tell = |progress: Progress| {
        // Without it a session that is stopped is lost.
        let _ = signal_hook::flag::register(signal_hook::consts::SIGTERM, Arc::clone(&progress.halt));
        report_progress(progress);
    };
    let measured = runtime.block_on(repeat(round, tell, async |rest| Ok(session.rest(rest).await)))?;
    let result = summarize(order, &measured, began, vec![session.finish()])?;
    write_result(order, &result)
}

/// Asks the kernel to kill this process with its parent, and looks whether the parent is gone already.
fn die_with(parent: u32) -> Result<()> {
    let set = rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL));
    set.map_err(|error| Error::internal(std::io::Error::from(error)))?;
    let now = rustix::process::getppid().map(|pid| pid.as_raw_nonzero().get().unsigned_abs());
    if now == Some(parent) { Ok(()) } else { Err(Error::internal("the process that ordered this round is gone")) }
}

fn builder(flavor: Flavor) -> Builder {
    let mut builder = match flavor {
        Flavor::Current => Builder::new_current_thread(),
        Flavor::Multi(workers) => {
            let mut builder = Builder::new_multi_thread();
            builder.worker_threads(workers);
            builder
        }
    };
    builder.enable_all();
    builder
}

fn context(order: &Order) -> Result<Context> {
    let folder = order.folder.join("workload");
    std::fs::create_dir_all(&folder).map_err(|error| Error::write(&folder, error))?;
    let services: BTreeMap<Need, String> = [Need::Redis, Need::Llm]
        .into_iter()
        .filter_map(|need| order.services.get(need.name()).map(|url| (need, url.clone())))
        .collect();
    Ok(Context {
        variant: order.variant.clone(),
        params: order.params.clone(),
        services,
        phase_timeouts: order.phase_timeouts.clone(),
        folder,
        seed: order.seed.wrapping_add(u64::from(order.round)),
    })
}

/// Says four times a second where the round is, on a thread that ends with the process.
fn report_progress(progress: Progress) {
    let body = move || loop {
        std::thread::sleep(PROGRESS);
        say(&Line::Progress {
            operations: progress.counts.done.load(Ordering::Relaxed),
            ok: progress.counts.ok.load(Ordering::Relaxed),
            measuring: progress.measuring.load(Ordering::Relaxed),
        });
    };
    // Without it the round runs all the same.
    let _ = std::thread::Builder::new().name("perfkit-progress".into()).spawn(body);
}

fn summarize(order: &Order, measured: &Measured, began: Duration, readings: Vec<Reading>) -> Result<RoundResult> {
    let said = latency::values(measured);
    let mut histogram = Vec::new();
    V2Serializer::new()
        .serialize(&measured.collected.histogram, &mut histogram)
        .map_err(|error| Error::internal(format!("histogram: {error:?}")))?;
    let generator = measured.pacing.as_ref().map(|pacing| Generator {
        lateness_p99_ns: pacing.lateness.value_at_quantile(0.99) as f64,
        cpu_share: pacing.cpu_share,
    });
    let warnings =
        measured.teardown_errors.first().map(|message| Caution::Teardown { message: message.clone() }.into());
    Ok(RoundResult {
        pass: order.pass,
        round: order.round,
        began,
        elapsed: measured.elapsed,
        operations: measured.operations.clone(),
        values: said.values,
        places: said.places,
        readings,
        histogram,
        latency_sum_ns: measured.collected.latency_sum_ns as f64,
        workers: measured.workers,
        broken: measured.broken,
        generator,
        censored: said.censored,
        warnings: warnings.into_iter().collect(),
    })
}

fn write_result(order: &Order, result: &RoundResult) -> Result<()> {
    let path = order.folder.join(RoundResult::FILE);
    let text = serde_json::to_vec(result).map_err(Error::internal)?;
    std::fs::write(&path, text).map_err(|error| Error::write(&path, error))
}
