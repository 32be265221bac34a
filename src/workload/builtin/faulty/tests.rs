//! Whether each faulty workload works, holds its thread as long as it is told, and is where [`PLANTED`] says.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::runtime::Builder;

use super::periodic::Periodic;
use super::*;
use crate::workload::{Context, Worker, Workload};

const HOLD: Duration = Duration::from_millis(20);

/// A worker with these settings.
pub(super) fn worker(index: u32, variant: &str, params: &[(&str, &str)]) -> Worker {
    let params = params.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Worker::new(index, Arc::new(Context { variant: variant.to_owned(), params, seed: 1, ..Context::default() }))
}

/// A worker whose every operation has the fault where every `every`th has.
fn told(index: u32, variant: &str, described: &crate::workload::Description) -> Worker {
    let value = |name: &str| match name {
        "every" | "fraction" => Some("1"),
        "hold" => Some("20ms"),
        _ => None,
    };
    let params: Vec<(&str, &str)> =
        described.params.iter().map(|param| (param.name, value(param.name).unwrap_or(param.default))).collect();
    worker(index, variant, &params)
}

#[allow(clippy::disallowed_methods, reason = "what is looked at is the real time")]
fn now() -> Instant {
    Instant::now()
}

/// What one operation takes on a runtime of one thread.
fn time_of_one<W: Workload>(workload: &W, variant: &str) -> Duration {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let time = runtime.block_on(async {
        let mut state = workload.setup(told(0, variant, &workload.describe())).await.unwrap();
        let since = now();
        workload.operation(&mut state).await.unwrap();
        let time = since.elapsed();
        workload.teardown(state).await.unwrap();
        time
    });
    runtime.shutdown_background();
    time
}

#[test]
fn operations_with_the_fault_take_as_long_as_told() {
    let periodic: [Periodic; 8] = [
        sleep::SLEEP,
        mutex::MUTEX,
        file::FILE,
        redis::REDIS,
        spin::SPIN,
        allocation::ALLOCATION,
        dns::DNS,
        driver::DRIVER,
    ];
    for workload in periodic {
        let took = time_of_one(&workload, "");
        assert!(took >= HOLD && took < HOLD * 20, "{}: {took:?}", workload.fault);
    }
    for took in [time_of_one(&lock::Lock::default(), ""), time_of_one(&spread::Spread, "mixed")] {
        assert!(took >= HOLD && took < HOLD * 20, "{took:?}");
    }
}

#[test]
fn operations_without_a_fault_do_not() {
    assert!(time_of_one(&clean::Clean, "") < HOLD * 20);
    let took = time_of_one(&spread::Spread, "healthy");
    assert!(took > Duration::from_millis(135) && took < Duration::from_millis(600), "{took:?}");
    assert!(time_of_one(&preempted::Preempted::default(), "") >= Duration::from_millis(4));
}

#[test]
fn timers_fire_late_while_the_driver_is_held() {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let late = runtime.block_on(async {
        let workload = driver::DRIVER;
        let mut state = workload.setup(told(0, "", &workload.describe())).await.unwrap();
        let since = now();
        let timers: Vec<_> = (0..8)
            .map(|_| {
                tokio::spawn(async move {
                    tokio::time::sleep(Duration::from_millis(6)).await;
                    since.elapsed().saturating_sub(Duration::from_millis(6))
                })
            })
            .collect();
        workload.operation(&mut state).await.unwrap();
        let mut late = Vec::new();
        for timer in timers {
            late.push(timer.await.unwrap());
        }
        late
    });
    // The fault begins after 2 ms to 4 ms, and ends 20 ms later.
    assert!(late.iter().all(|late| *late > HOLD / 2), "{late:?}");
}

#[test]
fn who_wants_the_lock_waits_with_its_thread_until_the_holder_lets_go() {
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let lock = Arc::new(lock::Lock::default());
    let users: Vec<_> = (0..2)
        .map(|index| {
            let lock = Arc::clone(&lock);
            runtime.spawn(async move {
                let mut state = lock.setup(told(index, "", &lock.describe())).await.unwrap();
                for _ in 0..5 {
                    lock.operation(&mut state).await.unwrap();
                }
            })
        })
        .collect();
    let since = now();
    for user in users {
        runtime.block_on(user).unwrap();
    }
    // Ten times 20 ms one after the other; where one gave up, two were in parallel.
    assert!(since.elapsed() >= HOLD * 5, "{:?}", since.elapsed());
}

#[test]
#[cfg(tokio_unstable)]
fn a_flood_fills_the_queue_of_the_blocking_pool() {
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let metrics = runtime.metrics();
    let flood = runtime.spawn(async {
        let described = pool::Pool.describe();
        let mut user = pool::Pool.setup(told(0, "", &described)).await.unwrap();
        pool::Pool.operation(&mut user).await.unwrap();
    });
    let mut deepest = 0;
    while !flood.is_finished() {
        deepest = deepest.max(metrics.blocking_queue_depth());
        std::thread::sleep(Duration::from_millis(1));
    }
    runtime.block_on(flood).unwrap();
    assert!(deepest > 0);
}

/// Takes down names, descriptions aside.
#[derive(Default)]
struct Names(Vec<(&'static str, Option<&'static str>)>);

impl Registry for Names {
    fn add<W: Workload>(&mut self, name: &'static str, workload: W) {
        self.0.push((name, workload.describe().fault));
    }
}

#[test]
fn what_is_planted_is_what_is_registered_and_where_it_is_said_to_be() {
    let mut names = Names::default();
    all(&mut names);
    assert_eq!(
        names.0.iter().map(|(name, _)| *name).collect::<Vec<_>>(),
        PLANTED.iter().map(|p| p.workload).collect::<Vec<_>>()
    );
    assert!(names.0.iter().all(|(_, fault)| fault.is_some()), "{:?}", names.0);
    for planted in PLANTED {
        let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(planted.file)).unwrap();
        let name = planted.function.rsplit("::").next().unwrap();
        assert!(text.contains(&format!("#[inline(never)]\nfn {name}(")), "{planted:?}");
        let module = planted.file.rsplit('/').next().unwrap().trim_end_matches(".rs");
        assert_eq!(planted.function, format!("faulty::{module}::{name}"));
        assert_eq!(planted.workload, format!("faulty-{module}"));
    }
}
