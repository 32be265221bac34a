//! One worker's loop, erased once per worker: an operation is built, timed and dropped on the worker's own stack.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;
use std::time::Duration;

use super::clock::{self, Instant};
use super::closed::ClosedTurns;
use super::collect::Inlet;
use super::crew::{Shared, Stage, lock};
use super::deadline::Deadline;
use super::open::OpenTurns;
use super::watched::{Around, Unwatched, Watched};
use crate::record::operation::{Fate, Parts, Row};
use crate::workload::current::OperationId;
use crate::workload::{Description, Failure, Work, Worker, Workload};

/// Users whose operations held their thread longer let others have it.
const HELD: Duration = Duration::from_millis(1);
/// Or did so many in a row, however short.
const IN_A_ROW: u32 = 1024;

type Task<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// A workload of any type, as the driver sees it.
pub trait Driven: Send + Sync {
    /// What it declares.
    fn describe(&self) -> Description;

    #[doc(hidden)]
    fn work(self: Arc<Self>, lane: Lane) -> Task<()>;

    #[doc(hidden)]
    fn preflight(self: Arc<Self>, worker: Worker, count: u64, timeout: Duration) -> Task<Result<(), Failure>>;
}

impl<W: Workload> Driven for W {
    fn describe(&self) -> Description {
        Workload::describe(self)
    }

    fn work(self: Arc<Self>, lane: Lane) -> Task<()> {
        Box::pin(async move { lane.run(&*self).await })
    }

    fn preflight(self: Arc<Self>, worker: Worker, count: u64, timeout: Duration) -> Task<Result<(), Failure>> {
        Box::pin(async move {
            let mut state = self.setup(worker.clone()).await.map_err(Failure::from_error)?;
            let mut deadline = Deadline::default();
            let mut first = None;
            for _ in 0..count {
                let due = clock::now() + timeout;
                let mut limit = Limit { deadline: &mut deadline, due, timeout, waited: false };
                let (result, survival) = attempt(&*self, &mut state, &mut limit, &mut Unwatched).await;
                match result {
                    // One good answer: what else fails is for the breaker and the floor to judge.
                    Ok(_) => return self.teardown(state).await.map_err(Failure::from_error),
                    Err(failure) => first = first.or(Some(failure)),
                }
                if matches!(survival, Survival::Replace) {
                    state = self.setup(worker.clone()).await.map_err(Failure::from_error)?;
                }
            }
            if let Some(failure) = first {
                return Err(failure);
            }
            self.teardown(state).await.map_err(Failure::from_error)
        })
    }
}

/// Where a worker's turns come from.
pub(super) enum Turns {
    Closed(ClosedTurns),
    Open(OpenTurns),
}

/// One operation to be done.
#[derive(Clone, Copy, Debug)]
pub(super) struct Turn {
    pub(super) seq: u64,
    /// When it is due; `None`: when it starts.
    pub(super) due: Option<Instant>,
    /// The time at which it was given out, where that is known: it starts then.
    pub(super) start: Option<Instant>,
}

/// One worker.
pub struct Lane {
    worker: Worker,
    turns: Turns,
    shared: Arc<Shared>,
    inlet: Inlet,
    deadline: Deadline,
    /// How long its operations have held the thread since one of them last waited.
    held: Duration,
    /// How many did.
    in_a_row: u32,
}

impl Lane {
    pub(super) fn new(worker: Worker, turns: Turns, shared: Arc<Shared>, inlet: Inlet) -> Self {
        Self { worker, turns, shared, inlet, deadline: Deadline::default(), held: Duration::ZERO, in_a_row: 0 }
    }

    /// Follows the stages of the round to their end.
    async fn run<W: Workload>(mut self, workload: &W) {
        let mut state = match workload.setup(self.worker.clone()).await {
            Ok(state) => Some(state),
            Err(error) => {
                self.shared.fail_setup(Failure::from_error(error));
                None
            }
        };
        let mut stages = self.shared.stage.clone();
        loop {
            let stage = *stages.borrow_and_update();
            if stage == Stage::Stop {
                break;
            }
            while let Some(kept) = state.take() {
                self.share_thread().await;
                if let Some(turn) = self.next(stage).await {
                    state = self.one(workload, kept, stage, turn).await;
                } else {
                    state = Some(kept);
                    break;
                }
            }
            self.shared.leave();
            if stages.changed().await.is_err() {
                break;
            }
        }
        if let Some(state) = state
            && let Err(error) = workload.teardown(state).await
        {
            lock(&self.shared.teardown_errors).push(error.to_string());
        }
    }

    /// Operations that never wait would keep their thread for ever, and the other users from it.
    async fn share_thread(&mut self) {
        if self.held > HELD || self.in_a_row >= IN_A_ROW {
            (self.held, self.in_a_row) = (Duration::ZERO, 0);
            tokio::task::yield_now().await;
        }
    }

