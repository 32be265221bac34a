//! Finds or starts the completion endpoint: the given address, else perfkit's stand-in. Refuses settings that would make
//! it answer nothing, or for ever.

mod reply;
mod server;
mod stream;

use std::path::Path;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::child::Child;
use super::probe::{self, Question};
use super::{Kind, Service, failure, own_version, serve as verb};
use crate::error::{Error, Result};
use reply::Reply;

pub(super) use server::serve;

/// The name in errors and reports.
pub(super) const NAME: &str = "llm";
/// The hidden service that is the stand-in.
pub(super) const EMBEDDED: &str = "llm";
/// The one thing it does.
const PATH: &str = "/v1/chat/completions";
/// Longest median delay: a run is minutes.
const LONGEST_DELAY: Duration = Duration::from_mins(1);
/// Longest reply.
const MOST_TOKENS: u32 = 10_000;

/// How the stand-in answers. The reply to a prompt, its delays included, depends on these and the prompt alone, so two
/// runs with the same settings wait for the same things.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Settings {
    /// Chooses the delays, lengths and words.
    pub(crate) seed: u64,
    /// Median time to the first token. Milliseconds in files.
    #[serde(rename = "first_token_ms", with = "milliseconds")]
    pub(crate) first_token: Duration,
    /// Median time between two tokens. Milliseconds in files.
    #[serde(rename = "token_interval_ms", with = "milliseconds")]
    pub(crate) token_interval: Duration,
    /// Fewest and most tokens of a reply.
    pub(crate) tokens: (u32, u32),
    /// Sigma of the log-normal distributions of both times; 0 makes them constant.
    pub(crate) spread: f64,
    /// On average one prompt in this many fails with status 503, the same prompts in every run. `None`: none does.
    pub(crate) fail_every: Option<u32>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            seed: 1,
            first_token: Duration::from_millis(15),
            token_interval: Duration::from_micros(1500),
            tokens: (12, 24),
            spread: 0.4,
            fail_every: None,
        }
    }
}

impl Settings {
    /// Settings that no reply can follow are a mistake of the caller.
    fn check(&self) -> Result<()> {
        let (fewest, most) = self.tokens;
        let wrong = if fewest == 0 || fewest > most || most > MOST_TOKENS {
            format!("tokens: {fewest} to {most} is no range within 1 to {MOST_TOKENS}")
        } else if !(0.0..=3.0).contains(&self.spread) {
            format!("spread: {} is not within 0 to 3", self.spread)
        } else if self.first_token > LONGEST_DELAY || self.token_interval > LONGEST_DELAY {
            format!("a median delay is longer than {LONGEST_DELAY:?}")
        } else if self.fail_every == Some(0) {
            "fail_every: 0 is no distance".to_owned()
        } else {
            return Ok(());
        };
        Err(Error::usage(format!("llm stand-in: {wrong}"), "leave the setting out to get its default"))
    }
}

/// Uses the endpoint at `url`: any HTTP answer shows that it is there.
pub(super) fn external(url: String) -> Result<Service> {
    ask_for(&url, None)?;
    Ok(Service { name: NAME, kind: Kind::External, url, version: "unknown".to_owned(), child: None, _folder: None })
}

/// Whether it still answers.
pub(super) fn ask(url: &str) -> Result<()> {
    ask_for(url, None)
}

/// Starts the stand-in and compares one reply with what it should be.
pub(super) fn start(settings: &Settings, executable: &Path) -> Result<Service> {
    settings.check()?;
    let hint = "this is perfkit's own service: run again, or give the address of another with --llm-url";
    let failed = |url: &str, source: String| failure(NAME, url, source, hint);
    let nowhere = "http://127.0.0.1";
    let mut child = Child::spawn(executable, EMBEDDED, settings).map_err(|error| failed(nowhere, error.to_string()))?;
    let line = child.first_line(Instant::now() + probe::LIMIT).map_err(|error| failed(nowhere, error))?;
    let url = verb::announced(&line).ok_or_else(|| failed(nowhere, "it did not say where it is".to_owned()))?;
    validate(settings, &url).map_err(|error| failed(&url, error))?;
    Ok(Service { name: NAME, kind: Kind::Embedded, url, version: own_version(), child: Some(child), _folder: None })
}

