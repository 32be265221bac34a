//! An estimate with its standard error and degrees of freedom: the t-interval and the tests that follow from it. Refuses an
//! estimate without a positive standard error.

use super::distribution::{student_above, student_quantile};
use super::interval::Interval;
use super::refusal::{self, Refusal};

/// An estimate whose error, divided by its standard error, follows Student's t-distribution.
///
/// Source: Student (1908). Every question about it costs O(1).
///
/// ```
/// let estimate = perfkit::stats::student::Estimate::new(0.2, 0.05, 8.0).unwrap();
/// let interval = estimate.interval(0.95).unwrap();
/// assert!((interval.low - 0.0847).abs() < 1e-4 && (interval.high - 0.3153).abs() < 1e-4);
/// assert!(estimate.p_two_sided() < 0.01);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    value: f64,
    standard_error: f64,
    degrees: f64,
}

impl Estimate {
    /// An estimate from its parts.
    ///
    /// # Errors
    /// `NotFinite`; `Constant` where the standard error is not positive; `TooFew` where the degrees of freedom are not.
    pub fn new(value: f64, standard_error: f64, degrees: f64) -> Result<Self, Refusal> {
        if !(value.is_finite() && standard_error.is_finite()) || degrees.is_nan() {
            return Err(Refusal::NotFinite);
        }
        if standard_error <= 0.0 {
            return Err(Refusal::Constant);
        }
        if degrees <= 0.0 {
            return Err(Refusal::TooFew);
        }
        Ok(Self { value, standard_error, degrees })
    }

    /// The estimate itself.
    #[must_use]
    pub fn value(&self) -> f64 {
        self.value
    }

    /// Its standard error; positive.
    #[must_use]
    pub fn standard_error(&self) -> f64 {
        self.standard_error
    }

    /// The degrees of freedom; positive, often not whole.
    #[must_use]
    pub fn degrees(&self) -> f64 {
        self.degrees
    }

    /// The t statistic against zero.
    #[must_use]
    pub fn statistic(&self) -> f64 {
        self.value / self.standard_error
    }

    /// The same estimate seen from the other side: base and head exchanged, or "higher is better" turned into "lower".
    pub fn negated(self) -> Self {
        Self { value: -self.value, ..self }
    }

    /// The two-sided interval at a confidence between 0 and 1.
    ///
    /// # Errors
    /// `Parameter` for another confidence; `NotFinite` where the interval leaves the range of `f64`.
    pub fn interval(&self, confidence: f64) -> Result<Interval, Refusal> {
        refusal::check_share(confidence)?;
        let tail = (1.0 - confidence) / 2.0;
        let half = -student_quantile(tail, self.degrees).ok_or(Refusal::NotFinite)? * self.standard_error;
        Ok(Interval {
            estimate: self.value,
            low: refusal::finite(self.value - half)?,
            high: refusal::finite(self.value + half)?,
        })
    }

    /// The p-value of "it is zero", two-sided.
    #[must_use]
    pub fn p_two_sided(&self) -> f64 {
        (2.0 * self.tail(self.statistic().abs())).min(1.0)
    }

    /// The p-value of "it is at most `threshold`": small where it is shown to lie above. NaN for a threshold that is NaN.
    #[must_use]
    pub fn p_above(&self, threshold: f64) -> f64 {
        self.tail((self.value - threshold) / self.standard_error)
    }

    /// The p-value of "it is at least `threshold`": small where it is shown to lie below. NaN for a threshold that is NaN.
    #[must_use]
    pub fn p_below(&self, threshold: f64) -> f64 {
        self.tail((threshold - self.value) / self.standard_error)
    }

    fn tail(&self, t: f64) -> f64 {
        student_above(t, self.degrees).unwrap_or(f64::NAN)
    }
}
