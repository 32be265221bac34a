//! What client and service say to each other in JSON. Refuses to say anything else.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

/// The path that takes messages.
pub(super) const PATH: &str = "/chat";

/// The header that carries the operation to the service.
pub(super) const TRACEPARENT: &str = "traceparent";

/// A user's message.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct ChatRequest<'a> {
    /// The conversation that it belongs to: letters, digits, `-` and `_`.
    pub conversation: Cow<'a, str>,
    /// What the user says.
    pub message: Cow<'a, str>,
}

/// The service's answer.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct ChatAnswer<'a> {
    /// The conversation of the request.
    #[serde(borrow)]
    pub conversation: Cow<'a, str>,
    /// The number of the message in its conversation, from 1.
    pub turn: u64,
    /// What the LLM said.
    #[serde(borrow)]
    pub reply: Cow<'a, str>,
    /// The tokens of the history and the message together.
    pub prompt_tokens: usize,
    /// The tokens of the reply.
    pub reply_tokens: usize,
    /// Whether the reply came from the cache.
    pub cached: bool,
}

/// The body of every answer that is no success.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct ErrorBody<'a> {
    /// What went wrong.
    pub error: Cow<'a, str>,
    /// The phase in which it did.
    pub phase: Cow<'a, str>,
    /// The time that the phase had, where it took too long.
    pub limit_ns: Option<u64>,
}
