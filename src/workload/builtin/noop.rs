//! `noop`: does nothing, so that what is measured is perfkit itself.

use crate::error::BoxError;
use crate::workload::{Description, Work, Worker, Workload};

/// An operation without content.
#[derive(Debug, Clone, Copy)]
pub struct Noop;

impl Workload for Noop {
    type State = ();

    async fn setup(&self, _worker: Worker) -> Result<(), BoxError> {
        Ok(())
    }

    async fn operation(&self, (): &mut ()) -> Result<Work, BoxError> {
        // One turn of the scheduler, as any operation that waits for something takes.
        tokio::task::yield_now().await;
        Ok(Work::done())
    }

    fn describe(&self) -> Description {
        Description {
            about: "nothing but one turn of the scheduler: what perfkit itself costs",
            ..Description::default()
        }
    }
}