    async fn next(&mut self, stage: Stage) -> Option<Turn> {
        if self.shared.stop.load(Ordering::Relaxed) {
            return None;
        }
        match &mut self.turns {
            Turns::Closed(turns) => turns.next(stage),
            Turns::Open(turns) => turns.next(stage).await,
        }
    }

    /// One operation; gives the state back, a new one after a panic, or none where that cannot be made.
    async fn one<W: Workload>(
        &mut self,
        workload: &W,
        mut state: W::State,
        stage: Stage,
        turn: Turn,
    ) -> Option<W::State> {
        let start = turn.start.unwrap_or_else(clock::now);
        let timeout = self.shared.timeout;
        let mut limit = Limit { deadline: &mut self.deadline, due: start + timeout, timeout, waited: false };
        let observer = self.shared.observer.as_ref().filter(|_| matches!(stage, Stage::Measure { .. }));
        let ((result, survival), end, parts) = match observer {
            None => (attempt(workload, &mut state, &mut limit, &mut Unwatched).await, clock::now(), None),
            Some(observer) => {
                let mut watched = Watched::new(observer, OperationId(turn.seq), start);
                let attempted = attempt(workload, &mut state, &mut limit, &mut watched).await;
                let end = clock::now();
                (attempted, end, Some(watched.parts(end)))
            }
        };
        (self.held, self.in_a_row) = if limit.waited {
            (Duration::ZERO, 0)
        } else {
            (self.held + end.saturating_duration_since(start), self.in_a_row + 1)
        };
        if let Stage::Measure { since } = stage {
            self.record(since, turn, (start, end), result, parts);
        }
        match survival {
            Survival::Keep => Some(state),
            Survival::Replace => match workload.setup(self.worker.clone()).await {
                Ok(state) => Some(state),
                Err(error) => {
                    self.shared.fail_setup(Failure::from_error(error));
                    None
                }
            },
        }
    }

    fn record(
        &mut self,
        since: Instant,
        turn: Turn,
        (start, end): (Instant, Instant),
        result: Result<Work, Failure>,
        parts: Option<Parts>,
    ) {
        let fate = match &result {
            Ok(_) => Fate::Ok,
            Err(failure) if failure.timed_out() => Fate::TimedOut,
            Err(_) => Fate::Failed,
        };
        if let Err(failure) = result {
            let mut failures = lock(&self.shared.failures);
            failures.count_error(failure.kind(), &failure.to_string());
            if fate == Fate::TimedOut {
                failures.timed_out += 1;
            } else {
                failures.failed += 1;
            }
        }
        if self.shared.breaker.count(fate) {
            self.shared.stop.store(true, Ordering::Release);
        }
        self.inlet.push(Row {
            seq: turn.seq,
            worker: self.worker.index(),
            due_ns: clock::ns_between(since, turn.due.unwrap_or(start)),
            start_ns: clock::ns_between(since, start),
            end_ns: clock::ns_between(since, end),
            fate,
            parts,
        });
    }
}

/// Whether a worker's state can be used again.
enum Survival {
    Keep,
    /// The operation panicked or was stopped half-way: its state may be half-changed.
    Replace,
}

/// How long an operation may take, and the timer that says so.
struct Limit<'a> {
    deadline: &'a mut Deadline,
    due: Instant,
    timeout: Duration,
    /// Whether the operation gave its thread away in between.
    waited: bool,
}

/// One operation with its timeout; a panic is a failure of this operation only.
async fn attempt<W: Workload>(
    workload: &W,
    state: &mut W::State,
    limit: &mut Limit<'_>,
    around: &mut impl Around,
) -> (Result<Work, Failure>, Survival) {
    let mut operation = pin!(workload.operation(state));
    std::future::poll_fn(|cx| {
        around.poll(|| {
            // Unwind safety: after a panic neither the future nor the state is used again.
            match std::panic::catch_unwind(AssertUnwindSafe(|| operation.as_mut().poll(cx))) {
                Ok(Poll::Ready(Ok(work))) => Poll::Ready((Ok(work), Survival::Keep)),
                Ok(Poll::Ready(Err(error))) => Poll::Ready((Err(Failure::from_error(error)), Survival::Keep)),
                Ok(Poll::Pending) => {
                    limit.waited = true;
                    let late = limit.deadline.poll(limit.due, cx);
                    late.map(|()| (Err(Failure::timeout(limit.timeout)), Survival::Replace))
                }
                Err(panic) => Poll::Ready((Err(Failure::new("panic", panic_message(&*panic))), Survival::Replace)),
            }
        })
    })
    .await
}

fn panic_message(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied().map(str::to_owned);
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "a panic without a message".to_owned())
}
