//! What is run: the [`Workload`] trait, what a workload declares of itself, and what an operation gives back.
//! Refuses to know how it is driven, timed or watched.

pub mod builtin;
mod closure;
pub mod current;
mod failure;
mod worker;

use std::future::Future;
use std::time::Duration;

use crate::error::BoxError;

pub use closure::Outcome;
pub use failure::Failure;
pub use worker::{Context, Worker};

/// Something that can be done again and again, by several workers at once.
///
/// perfkit makes one [`State`](Workload::State) for each worker, outside the measurement, and then calls
/// [`operation`](Workload::operation) on it until the load is done. Phases of an operation are `tracing` spans.
/// Closures and `async fn`s are workloads too: see [`Suite::workload`](crate::Suite::workload).
///
/// ```
/// use perfkit::{BoxError, Work, Worker, Workload};
///
/// struct Parse;
///
/// impl Workload for Parse {
///     type State = String;
///
///     async fn setup(&self, worker: Worker) -> Result<String, BoxError> {
///         Ok(format!("[{}]", worker.index()))
///     }
///
///     async fn operation(&self, text: &mut String) -> Result<Work, BoxError> {
///         let numbers: Vec<u32> = serde_json::from_str(text)?;
///         Ok(Work::items(numbers.len() as u64))
///     }
/// }
/// ```
pub trait Workload: Send + Sync + 'static {
    /// What one worker keeps between its operations: a connection, a buffer.
    type State: Send;

    /// Makes the state of one worker. Not measured.
    ///
    /// # Errors
    /// An error here ends the round: nothing was measured.
    fn setup(&self, worker: Worker) -> impl Future<Output = Result<Self::State, BoxError>> + Send;

    /// One operation. perfkit times it; the workload never does.
    ///
    /// # Errors
    /// Return an error for every answer that is not good, also for a wrong one that came quickly: the operation then
    /// counts as failed and its latency is no result. [`Failure`] gives the error a kind to be counted under.
    fn operation(&self, state: &mut Self::State) -> impl Future<Output = Result<Work, BoxError>> + Send;

    /// Undoes [`setup`](Workload::setup). Not measured.
    ///
    /// # Errors
    /// An error here is shown as a warning.
    fn teardown(&self, _state: Self::State) -> impl Future<Output = Result<(), BoxError>> + Send {
        async { Ok(()) }
    }

    /// What the workload says of itself: text for `list`, its variants, parameters and services.
    fn describe(&self) -> Description {
        Description::default()
    }
}

/// What one good operation did.
///
/// ```
/// let work = perfkit::Work::items(3).bytes(120);
/// assert_eq!((work.items, work.bytes), (3, 120));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Work {
    /// Things done (messages, rows): 1 where the operation is the thing.
    pub items: u64,
    /// Bytes moved or processed.
    pub bytes: u64,
}

impl Work {
    /// One operation that did one thing.
    #[must_use]
    pub fn done() -> Self {
        Self { items: 1, bytes: 0 }
    }

    /// One operation that did `items` things.
    #[must_use]
    pub fn items(items: u64) -> Self {
        Self { items, bytes: 0 }
    }

    /// Adds the bytes it moved.
    #[must_use]
    pub fn bytes(self, bytes: u64) -> Self {
        Self { bytes, ..self }
    }
}

/// What a workload declares of itself.
#[derive(Clone, Debug, Default)]
pub struct Description {
    /// One line for `perfkit list`.
    pub about: &'static str,
    /// The ways it can be run; the first is the default. Empty: there is only one way.
    pub variants: &'static [Variant],
    /// What `--param k=v` can set.
    pub params: &'static [Param],
    /// The services it talks to; perfkit starts them in processes of their own.
    pub needs: &'static [Need],
    /// Its phases, with their timeouts.
    pub phases: &'static [Phase],
    /// The number of users of the closed load it is meant for; `None` leaves it to the suite.
    pub users: Option<u32>,
    /// What is wrong with it on purpose. Such a workload is there to try detectors on: it runs like any other, but only
    /// `perfkit list --all` shows it.
    pub fault: Option<&'static str>,
}

/// One way to run a workload.
#[derive(Clone, Copy, Debug)]
pub struct Variant {
    /// The name for `--variant`.
    pub name: &'static str,
    /// One line for `perfkit list`.
    pub about: &'static str,
}

/// One thing that `--param` can set.
#[derive(Clone, Copy, Debug)]
pub struct Param {
    /// The name before the `=`.
    pub name: &'static str,
    /// What it is when nobody sets it.
    pub default: &'static str,
    /// One line for `perfkit list`.
    pub about: &'static str,
}

/// A phase of an operation: the name of a `tracing` span, and how long it may take.
#[derive(Clone, Copy, Debug)]
pub struct Phase {
    /// The name of the span.
    pub name: &'static str,
    /// How long it may take; `--phase-timeout` changes it.
    pub timeout: Option<Duration>,
}

/// A service that a workload talks to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Need {
    /// A Redis server.
    Redis,
    /// An OpenAI-compatible streaming completion endpoint.
    Llm,
}

impl Need {
    /// The name in flags, files and messages.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Redis => "redis",
            Self::Llm => "llm",
        }
    }
}
