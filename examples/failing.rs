//! Workloads that go wrong, one way each: what perfkit makes of a program that fails, panics, hangs or dies.
//!
//! ```text
//! cargo run --example failing -- run half_fails --duration 1s
//! ```

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "to print where nobody expects it is what some of them do"
)]

use std::hint::black_box;
use std::process::{Command, ExitCode, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use perfkit::workload::{Description, Param};
use perfkit::{BoxError, Failure, Load, Suite, Work, Worker, Workload};

fn main() -> ExitCode {
    Suite::new("failing")
        .workload("always_fails", || async { no_answer() })
        .workload("half_fails", || async {
            if turn().is_multiple_of(2) || is_early() { Ok(Work::done()) } else { no_answer() }
        })
        .workload("later_fails", || async { if is_early() { Ok(Work::done()) } else { no_answer() } })
        .workload("panics", || async { panics(turn()).await })
        .workload("slow", || async { slow(turn()).await })
        .workload("crashes", Crashes)
        .workload("prints", || async { prints().await })
        .workload("lingers", Lingers)
        .workload(HOSTILE, || async { Work::items((0..black_box(2_000)).sum()) })
        .workload("crowded", Crowded)
        .workload("waits", || async { waits().await })
        .load(Load::closed(2).lasting(Duration::from_millis(200)).warmup(Duration::from_millis(50)))
        .main()
}

/// Has room for two users.
struct Crowded;

impl Workload for Crowded {
    type State = ();

    async fn setup(&self, worker: Worker) -> Result<(), BoxError> {
        if worker.index() < 2 { Ok(()) } else { Err("no more connections".into()) }
    }

    async fn operation(&self, (): &mut ()) -> Result<Work, BoxError> {
        tokio::time::sleep(Duration::from_millis(1)).await;
        Ok(Work::done())
    }
}

/// A name that is a path, markup and a command to a terminal.
const HOSTILE: &str = "../../<b>&\"'`$(id)|;\u{1b}[35m\r\u{202e}x 5";

/// The number of the operation in this process.
fn turn() -> u64 {
    static TURNS: AtomicU64 = AtomicU64::new(0);
    TURNS.fetch_add(1, Ordering::Relaxed)
}

/// Whether so few operations were done that it may still be the preflight.
fn is_early() -> bool {
    static SEEN: AtomicU64 = AtomicU64::new(0);
    SEEN.fetch_add(1, Ordering::Relaxed) < 10
}

fn no_answer() -> Result<Work, Failure> {
    Err(Failure::new("status", "got 503 Service Unavailable"))
}

/// Every 50th operation panics, beginning with the 20th; each lasts a millisecond.
async fn panics(turn: u64) -> Work {
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert!(turn % 50 != 19, "the till is empty");
    Work::done()
}

/// Every 20th operation never ends, beginning with the 10th.
async fn slow(turn: u64) -> Work {
    if turn % 20 == 9 {
        std::future::pending::<()>().await;
    }
    tokio::time::sleep(Duration::from_millis(2)).await;
    Work::done()
}

/// Writes what a parent that reads this process's output could take for its own, ends no line.
async fn prints() -> Work {
    print!("{{\"progress\": \u{1b}[31mnonsense\"done\"");
    eprintln!("and so on");
    tokio::time::sleep(Duration::from_millis(1)).await;
    Work::done()
}

async fn waits() -> Work {
    tokio::time::sleep(Duration::from_millis(1)).await;
    Work::done()
}

/// Aborts the process 100 ms after the first operation, in every second round.
struct Crashes;

impl Workload for Crashes {
    type State = (bool, Instant);

    #[expect(clippy::disallowed_methods, reason = "it measures nothing, it only waits for its end")]
    async fn setup(&self, worker: Worker) -> Result<Self::State, BoxError> {
        // Seeds of neighbouring rounds differ in their last bit.
        Ok((worker.seed().is_multiple_of(2) && worker.index() == 0, Instant::now()))
    }

    async fn operation(&self, (crashes, since): &mut Self::State) -> Result<Work, BoxError> {
        tokio::time::sleep(Duration::from_millis(1)).await;
        if *crashes && since.elapsed() > Duration::from_millis(100) {
            eprintln!("fatal: the floor is gone");
            std::process::abort();
        }
        Ok(Work::done())
    }
}

/// Leaves a process behind that holds this one's output open.
struct Lingers;

impl Workload for Lingers {
    type State = ();

    async fn setup(&self, worker: Worker) -> Result<(), BoxError> {
        if worker.index() == 1 {
            let mut command = Command::new("sleep");
            if worker.param::<String>("holds")? == "errors" {
                command.stdout(Stdio::null());
            }
            // Never waited for: that is the point.
            command.arg("25").spawn()?;
        }
        Ok(())
    }

    async fn operation(&self, (): &mut ()) -> Result<Work, BoxError> {
        tokio::time::sleep(Duration::from_millis(1)).await;
        Ok(Work::done())
    }
    fn describe(&self) -> Description {
        Description {
            params: &[Param {
                name: "holds",
                default: "output",
                about: "what the process that is left holds open: output, errors",
            }],
            ..Description::default()
        }
    }
}
