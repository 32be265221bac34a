//! How punctual the open load is: how late it hands operations over at 1,000 a second, beside tokio's own interval at the
//! same rate in the same run, and what CPU time each uses. Lateness on a busy machine is the machine's.

#![allow(clippy::print_stdout, reason = "a benchmark's result goes to the terminal")]

mod ratio;

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::time::Duration;

use perfkit::load::drive::{Round, drive};
use perfkit::load::{Driven, clock};
use perfkit::record::histogram;
use perfkit::workload::Context;
use perfkit::{BoxError, Load, Work, Worker, Workload};
use ratio::{Clock, Cost, Side};
use tokio::runtime::{Builder, Runtime};
use tokio::time::MissedTickBehavior;

/// The goal on an idle machine: the 99th percentile of the lateness.
const LATENESS_NS: f64 = 100_000.0;
const RATE: f64 = 1000.0;
const LASTING: Duration = Duration::from_millis(500);
const ROUNDS: usize = 9;

struct Nothing;

impl Workload for Nothing {
    type State = ();

    async fn setup(&self, _worker: Worker) -> Result<(), BoxError> {
        Ok(())
    }

    async fn operation(&self, (): &mut ()) -> Result<Work, BoxError> {
        Ok(Work::done())
    }
}

/// Lateness in rounds of one side: the median and the start of an operation behind its due time.
#[derive(Default)]
struct Seen {
    middle: RefCell<Vec<f64>>,
    started: RefCell<Vec<f64>>,
}

/// The cost's wall time is the 99th percentile of the lateness; its CPU time is the process's per operation.
fn open(runtime: &Runtime, seen: &Seen, folder: &tempfile::TempDir) -> Cost {
    let workload: Arc<dyn Driven> = Arc::new(Nothing);
    let round = Round {
        workload,
        context: Arc::new(Context::default()),
        load: Load::open(RATE).lasting(LASTING).warmup(Duration::from_millis(20)),
        observer: None,
        rows: Some(folder.path().join("rows.csv")),
    };
    let (began, cpu) = (Cell::new(0.0), Cell::new(0.0));
    let start = || {
        began.set(ratio::process_cpu());
        Ok(())
    };
    let stop = || {
        cpu.set(ratio::process_cpu() - began.get());
        Ok(())
    };
    let measured = runtime.block_on(drive(round, |_| (), start, stop)).expect("a round");
    let late = measured.pacing.expect("an open load says how late it was").lateness;
    seen.middle.borrow_mut().push(late.value_at_quantile(0.5) as f64);
    seen.started.borrow_mut().push(measured.collected.lateness.value_at_quantile(0.99) as f64);
    Cost { wall: late.value_at_quantile(0.99) as f64, cpu: cpu.get() / measured.operations.ok.max(1) as f64 }
}

fn interval(runtime: &Runtime, seen: &Seen) -> Cost {
    let cpu = ratio::process_cpu();
    let period = Duration::from_secs_f64(1.0 / RATE);
    let ticks = LASTING.as_secs_f64() * RATE;
    let late = runtime.block_on(async {
        let mut late = histogram::latencies();
        let began = clock::now();
        let mut interval = tokio::time::interval_at(began, period);
        interval.set_missed_tick_behavior(MissedTickBehavior::Burst);
        for _ in 0..ticks as u64 {
            let due = interval.tick().await;
            late.saturating_record(clock::ns_between(due, clock::now()));
        }
        late
    });
    seen.middle.borrow_mut().push(late.value_at_quantile(0.5) as f64);
    Cost { wall: late.value_at_quantile(0.99) as f64, cpu: (ratio::process_cpu() - cpu) / ticks }
}

fn main() {
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    let folder = tempfile::tempdir().expect("a folder");
    let (ticked, paced) = (Seen::default(), Seen::default());
    let sides = vec![
        Side::new("tokio::time::interval", || interval(&runtime, &ticked)),
        Side::new("open load", || open(&runtime, &paced, &folder)),
    ];
    let paired = ratio::interleaved(ROUNDS, sides);
    ratio::heading("99th percentile of the lateness at 1,000/s", Clock::Wall);
    paired.print(Clock::Wall);
    for (what, values) in [
        ("tokio::time::interval, median lateness", ticked.middle),
        ("open load, median lateness", paced.middle),
        ("open load, p99 from due to the first poll", paced.started),
    ] {
        let seen = ratio::Median::of(values.take());
        println!("  {what:<44} {:>12.1} ns [{:.1}, {:.1}]", seen.value, seen.low, seen.high);
    }
    ratio::heading("CPU time of the process for one operation at 1,000/s", Clock::Cpu);
    paired.print(Clock::Cpu);
    ratio::goal("p99 lateness of the open load", paired.median(1, Clock::Wall), LATENESS_NS, " ns");
}
