//! P-values adjusted for their number: Holm for a family in which no false alarm is wanted, Benjamini–Hochberg and
//! Benjamini–Yekutieli for lists in which a share of false ones is borne. Refuses what is not a probability.

use super::refusal::Refusal;

/// The p-values with their ranks, smallest first; refuses what is not in [0, 1].
fn ascending(p_values: &[f64]) -> Result<Vec<usize>, Refusal> {
    if p_values.iter().any(|p| !(0.0..=1.0).contains(p)) {
        return Err(Refusal::Parameter);
    }
    let mut order: Vec<usize> = (0..p_values.len()).collect();
    order.sort_by(|a, b| p_values[*a].total_cmp(&p_values[*b]));
    Ok(order)
}

/// Holm's adjusted p-values, in the order of the input: below α with at most probability α that any of them is a false alarm.
///
/// Holds under any dependence. Cost: O(m log m). Source: Holm (1979).
///
/// # Errors
/// `Parameter` for a value that is not in [0, 1] or NaN.
///
/// ```
/// let adjusted = perfkit::stats::multiple::holm(&[0.04, 0.01, 0.03]).unwrap();
/// assert_eq!(adjusted, [0.06, 0.03, 0.06]);
/// ```
pub fn holm(p_values: &[f64]) -> Result<Vec<f64>, Refusal> {
    let mut adjusted = vec![0.0; p_values.len()];
    let mut highest: f64 = 0.0;
    for (rank, index) in ascending(p_values)?.into_iter().enumerate() {
        highest = highest.max(p_values[index] * (p_values.len() - rank) as f64).min(1.0);
        adjusted[index] = highest;
    }
    Ok(adjusted)
}

/// Benjamini and Hochberg's adjusted p-values, in the order of the input: of those below q, at most a share q is expected to
/// be false.
///
/// Holds for independent tests and for positive dependence. Cost: O(m log m). Source: Benjamini and Hochberg (1995).
///
/// # Errors
/// `Parameter` for a value that is not in [0, 1] or NaN.
///
/// ```
/// let adjusted = perfkit::stats::multiple::benjamini_hochberg(&[0.04, 0.01, 0.02, 0.5]).unwrap();
/// assert!((adjusted[0] - 0.16 / 3.0).abs() < 1e-12);
/// assert_eq!(adjusted[1..], [0.04, 0.04, 0.5]);
/// ```
pub fn benjamini_hochberg(p_values: &[f64]) -> Result<Vec<f64>, Refusal> {
    step_up(p_values, 1.0)
}

/// As [`benjamini_hochberg`], with a weight for each test: what is weighted twice is held to half the p-value.
///
/// Holds as that does, as long as the weights say nothing about whether a test's hypothesis is true; only their proportions count.
/// Finds more where weight goes to tests that can find something. Cost: O(m log m). Source: Genovese, Roeder and Wasserman (2006).
///
/// # Errors
/// `Parameter` for a p-value that is not in [0, 1] or a weight that is not positive; `NotFinite` for one that is no number;
/// `Unpaired`.
///
/// ```
/// let adjusted = perfkit::stats::multiple::weighted(&[0.03, 0.03], &[3.0, 1.0]).unwrap();
/// assert_eq!(adjusted, [0.04, 0.06]);
/// ```
pub fn weighted(p_values: &[f64], weights: &[f64]) -> Result<Vec<f64>, Refusal> {
    if p_values.len() != weights.len() {
        return Err(Refusal::Unpaired);
    }
    if weights.iter().any(|weight| *weight <= 0.0) || p_values.iter().any(|p| !(0.0..=1.0).contains(p)) {
        return Err(Refusal::Parameter);
    }
    let mean = weights.iter().sum::<f64>() / weights.len() as f64;
    if !mean.is_finite() && !weights.is_empty() {
        return Err(Refusal::NotFinite);
    }
    let held: Vec<f64> = p_values.iter().zip(weights).map(|(p, weight)| (p * mean / weight).min(1.0)).collect();
    step_up(&held, 1.0)
}

/// As [`benjamini_hochberg`], but under any dependence: each value is larger by `1 + 1/2 + … + 1/m`.
///
/// Cost: O(m log m). Source: Benjamini and Yekutieli (2001).
///
/// # Errors
/// `Parameter` for a value that is not in [0, 1] or NaN.
///
/// ```
/// assert_eq!(perfkit::stats::multiple::benjamini_yekutieli(&[0.01, 0.5]).unwrap(), [0.03, 0.75]);
/// ```
pub fn benjamini_yekutieli(p_values: &[f64]) -> Result<Vec<f64>, Refusal> {
    step_up(p_values, (1..=p_values.len()).map(|rank| 1.0 / rank as f64).sum())
}

fn step_up(p_values: &[f64], factor: f64) -> Result<Vec<f64>, Refusal> {
    let mut adjusted = vec![0.0; p_values.len()];
    let mut lowest: f64 = 1.0;
    for (rank, index) in ascending(p_values)?.into_iter().enumerate().rev() {
        lowest = lowest.min(p_values[index] * factor * p_values.len() as f64 / (rank + 1) as f64);
        adjusted[index] = lowest;
    }
    Ok(adjusted)
}
