//! A worker's timer for the deadlines of its operations. Armed by the first operation that waits, and left armed when that
//! is done: deadlines only get later, so one spurious wake per timeout replaces a timer set and cleared per operation.

use std::future::Future;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use tokio::time::Sleep;

use super::clock::Instant;

/// The timer of one worker.
#[derive(Debug, Default)]
pub(super) struct Deadline {
    armed: Option<(Pin<Box<Sleep>>, Waker)>,
}

impl Deadline {
    /// Ready when `due` is past; else wakes the task by then.
    pub(super) fn poll(&mut self, due: Instant, cx: &mut Context<'_>) -> Poll<()> {
        if let Some((sleep, waker)) = &self.armed
            && !sleep.is_elapsed()
            && sleep.deadline() <= due
            && waker.will_wake(cx.waker())
        {
            // It will wake this very task, in time: telling the timer again would cost two atomic exchanges per poll.
            return Poll::Pending;
        }
        let arm = || (Box::pin(tokio::time::sleep_until(due)), cx.waker().clone());
        let (sleep, waker) = self.armed.get_or_insert_with(arm);
        waker.clone_from(cx.waker());
        if sleep.deadline() > due {
            sleep.as_mut().reset(due);
        }
        loop {
            // Unconstrained: an operation that always uses up the task's budget must not outrun its deadline.
            let fired = pin!(tokio::task::unconstrained(sleep.as_mut())).poll(cx);
            if fired.is_pending() || sleep.deadline() >= due {
                return fired;
            }
            sleep.as_mut().reset(due);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::clock;
    use std::time::Duration;

    #[tokio::test(start_paused = true)]
    async fn a_timer_that_was_armed_for_an_earlier_operation_does_not_end_a_later_one() {
        let (mut deadline, began) = (Deadline::default(), clock::now());
        let first = began + Duration::from_secs(5);
        assert!(std::future::poll_fn(|cx| Poll::Ready(deadline.poll(first, cx))).await.is_pending());
        let second = began + Duration::from_secs(8);
        std::future::poll_fn(|cx| deadline.poll(second, cx)).await;
        assert_eq!(clock::now() - began, Duration::from_secs(8));
        let earlier = began + Duration::from_secs(9);
        assert!(
            std::future::poll_fn(|cx| Poll::Ready(deadline.poll(began + Duration::from_mins(1), cx)))
                .await
                .is_pending()
        );
        std::future::poll_fn(|cx| deadline.poll(earlier, cx)).await;
        assert_eq!(clock::now() - began, Duration::from_secs(9));
    }

    #[tokio::test(start_paused = true)]
    async fn a_deadline_that_is_past_is_ready_at_once() {
        let (mut deadline, began) = (Deadline::default(), clock::now());
        tokio::time::advance(Duration::from_secs(1)).await;
        std::future::poll_fn(|cx| deadline.poll(began, cx)).await;
        assert_eq!(clock::now() - began, Duration::from_secs(1));
    }
}
