//! How long the task that is polled on this thread waited for it since it was woken: told by the runtime's hook with
//! `tokio_unstable`, else by the wrapper around workers. Knows neither operations nor spans.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};

use super::hooks::Hooks;

thread_local! {
    /// The delay from wake to this poll, and the poll's number; 0 before the first.
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

/// The first number of the next thread's polls. No two polls of the process have the same: what goes on on another thread is
/// in another poll.
static NEXT: AtomicU64 = AtomicU64::new(POLLS_OF_A_THREAD);
const POLLS_OF_A_THREAD: u64 = 1 << 44;

/// A poll begins whose task has waited so long.
pub(super) fn note(delay_ns: u64) {
    let number = match POLL.get().1 {
        0 => NEXT.fetch_add(POLLS_OF_A_THREAD, Ordering::Relaxed),
        last => last + 1,
    };
    POLL.set((delay_ns, number));
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
