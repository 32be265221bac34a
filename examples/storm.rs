//! A workload that is hard on whoever takes stacks: panics that are caught, threads that come and go, storms of allocations,
//! backtraces, channels. Nothing of it may crash or hang a profile.
//!
//! ```text
//! cargo run --release --example storm -- profile storm --passes time,cpu --frequency 999 --duration 5m --rounds 2
//! ```

use std::backtrace::Backtrace;
use std::hint::black_box;
use std::panic::{self, AssertUnwindSafe};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use perfkit::{BoxError, Load, Suite, Work};

perfkit::track_heap!();

fn main() -> ExitCode {
    let told = panic::take_hook();
    // Those that are meant say nothing.
    panic::set_hook(Box::new(move |info| {
        if info.payload_as_str() != Some(MEANT) {
            told(info);
        }
    }));
    Suite::new("storm")
        .workload("storm", storm)
        .load(Load::closed(8).lasting(Duration::from_secs(3)).warmup(Duration::from_millis(100)))
        .main()
}

const MEANT: &str = "meant";

/// One operation: a little of everything.
async fn storm() -> Result<Work, BoxError> {
    let (sender, mut receiver) = tokio::sync::mpsc::channel(4);
    let task = tokio::spawn(async move {
        for number in 0..8_u64 {
            if sender.send(allocate(number)).await.is_err() {
                break;
            }
        }
    });
    let panicked = panic::catch_unwind(AssertUnwindSafe(|| descend(12)));
    let mut sum = u64::from(panicked.is_err());
    while let Some(number) = receiver.recv().await {
        sum += number;
    }
    task.await?;
    let thread = std::thread::spawn(|| Backtrace::force_capture().to_string().len() as u64 + allocate(3));
    sum += tokio::task::spawn_blocking(move || thread.join().map_err(|_| "a thread panicked")).await??;
    Ok(Work::items(black_box(sum) | 1))
}

/// Panics at the end of a stack.
#[inline(never)]
fn descend(depth: u32) -> u32 {
    if depth == 0 {
        panic::panic_any(MEANT);
    }
    black_box(descend(depth - 1)) + 1
}

/// Many blocks of many sizes, dropped in another order.
#[inline(never)]
fn allocate(seed: u64) -> u64 {
    let blocks: Vec<Arc<Vec<u8>>> =
        (0..64).map(|index| Arc::new(vec![1; (seed as usize + index) * 17 % 4096])).collect();
    let others: Vec<_> = blocks.iter().rev().cloned().collect();
    drop(blocks);
    others.iter().map(|block| block.len() as u64).sum()
}
