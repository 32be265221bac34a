//! `leaky-task`: tasks that wait for something that never comes, each with a buffer. Refuses to start more than a bound:
//! operations fail then.

use std::hint::black_box;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Notify;

use super::Planted;
use super::periodic::Periodic;
use super::schedule::EVERY;
use crate::workload::Failure;

/// What has to be found.
pub(super) const PLANTED: Planted = Planted {
    workload: "leaky-task",
    variant: "",
    function: "leaky::task::spawn_and_forget",
    file: "src/workload/builtin/leaky/task.rs",
    verdict: &["leak"],
    slope: Some(0.1),
    subject: "tasks",
};

/// The workload.
pub(super) const TASK: Periodic = Periodic {
    fault: "every tenth operation spawns a task that waits for ever",
    params: &[EVERY],
    leak: || spawn_and_forget(&SPAWNED),
};

/// Bytes of a task's buffer. The task itself is 256 more with tokio 1.54, so that an operation adds 51.2 bytes to the heap.
const BUFFER: usize = 256;
/// Tasks of this process before operations fail.
const MOST_TASKS: usize = 500_000;

/// How many were spawned.
static SPAWNED: AtomicUsize = AtomicUsize::new(0);
/// What they wait for.
static NEVER: Notify = Notify::const_new();

#[inline(never)]
fn spawn_and_forget(spawned: &AtomicUsize) -> Result<usize, Failure> {
    // Counted first: several users at once are not to go beyond the bound either.
    let number = spawned.fetch_add(1, Ordering::Relaxed) + 1;
    if number > MOST_TASKS {
        spawned.fetch_sub(1, Ordering::Relaxed);
        return Err(Failure::new("bound", format!("{MOST_TASKS} tasks wait already; there are to be no more")));
    }
    let buffer = vec![1_u8; BUFFER];
    let task = tokio::spawn(wait_for_ever(buffer));
    Ok(number - usize::from(black_box(task.is_finished())))
}

async fn wait_for_ever(buffer: Vec<u8>) -> usize {
    NEVER.notified().await;
    buffer.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tasks_stay_until_their_runtime_ends_and_are_not_without_number() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let spawned = AtomicUsize::new(0);
            for number in 1..=5 {
                assert_eq!(spawn_and_forget(&spawned).unwrap(), number);
                tokio::task::yield_now().await;
            }
            let refused = spawn_and_forget(&AtomicUsize::new(MOST_TASKS)).unwrap_err();
            assert_eq!(refused.kind(), "bound");
        });
        assert_eq!(runtime.metrics().num_alive_tasks(), 5);
    }
}
