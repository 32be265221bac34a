//! The services a workload talks to: an address the user gave, a real server, or an embedded stand-in, each started
//! service in a process of its own. Refuses to know workloads, and never shows a credential.

#![expect(
    clippy::disallowed_methods,
    reason = "the clock of a service is its own: it runs in another process, and this module imports nothing of the load"
)]

mod child;
pub(crate) mod llm;
mod probe;
mod redact;
mod redis;
mod serve;

use std::path::Path;

use tempfile::TempDir;

use crate::error::{Error, Result};
use child::Child;

pub(crate) use redact::redact;
pub(crate) use serve::serve;

/// What to make available.
#[derive(Clone, Debug)]
pub(crate) enum Request {
    /// A Redis server.
    Redis {
        /// The one the user named; `None` starts one.
        url: Option<String>,
    },
    /// An OpenAI-compatible completion endpoint.
    Llm {
        /// The one the user named; `None` starts the stand-in.
        url: Option<String>,
        /// How the stand-in answers.
        settings: llm::Settings,
    },
}

/// Where a service comes from. Runs against different kinds are not comparable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Not started by perfkit.
    External,
    /// The real server program, started by perfkit.
    Spawned,
    /// perfkit's own stand-in.
    Embedded,
}

impl Kind {
    /// The name in files and reports.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::External => "external",
            Self::Spawned => "spawned",
            Self::Embedded => "embedded",
        }
    }
}

/// A service that answered when it was started. Dropping it kills and reaps its process.
#[derive(Debug)]
pub(crate) struct Service {
    name: &'static str,
    kind: Kind,
    url: String,
    version: String,
    // Declared before the folder: the process must be gone before its socket's folder is removed.
    child: Option<Child>,
    _folder: Option<TempDir>,
}

impl Service {
    /// Starts (or, for a given URL, only asks) the service and waits until it answers.
    ///
    /// `folder` takes the socket; `executable` is this program, which serves through [`serve`]. Call it from a thread
    /// that outlives the service, in practice the main thread: the kernel kills the child when the *thread* that
    /// spawned it ends, and so also when perfkit itself is killed.
    pub(crate) fn start(request: Request, folder: &Path, executable: &Path) -> Result<Self> {
        match request {
            Request::Redis { url: Some(url) } => redis::external(url),
            Request::Redis { url: None } => redis::start(&redis::Choice::from_environment()?, folder, executable),
            Request::Llm { url: Some(url), .. } => llm::external(url),
            Request::Llm { url: None, settings } => llm::start(&settings, executable),
        }
    }

    /// Where it is; may hold credentials, so it goes to clients only.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Where it is, fit to be shown.
    pub(crate) fn redacted_url(&self) -> String {
        redact(&self.url)
    }

    /// Where it comes from.
    pub(crate) fn kind(&self) -> Kind {
        self.kind
    }

    /// What it says it is: `7.0.15`, `valkey 8.0.1`, `perfkit 0.1.0`, or `unknown`.
    pub(crate) fn version(&self) -> &str {
        &self.version
    }

    /// `redis` or `llm`.
    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    /// Asks whether it is still there, so that a round against a dead service is not taken for a slow one.
    pub(crate) fn check(&mut self) -> Result<()> {
        if let Some(end) = self.child.as_mut().and_then(Child::ended) {
            return Err(failure(
                self.name,
                &self.url,
                end,
                "start the run again; if it ends again, give the address of a server of your own",
            ));
        }
        match self.name {
            redis::NAME => redis::ask(&self.url, probe::LIMIT).map(drop),
            _ => llm::ask(&self.url),
        }
    }
}

/// An [`Error::Service`] whose address has lost its credentials.
fn failure(name: &'static str, url: &str, source: impl Into<String>, hint: impl Into<String>) -> Error {
    let source: String = redact::scrub(&source.into(), url);
    Error::Service { name, address: redact(url), source: source.into(), hint: hint.into() }
}

/// What embedded services call themselves.
fn own_version() -> String {
    concat!("perfkit ", env!("CARGO_PKG_VERSION")).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, Instant};

    #[test]
    fn a_service_whose_process_ended_fails_its_check_with_its_last_words() {
        // A shell does not know the hidden verb, says so, and ends.
        let mut child = Child::spawn(Path::new("/bin/sh"), "llm", &()).unwrap();
        let deadline = Instant::now() + Duration::from_secs(5);
        while child.ended().is_none() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(5));
        }
        let (url, version) = ("http://u:can4ry@127.0.0.1:1".to_owned(), own_version());
        let mut service =
            Service { name: llm::NAME, kind: Kind::Embedded, url, version, child: Some(child), _folder: None };
        let error = service.check().unwrap_err();
        let text = format!("{error} {error:?}");
        assert!(text.contains("its process ended") && text.contains("__service"), "{text}");
        assert!(!text.contains("can4ry"), "{text}");
    }

    #[test]
    fn an_executable_that_does_not_serve_is_an_error_for_every_service() {
        let folder = tempfile::tempdir().unwrap();
        let settings = llm::Settings::default();
        for request in [Request::Redis { url: None }, Request::Llm { url: None, settings }] {
            for executable in ["/bin/false", "/nowhere/perfkit"] {
                let error = Service::start(request.clone(), folder.path(), Path::new(executable)).unwrap_err();
                assert!(matches!(error, Error::Service { .. }), "{error}");
            }
        }
        assert_eq!(folder.path().read_dir().unwrap().count(), 0, "a folder was left behind");
    }
}
