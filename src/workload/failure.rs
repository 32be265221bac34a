//! A failed operation's error with a kind, so that failures can be counted by what they are. Shows nothing itself.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use crate::error::BoxError;

/// An operation's failure with the kind it is counted under.
///
/// ```
/// use perfkit::Failure;
/// let failure = Failure::new("status", "got 503 Service Unavailable");
/// assert_eq!(failure.kind(), "status");
/// ```
#[derive(Debug, Clone)]
pub struct Failure {
    kind: Cow<'static, str>,
    message: String,
    timed_out: bool,
}

impl Failure {
    /// A failure of the given kind; kinds are short and few, messages say the particulars.
    pub fn new(kind: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self { kind: kind.into(), message: message.into(), timed_out: false }
    }

    /// A phase that took longer than it may; counted as `timed_out`, under the phase's name.
    #[must_use]
    pub fn phase_timeout(phase: &str, limit: Duration) -> Self {
        Self {
            kind: Cow::Owned(format!("timeout:{phase}")),
            message: format!("phase {phase} took longer than {limit:?}"),
            timed_out: true,
        }
    }

    /// A whole operation that took longer than it may.
    #[must_use]
    pub fn timeout(limit: Duration) -> Self {
        let message = format!("the operation took longer than {limit:?}");
        Self { kind: Cow::Borrowed("timeout"), message, timed_out: true }
    }

    /// The kind it is counted under.
    #[must_use]
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// Whether it is a timeout rather than a wrong answer.
    #[must_use]
    pub fn timed_out(&self) -> bool {
        self.timed_out
    }

    /// The failure in an error that a workload returned; an error of another type gets the kind `error`.
    #[must_use]
    pub fn from_error(error: BoxError) -> Self {
        match error.downcast::<Failure>() {
            Ok(failure) => *failure,
            Err(error) => {
                let mut message = error.to_string();
                let mut source = error.source();
                while let Some(cause) = source {
                    message = format!("{message}: {cause}");
                    source = cause.source();
                }
                Self::new("error", message)
            }
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}
