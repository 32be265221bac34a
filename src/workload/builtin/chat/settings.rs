//! The settings of the workload out of what a worker is told. Refuses values that make no sense, with the reason.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use super::phase::Limits;
use crate::workload::{Failure, Need, Param, Variant, Worker};

/// The ways that the service can be built.
pub(super) const VARIANTS: [Variant; 2] = [
    Variant {
        name: "async",
        about: "nothing blocks: multiplexed Redis, file writes off the workers, linear tokenizer",
    },
    Variant { name: "blocking", about: "sync Redis client, std::fs and a naive tokenizer straight in the handler" },
];

/// What can be set.
pub(super) const PARAMS: [Param; 6] = [
    Param { name: "history", default: "20", about: "messages of a conversation that are kept and sent to the LLM" },
    Param { name: "cache_ttl", default: "300", about: "seconds for which a reply is kept in the local cache" },
    Param { name: "cache_capacity", default: "1024", about: "replies that the local cache holds" },
    Param { name: "repeat", default: "0.2", about: "share of messages, 0 to 1, that others ask too" },
    Param { name: "check_echo", default: "true", about: "the LLM is perfkit's stand-in: check that replies fit" },
    Param { name: "model", default: "stand-in", about: "the model that the LLM is asked for" },
];

/// How the handler does its work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    /// Without blocking a worker of the runtime.
    Async,
    /// With blocking calls straight in the handler.
    Blocking,
}

/// What the service is told; services with equal settings are the same. Holds credentials, so it cannot be shown.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct ServiceSettings {
    /// The variant.
    pub style: Style,
    /// The URL of Redis, with credentials.
    pub redis_url: String,
    /// The URL of the LLM.
    pub llm_url: String,
    /// The model that the LLM is asked for.
    pub model: String,
    /// Where transcripts go.
    pub transcripts: PathBuf,
    /// How many messages of a conversation are kept.
    pub history: usize,
    /// How long a cached reply is good.
    pub cache_lifetime: Duration,
    /// How many replies are cached.
    pub cache_capacity: u64,
    /// How long each phase may take.
    pub limits: Limits,
}

impl ServiceSettings {
    /// The settings that this worker is told.
    ///
    /// # Errors
    /// A parameter or the variant is not valid.
    pub(super) fn new(worker: &Worker) -> Result<Self, Failure> {
        Ok(Self {
            style: style(worker.variant())?,
            redis_url: worker.service(Need::Redis)?.to_string(),
            llm_url: worker.service(Need::Llm)?.to_string(),
            model: worker.param("model")?,
            transcripts: worker.folder().join("transcripts"),
            history: within(worker, "history", 1..=10_000)?,
            cache_lifetime: Duration::from_secs(within(worker, "cache_ttl", 1..=31_536_000)?),
            cache_capacity: within(worker, "cache_capacity", 0..=10_000_000)?,
            limits: Limits::new(worker),
        })
    }
}

/// What a user is told.
#[derive(Clone, Copy, Debug)]
pub(super) struct UserSettings {
    /// The share of messages that others ask too.
    pub repeat: f64,
    /// What a reply must look like.
    pub reply: ReplyCheck,
}

/// What is known of a good reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ReplyCheck {
    /// It begins with the mark of its message, as the stand-in writes it.
    Echo,
    /// It is not empty.
    Any,
}

impl UserSettings {
    /// The settings that this worker is told.
    ///
    /// # Errors
    /// A parameter is not valid.
    pub(super) fn new(worker: &Worker) -> Result<Self, Failure> {
        let reply = if worker.param("check_echo")? { ReplyCheck::Echo } else { ReplyCheck::Any };
        Ok(Self { repeat: within(worker, "repeat", 0.0..=1.0)?, reply })
    }
}

fn style(variant: &str) -> Result<Style, Failure> {
    match variant {
        "" | "async" => Ok(Style::Async),
        "blocking" => Ok(Style::Blocking),
        other => Err(Failure::new("variant", format!("no variant `{other}`; there are `async` and `blocking`"))),
    }
}

/// A parameter that must lie in a range.
fn within<T>(worker: &Worker, name: &str, range: RangeInclusive<T>) -> Result<T, Failure>
where
    T: FromStr + PartialOrd + Display,
{
    let value = worker.param(name)?;
    if range.contains(&value) {
        return Ok(value);
    }
    Err(Failure::new("param", format!("parameter {name}: {value} is not within {} to {}", range.start(), range.end())))
}
