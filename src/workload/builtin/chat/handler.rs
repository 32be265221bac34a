//! One request to the chat service, step by step, each in a span and within its time. Refuses to know how a step is
//! done: that differs by variant.

use std::borrow::Cow;
use std::path::PathBuf;
use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse as _, Response};
use tracing::{Instrument as _, info_span};

use super::blocking::{self, BlockingHistory};
use super::cache::ReplyCache;
use super::conversation::{self, Exchange, Message};
use super::history::History;
use super::llm::Llm;
use super::phase::Limits;
use super::problem::Problem;
use super::tokenizer::{naive_tokenize, tokenize};
use super::transcript;
use super::wire::{ChatAnswer, ChatRequest, TRACEPARENT};

/// The most that a request may hold.
const REQUEST_BYTES_MAX: usize = 64 * 1024;

/// The most that a conversation's name may hold; it becomes a file name.
const NAME_BYTES_MAX: usize = 64;

/// What all requests share.
pub(super) struct App {
    /// How long each phase may take.
    pub limits: Limits,
    /// The conversations.
    pub store: Store,
    /// The replies to prompts that come again.
    pub cache: ReplyCache,
    /// Who replies.
    pub llm: Llm,
    /// The folder of the transcripts.
    pub transcripts: PathBuf,
}

/// The conversations, by variant; the other steps follow it.
pub(super) enum Store {
    /// Nothing blocks.
    Async(History),
    /// Everything does.
    Blocking(BlockingHistory),
}

/// Answers one request.
pub(super) async fn chat(State(app): State<Arc<App>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let traceparent = head.headers.get(TRACEPARENT).and_then(|value| value.to_str().ok());
    let span = info_span!("chat.request", traceparent);
    match app.answer(body).instrument(span).await {
        Ok(response) => response,
        Err(problem) => problem.into_response(),
    }
}

impl App {
    async fn answer(&self, body: Body) -> Result<Response, Problem> {
        let limits = &self.limits;
        let request = limits.parse.hold(parse(body)).instrument(info_span!("chat.parse")).await?;
        let ChatRequest { conversation, message } = &request;
        let history = limits.redis_get.hold(self.load(conversation)).instrument(info_span!("redis.get")).await?;
        let known = async { Ok(self.cache.lookup(message)) };
        let known = limits.cache.hold(known).instrument(info_span!("cache.lookup")).await?;
        let prompt_tokens = info_span!("tokenize").in_scope(|| {
            let prompt = conversation::prompt(&history, message);
            self.count_tokens(&prompt)
        });
        let cached = known.is_some();
        let reply = match known {
            Some(reply) => reply,
            None => limits.llm.hold(self.ask(&history, message)).instrument(info_span!("llm.call")).await?,
        };
        let turn = history.last().map_or(1, |last| last.turn.saturating_add(1));
        let phase = limits.transcript.phase;
        let exchange =
            Exchange::new(turn, message, &reply).map_err(|error| Problem::internal(phase, error.to_string()))?;
        let written = self.append(conversation, &exchange);
        limits.transcript.hold(written).instrument(info_span!("transcript.append")).await?;
        let stored = self.store(conversation, &exchange);
        limits.redis_set.hold(stored).instrument(info_span!("redis.set")).await?;
        info_span!("chat.answer").in_scope(|| {
            let reply_tokens = self.count_tokens(&reply);
            let (conversation, reply) = (Cow::Borrowed(conversation.as_ref()), Cow::Borrowed(reply.as_ref()));
            answer(&ChatAnswer { conversation, turn, reply, prompt_tokens, reply_tokens, cached })
        })
    }

    async fn load(&self, conversation: &str) -> Result<Vec<Message>, Problem> {
        let limit = self.limits.redis_get;
        match &self.store {
            Store::Async(history) => history.load(conversation, limit).await,
            Store::Blocking(history) => history.load_history_blocking(conversation, limit),
        }
    }

    async fn store(&self, conversation: &str, exchange: &Exchange) -> Result<(), Problem> {
        let limit = self.limits.redis_set;
        match &self.store {
            Store::Async(history) => history.store(conversation, exchange, limit).await,
            Store::Blocking(history) => history.store_history_blocking(conversation, exchange, limit),
        }
    }

    async fn append(&self, conversation: &str, exchange: &Exchange) -> Result<(), Problem> {
        let mut path = self.transcripts.join(conversation);
        path.set_extension("jsonl");
        let written = match &self.store {
            Store::Async(_) => transcript::append(path, exchange).await,
            Store::Blocking(_) => blocking::append_transcript_blocking(&path, exchange),
        };
        written.map_err(|error| Problem::internal(self.limits.transcript.phase, error.to_string()))
    }

    fn count_tokens(&self, text: &str) -> usize {
        match &self.store {
            Store::Async(_) => tokenize(text).len(),
            Store::Blocking(_) => naive_tokenize(text).len(),
        }
    }

    /// Asks the LLM, and remembers what it said.
    async fn ask(&self, history: &[Message], message: &str) -> Result<Arc<str>, Problem> {
        let reply = self.llm.complete(history, message).await;
        let reply = reply.map_err(|error| Problem::upstream(self.limits.llm.phase, error.to_string()))?;
        let reply: Arc<str> = reply.into();
        self.cache.insert(message.to_string(), Arc::clone(&reply));
        Ok(reply)
    }
}

/// Reads and checks a request.
async fn parse(body: Body) -> Result<ChatRequest<'static>, Problem> {
    let refuse = |message: String| Problem::request("chat.parse", message);
    let body = to_bytes(body, REQUEST_BYTES_MAX).await.map_err(|error| refuse(error.to_string()))?;
    let request: ChatRequest<'static> = serde_json::from_slice(&body).map_err(|error| refuse(error.to_string()))?;
    let name = request.conversation.as_bytes();
    let plain = name.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    if !plain || !(1..=NAME_BYTES_MAX).contains(&name.len()) {
        return Err(refuse("a conversation's name is 1 to 64 letters, digits, `-` and `_`".to_string()));
    }
    if request.message.trim().is_empty() {
        return Err(refuse("the message is empty".to_string()));
    }
    Ok(request)
}

fn answer(answer: &ChatAnswer<'_>) -> Result<Response, Problem> {
    let json = serde_json::to_vec(answer).map_err(|error| Problem::internal("chat.answer", error.to_string()))?;
    Ok(([(CONTENT_TYPE, "application/json")], json).into_response())
}
