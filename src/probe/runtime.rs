//! The tokio runtime as a whole, by tokio-metrics' `RuntimeMonitor`: busy ratio, queues, and with `tokio_unstable` the
//! histograms of poll time and of the delay from wake to poll. What tokio does not tell is absent, not zero.

#![allow(clippy::disallowed_methods, reason = "a probe keeps time of its own: the load's clock may be a test's")]

use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio_metrics::{RuntimeIntervals, RuntimeMetrics, RuntimeMonitor};

use super::hooks::Hooks;
use super::{Probe, Running, Settings};
use crate::error::{Error, Result};
use crate::record::Reading;
use crate::record::pass::Pass;
use crate::record::series::Series;
use crate::unit::{Better, Unit};

const INTERVAL: Duration = Duration::from_millis(100);

/// The probe `runtime`.
pub struct Runtime;

struct Watching {
    stop: Sender<()>,
    thread: JoinHandle<Vec<(u64, RuntimeMetrics)>>,
    #[cfg(tokio_unstable)]
    delays: histogram::Delays,
    #[cfg(tokio_unstable)]
    handle: tokio::runtime::Handle,
}

impl Probe for Runtime {
    fn name(&self) -> &'static str {
        "runtime"
    }

    fn about(&self) -> &'static str {
        "busy ratio, queue depth, poll times and scheduling delays of the tokio runtime (tokio-metrics)"
    }

    fn passes(&self) -> &'static [Pass] {
        &[Pass::Time]
    }

    #[cfg(tokio_unstable)]
    fn prepare(&self, hooks: &mut Hooks) -> Result<()> {
        histogram::enable(hooks.builder());
        Ok(())
    }

    #[cfg(not(tokio_unstable))]
    fn prepare(&self, _hooks: &mut Hooks) -> Result<()> {
        Ok(())
    }

    fn start(&self, settings: &Settings) -> Result<Box<dyn Running>> {
        let mut intervals = RuntimeMonitor::new(&settings.runtime).intervals();
        let (stop, stopped) = channel();
        let body = move || {
            let started = Instant::now();
            // The first reading covers all that was before the measured part.
            let _before = intervals.next();
            let mut readings = Vec::new();
            while stopped.recv_timeout(INTERVAL) == Err(RecvTimeoutError::Timeout) {
                look(&mut readings, &mut intervals, started);
            }
            look(&mut readings, &mut intervals, started);
            readings
        };
        let thread = std::thread::Builder::new()
            .name("perfkit-runtime".into())
            .spawn(body)
            .map_err(|error| Error::probe("runtime", error, "the process may not start more threads"))?;
        Ok(Box::new(Watching {
            stop,
            thread,
            #[cfg(tokio_unstable)]
            delays: histogram::Delays::now(&settings.runtime),
            #[cfg(tokio_unstable)]
            handle: settings.runtime.clone(),
        }))
    }
}

fn look(readings: &mut Vec<(u64, RuntimeMetrics)>, intervals: &mut RuntimeIntervals, started: Instant) {
    if let Some(metrics) = intervals.next() {
        readings.push((u64::try_from(started.elapsed().as_nanos()).unwrap_or(u64::MAX), metrics));
    }
}

impl Running for Watching {
    fn stop(self: Box<Self>) -> Result<Reading> {
        let _ = self.stop.send(());
        let readings = self
            .thread
            .join()
            .map_err(|_| Error::probe("runtime", "its thread panicked", "report this with the command"))?;
        let mut reading = Reading::of("runtime");
        summarize(&mut reading, &readings);
        #[cfg(tokio_unstable)]
        {
            histogram::polls(&mut reading, &readings);
            self.delays.read_since(&mut reading, &self.handle);
        }
        #[cfg(not(tokio_unstable))]
        {
            use crate::warning::Caution;
            let absent = "poll times and scheduling delays of the runtime";
            reading.warnings.push(Caution::NoTokioUnstable { absent }.into());
        }
        Ok(reading)
    }
}

/// What every build of tokio tells.
fn summarize(reading: &mut Reading, readings: &[(u64, RuntimeMetrics)]) {
    let elapsed: f64 = readings.iter().map(|(_, metrics)| metrics.elapsed.as_secs_f64()).sum();
    let busy: f64 = readings.iter().map(|(_, metrics)| metrics.total_busy_duration.as_secs_f64()).sum();
    let parks: u64 = readings.iter().map(|(_, metrics)| metrics.total_park_count).sum();
    let workers = readings.last().map_or(0, |(_, metrics)| metrics.workers_count);
    let deepest = readings.iter().map(|(_, metrics)| metrics.global_queue_depth).max().unwrap_or(0);
    let tasks = readings.iter().map(|(_, metrics)| metrics.live_tasks_count).max().unwrap_or(0);
    // A worker's busy time is added up when it parks, so a short interval can read above 1; over the round it cannot.
    reading.metric("runtime.busy_ratio", Unit::Ratio, Better::Lower, (busy / elapsed / workers as f64).min(1.0));
    reading.metric("runtime.queue_depth.max", Unit::Count, Better::Lower, deepest as f64);
    reading.metric("runtime.tasks.max", Unit::Count, Better::Lower, tasks as f64);
    reading.per_operation("runtime.parks_per_op", Unit::Count, Better::Lower, parks as f64);
    let mut depth = Series::new("runtime.queue_depth", Unit::Count);
    let mut ratio = Series::new("runtime.busy_ratio", Unit::Ratio);
    for (at, metrics) in readings {
        depth.points.push((*at, metrics.global_queue_depth as f64));
        let share = metrics.total_busy_duration.as_secs_f64() / metrics.elapsed.as_secs_f64() / workers as f64;
        ratio.points.push((*at, share.min(1.0)));
    }
    reading.series.extend([depth, ratio]);
    reading.fact("workers", workers);
}

