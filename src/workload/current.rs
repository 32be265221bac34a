//! Which operation is being polled on this thread, so that it can travel with a request as a W3C `traceparent`.
//! Set by the load driver around each poll; absent where phases are not watched.

use std::cell::Cell;
use std::fmt;

/// The first half of every trace id that perfkit makes: "perfkit1" in ASCII.
const TRACE_PREFIX: u64 = u64::from_be_bytes(*b"perfkit1");

thread_local! {
    static CURRENT: Cell<Option<OperationId>> = const { Cell::new(None) };
}

/// The number of an operation within its round.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OperationId(pub u64);

impl OperationId {
    /// The operation that is being polled on this thread.
    ///
    /// ```
    /// assert!(perfkit::OperationId::current().is_none()); // no load is running here
    /// ```
    #[must_use]
    pub fn current() -> Option<Self> {
        CURRENT.get()
    }

    /// Its W3C `traceparent` header value; spans of a server that record it in a field `traceparent` join the operation.
    #[must_use]
    pub fn traceparent(self) -> Traceparent {
        Traceparent(self)
    }

    /// Reads the operation out of a `traceparent` that perfkit made; `None` for those of others.
    ///
    /// ```
    /// use perfkit::OperationId;
    /// let header = OperationId(42).traceparent().to_string();
    /// assert_eq!(OperationId::from_traceparent(&header), Some(OperationId(42)));
    /// assert_eq!(OperationId::from_traceparent("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"), None);
    /// ```
    #[must_use]
    pub fn from_traceparent(text: &str) -> Option<Self> {
        let trace = text.split('-').nth(1)?;
        if trace.len() != 32 || !trace.is_ascii() {
            return None;
        }
        let prefix = u64::from_str_radix(&trace[..16], 16).ok()?;
        let number = u64::from_str_radix(&trace[16..], 16).ok()?;
        (prefix == TRACE_PREFIX).then_some(Self(number))
    }

    /// Runs `poll` with this operation as the current one.
    #[inline]
    pub(crate) fn scope<T>(self, poll: impl FnOnce() -> T) -> T {
        struct Restore(Option<OperationId>);
        impl Drop for Restore {
            fn drop(&mut self) {
                CURRENT.set(self.0);
            }
        }
        let _restore = Restore(CURRENT.replace(Some(self)));
        poll()
    }
}

/// An operation's `traceparent`, written without allocating.
#[derive(Clone, Copy, Debug)]
pub struct Traceparent(OperationId);

impl fmt::Display for Traceparent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = self.0.0;
        write!(f, "00-{TRACE_PREFIX:016x}{number:016x}-{:016x}-01", number.wrapping_add(1))
    }
}
