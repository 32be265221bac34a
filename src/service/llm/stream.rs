//! A reply as server-sent events, each at its time. Refuses to run ahead of the plan or to buffer a slow client's reply.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame};
use tokio::time::{Instant, Sleep, sleep_until};

use super::reply::Reply;

/// The body of a streamed answer.
///
/// Deadlines are absolute: tokio's timer rounds each up to the next millisecond, and such errors must not add up over a
/// reply. Tokens that are due together are sent together, as events of their own.
pub(super) struct Events {
    reply: Reply,
    sent: usize,
    frame: FrameText,
    start: Instant,
    timer: Pin<Box<Sleep>>,
}

/// What surrounds the text of a token; made once for a reply.
struct FrameText {
    head: String,
}

impl Events {
    /// The stream of `reply`, as the answer of `model` to the request `id`.
    pub(super) fn new(reply: Reply, id: &str, model: &str) -> Self {
        let start = Instant::now();
        let timer = Box::pin(sleep_until(start + reply.first_at()));
        let (id, model) = (serde_json::json!(id), serde_json::json!(model));
        let head = format!(
            "data: {{\"id\":{id},\"object\":\"chat.completion.chunk\",\"created\":0,\"model\":{model},\"choices\":[{{\"index\":0,\"delta\":"
        );
        Self { reply, sent: 0, frame: FrameText { head }, start, timer }
    }

    /// The events of all tokens that are due.
    fn due(&mut self, now: Instant) -> String {
        let mut text = String::new();
        for token in self.reply.tokens().iter().skip(self.sent) {
            if self.start + token.at > now {
                break;
            }
            let role = if self.sent == 0 { "\"role\":\"assistant\"," } else { "" };
            text.push_str(&self.frame.head);
            text.extend(["{", role, "\"content\":\"", &token.text, "\"},\"finish_reason\":null}]}\n\n"]);
            self.sent += 1;
        }
        if self.is_complete() {
            text.push_str(&self.frame.head);
            let usage = self.reply.usage().to_string();
            text.extend(["{},\"finish_reason\":\"stop\"}],\"usage\":", &usage, "}\n\ndata: [DONE]\n\n"]);
        }
        text
    }

    fn is_complete(&self) -> bool {
        self.sent == self.reply.tokens().len()
    }
}

impl Body for Events {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let events = &mut *self;
        while let Some(next) = events.reply.tokens().get(events.sent) {
            let deadline = events.start + next.at;
            let now = Instant::now();
            if deadline <= now {
                let text = events.due(now);
                return Poll::Ready(Some(Ok(Frame::data(Bytes::from(text)))));
            }
            events.timer.as_mut().reset(deadline);
            if events.timer.as_mut().poll(context).is_pending() {
                return Poll::Pending;
            }
        }
        Poll::Ready(None)
    }

    fn is_end_stream(&self) -> bool {
        self.is_complete()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::llm::Settings;
    use http_body_util::BodyExt;

    #[tokio::test]
    async fn every_event_is_json_and_together_they_are_the_reply() {
        let reply = Reply::new(&Settings::default(), "a \"quoted\" prompt");
        let text = reply.text();
        let started = Instant::now();
        let body = Events::new(reply.clone(), "id", "mo\"del").collect().await.unwrap().to_bytes();
        assert!(started.elapsed() >= reply.duration(), "ran ahead of the plan");
        let body = String::from_utf8(body.to_vec()).unwrap();
        let mut events: Vec<&str> = body.split_terminator("\n\n").collect();
        assert_eq!(events.pop(), Some("data: [DONE]"));
        let mut streamed = String::new();
        let mut usage = serde_json::Value::Null;
        for event in &events {
            let event: serde_json::Value = serde_json::from_str(event.strip_prefix("data: ").unwrap()).unwrap();
            assert_eq!(event["model"], "mo\"del");
            streamed += event["choices"][0]["delta"]["content"].as_str().unwrap_or("");
            usage = event["usage"].clone();
        }
        assert_eq!(streamed, text);
        assert_eq!(usage["completion_tokens"], reply.tokens().len());
    }
}
