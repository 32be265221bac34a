//! The mean difference of values that belong together one by one, as the rounds of an interleaved measurement do. Refuses
//! lists of different length.

use super::describe;
use super::refusal::{self, Refusal};
use super::student::Estimate;

/// Whether the rounds of two arms belong together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Design {
    /// Round i of base was measured next to round i of head.
    Paired,
    /// The arms were measured on their own.
    Unpaired,
}

/// `head − base`, round by round.
///
/// # Errors
/// `Unpaired` for lists of different length; `NotFinite`.
///
/// ```
/// assert_eq!(perfkit::stats::paired::differences(&[1.0, 2.0], &[4.0, 4.0]), Ok(vec![3.0, 2.0]));
/// ```
pub fn differences(base: &[f64], head: &[f64]) -> Result<Vec<f64>, Refusal> {
    if base.len() != head.len() {
        return Err(Refusal::Unpaired);
    }
    refusal::check(base, 0)?;
    refusal::check(head, 0)?;
    base.iter().zip(head).map(|(base, head)| refusal::finite(head - base)).collect()
}

/// The mean of the differences with its standard error and R − 1 degrees of freedom: the paired t-test.
///
/// What both values of a round share, such as the state of the machine, falls out. Assumes independent differences, near
/// normal. Cost: O(n). Source: Student (1908).
///
/// # Errors
/// `Unpaired`; `TooFew` below two pairs; `NotFinite`; `Constant` where all differences are equal up to rounding.
///
/// ```
/// let estimate = perfkit::stats::paired::paired(&[1.0, 5.0, 9.0], &[2.0, 6.5, 10.5]).unwrap();
/// assert!((estimate.value() - 4.0 / 3.0).abs() < 1e-12);
/// assert_eq!(estimate.degrees(), 2.0);
/// ```
pub fn paired(base: &[f64], head: &[f64]) -> Result<Estimate, Refusal> {
    let differences = differences(base, head)?;
    refusal::check(&differences, 2)?;
    let count = differences.len() as f64;
    let mean = describe::mean(&differences).ok_or(Refusal::NotFinite)?;
    let standard_error = (describe::variance(&differences).ok_or(Refusal::NotFinite)? / count).sqrt();
    if describe::is_rounding(standard_error, &[base, head]) {
        return Err(Refusal::Constant);
    }
    Estimate::new(mean, standard_error, count - 1.0)
}
