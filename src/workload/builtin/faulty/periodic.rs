//! Faults that need nothing between operations: one function that holds the thread, called in every so manieth operation.
//! Refuses to know what the function does.

use std::hint::black_box;
use std::time::Duration;

use super::schedule::{EVERY, HOLD, Schedule, wait_healthily};
use crate::error::BoxError;
use crate::workload::{Description, Failure, Param, Work, Worker, Workload};

/// The parameters of such a workload.
pub(super) const PARAMS: [Param; 2] = [EVERY, HOLD];

/// A workload with such a fault.
#[derive(Clone, Copy, Debug)]
pub(super) struct Periodic {
    /// What is wrong, for `list --all`.
    pub(super) fault: &'static str,
    /// The number of users it is meant for.
    pub(super) users: u32,
    /// What can be set.
    pub(super) params: &'static [Param],
    /// Holds the thread for about so long.
    pub(super) strike: fn(Duration) -> Result<u64, Failure>,
}

impl Workload for Periodic {
    type State = Schedule;

    async fn setup(&self, worker: Worker) -> Result<Schedule, BoxError> {
        Ok(Schedule::new(&worker)?)
    }

    async fn operation(&self, schedule: &mut Schedule) -> Result<Work, BoxError> {
        wait_healthily().await;
        if let Some(hold) = schedule.due() {
            black_box((self.strike)(hold)?);
        }
        Ok(Work::done())
    }

    fn describe(&self) -> Description {
        Description {
            about: "waits 2 ms in each operation",
            params: self.params,
            users: Some(self.users),
            fault: Some(self.fault),
            ..Description::default()
        }
    }
}
