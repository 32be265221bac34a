//! `faulty-pool`: one user floods the pool of blocking threads, and what the others give to it waits in its queue. No worker
//! of the runtime is held: operations are slow all the same, and a detector of stalls alone sees nothing.

use std::hint::black_box;
use std::time::Duration;

use tokio::task::{JoinSet, spawn_blocking, yield_now};

use super::Planted;
use super::periodic::PARAMS;
use super::schedule::{Schedule, wait_healthily};
use crate::error::BoxError;
use crate::workload::{Description, Work, Worker, Workload};

/// What has to be found: nothing of a worker.
pub(super) const PLANTED: Planted = Planted {
    workload: "faulty-pool",
    variant: "",
    function: "faulty::pool::hold_pool_thread",
    file: "src/workload/builtin/faulty/pool.rs",
    cause: None,
    syscalls: &[],
};

/// Jobs of a flood: half as many again as tokio's pool has threads unless it is told otherwise (512).
const FLOOD: u32 = 768;
/// Jobs that are handed over in one poll. Each may start a thread, and together they are not to be a stall.
const BATCH: u32 = 8;

/// The workload.
pub(super) struct Pool;

/// What one user keeps.
pub(super) struct User {
    schedule: Schedule,
    role: Role,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Floods,
    Waits,
}

impl Workload for Pool {
    type State = User;

    async fn setup(&self, worker: Worker) -> Result<User, BoxError> {
        // One is enough: two floods at once would be one of twice the length.
        let role = if worker.index() == 0 { Role::Floods } else { Role::Waits };
        Ok(User { schedule: Schedule::new(&worker)?, role })
    }

    async fn operation(&self, user: &mut User) -> Result<Work, BoxError> {
        wait_healthily().await;
        match user.schedule.due().filter(|_| user.role == Role::Floods) {
            Some(hold) => flood(hold).await?,
            None => {
                spawn_blocking(|| black_box(0_u64)).await?;
            }
        }
        Ok(Work::done())
    }

    fn describe(&self) -> Description {
        Description {
            about: "waits 2 ms and has something small done by the pool of blocking threads in each operation",
            params: &PARAMS,
            users: Some(4),
            fault: Some("all threads of the blocking pool asleep, its queue full; no worker is held"),
            ..Description::default()
        }
    }
}

async fn flood(hold: Duration) -> Result<(), tokio::task::JoinError> {
    let mut jobs = JoinSet::new();
    for job in 1..=FLOOD {
        jobs.spawn_blocking(move || hold_pool_thread(hold));
        if job.is_multiple_of(BATCH) {
            yield_now().await;
        }
    }
    while let Some(job) = jobs.join_next().await {
        job?;
    }
    Ok(())
}

#[inline(never)]
fn hold_pool_thread(hold: Duration) -> u64 {
    std::thread::sleep(hold);
    black_box(hold.as_secs())
}
