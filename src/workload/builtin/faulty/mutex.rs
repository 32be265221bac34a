//! `faulty-mutex`: the thread waits for a lock that a plain thread holds while it works.

use std::hint::black_box;
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::sleep;
use std::time::Duration;

use super::Planted;
use super::peer::{Peer, failed};
use super::periodic::{PARAMS, Periodic};
use crate::workload::Failure;

/// What has to be found.
pub(super) const PLANTED: Planted = Planted {
    workload: "faulty-mutex",
    variant: "",
    function: "faulty::mutex::wait_for_mutex",
    file: "src/workload/builtin/faulty/mutex.rs",
    cause: Some("blocked"),
    syscalls: &["futex"],
};

/// The workload.
pub(super) const MUTEX: Periodic =
    Periodic { fault: "a std Mutex that another thread holds", users: 4, params: &PARAMS, strike };

fn strike(hold: Duration) -> Result<u64, Failure> {
    let lock = Arc::new(Mutex::new(0_u64));
    let (locked, is_locked) = channel();
    let theirs = Arc::clone(&lock);
    let holder = Peer::start(move || {
        let mut count = theirs.lock().unwrap_or_else(PoisonError::into_inner);
        // Nobody listens where the operation is over already.
        let _ = locked.send(());
        sleep(hold);
        *count += 1;
        Ok(())
    })?;
    is_locked.recv().map_err(|error| failed("hear that the lock is held", &error))?;
    let count = wait_for_mutex(&lock);
    holder.join()?;
    Ok(count)
}

#[inline(never)]
fn wait_for_mutex(lock: &Mutex<u64>) -> u64 {
    let count = lock.lock().unwrap_or_else(PoisonError::into_inner);
    black_box(*count)
}
