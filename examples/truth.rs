//! Workloads of which one knows the answer: what a profile of them must say is written beside them.
//!
//! ```text
//! cargo run --release --example truth -- profile split --passes cpu
//! ```

use std::hint::black_box;
use std::os::unix::net::UnixStream;
use std::process::ExitCode;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::Duration;

use perfkit::{BoxError, Load, Suite, Work, Worker, Workload};
use rustix::event::{PollFd, PollFlags};
use tracing::{Instrument as _, info_span};

perfkit::track_heap!();

fn main() -> ExitCode {
    Suite::new("truth")
        .workload("split", || async { split() })
        .workload("dozing", || async { doze() })
        .workload("crowd", crowd)
        .workload("waiting", || async { wait() })
        .workload("tasks", || async { tasks().await })
        .workload("phases", || async { phases().await })
        .workload("recursion", || async { Work::items(descend(8)) })
        .workload("array", || async { <[u8; 4] as Churn>::churn(black_box([1, 2, 3, 4])) })
        .workload("blocks", || async { blocks() })
        .workload("phase-blocks", || async { phase_blocks().await })
        .workload("users", Users)
        .load(Load::closed(1).lasting(Duration::from_secs(2)).warmup(Duration::from_millis(100)))
        .main()
}

/// Steps of the same loop: 7 parts in one function, 3 in the other.
const PART: u64 = 2_000;

/// One operation: 70 % of its CPU time in `long_leaf`, 30 % in `short_leaf`.
///
/// Operations take different times. Were they all alike, they could keep step with the kernel's tick, which is when stacks
/// are taken, and one leaf would be met more often than it runs.
#[inline(never)]
fn split() -> Work {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let times = 1 + NUMBER.fetch_add(1, Ordering::Relaxed).wrapping_mul(7919) % 13;
    let mixed = (0..times).fold(1, |sum, _| sum ^ long_leaf::<7>(black_box(1)));
    Work::items((0..times).fold(mixed, |sum, _| sum ^ short_leaf(black_box(2))) | 1)
}

#[inline(never)]
fn long_leaf<const PARTS: u64>(mut state: u64) -> u64 {
    let mut left = PART * PARTS;
    while left > 0 {
        state = state * 5 % 1_000_003 + left % 7;
        left -= 1;
    }
    black_box(state)
}

#[inline(never)]
fn short_leaf(mut state: u64) -> u64 {
    let mut left = PART * 3;
    while left > 0 {
        state = state * 5 % 1_000_003 + left % 7;
        left -= 1;
    }
    black_box(state)
}

/// As `split`, then a sleep: a thread that wakes again and again on a timer keeps step with the kernel's tick.
#[inline(never)]
fn doze() -> Work {
    let work = split();
    std::thread::sleep(Duration::from_micros(300));
    work
}

/// Threads of which each has little to do: an operation needs them all.
const CROWD: usize = 100;

/// One operation: 70 % of its CPU time in one thread, 30 % in a hundred that live as long as the round, in each of them so little that
/// most have no stack at all.
async fn crowd() -> Result<Work, BoxError> {
    static THREADS: OnceLock<Vec<SyncSender<SyncSender<u64>>>> = OnceLock::new();
    let threads = THREADS.get_or_init(|| {
        let start = |_| {
            let (sender, receiver) = sync_channel::<SyncSender<u64>>(1);
            std::thread::spawn(move || receiver.iter().try_for_each(|back| back.send(short_leaf(black_box(2)))));
            sender
        };
        (0..CROWD).map(start).collect()
    });
    let mut sum = 0;
    for thread in threads {
        let (back, result) = sync_channel(1);
        thread.send(back)?;
        sum ^= long_leaf::<7>(black_box(1)) ^ result.recv()?;
    }
    Ok(Work::items(sum | 1))
}

