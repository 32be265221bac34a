//! `leaky-thread`: threads that are started and wait for ever. Refuses to start more than a bound: operations fail then.

use std::hint::black_box;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{Builder, park};

use super::Planted;
use super::periodic::Periodic;
use super::schedule::EVERY;
use crate::workload::{Failure, Param};

/// What has to be found.
pub(super) const PLANTED: Planted = Planted {
    workload: "leaky-thread",
    variant: "",
    function: "leaky::thread::start_and_forget",
    file: "src/workload/builtin/leaky/thread.rs",
    verdict: &["leak"],
    slope: Some(0.002),
    subject: "threads",
};

/// The workload.
pub(super) const THREAD: Periodic = Periodic {
    fault: "every five hundredth operation starts a thread that waits for ever",
    params: &[Param { default: "500", ..EVERY }],
    leak: || start_and_forget(&STARTED),
};

/// Bytes of a thread's stack: it has nothing to do.
const STACK: usize = 64 * 1024;
/// Threads of this process before operations fail.
const MOST_THREADS: usize = 2000;

/// How many were started.
static STARTED: AtomicUsize = AtomicUsize::new(0);

#[inline(never)]
fn start_and_forget(started: &AtomicUsize) -> Result<usize, Failure> {
    // Counted first: several users at once are not to go beyond the bound either.
    let number = started.fetch_add(1, Ordering::Relaxed) + 1;
    if number > MOST_THREADS {
        started.fetch_sub(1, Ordering::Relaxed);
        return Err(Failure::new("bound", format!("{MOST_THREADS} threads wait already; there are to be no more")));
    }
    let thread = Builder::new().name("leaky-thread".to_owned()).stack_size(STACK).spawn(wait_for_ever);
    match thread {
        Ok(thread) => Ok(number - usize::from(black_box(thread.is_finished()))),
        Err(error) => {
            started.fetch_sub(1, Ordering::Relaxed);
            Err(Failure::new("spawn", format!("cannot start a thread beside {} others: {error}", number - 1)))
        }
    }
}

fn wait_for_ever() {
    // Nobody has the handle that could wake it; the loop is for wakes without a reason.
    loop {
        park();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_stay_and_are_not_without_number() {
        let started = AtomicUsize::new(MOST_THREADS - 2);
        assert_eq!(start_and_forget(&started).unwrap(), MOST_THREADS - 1);
        assert_eq!(start_and_forget(&started).unwrap(), MOST_THREADS);
        for _ in 0..3 {
            let refused = start_and_forget(&started).unwrap_err();
            assert!(refused.kind() == "bound" && refused.to_string().contains("2000"), "{refused}");
        }
        assert_eq!(started.into_inner(), MOST_THREADS);
    }
}
