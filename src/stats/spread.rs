//! Whether two samples of independent values differ in spread: Brown–Forsythe, Fligner–Killeen, Ansari–Bradley. Refuses samples
//! without spread. For runs, compare the logarithm of each round's deviation by `welch` instead: fed with the operations of
//! a few processes these tests raise 36 to 46 % false alarms.

use super::describe;
use super::distribution::{chi_squared_above, normal_above, normal_quantile, student_above};
use super::quantile;
use super::rank::{SubsetSums, midranks};
use super::refusal::{self, Refusal};

/// A statistic with its two-sided p-value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SpreadTest {
    /// The statistic; which one, the function says.
    pub statistic: f64,
    /// The p-value of "the spreads are equal".
    pub p: f64,
}

fn deviations_from_median(values: &[f64]) -> Result<Vec<f64>, Refusal> {
    refusal::check(values, 2)?;
    let center = quantile::median(values).ok_or(Refusal::NotFinite)?;
    values.iter().map(|value| refusal::finite((value - center).abs())).collect()
}

/// Brown and Forsythe's test: the F test of the absolute deviations from the medians, F(1, m + n − 2).
///
/// Assumes independent values; holds its level for skewed and heavy-tailed ones. Cost: O(n). Source: Brown and Forsythe (1974),
/// Levene (1960).
///
/// # Errors
/// `TooFew` below two values in an arm; `NotFinite`; `Constant` where the deviations do not vary.
///
/// ```
/// let test = perfkit::stats::spread::brown_forsythe(&[1.0, 2.0, 3.0, 4.0, 6.0], &[0.0, 20.0, 40.0, 70.0, 90.0]).unwrap();
/// assert!(test.statistic > 5.0 && test.p < 0.05);
/// ```
pub fn brown_forsythe(base: &[f64], head: &[f64]) -> Result<SpreadTest, Refusal> {
    let (base_away, head_away) = (deviations_from_median(base)?, deviations_from_median(head)?);
    let (base_count, head_count) = (base.len() as f64, head.len() as f64);
    let degrees = base_count + head_count - 2.0;
    let squares =
        |values: &[f64]| Ok(describe::variance(values).ok_or(Refusal::NotFinite)? * (values.len() as f64 - 1.0));
    let mean = |values: &[f64]| describe::mean(values).ok_or(Refusal::NotFinite);
    let within = (squares(&base_away)? + squares(&head_away)?) / degrees;
    if describe::is_rounding(within.sqrt(), &[base, head]) {
        return Err(Refusal::Constant);
    }
    let difference = mean(&head_away)? - mean(&base_away)?;
    let statistic = difference * difference / (1.0 / base_count + 1.0 / head_count) / within;
    // F with one degree in the numerator is the square of t.
    let p = 2.0 * student_above(statistic.sqrt(), degrees).ok_or(Refusal::NotFinite)?;
    Ok(SpreadTest { statistic: refusal::finite(statistic)?, p: p.min(1.0) })
}

/// Fligner and Killeen's test: normal scores of the ranked deviations from the medians, chi-squared with one degree.
///
/// Assumes independent values; the most robust of the three. Cost: O(N log N). Source: Fligner and Killeen (1976), with the
/// medians of Conover, Johnson and Johnson (1981).
///
/// # Errors
/// As [`brown_forsythe`].
///
/// ```
/// let test = perfkit::stats::spread::fligner_killeen(&[1.0, 2.0, 3.0, 4.0, 5.0, 7.0], &[0.0, 20.0, 40.0, 70.0, 90.0, 95.0]).unwrap();
/// assert!(test.p < 0.05);
/// ```
pub fn fligner_killeen(base: &[f64], head: &[f64]) -> Result<SpreadTest, Refusal> {
    let pooled = [deviations_from_median(base)?, deviations_from_median(head)?].concat();
    let total = pooled.len() as f64;
    let score = |rank: f64| normal_quantile(0.5 + rank / (2.0 * (total + 1.0))).ok_or(Refusal::NotFinite);
    let scores: Vec<f64> = midranks(&pooled).ranks.into_iter().map(score).collect::<Result<_, _>>()?;
    let variance = describe::variance(&scores).ok_or(Refusal::NotFinite)?;
    if variance <= 0.0 {
        return Err(Refusal::Constant);
    }
    let center = describe::mean(&scores).ok_or(Refusal::NotFinite)?;
    let part = |scores: &[f64]| {
        let away = describe::mean(scores).unwrap_or(center) - center;
        scores.len() as f64 * away * away
    };
    let statistic = (part(&scores[..base.len()]) + part(&scores[base.len()..])) / variance;
    Ok(SpreadTest { statistic, p: chi_squared_above(statistic, 1.0).ok_or(Refusal::NotFinite)? })
}

