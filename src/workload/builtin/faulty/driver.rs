//! `faulty-driver`: the thread that sleeps is the one that fires timers and hears sockets, so nobody's timer fires meanwhile.
//! Always so with `--runtime current` or `multi:1`; with more threads where none of the others has taken the driver over.

use std::hint::black_box;
use std::time::Duration;

use super::Planted;
use super::periodic::Periodic;
use super::schedule::{EVERY, HOLD};
use crate::workload::Param;

/// What has to be found, and that timers were late because of it.
pub(super) const PLANTED: Planted = Planted {
    workload: "faulty-driver",
    variant: "",
    function: "faulty::driver::hold_driver",
    file: "src/workload/builtin/faulty/driver.rs",
    cause: Some("blocked"),
    syscalls: &["clock_nanosleep"],
};

/// Seldom, because there are many users: nearly always all of them wait for a timer.
const PARAMS: [Param; 2] = [Param { default: "200", ..EVERY }, HOLD];

/// The workload.
pub(super) const DRIVER: Periodic = Periodic {
    fault: "sleeps on the thread that fires all timers; for --runtime current or multi:1",
    users: 32,
    params: &PARAMS,
    strike: |hold| Ok(hold_driver(hold)),
};

#[inline(never)]
fn hold_driver(hold: Duration) -> u64 {
    std::thread::sleep(hold);
    black_box(hold.as_secs())
}