fn ask_for(url: &str, path: Option<&str>) -> Result<()> {
    let hint = match url.split_once("://") {
        Some(("https", _)) => "perfkit has no TLS: use http:// through a local TLS proxy",
        _ => "check that the endpoint runs, or leave the url out and perfkit starts its stand-in",
    };
    let answer = Question::new(url, path, None).and_then(|question| probe::within(probe::LIMIT, question.ask()));
    answer.map(drop).map_err(|source| failure(NAME, url, source, hint))
}

/// One completion, which must be the very one that the settings make.
fn validate(settings: &Settings, url: &str) -> Result<(), String> {
    const PROMPT: &str = "are you there?";
    let expected = Reply::new(settings, PROMPT);
    let body = serde_json::json!({ "model": "perfkit", "messages": [{ "role": "user", "content": PROMPT }] });
    // Slow settings are slow here too: the limit is for what comes on top of them.
    let limit = probe::LIMIT + expected.duration();
    let question = Question::new(url, Some(PATH), Some(body.to_string()))?;
    let (status, body) = probe::within(limit, question.ask())?;
    if expected.is_failure() {
        return if status == 503 { Ok(()) } else { Err(format!("it answered {status} where it was to fail")) };
    }
    let body: serde_json::Value = serde_json::from_slice(&body).map_err(|error| error.to_string())?;
    let text = body.pointer("/choices/0/message/content").and_then(serde_json::Value::as_str);
    if text == Some(&expected.text()) {
        Ok(())
    } else {
        Err(format!("it answered {status} and another text than it should"))
    }
}

/// Durations as a number of milliseconds, the unit in which delays are thought of.
mod milliseconds {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(duration.as_secs_f64() * 1000.0)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        let milliseconds = f64::deserialize(deserializer)?;
        Duration::try_from_secs_f64(milliseconds / 1000.0).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_survive_the_way_to_the_child() {
        let settings = Settings { seed: 7, fail_every: Some(3), ..Settings::default() };
        let text = serde_json::to_string(&settings).unwrap();
        assert!(text.contains("\"token_interval_ms\":1.5"), "{text}");
        assert_eq!(serde_json::from_str::<Settings>(&text).unwrap(), settings);
        assert_eq!(serde_json::from_str::<Settings>("{}").unwrap(), Settings::default());
        assert!(serde_json::from_str::<Settings>("{\"first_token_ms\":-1}").is_err());
    }

    #[test]
    fn settings_that_no_reply_can_follow_are_refused() {
        let good = Settings::default();
        assert!(good.check().is_ok());
        for bad in [
            Settings { tokens: (0, 3), ..good.clone() },
            Settings { tokens: (4, 3), ..good.clone() },
            Settings { tokens: (1, u32::MAX), ..good.clone() },
            Settings { spread: f64::NAN, ..good.clone() },
            Settings { spread: -0.1, ..good.clone() },
            Settings { first_token: Duration::MAX, ..good.clone() },
            Settings { fail_every: Some(0), ..good.clone() },
        ] {
            assert!(bad.check().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn an_external_endpoint_that_is_not_there_is_an_error_without_its_key() {
        for url in ["http://user:can4ry@127.0.0.1:1/v1", "https://user:can4ry@127.0.0.1:1", "can4ry"] {
            let error = external(url.to_owned()).unwrap_err();
            assert!(matches!(error, Error::Service { name: NAME, .. }));
            assert!(!format!("{error} {error:?}").contains("can4ry"), "{error:?}");
        }
    }
}
