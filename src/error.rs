//! What stops a run. Every variant carries a path or a source and ends in a hint; nothing here prints or exits.

use std::io;
use std::path::PathBuf;

/// The error type that workloads return: anything that can be shown and sent between threads.
pub type BoxError = Box<dyn std::error::Error + Send + Sync + 'static>;

/// Result with perfkit's own [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What stops perfkit.
///
/// Messages are lower case without a full stop; [`Error::hint`] says what to do next. The process exit code of each
/// variant is decided in one place, the command line.
///
/// ```
/// let error = perfkit::Error::usage("no workload `chta`", "did you mean `chat`?");
/// assert_eq!(error.to_string(), "no workload `chta`");
/// assert_eq!(error.hint(), "did you mean `chat`?");
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A flag, a configuration value or a name that does not fit.
    #[error("{message}")]
    Usage {
        /// What is wrong.
        message: String,
        /// What would be right.
        hint: String,
    },
    /// A file that could not be read or understood.
    #[error("could not read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why, with line and column where the format has them.
        source: BoxError,
        /// What to do next.
        hint: String,
    },
    /// A file or folder that could not be written.
    #[error("could not write {}: {source}", path.display())]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// The operating system's reason.
        source: io::Error,
    },
    /// A service that a workload needs is not there.
    #[error("service {name} at {address}: {source}")]
    Service {
        /// The service: `redis`, `llm`.
        name: &'static str,
        /// Where it was looked for, without credentials.
        address: String,
        /// What failed.
        source: BoxError,
        /// What to do next.
        hint: String,
    },
    /// The workload itself failed: set-up, preflight, or every round of a pass.
    #[error("workload {name}: {source}")]
    Workload {
        /// The workload.
        name: String,
        /// The first failure.
        source: BoxError,
        /// What to do next.
        hint: String,
    },
    /// A probe could not start or stop.
    #[error("probe {name}: {source}")]
    Probe {
        /// The probe.
        name: &'static str,
        /// Why.
        source: BoxError,
        /// What to do next.
        hint: String,
    },
    /// A defect of perfkit itself.
    #[error("internal error: {source}")]
    Internal {
        /// What was impossible.
        source: BoxError,
    },
}

/// The path that stands for the standard output in [`Error::Write`].
pub const STDOUT: &str = "the standard output";

impl Error {
    /// A mistake in how perfkit was called or configured.
    pub fn usage(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Usage { message: message.into(), hint: hint.into() }
    }

    /// A file that could not be read.
    pub fn read(path: impl Into<PathBuf>, source: impl Into<BoxError>, hint: impl Into<String>) -> Self {
        Self::Read { path: path.into(), source: source.into(), hint: hint.into() }
    }

    /// A file that could not be written.
    pub fn write(path: impl Into<PathBuf>, source: impl Into<io::Error>) -> Self {
        Self::Write { path: path.into(), source: source.into() }
    }

    /// A probe that could not do its work.
    pub fn probe(name: &'static str, source: impl Into<BoxError>, hint: impl Into<String>) -> Self {
        Self::Probe { name, source: source.into(), hint: hint.into() }
    }

    /// A defect of perfkit.
    pub fn internal(source: impl Into<BoxError>) -> Self {
        Self::Internal { source: source.into() }
    }

    /// The next thing to try, in one sentence.
    pub fn hint(&self) -> &str {
        match self {
            Self::Usage { hint, .. }
            | Self::Read { hint, .. }
            | Self::Service { hint, .. }
            | Self::Workload { hint, .. }
            | Self::Probe { hint, .. } => hint,
            Self::Write { path, .. } if path.as_os_str() == STDOUT => {
                "is whatever reads the output still there, and is there room?"
            }
            Self::Write { .. } => {
                "free space or choose another place (--profiles-dir, --reports-dir); nothing half-written was left"
            }
            Self::Internal { .. } => "this is a defect of perfkit: please report it with the command that led here",
        }
    }
}
