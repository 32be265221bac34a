//! The open load: operations are due at times of their own, and latency counts from there. A pacer on its own thread
//! hands them to workers; a backlog keeps its due times; beyond the caps they are dropped, which is a failure.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::{Semaphore, mpsc};

use super::clock::{self, Instant};
use super::collect::Inlet;
use super::crew::{Crew, Shared, Stage, lock};
use super::drive::Pacing;
use super::lane::{Turn, Turns};
use super::pacer::Timer;
use super::{Load, Schedule};
use crate::error::{Error, Result};
use crate::record::histogram;
use crate::record::operation::{Fate, Row};

/// Workers that are there before the first operation is due.
const FIRST_WORKERS: f64 = 0.1;
/// Descriptors kept free for everything but the workers.
const RESERVED_DESCRIPTORS: u64 = 256;

/// An open load.
pub(super) struct Open {
    schedule: Schedule,
    warmup: Duration,
    cap: u32,
    warm: Arc<Queue>,
    main: Arc<Queue>,
    planned: u64,
}

/// Operations that are due and wait for a worker.
pub(super) struct Queue {
    waiting: Mutex<VecDeque<Turn>>,
    /// One permit for each waiting operation; closed when no more will come.
    ready: Semaphore,
    idle: AtomicU32,
}

/// A worker's end of the queues.
pub(super) struct OpenTurns {
    warm: Arc<Queue>,
    main: Arc<Queue>,
}

impl Queue {
    fn new(cap: u32) -> Arc<Self> {
        Arc::new(Self {
            waiting: Mutex::new(VecDeque::with_capacity(cap as usize)),
            ready: Semaphore::new(0),
            idle: AtomicU32::new(0),
        })
    }

    /// Takes the next operation, or `None` when the stage is over and nothing waits.
    async fn take(&self) -> Option<Turn> {
        self.idle.fetch_add(1, Ordering::AcqRel);
        let permit = self.ready.acquire().await;
        self.idle.fetch_sub(1, Ordering::AcqRel);
        if let Ok(permit) = permit {
            permit.forget();
        }
        lock(&self.waiting).pop_front()
    }

    /// Adds an operation; false where the backlog is full.
    fn offer(&self, turn: Turn, cap: u32) -> bool {
        {
            let mut waiting = lock(&self.waiting);
            if waiting.len() >= cap as usize {
                return false;
            }
            waiting.push_back(turn);
        }
        self.ready.add_permits(1);
        true
    }

    fn close(&self) {
        self.ready.close();
    }
}

impl OpenTurns {
    pub(super) async fn next(&mut self, stage: Stage) -> Option<Turn> {
        match stage {
            Stage::WarmUp => self.warm.take().await,
            Stage::Measure { .. } => self.main.take().await,
            Stage::Stop => None,
        }
    }
}

impl Open {
    pub(super) fn new(load: &Load, schedule: &Schedule, crew: &Crew) -> Self {
        let cap = in_flight_cap(schedule.peak_rate(), load.timeout);
        let open = Self {
            schedule: schedule.clone(),
            warmup: load.warmup,
            cap,
            warm: Queue::new(cap),
            main: Queue::new(cap),
            planned: 0,
        };
        let first = (schedule.peak_rate() * FIRST_WORKERS).ceil().clamp(1.0, f64::from(cap)) as u32;
        for _ in 0..first {
            crew.hire(open.turns());
        }
        open
    }

    fn turns(&self) -> Turns {
        Turns::Open(OpenTurns { warm: Arc::clone(&self.warm), main: Arc::clone(&self.main) })
    }

    /// The warm-up runs at the mean rate of the schedule.
    pub(super) async fn warm_up(&mut self, crew: &Crew) -> Result<()> {
        let schedule = Schedule::constant(self.schedule.mean_rate().max(1e-3), self.warmup);
        let queue = Arc::clone(&self.warm);
        self.pace(crew, queue, schedule, clock::now(), None).await.map(|_| ())
    }

    pub(super) async fn measure(&mut self, crew: &Crew, since: Instant) -> Result<Pacing> {
        let (queue, schedule) = (Arc::clone(&self.main), self.schedule.clone());
        let pacing = self.pace(crew, queue, schedule, since, Some(crew.inlet())).await?;
        self.planned = pacing.planned;
        Ok(pacing)
    }

    pub(super) fn planned(&self) -> u64 {
        self.planned
    }

