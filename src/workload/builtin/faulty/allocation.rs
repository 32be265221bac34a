//! `faulty-allocation`: an async function grows and sorts vectors without a pause.

use std::hint::black_box;
use std::time::Duration;

use super::Planted;
use super::cpu_time::cpu_time;
use super::periodic::{PARAMS, Periodic};

/// What has to be found.
pub(super) const PLANTED: Planted = Planted {
    workload: "faulty-allocation",
    variant: "",
    function: "faulty::allocation::sort_new_vectors",
    file: "src/workload/builtin/faulty/allocation.rs",
    cause: Some("cpu"),
    syscalls: &[],
};

/// The workload.
pub(super) const ALLOCATION: Periodic = Periodic {
    fault: "allocates, grows and sorts vectors in an async function without a pause",
    users: 2,
    params: &PARAMS,
    strike: |hold| Ok(sort_new_vectors(hold)),
};

/// Numbers in a vector, which grows to that size step by step.
const NUMBERS: u64 = 2_000;

#[inline(never)]
fn sort_new_vectors(hold: Duration) -> u64 {
    let until = cpu_time() + hold;
    let mut sum = 0_u64;
    while cpu_time() < until {
        let mut numbers = Vec::new();
        for number in 0..NUMBERS {
            numbers.push(black_box(number).wrapping_mul(0x9E37_79B9_7F4A_7C15));
        }
        numbers.sort_unstable();
        sum = sum.wrapping_add(black_box(numbers)[0]);
    }
    sum
}
