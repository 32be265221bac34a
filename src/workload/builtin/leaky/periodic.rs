//! Leaks that need nothing between operations: one function that leaks, called in every so manieth operation. Refuses to know
//! what the function does.

use std::hint::black_box;

use tokio::task::yield_now;

use super::schedule::Schedule;
use crate::error::BoxError;
use crate::workload::{Description, Failure, Param, Work, Worker, Workload};

/// A workload with such a leak.
#[derive(Clone, Copy, Debug)]
pub(super) struct Periodic {
    /// What is wrong, for `list --all`.
    pub(super) fault: &'static str,
    /// What can be set.
    pub(super) params: &'static [Param],
    /// Leaks one; gives how many there are now.
    pub(super) leak: fn() -> Result<usize, Failure>,
}

impl Workload for Periodic {
    type State = Schedule;

    async fn setup(&self, worker: Worker) -> Result<Schedule, BoxError> {
        Ok(Schedule::new(&worker)?)
    }

    async fn operation(&self, schedule: &mut Schedule) -> Result<Work, BoxError> {
        yield_now().await;
        if schedule.due() {
            black_box((self.leak)()?);
        }
        Ok(Work::done())
    }

    fn describe(&self) -> Description {
        Description {
            about: "yields in each operation",
            params: self.params,
            users: Some(2),
            fault: Some(self.fault),
            ..Description::default()
        }
    }
}
