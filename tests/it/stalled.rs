//! The watchdog against calls that are known to hold a thread.

use std::hint::black_box;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use perfkit::probe::hooks::Hooks;
use perfkit::probe::runtime::Runtime;
use perfkit::probe::stalls::Stalls;
use perfkit::probe::{Probe, Settings, tasks};
use perfkit::record::stall::Cause;
use perfkit::record::{Reading, Stall};
use tokio::runtime::Builder;

const HELD: Duration = Duration::from_millis(60);
/// The probe watches all runtimes of the process: one test at a time.
static ALONE: Mutex<()> = Mutex::new(());

#[inline(never)]
pub(crate) fn hold_by_sleeping() {
    std::thread::sleep(HELD);
    black_box(HELD);
}

#[inline(never)]
fn hold_by_computing() {
    let cpu = || {
        let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
        Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec as u32)
    };
    let end = cpu() + HELD;
    let mut sum = 0_u64;
    while cpu() < end {
        (0..1000).for_each(|number| sum = black_box(sum.wrapping_add(number)));
    }
    black_box(sum);
}

#[inline(never)]
fn hold_by_locking(lock: &Mutex<u32>) {
    let mut value = lock.lock().unwrap();
    *value += 1;
    black_box(&value);
}

#[inline(never)]
fn hold_by_reading(pipe: &mut impl std::io::Read) {
    let mut byte = [0];
    pipe.read_exact(&mut byte).unwrap();
    black_box(byte);
}

/// What the probe sees while `work` runs as a task.
fn watched(builder: Builder, work: impl FnOnce() + Send + 'static) -> Reading {
    let task = tasks::worker(async move {
        tokio::time::sleep(Duration::from_millis(5)).await;
        work();
    });
    observed(builder, async { tokio::spawn(task).await.unwrap() })
}

/// What the probe sees while a runtime drives this.
pub(crate) fn observed(mut builder: Builder, driven: impl Future<Output = ()>) -> Reading {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    builder.enable_all();
    let mut hooks = Hooks::new(builder);
    // It has tokio measure from the wake to the poll.
    Runtime.prepare(&mut hooks).unwrap();
    Stalls.prepare(&mut hooks).unwrap();
    let runtime = hooks.into_builder().build().unwrap();
    let settings = Settings {
        frequency_hz: 99,
        stall_threshold: Duration::from_millis(10),
        recorder: perfkit::probe::heap::Recorder::Dhat,
        folder: std::env::temp_dir(),
        runtime: runtime.handle().clone(),
    };
    let running = Stalls.start(&settings).unwrap();
    runtime.block_on(async {
        driven.await;
        // The look that sees the end, and the canary.
        tokio::time::sleep(Duration::from_millis(20)).await;
    });
    running.stop().unwrap()
}

/// The one stall whose culprit is that function.
pub(crate) fn the_stall(reading: &Reading, function: &str) -> Stall {
    let of = |stall: &&Stall| stall.culprit().is_some_and(|frame| frame.function.ends_with(function));
    let found: Vec<&Stall> = reading.stalls.iter().filter(of).collect();
    assert_eq!(found.len(), 1, "{:#?}", reading.stalls);
    let stall = found[0].clone();
    let culprit = stall.culprit().unwrap();
    assert!(culprit.file.as_deref().is_some_and(|file| file.ends_with("tests/it/stalled.rs")), "{culprit:?}");
    assert!(culprit.line.is_some());
    stall
}

#[test]
fn a_sleeping_worker_is_named_with_its_system_call_and_its_time() {
    let reading = watched(Builder::new_multi_thread(), hold_by_sleeping);
    let stall = the_stall(&reading, "hold_by_sleeping");
    assert_eq!((stall.cause, stall.syscall.as_deref()), (Cause::Blocked, Some("clock_nanosleep")));
    let beyond = Duration::from_nanos(stall.duration_ns).abs_diff(HELD);
    assert!(beyond < Duration::from_millis(25), "{beyond:?} off");
    #[cfg(tokio_unstable)]
    assert!(stall.task.is_some_and(|task| task.spawned_at.is_some_and(|at| at.contains("it/stalled.rs"))));
}

#[test]
fn a_computing_worker_is_named_as_one_that_computes() {
    let reading = watched(Builder::new_multi_thread(), hold_by_computing);
    assert_eq!(the_stall(&reading, "hold_by_computing").cause, Cause::Cpu);
}

#[test]
fn a_lock_that_another_thread_holds_is_told_by_the_system_call() {
    let reading = watched(Builder::new_multi_thread(), || {
        let lock = Arc::new(Mutex::new(0));
        let (held, (locked, is_locked)) = (Arc::clone(&lock), std::sync::mpsc::channel());
        let holder = std::thread::spawn(move || {
            let _guard = held.lock().unwrap();
            locked.send(()).unwrap();
            std::thread::sleep(HELD);
        });
        is_locked.recv().unwrap();
        hold_by_locking(&lock);
        holder.join().unwrap();
    });
    let stall = the_stall(&reading, "hold_by_locking");
    assert_eq!((stall.cause, stall.syscall.as_deref()), (Cause::Blocked, Some("futex")));
}

#[test]
fn on_one_thread_a_blocking_read_is_named_and_holds_up_the_timers() {
    let reading = watched(Builder::new_current_thread(), || {
        let (mut read, mut write) = std::io::pipe().unwrap();
        let feeder = std::thread::spawn(move || {
            std::thread::sleep(HELD);
            std::io::Write::write_all(&mut write, b"x").unwrap();
        });
        hold_by_reading(&mut read);
        feeder.join().unwrap();
    });
    let stall = the_stall(&reading, "hold_by_reading");
    assert_eq!((stall.cause, stall.syscall.as_deref()), (Cause::Blocked, Some("read")));
    assert!(stall.timer_delay_ns > HELD.as_nanos() as u64 / 4, "{stall:#?}");
}

#[cfg(tokio_unstable)]
#[test]
fn a_block_in_place_is_reported_and_is_no_stall() {
    let reading = watched(Builder::new_multi_thread(), || tokio::task::block_in_place(hold_by_sleeping));
    assert!(reading.stalls.iter().all(|stall| !stall.is_own()), "{:#?}", reading.stalls);
    let in_place = reading.metrics.iter().find(|metric| metric.name == "stalls.in_place").unwrap();
    assert_eq!(in_place.value, Some(1.0));
}

#[test]
fn a_task_that_waits_asynchronously_is_never_a_stall() {
    let reading = watched(Builder::new_multi_thread(), || ());
    assert!(reading.stalls.iter().all(|stall| !stall.is_own()), "{:#?}", reading.stalls);
}
