//! Where the variance of a measurement comes from: between rounds or within them. Refuses fewer than two rounds, and rounds none
//! of which has two values.

use super::describe;
use super::refusal::{self, Refusal};

/// Variance components of values in rounds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Components {
    /// The mean of all values.
    pub mean: f64,
    /// The variance between rounds, what no number of operations within a round reduces; 0 where the estimate is negative.
    pub between: f64,
    /// The same before it is cut off at 0: a negative one says that rounds vary less than chance.
    pub between_uncut: f64,
    /// The variance within rounds.
    pub within: f64,
    /// The number of values in a round; for rounds of different size the one that the estimate stands for.
    pub round_size: f64,
    /// The number of rounds.
    pub rounds: usize,
}

/// Splits the variance of values into that between rounds and that within, by the analysis of variance.
///
/// Assumes that rounds are drawn independently and values within a round are independent given the round; autocorrelation
/// within rounds shows up as variance between them. Works with rounds of different size. Cost: O(n). Source: Searle (1971);
/// for benchmarks Kalibera and Jones (2013).
///
/// # Errors
/// `TooFew` below two rounds, for an empty round, or where no round has two values; `NotFinite`.
///
/// ```
/// let rounds: [&[f64]; 2] = [&[1.0, 3.0], &[11.0, 13.0]];
/// let components = perfkit::stats::components::components(&rounds).unwrap();
/// assert_eq!((components.within, components.between), (2.0, 49.0));
/// ```
pub fn components(rounds: &[&[f64]]) -> Result<Components, Refusal> {
    let total: usize = rounds.iter().map(|round| round.len()).sum();
    if rounds.len() < 2 || total <= rounds.len() {
        return Err(Refusal::TooFew);
    }
    rounds.iter().try_for_each(|round| refusal::check(round, 1))?;
    let count = total as f64;
    let means: Vec<f64> = rounds.iter().filter_map(|round| describe::mean(round)).collect();
    let sizes = || rounds.iter().map(|round| round.len() as f64);
    // Weighted means rather than one long sum: the same for equal means, whatever the rounding.
    let mean = means[0] + means.iter().zip(sizes()).map(|(mean, size)| (mean - means[0]) * size / count).sum::<f64>();
    let within_squares: f64 =
        rounds.iter().map(|round| describe::variance(round).unwrap_or(0.0) * (round.len() as f64 - 1.0)).sum();
    let between_squares: f64 = means.iter().zip(sizes()).map(|(own, size)| size * (own - mean) * (own - mean)).sum();
    let groups = rounds.len() as f64;
    let within = within_squares / (count - groups);
    let round_size = (count - sizes().map(|size| size * size).sum::<f64>() / count) / (groups - 1.0);
    let between_uncut = refusal::finite((between_squares / (groups - 1.0) - within) / round_size)?;
    Ok(Components {
        mean: refusal::finite(mean)?,
        between: between_uncut.max(0.0),
        between_uncut,
        within: refusal::finite(within)?,
        round_size,
        rounds: rounds.len(),
    })
}

impl Components {
    /// The share of the variance that lies between rounds; 0 where nothing varies.
    #[must_use]
    pub fn intraclass_correlation(&self) -> f64 {
        let total = self.between + self.within;
        if total > 0.0 { self.between / total } else { 0.0 }
    }

    /// How many times larger the variance of the mean is than if all values were independent: what a test fed with operations
    /// instead of rounds ignores. Source: Kish (1965).
    #[must_use]
    pub fn design_effect(&self) -> f64 {
        1.0 + (self.round_size - 1.0) * self.intraclass_correlation()
    }

    /// The number of operations in a round that makes the mean most precise for the time spent, where starting a round costs
    /// `round_cost` and an operation `operation_cost`: `√(round_cost/operation_cost · within/between)`, at least 1.
    ///
    /// `None` where rounds do not vary (then one long round is best) or a cost is not positive. Source: Kalibera and Jones
    /// (2013).
    ///
    /// ```
    /// let components = perfkit::stats::components::components(&[&[1.0, 3.0], &[3.0, 6.0]]).unwrap();
    /// assert_eq!(components.best_round_size(100.0, 1.0), Some(15));
    /// ```
    #[must_use]
    pub fn best_round_size(&self, round_cost: f64, operation_cost: f64) -> Option<u64> {
        let positive = |cost: f64| cost > 0.0 && cost.is_finite();
        if self.between <= 0.0 || !positive(round_cost) || !positive(operation_cost) {
            return None;
        }
        let size = (round_cost / operation_cost * self.within / self.between).sqrt().ceil();
        size.is_finite().then_some(size.max(1.0) as u64)
    }
}
