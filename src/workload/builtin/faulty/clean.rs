//! `faulty-clean`: nothing is wrong with it. Operations wait and compute for well under a millisecond; a detector that finds
//! something here is wrong.

use std::hint::black_box;

use super::Planted;
use super::schedule::wait_healthily;
use crate::error::BoxError;
use crate::workload::{Description, Work, Worker, Workload};

/// What has to be found: nothing.
pub(super) const PLANTED: Planted = Planted {
    workload: "faulty-clean",
    variant: "",
    function: "faulty::clean::compute_briefly",
    file: "src/workload/builtin/faulty/clean.rs",
    cause: None,
    syscalls: &[],
};

/// Steps of an operation: some 0.03 ms, and in a debug build below half a millisecond.
const STEPS: u32 = 10_000;

/// The workload.
pub(super) struct Clean;

impl Workload for Clean {
    type State = ();

    async fn setup(&self, _worker: Worker) -> Result<(), BoxError> {
        Ok(())
    }

    async fn operation(&self, (): &mut ()) -> Result<Work, BoxError> {
        wait_healthily().await;
        black_box(compute_briefly());
        Ok(Work::done())
    }

    fn describe(&self) -> Description {
        Description {
            about: "waits 2 ms and computes for less than half a millisecond in each operation",
            users: Some(4),
            fault: Some("none: whatever is found here is found wrongly"),
            ..Description::default()
        }
    }
}

#[inline(never)]
fn compute_briefly() -> u64 {
    let mut bits = 1_u64;
    for _ in 0..STEPS {
        bits = black_box(bits.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ (bits >> 29));
    }
    bits
}