/// One operation: computes a little and waits a little, again and again, in a call that a signal ends for good, even one that asks for
/// calls to be started again.
fn wait() -> Result<Work, BoxError> {
    let (near, _far) = UnixStream::pair()?;
    let moment = rustix::event::Timespec { tv_sec: 0, tv_nsec: 20_000 };
    let mut sum = 1;
    for _ in 0..100 {
        sum ^= short_leaf(black_box(sum));
        let ready = rustix::event::poll(&mut [PollFd::new(&near, PollFlags::IN)], Some(&moment))?;
        sum += ready as u64;
    }
    Ok(Work::items(sum | 1))
}

/// One operation: 70 % of its CPU time in a task that is spawned at one place, 30 % at another.
async fn tasks() -> Work {
    let long = tokio::spawn(async { long_leaf::<7>(black_box(1)) });
    let short = tokio::spawn(async { short_leaf(black_box(2)) });
    let (long, short) = (long.await.unwrap_or(0), short.await.unwrap_or(0));
    Work::items((long ^ short) | 1)
}

/// One operation: of ten parts of its CPU time seven in the phase `long`, which waits and has the three of `short` within it, and
/// beside them three in no phase, while `long` waits.
async fn phases() -> Work {
    // Long enough that waking the task again, which is in no phase either, takes next to nothing of the operation.
    let again = |leaf: fn(u64) -> u64| (0..40).fold(1, |sum, _| sum ^ leaf(black_box(1)));
    let long = async {
        let before = again(long_leaf::<2>);
        tokio::task::yield_now().await;
        let within = info_span!("short").in_scope(|| again(short_leaf));
        before ^ within ^ again(long_leaf::<5>)
    };
    let (long, outside) = tokio::join!(long.instrument(info_span!("long")), async { again(short_leaf) });
    Work::items((long ^ outside) | 1)
}

/// Calls itself `depth` times, with the same work in each.
#[inline(never)]
fn descend(depth: u64) -> u64 {
    let here = short_leaf(black_box(depth));
    if depth == 0 { here } else { black_box(descend(depth - 1)) ^ here }
}

/// A trait of a type with a `;` in its name.
trait Churn {
    fn churn(self) -> Work;
}

impl Churn for [u8; 4] {
    #[inline(never)]
    fn churn(self) -> Work {
        Work::items(black_box(short_leaf(u64::from(self[0]))) | 1)
    }
}

/// One operation: 300 bytes in the phase `outer`, 200 within it in `inner`, 100 in no phase while `outer` waits.
async fn phase_blocks() -> Work {
    let block = |size: usize| drop(black_box(Vec::<u8>::with_capacity(size)));
    let outer = async {
        block(150);
        tokio::task::yield_now().await;
        info_span!("inner").in_scope(|| block(200));
        block(150);
    };
    tokio::join!(outer.instrument(info_span!("outer")), async { block(100) });
    Work::done()
}

/// Each user holds 64 KiB, from the ninth on 192 KiB.
struct Users;

const HELD: usize = 64 << 10;
const FROM_NINTH: usize = 128 << 10;

impl Workload for Users {
    type State = [Vec<u8>; 2];

    async fn setup(&self, worker: Worker) -> Result<Self::State, BoxError> {
        Ok([hold_always(), hold_late(if worker.index() < 8 { 0 } else { FROM_NINTH })])
    }

    async fn operation(&self, state: &mut Self::State) -> Result<Work, BoxError> {
        tokio::time::sleep(Duration::from_millis(1)).await;
        Ok(Work::items(1 + state.iter().map(|block| block.len() as u64).sum::<u64>()))
    }
}

#[inline(never)]
fn hold_always() -> Vec<u8> {
    vec![1; HELD]
}

#[inline(never)]
fn hold_late(bytes: usize) -> Vec<u8> {
    vec![1; bytes]
}

/// One operation: three blocks of 100, 200 and 300 bytes.
fn blocks() -> Work {
    for size in [100, 200, 300] {
        drop(black_box(Vec::<u8>::with_capacity(size)));
    }
    Work::done()
}
