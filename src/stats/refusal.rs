//! Why a method gave no number. Every function of this module that can refuse for more than one reason says which.

use std::fmt;

/// The reason why there is no result. A method never panics on its input and never guesses: it refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// Fewer values than the method needs for what was asked of it.
    TooFew,
    /// More values than the method can do in bounded time and memory; its documentation names the limit.
    TooMany,
    /// A value is NaN or infinite, or the computation leaves the range of an `f64`.
    NotFinite,
    /// The values do not vary (beyond rounding), so there is nothing to measure a difference against.
    Constant,
    /// Two lists that belong together value by value differ in length.
    Unpaired,
    /// A parameter is outside its range: a confidence not between 0 and 1, a margin that is not positive, more successes
    /// than trials.
    Parameter,
}

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::TooFew => "too few values",
            Self::TooMany => "too many values for this method",
            Self::NotFinite => "a value is not a finite number",
            Self::Constant => "the values do not vary",
            Self::Unpaired => "the two lists differ in length",
            Self::Parameter => "a parameter is outside its range",
        })
    }
}

impl std::error::Error for Refusal {}

/// Passes when there are at least `least` values and all are finite.
pub(super) fn check(values: &[f64], least: usize) -> Result<(), Refusal> {
    if values.len() < least {
        return Err(Refusal::TooFew);
    }
    if values.iter().all(|value| value.is_finite()) { Ok(()) } else { Err(Refusal::NotFinite) }
}

/// Passes when `value` lies strictly between 0 and 1: a confidence, a power, a probability to look up.
pub(super) fn check_share(value: f64) -> Result<(), Refusal> {
    if value > 0.0 && value < 1.0 { Ok(()) } else { Err(Refusal::Parameter) }
}

/// Passes a finite number on.
pub(super) fn finite(value: f64) -> Result<f64, Refusal> {
    if value.is_finite() { Ok(value) } else { Err(Refusal::NotFinite) }
}
