//! `faulty-sleep`: the thread sleeps in an async function.

use std::hint::black_box;
use std::time::Duration;

use super::Planted;
use super::periodic::{PARAMS, Periodic};

/// What has to be found.
pub(super) const PLANTED: Planted = Planted {
    workload: "faulty-sleep",
    variant: "",
    function: "faulty::sleep::hold_in_sleep",
    file: "src/workload/builtin/faulty/sleep.rs",
    cause: Some("blocked"),
    syscalls: &["clock_nanosleep"],
};

/// The workload.
pub(super) const SLEEP: Periodic = Periodic {
    fault: "std::thread::sleep in an async function",
    users: 4,
    params: &PARAMS,
    strike: |hold| Ok(hold_in_sleep(hold)),
};

#[inline(never)]
fn hold_in_sleep(hold: Duration) -> u64 {
    std::thread::sleep(hold);
    black_box(hold.as_secs())
}
