//! The drivers under tokio's paused clock: whole seconds of load in no time, and exact latencies.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::drive::{Measured, Round, drive};
use super::{Load, clock};
use crate::error::{BoxError, Error, Result};
use crate::workload::{Context, Failure, Work, Worker, Workload};

/// Takes as long as its plan says, operation by operation, over all workers.
struct Planned {
    plan: fn(u64) -> Result<Duration, Failure>,
    begun: AtomicU64,
}

impl Workload for Planned {
    type State = ();

    async fn setup(&self, _worker: Worker) -> Result<(), BoxError> {
        Ok(())
    }

    async fn operation(&self, (): &mut ()) -> Result<Work, BoxError> {
        let number = self.begun.fetch_add(1, Ordering::Relaxed);
        let time = (self.plan)(number)?;
        tokio::time::sleep(time).await;
        Ok(Work::done())
    }
}

async fn driven(load: Load, plan: fn(u64) -> Result<Duration, Failure>) -> Result<Measured> {
    let folder = tempfile::tempdir().map_err(Error::internal)?;
    let round = Round {
        workload: Arc::new(Planned { plan, begun: AtomicU64::new(0) }),
        context: Arc::new(Context::default()),
        load,
        observer: None,
        rows: Some(folder.path().join("rows.csv")),
    };
    drive(round, |_| {}, || Ok(()), || Ok(())).await
}

const MS: u64 = 1_000_000;

#[expect(clippy::unnecessary_wraps, reason = "the plan of a workload that may fail")]
fn ten_ms(_: u64) -> Result<Duration, Failure> {
    Ok(Duration::from_millis(10))
}