/// What only `tokio_unstable` tells.
#[cfg(tokio_unstable)]
mod histogram {
    use std::time::Duration;

    use tokio::runtime::{Builder, Handle, HistogramConfiguration, LogHistogram};
    use tokio_metrics::RuntimeMetrics;

    use crate::record::Reading;
    use crate::unit::{Better, Unit};

    /// From 1 µs to beyond a minute, each bucket at most an eighth wide.
    fn buckets() -> HistogramConfiguration {
        let log = LogHistogram::builder()
            .min_value(Duration::from_micros(1))
            .max_value(Duration::from_mins(1))
            .max_error(0.125);
        HistogramConfiguration::log(log.build())
    }

    pub(super) fn enable(builder: &mut Builder) {
        builder
            .enable_metrics_poll_time_histogram()
            .metrics_poll_time_histogram_configuration(buckets())
            .enable_metrics_schedule_latency_histogram()
            .metrics_schedule_latency_histogram_configuration(buckets());
    }

    /// A bucket: its upper edge in nanoseconds and how many fell into it.
    type Bucket = (f64, u64);

    /// The upper edge of the bucket that holds the quantile: never too small, at most an eighth too large.
    fn quantile(buckets: &[Bucket], q: f64) -> Option<f64> {
        let total: u64 = buckets.iter().map(|(_, count)| count).sum();
        let wanted = (total as f64 * q).ceil().max(1.0) as u64;
        let mut seen = 0;
        buckets.iter().find_map(|(edge, count)| {
            seen += count;
            (total > 0 && seen >= wanted).then_some(*edge)
        })
    }

    fn edge(start: Duration, end: Duration) -> f64 {
        // The last bucket is open: its lower edge is all that is known.
        if end.as_secs() > 86_400 { start.as_nanos() as f64 } else { end.as_nanos() as f64 }
    }

    pub(super) fn polls(reading: &mut Reading, readings: &[(u64, RuntimeMetrics)]) {
        let mut buckets: Vec<Bucket> = Vec::new();
        for (_, metrics) in readings {
            for (index, bucket) in metrics.poll_time_histogram.buckets().iter().enumerate() {
                if buckets.len() <= index {
                    buckets.push((edge(bucket.range_start(), bucket.range_end()), 0));
                }
                buckets[index].1 += bucket.count();
            }
        }
        let count: u64 = buckets.iter().map(|(_, count)| count).sum();
        let slow: u64 = buckets.iter().filter(|(edge, _)| *edge > 10e6).map(|(_, count)| count).sum();
        let steals: u64 = readings.iter().map(|(_, metrics)| metrics.total_steal_operations).sum();
        let waiting = readings.iter().map(|(_, metrics)| metrics.blocking_queue_depth).max().unwrap_or(0);
        reading.metric("poll.p99", Unit::Ns, Better::Lower, quantile(&buckets, 0.99).unwrap_or(f64::NAN));
        reading.metric("poll.max", Unit::Ns, Better::Lower, quantile(&buckets, 1.0).unwrap_or(f64::NAN));
        reading.metric("poll.slow", Unit::Count, Better::Lower, slow as f64);
        reading.per_operation("poll.count_per_op", Unit::Count, Better::Lower, count as f64);
        reading.metric("runtime.steals", Unit::Count, Better::Lower, steals as f64);
        reading.metric("runtime.blocking_queue.max", Unit::Count, Better::Lower, waiting as f64);
    }

    /// The schedule-latency histogram as it stood when the measuring began.
    pub(super) struct Delays(Vec<Bucket>);

    impl Delays {
        pub(super) fn now(runtime: &Handle) -> Self {
            let metrics = runtime.metrics();
            if !metrics.schedule_latency_histogram_enabled() {
                return Self(Vec::new());
            }
            let workers = metrics.num_workers();
            let buckets = (0..metrics.schedule_latency_histogram_num_buckets()).map(|bucket| {
                let range = metrics.schedule_latency_histogram_bucket_range(bucket);
                let count =
                    (0..workers).map(|worker| metrics.schedule_latency_histogram_bucket_count(worker, bucket)).sum();
                (edge(range.start, range.end), count)
            });
            Self(buckets.collect())
        }

        pub(super) fn read_since(self, reading: &mut Reading, runtime: &Handle) {
            let mut buckets = Self::now(runtime).0;
            for (now, before) in buckets.iter_mut().zip(&self.0) {
                now.1 = now.1.saturating_sub(before.1);
            }
            let p99 = quantile(&buckets, 0.99).unwrap_or(f64::NAN);
            reading.metric("schedule_delay.p99", Unit::Ns, Better::Lower, p99);
            reading.metric("schedule_delay.max", Unit::Ns, Better::Lower, quantile(&buckets, 1.0).unwrap_or(f64::NAN));
        }
    }
}
