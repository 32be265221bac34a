//! An open span: takes the moments at which it is entered, left and closed, and says how its time splits. Reads no clock
//! itself. What it gives back adds up: busy and scheduled time are never more than there was.

use std::time::Instant;

/// How the time of a closed span splits; what is neither busy nor scheduled was idle.
#[expect(clippy::struct_field_names, reason = "a number has its unit in its name")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Split {
    pub(super) total_ns: u64,
    pub(super) busy_ns: u64,
    pub(super) scheduled_ns: u64,
}

/// What is kept with an open span.
pub(super) struct Open {
    pub(super) name: u16,
    pub(super) operation: Option<u64>,
    opened: Instant,
    /// Since when it is entered.
    entered: Option<Instant>,
    /// How often it is entered now: in itself, or on two threads at once.
    depth: u32,
    /// When it was last left; `None` before, as only what had begun can wait for its thread.
    left: Option<Instant>,
    busy_ns: u64,
    scheduled_ns: u64,
    /// The poll it was last entered in: a delay counts once for each poll.
    poll: u64,
}

impl Open {
    pub(super) fn new(name: u16, operation: Option<u64>, opened: Instant) -> Self {
        Self { name, operation, opened, entered: None, depth: 0, left: None, busy_ns: 0, scheduled_ns: 0, poll: 0 }
    }

    /// Entered in a poll, whose task had been ready for `delay_ns` before it.
    pub(super) fn enter(&mut self, now: Instant, (delay_ns, poll): (u64, u64)) {
        self.depth += 1;
        if self.depth > 1 {
            return;
        }
        if let Some(left) = self.left
            && self.poll != poll
        {
            // A task can be woken while it is still polled: what it waited before the span was left was busy time.
            self.scheduled_ns += delay_ns.min(between(left, now));
        }
        self.poll = poll;
        self.entered = Some(now);
    }

    /// Left again.
    pub(super) fn exit(&mut self, now: Instant) {
        self.depth = self.depth.saturating_sub(1);
        if self.depth > 0 {
            return;
        }
        if let Some(entered) = self.entered.take() {
            self.busy_ns += between(entered, now);
            self.left = Some(now);
        }
    }

    /// Closed; who closes it while it is entered has left it, too.
    pub(super) fn close(mut self, now: Instant) -> Split {
        self.depth = 1;
        self.exit(now);
        let total_ns = between(self.opened, now);
        let busy_ns = self.busy_ns.min(total_ns);
        Split { total_ns, busy_ns, scheduled_ns: self.scheduled_ns.min(total_ns - busy_ns) }
    }
}

/// Nanoseconds from a moment to a later one; 0 where it is not later.
fn between(from: Instant, to: Instant) -> u64 {
    u64::try_from(to.saturating_duration_since(from).as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "a moment to count from")]
mod tests {
    use super::*;
    use std::time::Duration;

    /// A span opened at 0, and the moments after it.
    fn opened() -> (Open, impl Fn(u64) -> Instant) {
        let start = Instant::now();
        (Open::new(0, None, start), move |ns| start + Duration::from_nanos(ns))
    }

    fn split(total_ns: u64, busy_ns: u64, scheduled_ns: u64) -> Split {
        Split { total_ns, busy_ns, scheduled_ns }
    }

    #[test]
    fn a_span_in_two_polls_was_busy_scheduled_and_idle() {
        let (mut open, at) = opened();
        // The delay before its first poll was before its time.
        open.enter(at(10), (700, 1));
        open.exit(at(30));
        open.enter(at(130), (40, 2));
        open.exit(at(150));
        assert_eq!(open.close(at(160)), split(160, 40, 40));
    }

    #[test]
    fn a_span_entered_twice_in_one_poll_waited_once() {
        let (mut open, at) = opened();
        open.enter(at(0), (0, 1));
        open.exit(at(10));
        for from in [110, 130] {
            open.enter(at(from), (50, 2));
            open.exit(at(from + 10));
        }
        assert_eq!(open.close(at(140)), split(140, 30, 50));
    }

    #[test]
    fn a_span_that_was_never_entered_was_idle() {
        let (open, at) = opened();
        assert_eq!(open.close(at(90)), split(90, 0, 0));
    }

    #[test]
    fn a_span_that_is_closed_while_it_is_entered_was_busy_to_its_end() {
        let (mut open, at) = opened();
        open.enter(at(20), (0, 1));
        assert_eq!(open.close(at(50)), split(50, 30, 0));
    }

    #[test]
    fn a_span_entered_within_itself_or_on_two_threads_at_once_is_busy_once() {
        let (mut open, at) = opened();
        open.enter(at(10), (0, 1));
        open.enter(at(20), (0, 9));
        open.exit(at(30));
        open.exit(at(60));
        assert_eq!(open.close(at(70)), split(70, 50, 0));
    }

    #[test]
    fn a_task_that_was_woken_while_it_ran_waits_only_from_when_it_was_left() {
        let (mut open, at) = opened();
        open.enter(at(0), (0, 1));
        open.exit(at(100));
        open.enter(at(120), (90, 2));
        open.exit(at(130));
        assert_eq!(open.close(at(130)), split(130, 110, 20));
    }

    #[test]
    fn a_span_left_without_being_entered_and_clocks_that_run_backwards_are_nothing() {
        let (mut open, at) = opened();
        open.exit(at(10));
        open.enter(at(30), (0, 1));
        open.exit(at(20));
        assert_eq!(open.close(at(40)), split(40, 0, 0));
    }
}
