//! Intervals: for the mean and for the standard deviation of a few independent values. Refuses values that are not finite.

use super::describe;
use super::distribution::chi_squared_quantile;
use super::student::Estimate;

/// A value with an interval around it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    /// The estimate.
    pub estimate: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

impl Interval {
    /// The interval of the ratio from that of the difference of logarithms: `exp` of its three numbers.
    ///
    /// ```
    /// let logs = perfkit::stats::interval::Interval { estimate: 0.0, low: -1.0, high: 1.0 };
    /// assert_eq!(logs.exponential().estimate, 1.0);
    /// assert_eq!(logs.exponential().high, 1f64.exp());
    /// ```
    pub fn exponential(self) -> Self {
        Self { estimate: self.estimate.exp(), low: self.low.exp(), high: self.high.exp() }
    }

    /// The interval of the negative: for a metric where higher is better, or with base and head exchanged.
    pub fn negated(self) -> Self {
        Self { estimate: -self.estimate, low: -self.high, high: -self.low }
    }

    /// Half of its width.
    #[must_use]
    pub fn half_width(&self) -> f64 {
        (self.high - self.low) / 2.0
    }

    /// Whether `value` lies inside, ends included.
    #[must_use]
    pub fn contains(&self, value: f64) -> bool {
        self.low <= value && value <= self.high
    }
}

/// Student's t-interval for the mean at a confidence between 0 and 1; `None` below two values, where one is not finite, or
/// for another confidence. Values that do not vary give an interval without width.
///
/// Assumes independent values that are near normal: one value per round is, thousands of operations of one process are
/// not. Cost: O(n). Source: Student (1908).
///
/// ```
/// let interval = perfkit::stats::interval::mean(&[9.0, 10.0, 11.0], 0.95).unwrap();
/// assert_eq!(interval.estimate, 10.0);
/// assert!((interval.low - 7.5159).abs() < 1e-4 && (interval.high - 12.4841).abs() < 1e-4);
/// ```
#[must_use]
pub fn mean(values: &[f64], confidence: f64) -> Option<Interval> {
    let estimate = describe::mean(values)?;
    let deviation = describe::standard_deviation(values)?;
    if !(confidence > 0.0 && confidence < 1.0) {
        return None;
    }
    if deviation == 0.0 {
        return Some(Interval { estimate, low: estimate, high: estimate });
    }
    let count = values.len() as f64;
    Estimate::new(estimate, deviation / count.sqrt(), count - 1.0).ok()?.interval(confidence).ok()
}

/// The interval of a standard deviation that was estimated with `degrees` of freedom: `√(degrees·s²/χ²)`.
///
/// Assumes normal values; heavy tails make the true interval wider. Used for "N to M more rounds would decide". `None` where
/// the deviation is negative or not finite, or the degrees are not positive. Cost: O(1). Source: any textbook.
///
/// ```
/// let interval = perfkit::stats::interval::standard_deviation(2.0, 9.0, 0.95).unwrap();
/// assert!((interval.low - 1.3757).abs() < 1e-4 && (interval.high - 3.6512).abs() < 1e-4);
/// ```
#[must_use]
pub fn standard_deviation(deviation: f64, degrees: f64, confidence: f64) -> Option<Interval> {
    if !(deviation >= 0.0 && deviation.is_finite() && confidence > 0.0 && confidence < 1.0) {
        return None;
    }
    let tail = (1.0 - confidence) / 2.0;
    let end =
        |p: f64| Some(deviation * (degrees / chi_squared_quantile(p, degrees)?).sqrt()).filter(|end| end.is_finite());
    Some(Interval { estimate: deviation, low: end(1.0 - tail)?, high: end(tail)? })
}
