//! Joins the load's operations with the probes that watch single operations. In the time pass only.

use std::future::Future;
use std::pin::Pin;

use crate::load::Observer;
use crate::probe::{phases, tasks, wait};
use crate::workload::current::OperationId;

/// Watches each operation with `tasks` and tells `phases` which operation is being polled.
pub struct Watch;

impl Observer for Watch {
    fn worker(&self, task: Pin<Box<dyn Future<Output = ()> + Send>>) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(tasks::worker(task))
    }

    fn poll(&self, id: OperationId, poll: &mut dyn FnMut()) -> u64 {
        phases::in_operation(id.0, poll);
        wait::nanoseconds()
    }

    fn polled(&self, busy_ns: u64) -> bool {
        tasks::polled(busy_ns)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    use tokio_metrics::{FutureMetrics, FutureMonitor};

    use super::*;
    use crate::error::BoxError;
    use crate::load::drive::{Round, drive};
    use crate::load::{Load, clock};
    use crate::workload::{Context, Work, Worker, Workload};

    /// Computes, waits and computes, and has tokio-metrics watch it.
    struct Monitored(Arc<Mutex<Vec<FutureMetrics>>>);

    fn compute(time: Duration) {
        let end = clock::now() + time;
        while clock::now() < end {
            std::hint::spin_loop();
        }
    }

    impl Workload for Monitored {
        type State = ();

        async fn setup(&self, _worker: Worker) -> Result<(), BoxError> {
            Ok(())
        }

        async fn operation(&self, (): &mut ()) -> Result<Work, BoxError> {
            let body = async {
                compute(Duration::from_millis(2));
                tokio::time::sleep(Duration::from_millis(4)).await;
                compute(Duration::from_millis(1));
            };
            let ((), metrics) = FutureMonitor::new().instrument(body).await;
            self.0.lock().unwrap().push(metrics);
            Ok(Work::done())
        }
    }

    #[test]
    fn the_parts_of_an_operation_are_those_that_tokio_metrics_tells() {
        let folder = tempfile::tempdir().unwrap();
        let told = Arc::new(Mutex::new(Vec::new()));
        let round = Round {
            workload: Arc::new(Monitored(Arc::clone(&told))),
            context: Arc::new(Context::default()),
            load: Load::closed(1).operations(8).warmup(Duration::ZERO),
            observer: Some(Arc::new(Watch)),
            rows: Some(folder.path().join("rows.csv")),
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let measured = runtime.block_on(drive(round, |_| {}, || Ok(()), || Ok(()))).unwrap();
        let (count, [busy, _, waiting]) = measured.collected.watched;
        assert_eq!(count, 8);
        // The first operation is the preflight, which nothing watches.
        let told = told.lock().unwrap();
        let sum = |of: fn(&FutureMetrics) -> Duration| told.iter().skip(1).map(of).sum::<Duration>().as_nanos() as f64;
        for (ours, theirs) in
            [(busy, sum(|metrics| metrics.total_poll_duration)), (waiting, sum(|metrics| metrics.total_idle_duration))]
        {
            // Both look at the same polls, one a few function calls further out.
            assert!((ours as f64 / theirs - 1.0).abs() < 0.1, "{ours} ns here, {theirs} ns by tokio-metrics");
        }
    }
}
