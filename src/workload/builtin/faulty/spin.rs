//! `faulty-spin`: an async function computes without a pause.

use std::hint::black_box;
use std::time::Duration;

use super::Planted;
use super::cpu_time::cpu_time;
use super::periodic::{PARAMS, Periodic};

/// What has to be found.
pub(super) const PLANTED: Planted = Planted {
    workload: "faulty-spin",
    variant: "",
    function: "faulty::spin::spin",
    file: "src/workload/builtin/faulty/spin.rs",
    cause: Some("cpu"),
    syscalls: &[],
};

/// The workload.
pub(super) const SPIN: Periodic = Periodic {
    fault: "computes in an async function without a pause",
    users: 2,
    params: &PARAMS,
    strike: |hold| Ok(spin(hold)),
};

/// Steps between two looks at the clock: so many that the clock takes no visible part.
const STEPS: u32 = 60_000;

#[inline(never)]
fn spin(hold: Duration) -> u64 {
    let until = cpu_time() + hold;
    let mut bits = 1_u64;
    while cpu_time() < until {
        for _ in 0..STEPS {
            bits = black_box(bits.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ (bits >> 29));
        }
    }
    bits
}
