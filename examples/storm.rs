//! A workload that is hard on whoever takes stacks: panics that are caught, threads that come and go and panic, storms of allocations,
//! backtraces, channels, libraries that are loaded and unloaded, programs that are started. Nothing of it may crash or hang a profile.
//!
//! ```text
//! cargo run --release --example storm -- profile storm --passes time,cpu --frequency 999 --duration 5m --rounds 2
//! ```

use std::backtrace::Backtrace;
use std::ffi::{c_char, c_int};
use std::hint::black_box;
use std::os::unix::process::CommandExt as _;
use std::panic::{self, AssertUnwindSafe};
use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
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

/// Operations that have begun.
static NUMBER: AtomicU64 = AtomicU64::new(0);

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
    let dies = std::thread::spawn(|| descend(3));
    sum += u64::from(tokio::task::spawn_blocking(move || dies.join().is_err()).await?);
    sum += encode(4)?;
    if NUMBER.fetch_add(1, Ordering::Relaxed).is_multiple_of(16) {
        sum += tokio::task::spawn_blocking(start_programs).await??;
    }
    Ok(Work::items(black_box(sum) | 1))
}

/// Starts a program in each of the two ways that std has: `posix_spawn`, and a fork, whose child runs a while before it is another
/// program. Both must end well: a signal of a sampler would kill them.
fn start_programs() -> Result<u64, BoxError> {
    let own = std::os::unix::fs::MetadataExt::uid(&std::fs::metadata("/proc/self")?);
    for command in [&mut Command::new("true"), Command::new("true").uid(own)] {
        let status = command.status()?;
        if !status.success() {
            return Err(format!("a program that was started ended with {status}").into());
        }
    }
    Ok(2)
}

/// Loads a library that nothing else uses, works in it, and unloads it: code comes and goes at addresses that are used again.
#[inline(never)]
#[allow(unsafe_code, reason = "a library is loaded by name, and a function called that it is known to have")]
fn encode(times: u64) -> Result<u64, BoxError> {
    type Encode = unsafe extern "C" fn(*const u8, usize, *mut c_char, usize) -> c_int;
    let data = [7_u8; 3 * 1024];
    let mut text = vec![0 as c_char; 4 * 1024 + 1];
    let mut written = 0;
    for _ in 0..times {
        // SAFETY: libresolv is glibc's, has this function of this type, and nothing of it is used after it is unloaded. The function
        // reads and writes no more than the sizes it is told.
        unsafe {
            let library = libc::dlopen(c"libresolv.so.2".as_ptr(), libc::RTLD_NOW | libc::RTLD_LOCAL);
            let symbol = if library.is_null() { library } else { libc::dlsym(library, c"__b64_ntop".as_ptr()) };
            if symbol.is_null() {
                return Err("libresolv.so.2 has no __b64_ntop here".into());
            }
            let encode = std::mem::transmute::<*mut libc::c_void, Encode>(symbol);
            for _ in 0..8 {
                written += encode(data.as_ptr(), data.len(), text.as_mut_ptr(), text.len()).unsigned_abs();
            }
            libc::dlclose(library);
        }
    }
    Ok(u64::from(written))
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
