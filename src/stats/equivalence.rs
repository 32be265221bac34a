//! Equivalence: two one-sided tests against a margin (TOST). Refuses a margin that is not positive.

use super::refusal::Refusal;
use super::student::Estimate;

/// The p-values against both margins.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Equivalence {
    /// Of "it is at or below −margin": small where that is excluded.
    pub p_lower: f64,
    /// Of "it is at or above +margin": small where that is excluded.
    pub p_upper: f64,
    /// Of "it is at most +margin": small where it is shown to lie beyond, a regression.
    pub p_beyond: f64,
}

impl Equivalence {
    /// The p-value of equivalence: the larger of both. Below 0.05 exactly where the 90 % interval lies inside the margins.
    #[must_use]
    pub fn p(&self) -> f64 {
        self.p_lower.max(self.p_upper)
    }
}

/// Tests whether an estimate is shown to lie within ±`margin`.
///
/// Assumes what the estimate assumes. On the logarithmic scale the margin of 10 % is `1.1f64.ln()`. Cost: O(1).
/// Source: Schuirmann (1987).
///
/// # Errors
/// `Parameter` unless the margin is positive and finite.
///
/// ```
/// use perfkit::stats::{equivalence::tost, student::Estimate};
/// let estimate = Estimate::new(0.01, 0.02, 18.0).unwrap();
/// assert!(tost(&estimate, 1.1f64.ln()).unwrap().p() < 0.05);
/// assert!(tost(&estimate, 0.02).unwrap().p() > 0.05);
/// ```
pub fn tost(estimate: &Estimate, margin: f64) -> Result<Equivalence, Refusal> {
    if !(margin > 0.0 && margin.is_finite()) {
        return Err(Refusal::Parameter);
    }
    Ok(Equivalence {
        p_lower: estimate.p_above(-margin),
        p_upper: estimate.p_below(margin),
        p_beyond: estimate.p_above(margin),
    })
}
