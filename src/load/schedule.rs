//! When the operations of an open load are due: a list of segments, and the closed-form inverse of their cumulative
//! rate. Pure: no clock, no randomness.

use std::time::Duration;

use crate::error::{Error, Result};

/// A stretch of time in which the rate goes linearly from one value to another.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Segment {
    /// Operations in a second at its start.
    pub from_rate: f64,
    /// Operations in a second at its end.
    pub to_rate: f64,
    /// How long it lasts.
    pub duration: Duration,
}

impl Segment {
    /// Operations due within it.
    fn arrivals(&self) -> f64 {
        f64::midpoint(self.from_rate, self.to_rate) * self.duration.as_secs_f64()
    }

    /// When its `x`-th operation is due, in seconds from its start.
    ///
    /// The cumulative arrivals are `from·t + k·t²/2` with the slope `k`; this is the inverse. (k6's
    /// ramping-arrival-rate uses the same form.)
    fn due(&self, x: f64) -> f64 {
        let slope = (self.to_rate - self.from_rate) / self.duration.as_secs_f64();
        if slope.abs() < 1e-9 {
            return x / self.from_rate;
        }
        ((self.from_rate * self.from_rate + 2.0 * slope * x).max(0.0).sqrt() - self.from_rate) / slope
    }
}

/// When operations are due.
///
/// ```
/// use std::time::Duration;
/// use perfkit::load::Schedule;
/// let schedule = Schedule::constant(100.0, Duration::from_secs(1));
/// let due: Vec<_> = schedule.arrivals().collect();
/// assert_eq!(due.len(), 100);
/// assert_eq!(due[1], Duration::from_millis(10));
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Schedule {
    segments: Vec<Segment>,
}

impl Schedule {
    /// The same rate all the time.
    #[must_use]
    pub fn constant(rate_per_s: f64, duration: Duration) -> Self {
        Self { segments: vec![Segment { from_rate: rate_per_s, to_rate: rate_per_s, duration }] }
    }

    /// The same shape, stretched or cut to last so long.
    #[must_use]
    pub fn lasting(&self, duration: Duration) -> Self {
        let total = self.duration().as_secs_f64();
        let factor = if total > 0.0 { duration.as_secs_f64() / total } else { 0.0 };
        let stretch = |segment: &Segment| Segment { duration: segment.duration.mul_f64(factor), ..*segment };
        Self { segments: self.segments.iter().map(stretch).collect() }
    }

    /// How long it lasts.
    #[must_use]
    pub fn duration(&self) -> Duration {
        self.segments.iter().map(|segment| segment.duration).sum()
    }

    /// The highest rate in it.
    #[must_use]
    pub fn peak_rate(&self) -> f64 {
        self.segments.iter().map(|segment| segment.from_rate.max(segment.to_rate)).fold(0.0, f64::max)
    }

    /// The mean rate over all of it.
    #[must_use]
    pub fn mean_rate(&self) -> f64 {
        let arrivals: f64 = self.segments.iter().map(Segment::arrivals).sum();
        arrivals / self.duration().as_secs_f64()
    }

    /// When each operation is due, from the start. The first of a segment is due at the segment's start; nothing drifts,
    /// because each time is computed from the number and not from the last time.
    pub fn arrivals(&self) -> impl Iterator<Item = Duration> + Send + use<> {
        let mut start = 0.0;
        let segments: Vec<(f64, Segment)> = self
            .segments
            .iter()
            .map(|segment| {
                let at = start;
                start += segment.duration.as_secs_f64();
                (at, *segment)
            })
            .collect();
        segments.into_iter().flat_map(|(start, segment)| {
            // The last arrival must be due before the segment ends: the next segment's first is due at that moment.
            let count = (segment.arrivals() - 1e-9).ceil().max(0.0) as u64;
            (0..count).map(move |number| Duration::from_secs_f64(start + segment.due(number as f64).max(0.0)))
        })
    }

    /// Whether the rates and durations can be driven.
    ///
    /// # Errors
    /// A rate is negative or not a number, all rates are 0, or it has no duration.
    pub fn validate(&self) -> Result<()> {
        let rates = || self.segments.iter().flat_map(|segment| [segment.from_rate, segment.to_rate]);
        let hint = "give a rate such as --rate 100/s";
        if rates().any(|rate| !rate.is_finite() || rate < 0.0) || self.peak_rate() <= 0.0 {
            return Err(Error::usage("the rate is not a positive number", hint));
        }
        if self.peak_rate() > 1e6 {
            return Err(Error::usage("a rate above 1,000,000/s cannot be paced by one process", hint));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ramp_is_the_exact_inverse_of_its_cumulative_rate() {
        let duration = Duration::from_secs(10);
        let ramp = Schedule { segments: vec![Segment { from_rate: 0.0, to_rate: 200.0, duration }] };
        let per_second =
            |second: u64| ramp.arrivals().filter(|due| due.as_nanos() / 1_000_000_000 == u128::from(second)).count();
        // ∫ 20t over second s is 20s + 10: 10, 30, …, 190.
        let counts: Vec<usize> = (0..10).map(per_second).collect();
        assert_eq!(counts.iter().sum::<usize>(), 1000);
        for (second, count) in counts.iter().enumerate() {
            assert!(count.abs_diff(20 * second + 10) <= 1, "second {second}: {count}");
        }
    }

    #[test]
    fn arrivals_never_go_back_in_time() {
        let second = Duration::from_secs(1);
        let segments = vec![
            Segment { from_rate: 50.0, to_rate: 10.0, duration: second },
            Segment { from_rate: 0.0, to_rate: 0.0, duration: second },
            Segment { from_rate: 100.0, to_rate: 100.0, duration: second },
        ];
        let due: Vec<Duration> = Schedule { segments }.arrivals().collect();
        assert_eq!(due.len(), 130);
        assert!(due.windows(2).all(|pair| pair[0] <= pair[1]));
        assert_eq!(due[30], Duration::from_secs(2));
    }
}
