//! Intervals for the mean of a few independent values.

use statrs::distribution::{ContinuousCDF, StudentsT};

use super::describe;

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

/// Student's t-interval for the mean at a confidence between 0 and 1; `None` below two values or where one is not finite.
///
/// Assumes independent values that are near normal: one value per round is, thousands of operations of one process are
/// not. Cost: O(n). Source: any textbook; the quantile is statrs'.
///
/// ```
/// let interval = perfkit::stats::interval::mean(&[9.0, 10.0, 11.0], 0.95).unwrap();
/// assert_eq!(interval.estimate, 10.0);
/// assert!((interval.low - 7.5159).abs() < 1e-4 && (interval.high - 12.4841).abs() < 1e-4);
/// ```
#[must_use]
pub fn mean(values: &[f64], confidence: f64) -> Option<Interval> {
    if values.iter().any(|value| !value.is_finite()) {
        return None;
    }
    let estimate = describe::mean(values)?;
    let deviation = describe::standard_deviation(values)?;
    let count = values.len() as f64;
    let student = StudentsT::new(0.0, 1.0, count - 1.0).ok()?;
    let half = student.inverse_cdf(f64::midpoint(1.0, confidence)) * deviation / count.sqrt();
    Some(Interval { estimate, low: estimate - half, high: estimate + half })
}
