//! Joins the load's operations with the probes that watch single operations. In the time pass only.

use std::future::Future;
use std::pin::Pin;

use crate::load::Observer;
use crate::probe::{phases, tasks};
use crate::record::operation::Parts;
use crate::workload::current::OperationId;

/// Watches each operation with `tasks` and tells `phases` which operation is being polled.
pub struct Watch;

impl Observer for Watch {
    fn worker(&self, task: Pin<Box<dyn Future<Output = ()> + Send>>) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(tasks::worker(task))
    }

    fn operation<'a>(
        &'a self,
        id: OperationId,
        mut operation: Pin<&'a mut (dyn Future<Output = ()> + Send + 'a)>,
    ) -> Pin<Box<dyn Future<Output = Parts> + Send + 'a>> {
        Box::pin(tasks::operation(std::future::poll_fn(move |cx| {
            phases::in_operation(id.0, || operation.as_mut().poll(cx))
        })))
    }
}
