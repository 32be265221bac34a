//! The hidden verb: what a child process does with its arguments. Ties its life to its parent's before anything else,
//! and refuses to serve without one.

use std::ffi::OsString;
use std::io::Write;

use rustix::process::{Signal, getppid, set_parent_process_death_signal};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{llm, redis};
use crate::error::{BoxError, Error, Result};

/// The verb of the executable behind which services run; no part of the interface.
pub(super) const VERB: &str = "__service";

/// The JSON argument of every service.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Settings<T> {
    /// The process whose end ends the service.
    pub(super) parent: u32,
    /// What the service itself needs.
    #[serde(default)]
    pub(super) settings: T,
}

/// Serves until it is killed: `arguments` are what follows the verb, the service and its settings as JSON.
///
/// Returns only with an error, or where the service ended by itself.
pub(crate) fn serve(arguments: &[OsString]) -> Result<()> {
    let (what, settings) = match arguments {
        [what, settings] => (what.to_str().unwrap_or_default(), settings.to_str().unwrap_or_default()),
        _ => return Err(misuse("it takes a service and its settings")),
    };
    match what {
        redis::EMBEDDED => {
            follow_parent(&read::<()>(settings)?)?;
            redis::embedded::serve().map_err(|source| stopped(redis::NAME, source))
        }
        redis::SPAWNED => {
            let settings = read::<redis::Spawn>(settings)?;
            follow_parent(&settings)?;
            Err(stopped(redis::NAME, redis::replace_process(&settings.settings)))
        }
        llm::EMBEDDED => {
            let settings = read::<llm::Settings>(settings)?;
            follow_parent(&settings)?;
            llm::serve(settings.settings).map_err(|source| stopped(llm::NAME, source))
        }
        _ => Err(misuse("there is no such service")),
    }
}

/// Tells the parent where the service is: the one line on standard output.
pub(super) fn announce(url: &str) -> std::io::Result<()> {
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{}", serde_json::json!({ "url": url }))?;
    stdout.flush()
}

/// The URL in an announcement.
pub(super) fn announced(line: &str) -> Option<String> {
    let line: serde_json::Value = serde_json::from_str(line).ok()?;
    line.get("url")?.as_str().map(str::to_owned)
}

fn read<T: DeserializeOwned + Default>(settings: &str) -> Result<Settings<T>> {
    serde_json::from_str(settings).map_err(|error| misuse(&format!("its settings are not understood: {error}")))
}

/// Makes the kernel kill this process when the parent ends, however it ends.
fn follow_parent<T>(settings: &Settings<T>) -> Result<()> {
    set_parent_process_death_signal(Some(Signal::KILL)).map_err(Error::internal)?;
    // A parent that ended before the line above has sent no signal: this process has another parent by now.
    let parent = getppid().map(|parent| parent.as_raw_nonzero().get().unsigned_abs());
    if parent == Some(settings.parent) { Ok(()) } else { Err(misuse("the process that started it is gone")) }
}

fn misuse(message: &str) -> Error {
    Error::usage(
        format!("`{VERB}`: {message}"),
        format!("`{VERB}` is how perfkit starts its services; it is not for use by hand"),
    )
}

fn stopped(name: &'static str, source: impl Into<BoxError>) -> Error {
    let (source, hint) = (source.into(), "this process serves a run of perfkit; start the run again".to_owned());
    Error::Service { name, address: "its own process".to_owned(), source, hint }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_that_perfkit_never_gives_are_refused() {
        for arguments in [
            &[][..],
            &["redis-embedded"],
            &["redis-embedded", "{}"],
            &["llm", "{\"parent\":true}"],
            &["nothing", "{\"parent\":1}"],
            &["llm", "{}", "more"],
        ] {
            let arguments: Vec<OsString> = arguments.iter().map(OsString::from).collect();
            let error = serve(&arguments).unwrap_err();
            assert!(matches!(error, Error::Usage { .. }), "{arguments:?}: {error}");
        }
    }

    #[test]
    fn an_announcement_is_read_back() {
        assert_eq!(announced("{\"url\":\"redis://127.0.0.1:1\"}").as_deref(), Some("redis://127.0.0.1:1"));
        assert_eq!(announced("ready"), None);
    }
}