#[tokio::test(start_paused = true)]
async fn a_closed_load_starts_the_next_operation_when_the_last_is_done() {
    let load = Load::closed(3).lasting(Duration::from_secs(1)).warmup(Duration::from_millis(200));
    let measured = driven(load, ten_ms).await.unwrap();
    assert_eq!((measured.operations.ok, measured.operations.planned), (300, 300));
    assert!(measured.collected.latencies_ns.iter().all(|ns| *ns == 10 * MS));
    assert_eq!(measured.elapsed, Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn a_number_of_operations_ends_a_round_exactly() {
    let measured = driven(Load::closed(7).operations(100).warmup(Duration::ZERO), ten_ms).await.unwrap();
    assert_eq!((measured.operations.ok, measured.operations.planned), (100, 100));
}

#[tokio::test(start_paused = true)]
async fn latency_of_an_open_load_counts_from_the_time_it_was_due() {
    // 100/s; one operation of 10 ms stalls for a second: the 10 ms apart arrivals behind it are all served late by a
    // single worker's worth of capacity only if no other worker takes them. Others do: only one latency is long.
    let load = Load::open(100.0).lasting(Duration::from_secs(2)).warmup(Duration::ZERO);
    let measured = driven(load, |number| Ok(Duration::from_millis(if number == 50 { 1000 } else { 5 }))).await.unwrap();
    assert_eq!((measured.operations.planned, measured.operations.ok), (200, 200));
    let long = measured.collected.latencies_ns.iter().filter(|ns| **ns > 900 * MS).count();
    assert_eq!(long, 1);
    assert!(measured.pacing.is_some());
}

#[tokio::test(start_paused = true)]
async fn arrivals_behind_a_saturated_server_keep_their_due_times() {
    // 20/s for 4 s against a timeout that allows 2 in flight (20/s × 0.1 s): what cannot start is dropped, and counts.
    let load =
        Load::open(20.0).lasting(Duration::from_secs(4)).warmup(Duration::ZERO).timeout(Duration::from_millis(100));
    let slow = |number: u64| Ok(Duration::from_millis(if number < 3 { 1 } else { 99 }));
    let measured = driven(load, slow).await.unwrap();
    let operations = &measured.operations;
    assert_eq!(operations.planned, 80);
    assert_eq!(operations.ok + operations.dropped + operations.timed_out, 80);
    assert_eq!(measured.collected.censored_ns.len() as u64, operations.dropped + operations.timed_out);
}

#[tokio::test(start_paused = true)]
async fn failures_count_and_leave_the_others_alone() {
    let load = Load::closed(2).operations(100).warmup(Duration::ZERO);
    let plan = |number: u64| match number {
        0..=10 => Ok(Duration::from_millis(1)),
        _ if number.is_multiple_of(10) => Err(Failure::new("status:500", "broken")),
        _ if number.is_multiple_of(25) => Ok(Duration::from_mins(1)),
        _ => Ok(Duration::from_millis(1)),
    };
    let measured = driven(load.timeout(Duration::from_secs(1)), plan).await.unwrap();
    let operations = &measured.operations;
    assert_eq!(operations.ok + operations.failed + operations.timed_out, 100);
    assert_eq!(
        (operations.by_error[0].kind.as_str(), operations.by_error[0].example.as_str()),
        ("status:500", "broken")
    );
    assert_eq!(operations.timed_out, 2);
    assert!(!measured.broken);
}

#[tokio::test(start_paused = true)]
async fn a_panic_is_a_failure_of_one_operation() {
    let load = Load::closed(1).operations(10).warmup(Duration::ZERO);
    let plan = |number: u64| if number == 5 { panic!("on purpose") } else { Ok(Duration::from_millis(1)) };
    let measured = driven(load, plan).await.unwrap();
    assert_eq!((measured.operations.ok, measured.operations.failed), (9, 1));
    assert_eq!(measured.operations.by_error[0].kind, "panic");
}

#[tokio::test(start_paused = true)]
async fn a_load_that_only_fails_is_stopped_early() {
    let load = Load::closed(2).lasting(Duration::from_hours(1)).warmup(Duration::ZERO);
    let plan = |number: u64| {
        if number < 1 { Ok(Duration::from_millis(1)) } else { Err(Failure::new("status:500", "broken")) }
    };
    let measured = driven(load, plan).await.unwrap();
    assert!(measured.broken);
    assert!(measured.operations.failed < 60, "{}", measured.operations.failed);
    assert_eq!(measured.operations.ok, 0);
}

#[tokio::test(start_paused = true)]
async fn a_failing_preflight_stops_before_any_load() {
    let before = clock::now();
    let load = Load::closed(50).lasting(Duration::from_secs(10));
    let error = driven(load, |_| Err(Failure::new("status:500", "no backend"))).await.unwrap_err();
    assert!(error.to_string().contains("the preflight failed: status:500: no backend"), "{error}");
    assert_eq!(clock::now(), before);
}

/// Never waits for anything.
struct Ready(Arc<[AtomicU64; 4]>);

impl Workload for Ready {
    type State = usize;

    async fn setup(&self, worker: Worker) -> Result<usize, BoxError> {
        Ok(worker.index() as usize)
    }

    async fn operation(&self, worker: &mut usize) -> Result<Work, BoxError> {
        self.0[*worker].fetch_add(1, Ordering::Relaxed);
        Ok(Work::done())
    }
}

#[tokio::test(start_paused = true)]
async fn users_whose_operations_never_wait_share_a_thread() {
    let folder = tempfile::tempdir().unwrap();
    let counts: Arc<[AtomicU64; 4]> = Arc::default();
    let round = Round {
        workload: Arc::new(Ready(Arc::clone(&counts))),
        context: Arc::new(Context::default()),
        load: Load::closed(4).operations(10_000).warmup(Duration::ZERO),
        observer: None,
        rows: Some(folder.path().join("rows.csv")),
    };
    drive(round, |_| {}, || Ok(()), || Ok(())).await.unwrap();
    let counts: Vec<u64> = counts.iter().map(|count| count.load(Ordering::Relaxed)).collect();
    assert!(counts.iter().all(|count| *count > 2_000), "{counts:?}");
}
