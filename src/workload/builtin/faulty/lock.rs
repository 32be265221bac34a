//! `faulty-lock`: a lock that is held across an `.await`; who wants it meanwhile waits with its whole thread.
//!
//! With one thread, or where all threads wait, nobody is left to wake the holder: so nobody waits for longer than a fault
//! lasts, and an operation that gave up goes on without the lock. Refuses to hang.

use std::hint::black_box;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use super::Planted;
use super::periodic::PARAMS;
use super::schedule::{self, Schedule, wait_healthily};
use crate::error::BoxError;
use crate::workload::{Description, Work, Worker, Workload};

/// What has to be found.
pub(super) const PLANTED: Planted = Planted {
    workload: "faulty-lock",
    variant: "",
    function: "faulty::lock::wait_for_lock",
    file: "src/workload/builtin/faulty/lock.rs",
    cause: Some("blocked"),
    syscalls: &["futex"],
};

/// The workload, with the lock that all its users share.
#[derive(Default)]
pub(super) struct Lock {
    lock: ThreadLock,
}

/// What one user keeps.
pub(super) struct User {
    schedule: Schedule,
    patience: Duration,
}

impl Workload for Lock {
    type State = User;

    async fn setup(&self, worker: Worker) -> Result<User, BoxError> {
        Ok(User { schedule: Schedule::new(&worker)?, patience: schedule::hold(&worker)? })
    }

    async fn operation(&self, user: &mut User) -> Result<Work, BoxError> {
        wait_healthily().await;
        let due = user.schedule.due();
        let guard = wait_for_lock(&self.lock, user.patience);
        if let Some(hold) = due {
            // The fault: `guard` lives across the `.await`.
            tokio::time::sleep(hold).await;
        }
        drop(guard);
        Ok(Work::done())
    }

    fn describe(&self) -> Description {
        Description {
            about: "waits 2 ms in each operation and takes a lock that all users share; needs two threads or more",
            params: &PARAMS,
            users: Some(2),
            fault: Some("a lock that blocks threads, held across an .await"),
            ..Description::default()
        }
    }
}

/// A lock whose guard may go from thread to thread, as that of `std` may not; waiting for it blocks the thread all the same.
#[derive(Default)]
struct ThreadLock {
    held: Mutex<bool>,
    freed: Condvar,
}

/// Lets go of the lock when dropped.
struct Guard<'a>(&'a ThreadLock);

/// Takes the lock; `None` where it was not free within `patience`.
#[inline(never)]
fn wait_for_lock(lock: &ThreadLock, patience: Duration) -> Option<Guard<'_>> {
    let held = lock.held.lock().unwrap_or_else(PoisonError::into_inner);
    let waited = lock.freed.wait_timeout_while(held, patience, |held| *held);
    let (mut held, _) = waited.unwrap_or_else(PoisonError::into_inner);
    if black_box(*held) {
        return None;
    }
    *held = true;
    Some(Guard(lock))
}

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        *self.0.held.lock().unwrap_or_else(PoisonError::into_inner) = false;
        self.0.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_waits_gets_the_lock_when_it_is_free_and_gives_up_when_it_is_not() {
        let lock = ThreadLock::default();
        let guard = wait_for_lock(&lock, Duration::ZERO);
        assert!(guard.is_some());
        assert!(wait_for_lock(&lock, Duration::from_millis(1)).is_none());
        drop(guard);
        assert!(wait_for_lock(&lock, Duration::ZERO).is_some());
    }
}