    /// Paces one stage to its end, hiring workers as the pacer asks for them.
    async fn pace(
        &self,
        crew: &Crew,
        queue: Arc<Queue>,
        schedule: Schedule,
        since: Instant,
        dropped: Option<Inlet>,
    ) -> Result<Pacing> {
        let (wanted, mut wants) = mpsc::channel(64);
        let closing = Arc::clone(&queue);
        let pacer = Pacer { queue, cap: self.cap, since, wanted, dropped, shared: Arc::clone(&crew.shared) };
        let (done, finished) = tokio::sync::oneshot::channel();
        launch(pacer, schedule, done)?;
        while wants.recv().await.is_some() {
            if crew.size() < self.cap {
                crew.hire(self.turns());
            }
        }
        let result = finished.await.map_err(|_| Error::internal("the pacing thread ended without a word"));
        closing.close();
        result
    }
}

/// Runs the pacer on a thread of its own, so that a workload that blocks its runtime cannot make the load late. Under a
/// paused clock it must stay in the runtime: only there does the test's time pass.
fn launch(pacer: Pacer, schedule: Schedule, done: tokio::sync::oneshot::Sender<Pacing>) -> Result<()> {
    if cfg!(test) {
        tokio::spawn(async move {
            let _ = done.send(pacer.run(&schedule, &Timer::Tokio).await);
        });
        return Ok(());
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Error::internal)?;
    let body = move || {
        let (cpu, begin) = (thread_cpu(), clock::now());
        let mut paced = runtime.block_on(async move { pacer.run(&schedule, &Timer::kernel()).await });
        let wall = clock::now().saturating_duration_since(begin).as_secs_f64();
        paced.cpu_share = Some((thread_cpu() - cpu) / wall.max(1e-9));
        let _ = done.send(paced);
    };
    std::thread::Builder::new().name("perfkit-pacer".into()).spawn(body).map(|_| ()).map_err(Error::internal)
}

/// CPU time of this thread, in seconds.
fn thread_cpu() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 * 1e-9
}

/// Hands operations over when they are due.
struct Pacer {
    queue: Arc<Queue>,
    cap: u32,
    since: Instant,
    /// Asks for one more worker.
    wanted: mpsc::Sender<()>,
    /// Takes the rows of dropped operations; `None` in the warm-up.
    dropped: Option<Inlet>,
    shared: Arc<Shared>,
}

impl Pacer {
    /// Paces the schedule to its end.
    async fn run(mut self, schedule: &Schedule, timer: &Timer) -> Pacing {
        let mut lateness = histogram::latencies();
        let mut planned = 0;
        for due in schedule.arrivals() {
            if self.shared.stop.load(Ordering::Relaxed) {
                break;
            }
            let at = self.since + due;
            timer.wait_until(at).await;
            lateness.saturating_record(clock::ns_between(at, clock::now()));
            self.hand_over(Turn { seq: planned, due: Some(at), start: None });
            planned += 1;
        }
        // The round lasts as long as was asked for, also behind the last operation.
        if !self.shared.stop.load(Ordering::Relaxed) {
            timer.wait_until(self.since + schedule.duration()).await;
        }
        Pacing { lateness, planned, cpu_share: None }
    }

    fn hand_over(&mut self, turn: Turn) {
        if self.queue.idle.load(Ordering::Acquire) == 0 {
            // A full channel means that workers are being hired already.
            let _ = self.wanted.try_send(());
        }
        if self.queue.offer(turn, self.cap) {
            return;
        }
        if let (Some(inlet), Some(due)) = (&mut self.dropped, turn.due) {
            let (due_ns, end_ns) = (clock::ns_between(self.since, due), clock::ns_between(self.since, clock::now()));
            inlet.push(Row {
                seq: turn.seq,
                worker: 0,
                due_ns,
                start_ns: end_ns,
                end_ns,
                fate: Fate::Dropped,
                parts: None,
            });
            let mut failures = lock(&self.shared.failures);
            failures.dropped += 1;
            failures.count_error("dropped", "too many operations were in flight and waiting");
        }
    }
}

/// The most operations in flight: what the rate brings within the timeout, and what the descriptors allow.
fn in_flight_cap(peak_rate: f64, timeout: Duration) -> u32 {
    let by_rate = (peak_rate * timeout.as_secs_f64()).ceil().max(1.0);
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current.unwrap_or(1024);
    // A worker of a served workload holds a descriptor at each end, and what the server opens for it.
    let by_descriptors = limit.saturating_sub(RESERVED_DESCRIPTORS).max(64) / 8;
    by_rate.min(by_descriptors as f64).min(20_000.0) as u32
}
