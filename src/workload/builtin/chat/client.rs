//! One user: sends messages over a connection of their own and checks every answer. Refuses each that does not fit.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::header::{CONTENT_TYPE, HOST, HeaderValue};
use hyper::{Request, StatusCode};

use super::connection::{self, Sender};
use super::message::{Messages, echo_mark};
use super::settings::{ReplyCheck, UserSettings};
use super::tokenizer::tokenize;
use super::wire::{ChatAnswer, ChatRequest, ErrorBody, PATH, TRACEPARENT};
use crate::workload::current::OperationId;
use crate::workload::{Failure, Work};

/// The most that an answer may hold.
const ANSWER_BYTES_MAX: usize = 8 * 1024 * 1024;

/// A user with their conversation.
#[derive(Debug)]
pub(super) struct User {
    address: SocketAddr,
    host: HeaderValue,
    conversation: String,
    messages: Messages,
    reply: ReplyCheck,
    turn: NextTurn,
    connection: Option<Sender>,
}

/// The number that the next answer must carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum NextTurn {
    /// Any: an earlier round may have begun the conversation.
    Any,
    /// A higher one: whether the last message counts is not known, because it came to nothing.
    Above(u64),
    /// This one.
    Is(u64),
}

impl User {
    /// Connects user number `index` to the service.
    ///
    /// # Errors
    /// Nobody listens.
    pub(super) async fn connect(
        address: SocketAddr,
        index: u32,
        seed: u64,
        settings: UserSettings,
    ) -> Result<Self, Failure> {
        let host = HeaderValue::try_from(address.to_string()).map_err(|error| io("cannot name the host", &error))?;
        let mut user = Self {
            address,
            host,
            conversation: format!("user-{index}"),
            messages: Messages::new(seed, settings.repeat),
            reply: settings.reply,
            turn: NextTurn::Any,
            connection: None,
        };
        user.connection = Some(user.take_connection().await?);
        Ok(user)
    }

    /// Says the next thing and checks the answer.
    ///
    /// # Errors
    /// There is no answer, or it is wrong.
    pub(super) async fn say(&mut self) -> Result<Work, Failure> {
        let message = self.messages.next_message();
        let request = self.request(&message)?;
        let mut connection = self.take_connection().await?;
        let expected = self.turn;
        self.turn = expected.after_failure();

        let response = connection.send_request(request).await.map_err(|error| io("no answer", &error))?;
        let status = response.status();
        let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await;
        let body = body.map_err(|error| Failure::new("io", format!("the answer broke off: {error}")))?.to_bytes();
        // An operation that fails or is dropped before this line leaves a connection that nobody uses again.
        self.connection = Some(connection);

        if status != StatusCode::OK {
            return Err(refused(status, &body));
        }
        let turn = self.check(&message, expected, &body)?;
        self.turn = NextTurn::Is(turn.saturating_add(1));
        let bytes = message.len() + body.len();
        Ok(Work::done().bytes(bytes as u64))
    }

    /// The open connection, or a new one.
    async fn take_connection(&mut self) -> Result<Sender, Failure> {
        if let Some(mut connection) = self.connection.take()
            && connection.ready().await.is_ok()
        {
            return Ok(connection);
        }
        let connected = connection::connect(self.address).await;
        connected.map_err(|error| Failure::new("connect", format!("cannot connect to {}: {error}", self.address)))
    }

    fn request(&self, message: &str) -> Result<Request<Full<Bytes>>, Failure> {
        let request = ChatRequest { conversation: self.conversation.as_str().into(), message: message.into() };
        let body = serde_json::to_vec(&request).map_err(|error| io("cannot write the request", &error))?;
        let mut request = Request::post(PATH)
            .header(HOST, self.host.clone())
            .header(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(operation) = OperationId::current() {
            request = request.header(TRACEPARENT, operation.traceparent().to_string());
        }
        request.body(Full::new(Bytes::from(body))).map_err(|error| io("cannot make the request", &error))
    }

    /// Checks an answer and gives its turn.
    fn check(&self, message: &str, expected: NextTurn, body: &[u8]) -> Result<u64, Failure> {
        let wrong = |why: String| Failure::new("content", why);
        let answer: ChatAnswer<'_> = serde_json::from_slice(body)
            .map_err(|error| wrong(format!("the answer is no answer: {error}: {}", connection::excerpt(body))))?;
        let ChatAnswer { conversation, turn, reply, prompt_tokens, reply_tokens, .. } = &answer;
        if *conversation != self.conversation {
            return Err(wrong(format!("the answer is for `{conversation}`, not for `{}`", self.conversation)));
        }
        if !expected.allows(*turn) {
            return Err(wrong(format!("the answer has turn {turn}, expected {expected:?}")));
        }
        if reply.is_empty() || *prompt_tokens == 0 {
            return Err(wrong("the answer is empty".to_string()));
        }
        if self.reply == ReplyCheck::Echo {
            let mark = echo_mark(message);
            if !reply.starts_with(&mark) {
                let start = connection::excerpt(reply.as_bytes());
                return Err(wrong(format!("the reply belongs to another message: no `{mark}` in `{start}`")));
            }
        }
        let counted = tokenize(reply).len();
        if counted != *reply_tokens {
            return Err(wrong(format!("the reply has {counted} tokens, the answer says {reply_tokens}")));
        }
        Ok(*turn)
    }
}

impl NextTurn {
    /// What is known when this message comes to nothing.
    fn after_failure(self) -> Self {
        match self {
            Self::Any => Self::Any,
            Self::Above(turn) => Self::Above(turn),
            Self::Is(turn) => Self::Above(turn.saturating_sub(1)),
        }
    }

    fn allows(self, turn: u64) -> bool {
        match self {
            Self::Any => turn > 0,
            Self::Above(last) => turn > last,
            Self::Is(next) => turn == next,
        }
    }
}

/// The failure that an answer without success stands for.
fn refused(status: StatusCode, body: &[u8]) -> Failure {
    if status == StatusCode::GATEWAY_TIMEOUT
        && let Ok(ErrorBody { phase, limit_ns: Some(limit_ns), .. }) = serde_json::from_slice(body)
    {
        return Failure::phase_timeout(&phase, Duration::from_nanos(limit_ns));
    }
    Failure::new(format!("status:{}", status.as_u16()), connection::excerpt(body))
}

fn io(what: &str, error: &dyn std::error::Error) -> Failure {
    Failure::new("io", format!("{what}: {error}"))
}
