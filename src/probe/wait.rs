//! How long the task that is polled on this thread waited for it since it was woken: told by the runtime's hook with
//! `tokio_unstable`, else by the wrapper around workers. Knows neither operations nor spans.

use std::cell::Cell;

use super::hooks::Hooks;

thread_local! {
    /// The delay from wake to this poll, and a number that differs between polls on this thread.
    static POLL: Cell<(u64, u64)> = const { Cell::new((0, 0)) };
}

/// Asks the runtime to tell it before each poll.
pub(super) fn watch(hooks: &mut Hooks) {
    #[cfg(tokio_unstable)]
    hooks.before_poll(|task| {
        note(task.schedule_latency().map_or(0, |delay| u64::try_from(delay.as_nanos()).unwrap_or(u64::MAX)));
    });
    #[cfg(not(tokio_unstable))]
    let _ = hooks;
}

/// A poll begins whose task has waited so long.
pub(super) fn note(delay_ns: u64) {
    POLL.set((delay_ns, POLL.get().1.wrapping_add(1)));
}

/// The delay of the poll that is on, and its number.
pub(super) fn current() -> (u64, u64) {
    POLL.get()
}

/// The delay of the poll that is on.
#[inline]
pub fn nanoseconds() -> u64 {
    POLL.get().0
}
