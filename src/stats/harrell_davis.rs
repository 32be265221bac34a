//! Quantiles of small samples: the Harrell–Davis estimate, the Maritz–Jarrett standard error and the interval of the median
//! from two order statistics. Refuses samples beyond 10,000 values, for which type 7 is as good and cheaper.

use super::distribution::{beta_below, fair_binomial_below};
use super::interval::Interval;
use super::quantile::Sorted;
use super::refusal::{self, Refusal};

/// The most values that the beta weights are computed for.
const MOST_VALUES: usize = 10_000;

/// The Harrell–Davis estimate of the `q`-quantile: the mean of all order statistics, weighted by the beta distribution
/// `((n + 1)q, (n + 1)(1 − q))`.
///
/// For the median of a few normal rounds it varies less than type 7 does. It looks at every value, so one wild round moves it:
/// beyond p95, or where tails are heavy, use type 7. Assumes independent values. Cost: O(n log n), each weight O(√n).
/// Source: Harrell and Davis (1982).
///
/// # Errors
/// `TooFew` for an empty sample, `TooMany` above 10,000 values, `NotFinite`, `Parameter` unless `0 < q < 1`.
///
/// ```
/// let median = perfkit::stats::harrell_davis::quantile(&[10.0, 11.0, 12.0, 13.0], 0.5).unwrap();
/// assert!((median - 11.5).abs() < 1e-12);
/// ```
pub fn quantile(values: &[f64], q: f64) -> Result<f64, Refusal> {
    let sorted = admit(values, q)?;
    let count = values.len() as f64;
    weighted(&sorted, (count + 1.0) * q, (count + 1.0) * (1.0 - q)).map(|(mean, _)| mean)
}

/// The Maritz–Jarrett standard error of the `q`-quantile of one sample.
///
/// It says how far the quantile of *these* independent values varies; for operations of one process that is not the variation
/// from run to run. Cost: as [`quantile`]. Source: Maritz and Jarrett (1978).
///
/// # Errors
/// As [`quantile`]; `TooFew` also where the quantile falls on the first or last value, beyond which nothing is known.
///
/// ```
/// let values: Vec<f64> = (1..=30).map(f64::from).collect();
/// let error = perfkit::stats::harrell_davis::standard_error(&values, 0.5).unwrap();
/// assert!(error > 2.0 && error < 3.0);
/// ```
pub fn standard_error(values: &[f64], q: f64) -> Result<f64, Refusal> {
    let sorted = admit(values, q)?;
    let count = values.len() as f64;
    let rank = (count * q + 0.5).floor();
    if rank < 2.0 || rank >= count {
        return Err(Refusal::TooFew);
    }
    weighted(&sorted, rank - 1.0, count - rank).map(|(_, variance)| variance.max(0.0).sqrt())
}

fn admit(values: &[f64], q: f64) -> Result<Sorted, Refusal> {
    refusal::check(values, 1)?;
    refusal::check_share(q)?;
    if values.len() > MOST_VALUES {
        return Err(Refusal::TooMany);
    }
    Sorted::new(values).ok_or(Refusal::NotFinite)
}

/// Mean and variance of the order statistics under the weights of a beta distribution.
fn weighted(sorted: &Sorted, a: f64, b: f64) -> Result<(f64, f64), Refusal> {
    let values = sorted.values();
    let count = values.len() as f64;
    let below: Vec<f64> = (0..=values.len())
        .map(|rank| beta_below(rank as f64 / count, a, b))
        .collect::<Option<_>>()
        .ok_or(Refusal::Parameter)?;
    let weights = || below.windows(2).map(|pair| pair[1] - pair[0]);
    // Deviations from one of the values keep the digits that a large common offset would take.
    let origin = values[values.len() / 2];
    let mean: f64 = weights().zip(values).map(|(weight, value)| weight * (value - origin)).sum();
    let square = |value: f64| (value - origin - mean) * (value - origin - mean);
    let variance: f64 = weights().zip(values).map(|(weight, value)| weight * square(*value)).sum();
    Ok((refusal::finite(origin + mean)?, refusal::finite(variance)?))
}

/// The interval of the median between two order statistics, and the confidence that it truly has (at least the one asked for).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MedianInterval {
    /// The type-7 median with the two order statistics.
    pub interval: Interval,
    /// The exact confidence, from the binomial distribution.
    pub confidence: f64,
    /// The rank of the lower end, counted from 1; the upper one is as far from the other side.
    pub rank: usize,
}

/// The distribution-free interval of the median: the narrowest symmetric pair of order statistics with at least this
/// confidence.
///
/// Assumes independent values, nothing else. Cost: O(n log n). Source: Thompson (1936).
///
/// # Errors
/// `TooFew` where even the extremes do not reach the confidence (below 6 values at 95 %); `NotFinite`; `Parameter`.
///
/// ```
/// let values: Vec<f64> = (1..=30).map(f64::from).collect();
/// let median = perfkit::stats::harrell_davis::median_interval(&values, 0.95).unwrap();
/// assert_eq!((median.interval.low, median.interval.high), (10.0, 21.0));
/// assert!((median.confidence - 0.9572).abs() < 1e-4);
/// ```
pub fn median_interval(values: &[f64], confidence: f64) -> Result<MedianInterval, Refusal> {
    refusal::check(values, 1)?;
    refusal::check_share(confidence)?;
    let sorted = Sorted::new(values).ok_or(Refusal::NotFinite)?;
    let count = values.len();
    let reached = |rank: usize| fair_binomial_below(rank - 1, count).map_or(0.0, |tail| 1.0 - 2.0 * tail);
    // The confidence falls as the rank rises.
    let (mut rank, mut above) = (0, count / 2 + 1);
    while above - rank > 1 {
        let middle = usize::midpoint(rank, above);
        if reached(middle) >= confidence {
            rank = middle;
        } else {
            above = middle;
        }
    }
    if rank == 0 {
        return Err(Refusal::TooFew);
    }
    let (low, high) = (sorted.values()[rank - 1], sorted.values()[count - rank]);
    Ok(MedianInterval {
        interval: Interval { estimate: sorted.quantile(0.5), low, high },
        confidence: reached(rank),
        rank,
    })
}
