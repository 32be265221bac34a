//! The LLM over its OpenAI-compatible HTTP interface, with a streamed reply. Refuses replies that are cut off.

use std::borrow::Cow;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::header::{ACCEPT, CONTENT_TYPE, HOST};
use hyper::{Request, Response, StatusCode};
use serde::{Deserialize, Serialize};

use super::connection::{self, Sender};
use super::conversation::{Message, Role};
use super::sse::{SseError, SseParser};
use crate::error::BoxError;

/// The most that a reply may hold.
const REPLY_BYTES_MAX: usize = 1024 * 1024;

/// The most that is read of an answer which is no reply.
const ERROR_BYTES_MAX: usize = 64 * 1024;

/// What the last event of a stream says.
const DONE: &str = "[DONE]";

/// Why there is no reply.
#[derive(Debug, thiserror::Error)]
pub(super) enum LlmError {
    /// The URL is not one that can be called.
    #[error("the URL of the LLM must be like http://host:port")]
    Url,
    /// Nobody listens.
    #[error("cannot connect to the LLM: {0}")]
    Connect(BoxError),
    /// The connection or the protocol broke.
    #[error("the connection to the LLM broke: {0}")]
    Http(#[from] hyper::Error),
    /// The request could not be made.
    #[error("cannot make the request: {0}")]
    Request(BoxError),
    /// An answer that is no success.
    #[error("the LLM answered {0}: {1}")]
    Status(StatusCode, String),
    /// The stream is no good.
    #[error("the LLM's stream is damaged: {0}")]
    Stream(#[from] SseError),
    /// An event of the stream is not what it should be.
    #[error("the LLM's stream holds something else: {0}")]
    Event(#[from] serde_json::Error),
    /// The LLM says that it failed.
    #[error("the LLM failed: {0}")]
    Refused(String),
    /// The stream ended early.
    #[error("the LLM's stream ended without {DONE}")]
    CutOff,
    /// The reply does not end.
    #[error("the LLM's reply is longer than {REPLY_BYTES_MAX} bytes")]
    TooLong,
}

/// An LLM, with the connections to it that are idle.
pub(super) struct Llm {
    authority: String,
    path: String,
    model: String,
    idle: Mutex<Vec<Sender>>,
}

impl Llm {
    /// The LLM at `url`.
    ///
    /// # Errors
    /// The URL is not one that can be called.
    pub(super) fn new(url: &str, model: String) -> Result<Self, LlmError> {
        let url = url::Url::parse(url).map_err(|_| LlmError::Url)?;
        let (Some(host), Some(port), "http") = (url.host_str(), url.port_or_known_default(), url.scheme()) else {
            return Err(LlmError::Url);
        };
        let path = format!("{}/v1/chat/completions", url.path().trim_end_matches('/'));
        Ok(Self { authority: format!("{host}:{port}"), path, model, idle: Mutex::new(Vec::new()) })
    }

    /// The place that is connected to, without credentials.
    pub(super) fn authority(&self) -> &str {
        &self.authority
    }

    /// Makes one connection, which the first call then uses.
    ///
    /// # Errors
    /// Nobody listens.
    pub(super) async fn connect(&self) -> Result<(), LlmError> {
        let sender = connection::connect(&self.authority).await.map_err(LlmError::Connect)?;
        self.put_back(sender);
        Ok(())
    }

    /// The reply to `question` after `history`.
    ///
    /// # Errors
    /// There is none.
    pub(super) async fn complete(&self, history: &[Message], question: &str) -> Result<String, LlmError> {
        let request = self.request(history, question)?;
        let (sender, response) = self.send(request).await?;
        let status = response.status();
        if status != StatusCode::OK {
            let body = Limited::new(response.into_body(), ERROR_BYTES_MAX).collect().await;
            let body = body.map_err(LlmError::Request)?.to_bytes();
            self.put_back(sender);
            return Err(LlmError::Status(status, connection::excerpt(&body)));
        }
        let reply = read_reply(response.into_body()).await?;
        // Only a stream that was read to its end leaves a connection that can be used again.
        self.put_back(sender);
        Ok(reply)
    }

    fn request(&self, history: &[Message], question: &str) -> Result<Request<Full<Bytes>>, LlmError> {
        let said = history.iter().map(|message| Said { role: message.role, content: &message.content });
        let messages = said.chain([Said { role: Role::User, content: question }]).collect();
        let body = serde_json::to_vec(&Completion { model: &self.model, stream: true, messages })?;
        Request::post(self.path.as_str())
            .header(HOST, self.authority.as_str())
            .header(CONTENT_TYPE, "application/json")
            .header(ACCEPT, "text/event-stream")
            .body(Full::new(Bytes::from(body)))
            .map_err(|error| LlmError::Request(error.into()))
    }

    /// Sends over an idle connection, or a new one where there is none or the idle ones turn out to be closed.
    async fn send(&self, mut request: Request<Full<Bytes>>) -> Result<(Sender, Response<Incoming>), LlmError> {
        while let Some(mut sender) = self.take_idle() {
            // A connection needs one more turn of its task after a reply; one that is closed says so here.
            if sender.ready().await.is_err() {
                continue;
            }
            match sender.try_send_request(request).await {
                Ok(response) => return Ok((sender, response)),
                Err(mut error) => match error.take_message() {
                    Some(unsent) => request = unsent,
                    None => return Err(error.into_error().into()),
                },
            }
        }
        let mut sender = connection::connect(&self.authority).await.map_err(LlmError::Connect)?;
        let response = sender.send_request(request).await?;
        Ok((sender, response))
    }

    fn take_idle(&self) -> Option<Sender> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    fn put_back(&self, sender: Sender) {
        if !sender.is_closed() {
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(sender);
        }
    }
}

/// The text that the events of a stream add up to.
async fn read_reply(mut body: Incoming) -> Result<String, LlmError> {
    let mut parser = SseParser::default();
    let mut reply = Reply::default();
    while let Some(frame) = body.frame().await {
        if let Ok(data) = frame?.into_data() {
            parser.push(&data, |event| reply.take(event))?;
        }
    }
    if reply.done { Ok(reply.text) } else { Err(LlmError::CutOff) }
}

/// A reply that grows.
#[derive(Debug, Default)]
struct Reply {
    text: String,
    done: bool,
}

impl Reply {
    fn take(&mut self, event: &str) -> Result<(), LlmError> {
        if event == DONE {
            self.done = true;
            return Ok(());
        }
        let chunk: Chunk<'_> = serde_json::from_str(event)?;
        if let Some(error) = chunk.error {
            return Err(LlmError::Refused(connection::excerpt(error.to_string().as_bytes())));
        }
        for content in chunk.choices.iter().filter_map(|choice| choice.delta.content.as_deref()) {
            if self.text.len() + content.len() > REPLY_BYTES_MAX {
                return Err(LlmError::TooLong);
            }
            self.text.push_str(content);
        }
        Ok(())
    }
}

/// What the LLM is asked.
#[derive(Serialize)]
struct Completion<'a> {
    model: &'a str,
    stream: bool,
    messages: Vec<Said<'a>>,
}

/// What was said so far.
#[derive(Serialize)]
struct Said<'a> {
    role: Role,
    content: &'a str,
}

/// One event of the stream. A chunk that only counts usage has no choices.
#[derive(Deserialize)]
struct Chunk<'a> {
    #[serde(borrow, default)]
    choices: Vec<Choice<'a>>,
    error: Option<serde_json::Value>,
}

