//! Where the time of operations goes: busy, scheduled, idle, by tokio-metrics' `FutureMonitor` for each operation and one
//! `TaskMonitor` for all workers. It allocates for each operation, so it watches in the time pass only.

use std::future::Future;
use std::sync::LazyLock;
use std::time::Duration;

use tokio_metrics::{FutureMonitor, TaskMetrics, TaskMonitor};

use super::{Probe, Running, Settings};
use crate::error::Result;
use crate::record::Reading;
use crate::record::operation::Parts;
use crate::record::pass::Pass;
use crate::unit::{Better, Unit};

/// A poll that takes longer keeps other tasks of its thread waiting noticeably.
pub const SLOW_POLL: Duration = Duration::from_millis(1);

static WORKERS: LazyLock<TaskMonitor> = LazyLock::new(|| {
    let mut builder = TaskMonitor::builder();
    builder.with_slow_poll_threshold(SLOW_POLL).publish_scheduling_delay();
    builder.build()
});

/// The probe `tasks`.
pub struct Tasks;

/// Wraps a worker's task; operations inside it then know how long they waited for a thread.
pub fn worker(task: impl Future<Output = ()> + Send) -> impl Future<Output = ()> + Send {
    WORKERS.instrument(task)
}

/// Drives one operation and says where its time went.
pub async fn operation(operation: impl Future<Output = ()> + Send) -> Parts {
    let monitor = FutureMonitor::with_slow_poll_threshold(SLOW_POLL);
    let ((), metrics) = monitor.instrument(operation).await;
    let total = nanoseconds(metrics.total_duration);
    let busy = nanoseconds(metrics.total_poll_duration).min(total);
    let scheduled = nanoseconds(metrics.total_scheduled_duration).min(total - busy);
    Parts {
        busy_ns: busy,
        scheduled_ns: scheduled,
        // What the task waited for a thread is idle to the future; here it is told apart.
        idle_ns: total - busy - scheduled,
        slow_polls: u32::try_from(metrics.slow_poll_count).unwrap_or(u32::MAX),
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

struct Watching {
    before: TaskMetrics,
}

impl Probe for Tasks {
    fn name(&self) -> &'static str {
        "tasks"
    }

    fn about(&self) -> &'static str {
        "each operation's time busy, scheduled and idle (tokio-metrics)"
    }

    fn passes(&self) -> &'static [Pass] {
        &[Pass::Time]
    }

    fn start(&self, _settings: &Settings) -> Result<Box<dyn Running>> {
        Ok(Box::new(Watching { before: WORKERS.cumulative() }))
    }
}

impl Running for Watching {
    fn stop(self: Box<Self>) -> Result<Reading> {
        let (before, after) = (self.before, WORKERS.cumulative());
        let mut reading = Reading::of("tasks");
        let polls = after.total_poll_count.saturating_sub(before.total_poll_count);
        let slow = after.total_slow_poll_count.saturating_sub(before.total_slow_poll_count);
        reading.per_operation("worker.polls_per_op", Unit::Count, Better::Lower, polls as f64);
        reading.metric("worker.slow_polls", Unit::Count, Better::Lower, slow as f64);
        reading.fact("slow_poll_ns", nanoseconds(SLOW_POLL));
        Ok(reading)
    }
}
