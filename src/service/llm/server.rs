//! The stand-in's HTTP side, as far as an OpenAI client needs it. Refuses everything but chat completions, with errors
//! of the same form.

use std::io;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::serve::ListenerExt;
use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};

use super::reply::{Reply, fingerprint};
use super::stream::Events;
use super::{PATH, Settings};
use crate::error::BoxError;
use crate::service::serve::announce;

/// Serves on a free port of the loopback interface until the process is killed.
pub(in crate::service) fn serve(settings: Settings) -> Result<(), BoxError> {
    settings.check()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        announce(&format!("http://{}", listener.local_addr()?))?;
        let listener = listener.tap_io(|stream| {
            // Without it every second token would wait for the client's delayed acknowledgement. A stream on which it
            // cannot be set is broken and will say so when it is used.
            let _ = stream.set_nodelay(true);
        });
        axum::serve(listener, router(settings)).await.map_err(|error: io::Error| error.into())
    })
}

fn router(settings: Settings) -> Router {
    Router::new()
        .route(PATH, post(complete))
        .route("/health", get(|| async { ([(header::CONTENT_TYPE, "application/json")], "{\"status\":\"ok\"}") }))
        .fallback(|| async { failure(StatusCode::NOT_FOUND, "there is nothing at this path") })
        .method_not_allowed_fallback(|| async { failure(StatusCode::METHOD_NOT_ALLOWED, "not with this method") })
        .with_state(Arc::new(settings))
}

/// What is read of a request; clients send more.
#[derive(Debug, Deserialize)]
struct Completion {
    #[serde(default)]
    model: String,
    messages: Vec<Message>,
    #[serde(default)]
    stream: bool,
}

#[derive(Debug, Deserialize)]
struct Message {
    role: String,
    #[serde(default)]
    content: Option<Content>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Content {
    Text(String),
    Parts(Vec<Part>),
}

#[derive(Debug, Deserialize)]
struct Part {
    #[serde(default)]
    text: String,
}

impl Completion {
    /// The text that decides the reply.
    fn prompt(self) -> Option<String> {
        let last = self.messages.into_iter().rev().find(|message| message.role == "user")?;
        Some(match last.content? {
            Content::Text(text) => text,
            Content::Parts(parts) => parts.into_iter().map(|part| part.text).collect(),
        })
    }
}

async fn complete(State(settings): State<Arc<Settings>>, body: Result<Bytes, BytesRejection>) -> Response {
    let body = match body {
        Ok(body) => body,
        Err(rejection) => return failure(rejection.status(), &rejection.body_text()),
    };
    let mut completion: Completion = match serde_json::from_slice(&body) {
        Ok(completion) => completion,
        Err(error) => return failure(StatusCode::BAD_REQUEST, &format!("the body is not understood: {error}")),
    };
    let (model, streams) = (std::mem::take(&mut completion.model), completion.stream);
    let Some(prompt) = completion.prompt() else {
        return failure(StatusCode::BAD_REQUEST, "there is no message of the role `user` with a content");
    };
    let reply = Reply::new(&settings, &prompt);
    let id = format!("chatcmpl-{}", fingerprint(&prompt).trim_start_matches("re:"));
    if reply.is_failure() {
        tokio::time::sleep(reply.first_at()).await;
        return failure(StatusCode::SERVICE_UNAVAILABLE, "this prompt is one of those that fail");
    }
    if streams {
        let headers = [(header::CONTENT_TYPE, "text/event-stream"), (header::CACHE_CONTROL, "no-cache")];
        return (headers, Body::new(Events::new(reply, &id, &model))).into_response();
    }
    tokio::time::sleep(reply.duration()).await;
    let message = json!({ "role": "assistant", "content": reply.text() });
    answer(
        StatusCode::OK,
        &json!({
            "id": id, "object": "chat.completion", "created": 0, "model": model,
            "choices": [{ "index": 0, "message": message, "finish_reason": "stop" }],
            "usage": reply.usage(),
        }),
    )
}

/// An error as OpenAI's clients expect it.
fn failure(status: StatusCode, message: &str) -> Response {
    let kind = if status.is_server_error() { "server_error" } else { "invalid_request_error" };
    answer(status, &json!({ "error": { "message": message, "type": kind, "param": null, "code": null } }))
}

fn answer(status: StatusCode, body: &Value) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], body.to_string()).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::probe::{LIMIT, Question, within};

    fn ask(requests: Vec<(&'static str, Option<&'static str>)>, settings: Settings) -> Vec<(u16, Value)> {
        let (sender, receiver) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
                sender.send(format!("http://{}", listener.local_addr().unwrap())).unwrap();
                axum::serve(listener, router(settings)).await.unwrap();
            });
        });
        let url = receiver.recv().unwrap();
        let ask = |(path, body): (&str, Option<&str>)| {
            let question = Question::new(&url, Some(path), body.map(str::to_owned)).unwrap();
            let (status, body) = within(LIMIT, question.ask()).unwrap();
            (status.as_u16(), serde_json::from_slice(&body).unwrap())
        };
        requests.into_iter().map(ask).collect()
    }

    #[test]
    fn a_completion_echoes_the_last_message_of_the_user() {
        let body = r#"{"model":"m","temperature":1,"messages":[{"role":"user","content":"first"},{"role":"assistant","content":null},{"role":"user","content":[{"type":"text","text":"second"}]},{"role":"system","content":"x"}]}"#;
        let (status, answer) = ask(vec![(PATH, Some(body))], Settings::default()).remove(0);
        let text = answer["choices"][0]["message"]["content"].as_str().unwrap();
        assert!(status == 200 && text.starts_with(&fingerprint("second")), "{answer}");
        assert_eq!(answer["usage"]["prompt_tokens"], 1);
    }

    #[test]
    fn what_is_not_understood_gets_an_error_in_the_form_of_openai() {
        let wrong = [
            (PATH, Some("{"), 400),
            (PATH, Some("[]"), 400),
            (PATH, Some("{\"messages\":[]}"), 400),
            (PATH, Some("{\"messages\":[{\"role\":\"user\"}]}"), 400),
            (PATH, None, 405),
            ("/v1/models", None, 404),
        ];
        let answers = ask(wrong.iter().map(|(path, body, _)| (*path, *body)).collect(), Settings::default());
        for ((path, body, wanted), (status, answer)) in wrong.iter().zip(answers) {
            assert_eq!(status, *wanted, "{path} {body:?}");
            assert_eq!(answer["error"]["type"], "invalid_request_error");
            assert!(answer["error"]["message"].is_string());
        }
        assert_eq!(ask(vec![("/health", None)], Settings::default())[0].0, 200);
    }

    #[test]
    fn a_planned_failure_is_a_server_error() {
        let settings = Settings { fail_every: Some(1), ..Settings::default() };
        let body = r#"{"messages":[{"role":"user","content":"x"}],"stream":true}"#;
        let (status, answer) = ask(vec![(PATH, Some(body))], settings).remove(0);
        assert_eq!((status, &answer["error"]["type"]), (503, &json!("server_error")));
    }
}
