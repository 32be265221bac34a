//! Runs made by hand, for the tests of what reads stalls.

use serde_json::{Map, json};

use crate::record::pass::Pass;
use crate::record::stacks::Frame;
use crate::record::stall::{Cause, Task};
use crate::record::{Metric, Phase, Probed, Round, Run, Stall};
use crate::unit::{Better, Unit};

/// A run of so many rounds of a hundred operations in which stalls of 20 ms were looked for, and none was seen.
pub(crate) fn watched(rounds: u32) -> Run {
    let mut run = Run::foreign("test", "1", "shop");
    run.foreign = None;
    run.load.rounds = rounds;
    run.environment.cores = 2;
    let about = json!({ "threshold_ns": 20_000_000, "covered": "every task" });
    let detail = Map::from_iter([("rounds".to_owned(), json!(vec![about; rounds as usize]))]);
    run.probes.push(Probed { name: "stalls".into(), overhead: None, detail });
    let round = |round| Round {
        pass: Pass::Time,
        round,
        planned: 100,
        ok: 100,
        latencies: Vec::new(),
        stacks: None,
        cpu_ns: None,
    };
    run.rounds = (0..rounds).map(round).collect();
    run
}

/// Gives a run a metric.
pub(crate) fn measured(run: &mut Run, name: &str, values: &[f64]) {
    let mut metric = Metric::new(name, Unit::Ns, Better::Lower);
    metric.values = values.to_vec();
    run.metrics.push(metric);
}

/// A frame of the program.
pub(crate) fn frame(function: &str, line: u32) -> Frame {
    Frame { function: function.into(), file: Some("src/x.rs".into()), line: Some(line) }
}

/// A frame of the standard library or a crate: known by its file.
pub(crate) fn library(function: &str) -> Frame {
    Frame { function: function.into(), file: Some("library/std/src/x.rs".into()), line: Some(1) }
}

/// A stall of 32 ms in a sleep.
pub(crate) fn blocked(function: &str, line: u32) -> Stall {
    Stall {
        round: 0,
        start_ns: 1_000_000,
        duration_ns: 32_000_000,
        cause: Cause::Blocked,
        syscall: Some("clock_nanosleep".into()),
        thread: "tokio-rt-worker".into(),
        task: Some(Task { id: 1, spawned_at: Some("src/main.rs:4:5".into()) }),
        stack: vec![library("std::thread::sleep"), frame(function, line), library("tokio::runtime::task::raw::poll")],
        cpu_ns: 0,
        preempted_ns: 0,
        delayed_tasks: 0,
        delay_ns: 0,
        timer_delay_ns: 0,
    }
}

/// A stall of 32 ms in a lock.
pub(crate) fn locked(function: &str, line: u32) -> Stall {
    let lock = "std::sync::poison::mutex::Mutex<T>::lock";
    let stack =
        vec![library("std::sys::sync::mutex::futex::Mutex::lock_contended"), library(lock), frame(function, line)];
    Stall { syscall: Some("futex".into()), stack, ..blocked(function, line) }
}

/// A stall of 32 ms in a computation.
pub(crate) fn computing(function: &str, line: u32) -> Stall {
    Stall { cause: Cause::Cpu, syscall: None, stack: vec![frame(function, line)], ..blocked(function, line) }
}

/// A stall of 32 ms in which the thread was ready, but got no processor.
pub(crate) fn preempted(function: &str, line: u32) -> Stall {
    Stall { cause: Cause::Preempted, preempted_ns: 30_000_000, ..computing(function, line) }
}

/// A phase that was passed a hundred times.
pub(crate) fn phase(name: &str, busy_ns: f64, idle_ns: f64, share: f64) -> Phase {
    let mean_ns = busy_ns + idle_ns;
    Phase {
        name: name.into(),
        count: 100,
        mean_ns,
        busy_ns,
        scheduled_ns: Some(0.0),
        idle_ns,
        share: Some(share),
        max_ns: mean_ns,
    }
}
