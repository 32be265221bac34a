//! Histograms: HdrHistogram for latencies, with its V2 log as the file. Keeps three significant digits.

use std::io::Write;
use std::time::Duration;

use hdrhistogram::Histogram;
use hdrhistogram::serialization::V2DeflateSerializer;
use hdrhistogram::serialization::interval_log::{IntervalLogWriterBuilder, Tag};

use crate::error::BoxError;

/// The longest latency that is kept apart: an hour. Longer ones are counted as an hour.
const HIGHEST_NS: u64 = 3_600_000_000_000;

/// A latency histogram: 1 ns to one hour at three significant digits.
///
/// # Panics
/// Never: the bounds are constants that the crate accepts.
#[must_use]
pub fn latencies() -> Histogram<u64> {
    Histogram::new_with_bounds(1, HIGHEST_NS, 3).unwrap_or_else(|_| unreachable!("constant bounds are valid"))
}

/// One round's latencies.
pub struct Interval<'a> {
    /// The round, from 0.
    pub round: u32,
    /// Seconds from the start of the run.
    pub start: Duration,
    /// How long it was measured.
    pub duration: Duration,
    /// The latencies in nanoseconds.
    pub histogram: &'a Histogram<u64>,
}

/// Writes an HdrHistogram V2 log: one interval per round, tagged `round-N`; values are nanoseconds.
///
/// # Errors
/// The writer failed.
pub fn write_log(out: &mut impl Write, started: Duration, intervals: &[Interval<'_>]) -> Result<(), BoxError> {
    let mut serializer = V2DeflateSerializer::new();
    let start = std::time::SystemTime::UNIX_EPOCH + started;
    let mut log = IntervalLogWriterBuilder::new()
        .add_comment("perfkit latency log: nanoseconds from due to end, time pass")
        .with_start_time(start)
        .with_base_time(start)
        .with_max_value_divisor(1_000_000.0)
        .begin_log_with(out, &mut serializer)?;
    for interval in intervals {
        let name = format!("round-{}", interval.round);
        let tag = Tag::new(&name).ok_or("a tag holds no space or comma")?;
        log.write_histogram(interval.histogram, interval.start, interval.duration, Some(tag))
            .map_err(|error| format!("{error:?}"))?;
    }
    Ok(())
}
