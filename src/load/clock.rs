//! The only clock of the load: tests pause it. Elsewhere asking for the time is barred by clippy.toml.

use std::time::Duration;

pub use tokio::time::Instant;

/// The time now, on the monotonic clock; in a paused test, the test's time.
#[must_use]
#[inline]
#[expect(clippy::disallowed_methods, reason = "this is the one place that asks")]
pub fn now() -> Instant {
    Instant::now()
}

/// The wall clock as time since 1970, for run ids and files; never for durations.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "this is the one place that asks")]
pub fn since_epoch() -> Duration {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default()
}

/// Nanoseconds from one instant to a later one; 0 where it is not later.
#[must_use]
#[inline]
pub fn ns_between(from: Instant, to: Instant) -> u64 {
    u64::try_from(to.saturating_duration_since(from).as_nanos()).unwrap_or(u64::MAX)
}
