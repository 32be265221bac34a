//! What the CPU pass costs: a fixed amount of CPU-bound work on a tokio runtime, with the probe `cpu` sampling it and
//! without. What the probe does afterwards (naming functions) is not in it: no operation waits for that.

#![allow(clippy::print_stdout, reason = "a benchmark's result goes to the terminal")]

mod ratio;

use std::hint::black_box;

use perfkit::load::clock;
use perfkit::probe::cpu::{Cpu, Jittered};
use perfkit::probe::hooks::Hooks;
use perfkit::probe::{Probe, Settings};
use ratio::{Clock, Cost, Side};
use tokio::runtime::{Builder, Runtime};

/// The goal: CPU time with the probe at 99 Hz, over without it.
const AT_99: f64 = 1.02;
const ROUNDS: usize = 21;
const TASKS: u64 = 4;
/// Slices of each task; it yields between them. In all about half a second of CPU time, fifty stacks at 99 Hz: to begin and to end costs
/// the jittered sampler a millisecond, which is no part of what sampling costs.
const SLICES: u64 = 600;
const STEPS: u64 = 100_000;

async fn task(seed: u64) -> u64 {
    let mut state = seed;
    for _ in 0..SLICES {
        for _ in 0..STEPS {
            // SplitMix64: arithmetic alone, so that the neighbours' use of the caches does not show.
            state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
            state = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        }
        black_box(state);
        tokio::task::yield_now().await;
    }
    state
}

fn work(runtime: &Runtime) -> Cost {
    let (started, cpu) = (clock::now(), ratio::process_cpu());
    runtime.block_on(async {
        let tasks: Vec<_> = (0..TASKS).map(|seed| tokio::spawn(task(seed))).collect();
        for task in tasks {
            black_box(task.await.expect("arithmetic does not panic"));
        }
    });
    Cost { wall: started.elapsed().as_nanos() as f64, cpu: ratio::process_cpu() - cpu }
}

fn sampled(runtime: &Runtime, probe: &dyn Probe, frequency_hz: u32) -> Cost {
    let settings = Settings {
        frequency_hz,
        stall_threshold: perfkit::experiment::STALL_THRESHOLD,
        recorder: perfkit::probe::heap::Recorder::Dhat,
        folder: std::env::temp_dir(),
        runtime: runtime.handle().clone(),
    };
    let running = probe.start(&settings).expect("the probe starts");
    let cost = work(runtime);
    // Dropped and not stopped: stopping would name thousands of addresses between the sides of the comparison.
    drop(running);
    cost
}

fn main() {
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(2);
    let mut hooks = Hooks::new(builder);
    // Before the runtime: the probe needs the process to have one thread.
    Cpu.prepare(&mut hooks).expect("the probe can work here");
    let runtime = hooks.into_builder().build().expect("a runtime");
    // The jittered sampler's hooks around each poll are part of what it costs.
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(2);
    let mut hooks = Hooks::new(builder);
    Jittered.prepare(&mut hooks).expect("the probe can work here");
    let hooked = hooks.into_builder().build().expect("a runtime");
    let sides = vec![
        Side::new("work", || work(&runtime)),
        Side::new("work, pprof at 99 Hz", || sampled(&runtime, &Cpu, 99)),
        Side::new("work, pprof at 499 Hz", || sampled(&runtime, &Cpu, 499)),
        Side::new("work, jittered at 99 Hz", || sampled(&hooked, &Jittered, 99)),
        Side::new("work, jittered at 499 Hz", || sampled(&hooked, &Jittered, 499)),
    ];
    let paired = ratio::interleaved(ROUNDS, sides);
    ratio::heading("the CPU pass", Clock::Cpu);
    paired.print(Clock::Cpu);
    ratio::goal("CPU time with pprof at 99 Hz over without", paired.ratio(1, 0, Clock::Cpu), AT_99, "");
    ratio::goal("CPU time with the jittered sampler at 99 Hz over without", paired.ratio(3, 0, Clock::Cpu), AT_99, "");
}