/// One of the replies that the LLM works on; it is asked for one.
#[derive(Deserialize)]
struct Choice<'a> {
    #[serde(borrow, default)]
    delta: Delta<'a>,
}

/// What comes on top of the reply.
#[derive(Default, Deserialize)]
struct Delta<'a> {
    #[serde(borrow, default)]
    content: Option<Cow<'a, str>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(events: &[&str]) -> Result<Reply, LlmError> {
        let mut reply = Reply::default();
        events.iter().try_for_each(|event| reply.take(event))?;
        Ok(reply)
    }

    #[test]
    fn the_reply_is_what_the_deltas_add_up_to() {
        let reply = take(&[
            r#"{"id":"x","choices":[{"index":0,"delta":{"role":"assistant","content":null},"finish_reason":null}]}"#,
            r#"{"choices":[{"delta":{"content":"a\n"}}]}"#,
            r#"{"choices":[{"delta":{"content":"\u00fc b"}}]}"#,
            r#"{"choices":[{"delta":{},"finish_reason":"stop"}]}"#,
            r#"{"choices":[],"usage":{"total_tokens":3}}"#,
            DONE,
        ])
        .unwrap();
        assert_eq!((reply.text.as_str(), reply.done), ("a\nü b", true));
    }

    #[test]
    fn events_that_are_no_chunks_are_refused() {
        assert!(matches!(take(&["hello"]), Err(LlmError::Event(_))));
        assert!(matches!(take(&[r#"{"choices":{}}"#]), Err(LlmError::Event(_))));
        assert!(matches!(take(&[r#"{"error":{"message":"overloaded"}}"#]), Err(LlmError::Refused(_))));
    }

    #[test]
    fn a_reply_without_an_end_is_refused() {
        let event = format!(r#"{{"choices":[{{"delta":{{"content":"{}"}}}}]}}"#, "x".repeat(600_000));
        assert!(matches!(take(&[&event, &event]), Err(LlmError::TooLong)));
    }

    #[test]
    fn only_plain_http_urls_are_taken() {
        let llm = Llm::new("http://user:secret@host/base/", String::new()).unwrap();
        assert_eq!((llm.authority(), llm.path.as_str()), ("host:80", "/base/v1/chat/completions"));
        let llm = Llm::new("http://[::1]:8080", String::new()).unwrap();
        assert_eq!((llm.authority(), llm.path.as_str()), ("[::1]:8080", "/v1/chat/completions"));
        for url in ["", "host:80", "https://host", "unix:///x", "http://"] {
            assert!(Llm::new(url, String::new()).is_err(), "{url}");
        }
    }
}
