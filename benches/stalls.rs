//! What the watchdog's slots cost a poll, beside tokio-metrics' `TaskMonitor` and empty hooks, in one run. Refuses to give the
//! cost of the watchdog itself: that is in every run, as the probe's `watchdog_cpu_ns`.

#![allow(clippy::print_stdout, reason = "a benchmark's result goes to the terminal")]

mod ratio;

use perfkit::probe::Probe;
use perfkit::probe::hooks::Hooks;
use perfkit::probe::stalls::Stalls;
use ratio::{Clock, Cost, Side};
use tokio::runtime::{Builder, Runtime};
use tokio_metrics::TaskMonitor;

const ROUNDS: usize = 41;
const POLLS: u64 = 100_000;
/// The goal, over a runtime with hooks that do nothing: what the slots themselves cost.
const SLOT_NS: f64 = 5.0;

/// Polls of a task that gives way again and again, with one thread.
fn polls(runtime: &Runtime, monitor: Option<&TaskMonitor>) -> Cost {
    let task = async {
        for _ in 0..POLLS {
            tokio::task::yield_now().await;
        }
    };
    ratio::per_unit(POLLS, || {
        runtime.block_on(async {
            let joined = match monitor {
                Some(monitor) => tokio::spawn(monitor.instrument(task)).await,
                None => tokio::spawn(task).await,
            };
            joined.expect("a task that ends");
        });
    })
}

fn main() {
    let builder = Builder::new_current_thread;
    let bare = builder().build().expect("a runtime");
    #[cfg_attr(not(tokio_unstable), allow(unused_mut))]
    let mut empty = Hooks::new(builder());
    #[cfg(tokio_unstable)]
    {
        empty.before_poll(|_| ());
        empty.after_poll(|_| ());
    }
    let empty = empty.into_builder().build().expect("a runtime");
    let mut slots = Hooks::new(builder());
    Stalls.prepare(&mut slots).expect("the probe");
    let slots = slots.into_builder().build().expect("a runtime");
    let monitor = TaskMonitor::new();
    let sides = vec![
        Side::new("a poll", || polls(&bare, None)),
        Side::new("+ hooks that do nothing", || polls(&empty, None)),
        Side::new("+ the slots of the stall probe", || polls(&slots, None)),
        Side::new("+ TaskMonitor instead", || polls(&bare, Some(&monitor))),
    ];
    ratio::heading("watching a poll", Clock::Cpu);
    let found = ratio::interleaved(ROUNDS, sides);
    found.print(Clock::Cpu);
    ratio::goal(
        "slots of the stall probe, over hooks that do nothing",
        found.difference(2, 1, Clock::Cpu),
        SLOT_NS,
        " ns",
    );
}
