//! Exit codes, in one place.

use std::process::ExitCode;

use crate::error::Error;

/// How a verb ended that did its work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Done.
    Done,
    /// A regression, a missed objective, or a finding named by `--fail-on`.
    Finding,
    /// Undecided, and `--fail-on inconclusive` was given.
    Inconclusive,
    /// Nothing, or not everything, could be compared.
    NotCompared,
    /// The workload failed: the run is invalid.
    Invalid,
    /// Stopped by a signal; what was measured is kept.
    Interrupted(u8),
}

impl Exit {
    /// The code of the process.
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Finding => 1,
            Self::Inconclusive => 3,
            Self::NotCompared => 4,
            Self::Invalid => 5,
            Self::Interrupted(signal) => 128 + signal,
        }
    }
}

/// The code for an error.
pub(super) fn of_error(error: &Error) -> u8 {
    match error {
        Error::Usage { .. } | Error::Read { .. } => 2,
        Error::Service { .. } | Error::Workload { .. } => 5,
        Error::Write { .. } => 6,
        Error::Probe { .. } | Error::Internal { .. } => 70,
    }
}

/// Help and version are results; everything else clap says is a usage error.
pub(super) fn of_usage(error: &clap::Error) -> ExitCode {
    let code = if error.use_stderr() { 2 } else { 0 };
    match error.print() {
        Err(failure) if failure.kind() != std::io::ErrorKind::BrokenPipe && code == 0 => ExitCode::from(6),
        _ => ExitCode::from(code),
    }
}
