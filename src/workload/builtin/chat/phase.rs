//! The phases of a request and how long each may take. Refuses to wait longer; code that does not yield is not cut off.

use std::future::Future;
use std::time::Duration;

use tokio::time::timeout;

use super::problem::Problem;
use crate::workload::{Phase, Worker};

/// Reading and checking the request.
const PARSE: Phase = phase("chat.parse", 10);
/// Loading the conversation's history.
const REDIS_GET: Phase = phase("redis.get", 2);
/// Looking for a reply that is known already.
const CACHE: Phase = phase("cache.lookup", 10);
/// Counting the tokens of the prompt.
const TOKENIZE: Phase = Phase { name: "tokenize", timeout: None };
/// Asking the LLM and reading its reply as it comes.
const LLM: Phase = phase("llm.call", 10);
/// Writing the transcript.
const TRANSCRIPT: Phase = phase("transcript.append", 30);
/// Writing the history back.
const REDIS_SET: Phase = phase("redis.set", 2);
/// Making the answer.
const ANSWER: Phase = Phase { name: "chat.answer", timeout: None };

/// All phases, in the order in which they come.
pub(super) const PHASES: [Phase; 8] = [PARSE, REDIS_GET, CACHE, TOKENIZE, LLM, TRANSCRIPT, REDIS_SET, ANSWER];

const fn phase(name: &'static str, seconds: u64) -> Phase {
    Phase { name, timeout: Some(Duration::from_secs(seconds)) }
}

/// The limits of the phases that can be cut off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Limits {
    /// Of `chat.parse`.
    pub parse: Limit,
    /// Of `redis.get`.
    pub redis_get: Limit,
    /// Of `cache.lookup`.
    pub cache: Limit,
    /// Of `llm.call`.
    pub llm: Limit,
    /// Of `transcript.append`.
    pub transcript: Limit,
    /// Of `redis.set`.
    pub redis_set: Limit,
}

impl Limits {
    /// The limits that the run sets, else the phases' own.
    pub(super) fn new(worker: &Worker) -> Self {
        Self {
            parse: Limit::new(worker, PARSE),
            redis_get: Limit::new(worker, REDIS_GET),
            cache: Limit::new(worker, CACHE),
            llm: Limit::new(worker, LLM),
            transcript: Limit::new(worker, TRANSCRIPT),
            redis_set: Limit::new(worker, REDIS_SET),
        }
    }
}

/// How long one phase may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Limit {
    /// The phase.
    pub phase: &'static str,
    /// Its time.
    pub time: Duration,
}

impl Limit {
    fn new(worker: &Worker, phase: Phase) -> Self {
        Self { phase: phase.name, time: worker.phase_timeout(phase.name, phase.timeout.unwrap_or(Duration::MAX)) }
    }

    /// Waits for `work`, but no longer than the phase may take.
    ///
    /// # Errors
    /// The work failed or took too long.
    pub(super) async fn hold<T>(self, work: impl Future<Output = Result<T, Problem>>) -> Result<T, Problem> {
        match timeout(self.time, work).await {
            Ok(result) => result,
            Err(_) => Err(Problem::timeout(self.phase, self.time)),
        }
    }
}