/// Ansari and Bradley's test; the statistic is the sum of the ranks of `base`, counted from both ends inwards.
///
/// Assumes equal medians: a shift looks like a change of spread. Exact by counting below 55 values in each arm without ties,
/// else normal with tie correction. Cost: O(N log N), exact up to O(N²·mn). Source: Ansari and Bradley (1960).
///
/// # Errors
/// `TooFew` for an empty arm; `NotFinite`; `Constant` where all values are equal or there are only two.
///
/// ```
/// let test = perfkit::stats::spread::ansari_bradley(&[4.0, 5.0, 6.0], &[1.0, 2.0, 8.0, 9.0]).unwrap();
/// assert_eq!(test.statistic, 10.0);
/// ```
pub fn ansari_bradley(base: &[f64], head: &[f64]) -> Result<SpreadTest, Refusal> {
    refusal::check(base, 1)?;
    refusal::check(head, 1)?;
    let pooled = midranks(&[base, head].concat());
    let total = pooled.ranks.len() as f64;
    let scores: Vec<f64> = pooled.ranks.iter().map(|rank| rank.min(total - rank + 1.0)).collect();
    let statistic: f64 = scores[..base.len()].iter().sum();
    let tied = pooled.tie_term > 0.0;
    if !tied && base.len() < 55 && head.len() < 55 && pooled.ranks.len() > 2 {
        let whole: Vec<usize> = scores.iter().map(|score| *score as usize).collect();
        let sums = SubsetSums::new(&whole, base.len());
        let observed = statistic as usize;
        let p = 2.0 * sums.at_most(observed).min(sums.at_least(observed));
        return Ok(SpreadTest { statistic, p: p.min(1.0) });
    }
    // Mean and variance of a sum of scores drawn without replacement; with ties the scores are what they are.
    let spread = describe::variance(&scores).ok_or(Refusal::TooFew)?;
    let (drawn, others) = (base.len() as f64, head.len() as f64);
    let variance = drawn * others / total * spread;
    if variance <= 0.0 {
        return Err(Refusal::Constant);
    }
    let expected = drawn * describe::mean(&scores).ok_or(Refusal::NotFinite)?;
    let p = 2.0 * normal_above((statistic - expected).abs() / variance.sqrt());
    Ok(SpreadTest { statistic, p: p.min(1.0) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ansari_and_bradley_with_ties_has_the_mean_and_variance_of_all_arrangements() {
        // Ties across the middle: the ranks 3, 4 and 5 are all 4. Of the 35 ways to choose 3 of 7 the mean and variance follow by
        // enumeration, and so z.
        let (base, head): ([f64; 3], [f64; 4]) = ([1.0, 3.0, 6.0], [2.0, 3.0, 3.0, 5.0]);
        let scores: [f64; 7] = [1.0, 2.0, 4.0, 4.0, 4.0, 2.0, 1.0];
        let sums: Vec<f64> = (0..128_u32)
            .filter(|set| set.count_ones() == 3)
            .map(|set| (0..7).filter(|bit| set >> bit & 1 == 1).map(|bit| scores[bit]).sum())
            .collect();
        let mean = sums.iter().sum::<f64>() / 35.0;
        let variance = sums.iter().map(|sum| (sum - mean) * (sum - mean)).sum::<f64>() / 35.0;
        let test = ansari_bradley(&base, &head).unwrap();
        assert!((test.statistic - 6.0).abs() < 1e-12);
        let want = 2.0 * normal_above((6.0 - mean).abs() / variance.sqrt());
        assert!((test.p - want).abs() < 1e-12, "{} {want}", test.p);
    }

    #[test]
    fn swapping_the_arms_changes_nothing() {
        let (base, head) = ([1.0, 2.0, 4.0, 9.0], [3.0, 3.5, 9.5, 4.0, 40.0]);
        for test in [brown_forsythe, fligner_killeen, ansari_bradley] {
            assert!((test(&base, &head).unwrap().p - test(&head, &base).unwrap().p).abs() < 1e-12);
        }
    }
}
