//! What a phase costs: a `tracing` span opened, entered, left and closed, with the probe `phases` keeping its time, and with the
//! marks of the CPU pass, beside the registry of tracing-subscriber that does nothing with it.

#![allow(clippy::print_stdout, reason = "a benchmark's result goes to the terminal")]

mod ratio;

use std::hint::black_box;

use perfkit::probe::cpu::Jittered;
use perfkit::probe::hooks::Hooks;
use perfkit::probe::phases::{Phases, in_operation};
use perfkit::probe::{Probe, Settings};
use ratio::{Clock, Cost, Side};
use tracing::subscriber::{NoSubscriber, with_default};
use tracing_subscriber::Registry;

/// The goal: nanoseconds that one phase adds.
const SPAN_NS: f64 = 300.0;
/// The goal where it only marks its thread.
const MARK_NS: f64 = 100.0;
/// Has this program measure the marks: a process has one subscriber for all.
const MARKED: &str = "marked";
const ROUNDS: usize = 21;
/// Few enough that the probe keeps the time of every span, as it does in a run.
const UNITS: u64 = 10_000;

fn spans() -> Cost {
    let one = |number: u64| {
        let span = tracing::info_span!("redis.get");
        span.in_scope(|| black_box(number))
    };
    // As the load does it: every span belongs to an operation, so its time is kept.
    in_operation(1, || ratio::per_unit(UNITS, || (0..UNITS).map(one).sum::<u64>()))
}

/// A span in a span, as a server's handler has them: per pair.
fn nested() -> Cost {
    let one = |number: u64| {
        tracing::info_span!("handler").in_scope(|| tracing::info_span!("redis.set").in_scope(|| black_box(number)))
    };
    in_operation(1, || ratio::per_unit(UNITS, || (0..UNITS).map(one).sum::<u64>()))
}

/// A span that is open is entered and left.
fn entries() -> Cost {
    let span = tracing::info_span!("redis.get");
    ratio::per_unit(UNITS, || (0..UNITS).map(|number| span.in_scope(|| black_box(number))).sum::<u64>())
}

fn marked() {
    let mut hooks = Hooks::new(tokio::runtime::Builder::new_current_thread());
    Jittered.prepare(&mut hooks).expect("marks are put in place");
    let sides = vec![
        Side::new("no subscriber listens", || with_default(NoSubscriber::default(), spans)),
        Side::new("marks", spans),
        Side::new("marks, a span in a span", nested),
    ];
    let paired = ratio::interleaved(ROUNDS, sides);
    ratio::heading("one span", Clock::Cpu);
    paired.print(Clock::Cpu);
    ratio::goal("one phase that marks its thread", paired.difference(1, 0, Clock::Cpu), MARK_NS, " ns");
    let sides = vec![
        Side::new("no subscriber listens", || with_default(NoSubscriber::default(), entries)),
        Side::new("marks", entries),
    ];
    let paired = ratio::interleaved(ROUNDS, sides);
    ratio::heading("an open span entered and left", Clock::Cpu);
    paired.print(Clock::Cpu);
}

fn main() {
    if std::env::args().any(|word| word == MARKED) {
        return marked();
    }
    timed();
    let own = std::env::current_exe().expect("this program has a path");
    let status = std::process::Command::new(own).arg(MARKED).status().expect("this program starts again");
    assert!(status.success(), "{status}");
}

fn timed() {
    let mut hooks = Hooks::new(tokio::runtime::Builder::new_current_thread());
    Phases.prepare(&mut hooks).expect("the first subscriber of this process");
    let runtime = hooks.into_builder().build().expect("a runtime");
    let folder = tempfile::tempdir().expect("a folder");
    let settings = Settings {
        frequency_hz: 99,
        stall_threshold: perfkit::experiment::STALL_THRESHOLD,
        recorder: perfkit::probe::heap::Recorder::Dhat,
        folder: folder.path().to_owned(),
        runtime: runtime.handle().clone(),
    };
    let watched = |run: fn() -> Cost| {
        let settings = &settings;
        move || {
            let running = Phases.start(settings).expect("phases start");
            let cost = run();
            running.stop().expect("phases stop");
            cost
        }
    };
    let sides = vec![
        Side::new("no subscriber listens", || with_default(NoSubscriber::default(), spans)),
        Side::new("a registry without a layer", || with_default(Registry::default(), spans)),
        Side::new("phases, not started", spans),
        Side::new("phases, started", watched(spans)),
        Side::new("phases, started, a span in a span", watched(nested)),
    ];
    let paired = ratio::interleaved(ROUNDS, sides);
    ratio::heading("one span", Clock::Cpu);
    paired.print(Clock::Cpu);
    ratio::goal("one phase", paired.difference(3, 0, Clock::Cpu), SPAN_NS, " ns");
}
