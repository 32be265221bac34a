//! Closures and `async fn`s as workloads. An operation is built on the worker's stack: nothing is boxed.

use std::future::Future;

use super::{Work, Worker, Workload};
use crate::error::BoxError;

/// What the future of a closure workload may give back: a `Result` or the [`Work`] that was done. Not `()`: a
/// workload has to say what a good answer is.
pub trait Outcome {
    /// The outcome in the form that perfkit counts.
    ///
    /// # Errors
    /// The operation failed.
    fn into_result(self) -> Result<Work, BoxError>;
}

impl Outcome for Work {
    fn into_result(self) -> Result<Work, BoxError> {
        Ok(self)
    }
}

impl<E: Into<BoxError>> Outcome for Result<(), E> {
    fn into_result(self) -> Result<Work, BoxError> {
        self.map(|()| Work::done()).map_err(Into::into)
    }
}

impl<E: Into<BoxError>> Outcome for Result<Work, E> {
    fn into_result(self) -> Result<Work, BoxError> {
        self.map_err(Into::into)
    }
}

impl<F, Fut> Workload for F
where
    F: Fn() -> Fut + Send + Sync + 'static,
    Fut: Future + Send,
    Fut::Output: Outcome,
{
    type State = ();

    async fn setup(&self, _worker: Worker) -> Result<(), BoxError> {
        Ok(())
    }

    async fn operation(&self, (): &mut ()) -> Result<Work, BoxError> {
        self().await.into_result()
    }
}
