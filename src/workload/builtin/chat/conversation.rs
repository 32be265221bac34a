//! Conversations and how they lie in Redis: a bounded list of JSON lines that expires. Refuses to talk to Redis itself.

use redis::{Cmd, Pipeline};
use serde::{Deserialize, Serialize};

use super::problem::Problem;

/// How long Redis keeps a conversation that nobody goes on with.
const LIFETIME_SECONDS: i64 = 900;

/// Who said it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Role {
    /// The user.
    User,
    /// The LLM.
    Assistant,
}

/// One message of a conversation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Message {
    /// The number of the exchange, from 1.
    pub turn: u64,
    /// Who said it.
    pub role: Role,
    /// What was said.
    pub content: String,
}

/// A question with its reply, as JSON lines.
#[derive(Clone, Debug)]
pub(super) struct Exchange {
    /// The user's line.
    pub question: String,
    /// The LLM's line.
    pub reply: String,
}

impl Exchange {
    /// The lines for exchange number `turn`.
    ///
    /// # Errors
    /// The text cannot be written as JSON.
    pub(super) fn new(turn: u64, question: &str, reply: &str) -> serde_json::Result<Self> {
        Ok(Self { question: line(turn, Role::User, question)?, reply: line(turn, Role::Assistant, reply)? })
    }
}

fn line(turn: u64, role: Role, content: &str) -> serde_json::Result<String> {
    #[derive(Serialize)]
    struct Line<'a> {
        turn: u64,
        role: Role,
        content: &'a str,
    }
    serde_json::to_string(&Line { turn, role, content })
}

/// Where conversations lie and how much of them is kept.
#[derive(Clone, Debug)]
pub(super) struct Shelf {
    prefix: String,
    messages_max: usize,
}

impl Shelf {
    /// The shelf of this process, so that two runs do not disturb each other.
    pub(super) fn new(seed: u64, messages_max: usize) -> Self {
        Self { prefix: format!("perfkit:chat:{seed:016x}:{}:", std::process::id()), messages_max }
    }

    /// The command that reads a conversation.
    pub(super) fn read(&self, conversation: &str) -> Cmd {
        let mut command = redis::cmd("LRANGE");
        command.arg(self.key(conversation)).arg(0).arg(-1);
        command
    }

    /// The commands that append to a conversation; they answer with its length and whether it will expire.
    pub(super) fn append(&self, conversation: &str, exchange: &Exchange) -> Pipeline {
        let key = self.key(conversation);
        let mut pipeline = redis::pipe();
        pipeline.cmd("RPUSH").arg(&key).arg(&exchange.question).arg(&exchange.reply);
        // `settings` allows no bound of 0, for which LTRIM would keep everything.
        pipeline.cmd("LTRIM").arg(&key).arg(format!("-{}", self.messages_max)).arg(-1).ignore();
        pipeline.cmd("EXPIRE").arg(&key).arg(LIFETIME_SECONDS);
        pipeline
    }

    fn key(&self, conversation: &str) -> String {
        let mut key = String::with_capacity(self.prefix.len() + conversation.len());
        key.push_str(&self.prefix);
        key.push_str(conversation);
        key
    }
}

/// What Redis answers to [`Shelf::append`].
pub(super) type Appended = (usize, bool);

/// Checks what Redis answered.
///
/// # Errors
/// The exchange is not there, or would stay for ever.
pub(super) fn check_appended(phase: &'static str, (length, expires): Appended) -> Result<(), Problem> {
    match (length, expires) {
        (2.., true) => Ok(()),
        _ => Err(Problem::upstream(phase, format!("Redis kept {length} messages, expiry set: {expires}"))),
    }
}

/// The messages in the lines that Redis holds.
///
/// # Errors
/// A line is not what this service wrote.
pub(super) fn decode(phase: &'static str, lines: &[Vec<u8>]) -> Result<Vec<Message>, Problem> {
    lines
        .iter()
        .map(|line| serde_json::from_slice(line))
        .collect::<serde_json::Result<_>>()
        .map_err(|error| Problem::upstream(phase, format!("the history in Redis is damaged: {error}")))
}

/// The text of the prompt, whose tokens are counted.
pub(super) fn prompt(history: &[Message], question: &str) -> String {
    let length: usize = history.iter().map(|message| message.content.len() + 12).sum();
    let mut text = String::with_capacity(length + question.len());
    for message in history {
        text.push_str(match message.role {
            Role::User => "user: ",
            Role::Assistant => "assistant: ",
        });
        text.push_str(&message.content);
        text.push('\n');
    }
    text.push_str(question);
    text
}
