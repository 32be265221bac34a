//! Where the nanoseconds of one operation go: each thing that the load, a probe or tokio does around an operation, alone,
//! less the same loop without it. Shows what is worth saving; `harness` shows what the whole costs.

#![allow(clippy::print_stdout, reason = "a benchmark's result goes to the terminal")]

mod ratio;

use std::future::Future;
use std::hint::black_box;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use perfkit::load::clock;
use perfkit::load::collect::{Collector, Inlet};
use perfkit::record::operation::{Fate, Parts, Row};
use ratio::{Clock, Cost, Side};
use tokio_metrics::{FutureMonitor, TaskMonitor};

const ROUNDS: usize = 15;
const UNITS: u64 = 20_000;
const LIMIT: Duration = Duration::from_secs(5);

/// An operation that is ready at its second poll, as `yield_now` is, without the scheduler.
struct Twice(bool);

impl Future for Twice {
    type Output = u64;

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<u64> {
        if std::mem::replace(&mut self.0, true) { Poll::Ready(black_box(1)) } else { Poll::Pending }
    }
}

/// Polls to the end at once.
fn finish<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    let mut cx = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
            return output;
        }
    }
}

fn each(mut unit: impl FnMut() -> u64) -> Cost {
    ratio::per_unit(UNITS, || (0..UNITS).map(|_| black_box(unit())).sum::<u64>())
}

fn pieces() {
    let workers = TaskMonitor::builder().publish_scheduling_delay().clone().build();
    let sides = vec![
        Side::new("an operation of two polls", || each(|| finish(Twice(false)))),
        Side::new("+ two clock readings", || each(|| finish(Twice(false)) + u64::from(clock::now() > clock::now()))),
        Side::new("+ catch_unwind around each poll", || {
            each(|| {
                let mut operation = pin!(Twice(false));
                let mut poll = |cx: &mut Context<'_>| catch_unwind(AssertUnwindSafe(|| operation.as_mut().poll(cx)));
                finish(std::future::poll_fn(|cx| poll(cx).unwrap_or(Poll::Ready(0))))
            })
        }),
        Side::new("+ a box around the future", || {
            each(|| finish(black_box(Box::pin(Twice(false)) as Pin<Box<dyn Future<Output = u64>>>)))
        }),
        Side::new("+ timeout_at, which sets a timer and clears it", || {
            let due = clock::now() + LIMIT;
            each(|| finish(tokio::time::timeout_at(due, Twice(false))).unwrap_or(0))
        }),
        Side::new("+ timeout_at that is ready at the first poll", || {
            let due = clock::now() + LIMIT;
            each(|| finish(tokio::time::timeout_at(due, Twice(true))).unwrap_or(0))
        }),
        Side::new("+ FutureMonitor", || each(|| finish(FutureMonitor::new().instrument(Twice(false))).0)),
        Side::new("+ TaskMonitor, made once for many operations", || {
            let all = async {
                let mut sum = 0;
                for _ in 0..UNITS {
                    sum += black_box(Twice(false).await);
                }
                sum
            };
            ratio::per_unit(UNITS, || finish(workers.instrument(all)))
        }),
    ];
    ratio::heading("pieces around one operation", Clock::Cpu);
    ratio::interleaved(ROUNDS, sides).print(Clock::Cpu);
}

fn row(seq: u64) -> Row {
    let start_ns = seq * 500;
    let parts = Parts { busy_ns: 120, scheduled_ns: 40, idle_ns: 200, slow_polls: 0 };
    Row { seq, worker: 1, due_ns: start_ns, start_ns, end_ns: start_ns + 360, fate: Fate::Ok, parts: Some(parts) }
}

/// Pushes rows as one worker does, and counts this thread's CPU time; or the process's, in which the collecting thread is.
fn rows(folder: &tempfile::TempDir, cpu: fn() -> f64) -> Cost {
    let collector = Collector::start(Some(folder.path().join("rows.csv"))).expect("a collector");
    let mut inlet: Inlet = collector.inlet();
    let (started, began) = (clock::now(), cpu());
    for seq in 0..UNITS {
        inlet.push(black_box(row(seq)));
    }
    let here = cpu() - began;
    drop(inlet);
    collector.finish().expect("the rows");
    let all = cpu() - began;
    let cpu = if std::ptr::fn_addr_eq(cpu as fn() -> f64, ratio::thread_cpu as fn() -> f64) { here } else { all };
    Cost { wall: started.elapsed().as_nanos() as f64 / UNITS as f64, cpu: cpu / UNITS as f64 }
}

fn collecting() {
    let folder = tempfile::tempdir().expect("a folder");
    let sides = vec![
        Side::new("a row, made and dropped", || each(|| black_box(row(1)).end_ns)),
        Side::new("+ pushed: the worker's own part", || rows(&folder, ratio::thread_cpu)),
        Side::new("+ gathered and written: all threads", || rows(&folder, ratio::process_cpu)),
    ];
    ratio::heading("one row on its way to ops.csv", Clock::Cpu);
    ratio::interleaved(ROUNDS, sides).print(Clock::Cpu);
}

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let _inside = runtime.enter();
    pieces();
    collecting();
}
