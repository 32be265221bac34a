//! The difference of two means of unequal variance. Refuses arms that do not vary: equal constants are compared exactly, not
//! by a test.

use super::describe;
use super::refusal::{self, Refusal};
use super::student::Estimate;

/// Mean of `head` minus mean of `base`, with Welch's standard error and Satterthwaite's degrees of freedom.
///
/// On logarithms of one value per round this is the interval of the ratio: `estimate.interval(0.95)?.exponential()`. Assumes
/// independent values, near normal in each arm; the variances may differ. One arm may be constant, then the other gives all
/// of the error. Cost: O(n). Source: Welch (1947), Satterthwaite (1946).
///
/// # Errors
/// `TooFew` below two values in an arm; `NotFinite`; `Constant` where neither arm varies beyond rounding.
///
/// ```
/// let estimate = perfkit::stats::welch::welch(&[10.0, 11.0, 12.0, 13.0], &[20.0, 21.0, 22.0, 23.0]).unwrap();
/// assert_eq!(estimate.value(), 10.0);
/// assert!((estimate.degrees() - 6.0).abs() < 1e-12);
/// ```
pub fn welch(base: &[f64], head: &[f64]) -> Result<Estimate, Refusal> {
    let share = |values: &[f64]| -> Result<(f64, f64, f64), Refusal> {
        refusal::check(values, 2)?;
        let mean = describe::mean(values).ok_or(Refusal::NotFinite)?;
        let variance = describe::variance(values).ok_or(Refusal::NotFinite)?;
        Ok((mean, variance / values.len() as f64, values.len() as f64 - 1.0))
    };
    let (base_mean, base_share, base_degrees) = share(base)?;
    let (head_mean, head_share, head_degrees) = share(head)?;
    let total = base_share + head_share;
    if describe::is_rounding(total.sqrt(), &[base, head]) {
        return Err(Refusal::Constant);
    }
    // As shares of the whole, so that neither very small nor very large variances leave the range of an f64.
    let (base_part, head_part) = (base_share / total, head_share / total);
    let degrees = 1.0 / (base_part * base_part / base_degrees + head_part * head_part / head_degrees);
    Estimate::new(head_mean - base_mean, total.sqrt(), degrees)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn swapping_the_arms_turns_the_sign_and_nothing_else() {
        let (base, head) = ([1.0, 2.0, 4.0], [3.0, 3.5, 9.0, 4.0]);
        let (there, back) = (welch(&base, &head).unwrap(), welch(&head, &base).unwrap());
        assert_eq!(there, back.negated());
    }

    #[test]
    fn a_constant_arm_is_served_and_two_are_refused() {
        assert!((welch(&[5.0; 4], &[1.0, 2.0, 3.0]).unwrap().degrees() - 2.0).abs() < 1e-12);
        assert_eq!(welch(&[0.1; 3], &[0.3; 7]), Err(Refusal::Constant));
    }
}
