//! `faulty-preempted`: operations that compute for a few milliseconds, which is no stall, while plain threads want every
//! processor. What then lasts longer is the machine's doing, and must not be said to be the program's.

use std::hint::black_box;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread::available_parallelism;
use std::time::Duration;

use super::Planted;
use super::cpu_time::cpu_time;
use super::peer::Peer;
use super::schedule::wait_healthily;
use crate::error::BoxError;
use crate::workload::{Description, Failure, Param, Work, Worker, Workload};

/// What has to be found.
pub(super) const PLANTED: Planted = Planted {
    workload: "faulty-preempted",
    variant: "",
    function: "faulty::preempted::compute",
    file: "src/workload/builtin/faulty/preempted.rs",
    cause: Some("preempted"),
    syscalls: &[],
};

/// What an operation computes: below the threshold of a stall.
const COMPUTED: Duration = Duration::from_millis(4);
/// Steps between two looks at the clock: so many that the clock takes no visible part.
const STEPS: u32 = 60_000;

const PARAMS: [Param; 1] =
    [Param { name: "burners", default: "3", about: "threads for each processor that take it from the workers" }];

/// The workload; its users share the threads that burn.
#[derive(Default)]
pub(super) struct Preempted {
    burners: Mutex<Weak<Burners>>,
}

impl Preempted {
    /// The threads that burn: those of the others, where there are any.
    fn burners(&self, each: usize) -> Result<Arc<Burners>, Failure> {
        let mut burners = self.burners.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(burning) = burners.upgrade() {
            return Ok(burning);
        }
        let started = Arc::new(Burners::start(each * available_parallelism().map_or(1, usize::from))?);
        *burners = Arc::downgrade(&started);
        Ok(started)
    }
}

impl Workload for Preempted {
    /// The threads burn until the last user has gone.
    type State = Arc<Burners>;

    async fn setup(&self, worker: Worker) -> Result<Arc<Burners>, BoxError> {
        let each = worker.param("burners")?;
        if !(1..=64).contains(&each) {
            return Err(Failure::new("param", format!("parameter burners: {each} is not within 1 to 64")).into());
        }
        Ok(self.burners(each)?)
    }

    async fn operation(&self, _burners: &mut Arc<Burners>) -> Result<Work, BoxError> {
        wait_healthily().await;
        black_box(compute(COMPUTED));
        Ok(Work::done())
    }

    fn describe(&self) -> Description {
        Description {
            about: "waits 2 ms and computes for 4 ms in each operation",
            params: &PARAMS,
            users: Some(2),
            fault: Some("none of its own: other threads take the processors from the workers"),
            ..Description::default()
        }
    }
}

#[inline(never)]
fn compute(hold: Duration) -> u64 {
    let until = cpu_time() + hold;
    let mut bits = 1_u64;
    while cpu_time() < until {
        for _ in 0..STEPS {
            bits = black_box(bits.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ (bits >> 29));
        }
    }
    bits
}

/// Threads that compute until this is dropped.
pub(super) struct Burners {
    stop: Arc<AtomicBool>,
    threads: Vec<Peer>,
}

impl Burners {
    fn start(count: usize) -> Result<Self, Failure> {
        let mut burners = Self { stop: Arc::default(), threads: Vec::new() };
        for _ in 0..count {
            let stop = Arc::clone(&burners.stop);
            burners.threads.push(Peer::start(move || {
                let mut bits = 1_u64;
                while !stop.load(Ordering::Relaxed) {
                    bits = black_box(bits.wrapping_mul(0x9E37_79B9_7F4A_7C15));
                }
                Ok(())
            })?);
        }
        Ok(burners)
    }
}

impl Drop for Burners {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            // They cannot fail; and there is nobody left to tell.
            let _ = thread.join();
        }
    }
}
