//! Intervals and tests of counts: Wilson, Clopper–Pearson, Newcombe's difference with a design effect, Fisher's exact test.
//! Refuses counts without trials, and more successes than trials.

use super::distribution::{beta_quantile, normal_quantile};
use super::interval::Interval;
use super::refusal::{self, Refusal};

/// Successes out of trials, valid by construction.
///
/// ```
/// use perfkit::stats::proportion::Count;
/// assert_eq!(Count::new(3, 4).unwrap().share(), 0.75);
/// assert!(Count::new(5, 4).is_err());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Count {
    successes: u64,
    trials: u64,
}

impl Count {
    /// A count.
    ///
    /// # Errors
    /// `TooFew` without trials, `Parameter` with more successes than trials.
    pub fn new(successes: u64, trials: u64) -> Result<Self, Refusal> {
        match trials {
            0 => Err(Refusal::TooFew),
            _ if successes > trials => Err(Refusal::Parameter),
            _ => Ok(Self { successes, trials }),
        }
    }

    /// Successes.
    #[must_use]
    pub fn successes(&self) -> u64 {
        self.successes
    }

    /// Trials, at least one.
    #[must_use]
    pub fn trials(&self) -> u64 {
        self.trials
    }

    /// Successes by trials.
    #[must_use]
    pub fn share(&self) -> f64 {
        self.successes as f64 / self.trials as f64
    }
}

/// Wilson's score interval of a share.
///
/// Assumes independent trials; keeps its confidence on average, also with few trials and near 0 and 1. Cost: O(1).
/// Source: Wilson (1927).
///
/// # Errors
/// `Parameter` for a confidence that is not between 0 and 1.
///
/// ```
/// use perfkit::stats::proportion::{Count, wilson};
/// let interval = wilson(Count::new(56, 70).unwrap(), 0.95).unwrap();
/// assert!((interval.low - 0.6918).abs() < 1e-4 && (interval.high - 0.8770).abs() < 1e-4);
/// ```
pub fn wilson(count: Count, confidence: f64) -> Result<Interval, Refusal> {
    score_interval(count.share(), count.trials as f64, confidence)
}

fn score_interval(share: f64, trials: f64, confidence: f64) -> Result<Interval, Refusal> {
    refusal::check_share(confidence)?;
    let z = normal_quantile(f64::midpoint(1.0, confidence)).ok_or(Refusal::Parameter)?;
    let scale = 1.0 + z * z / trials;
    let center = (share + z * z / (2.0 * trials)) / scale;
    let half = z * (share * (1.0 - share) / trials + z * z / (4.0 * trials * trials)).sqrt() / scale;
    // At 0 and at all successes one end is the share itself; rounding must not move it outside.
    Ok(Interval { estimate: share, low: (center - half).clamp(0.0, share), high: (center + half).clamp(share, 1.0) })
}

/// Clopper and Pearson's interval of a share, never below its confidence: for "no failure in n requests".
///
/// Assumes independent trials. Without successes the lower end is 0, with nothing else the upper end is 1. Cost: O(√n).
/// Source: Clopper and Pearson (1934).
///
/// # Errors
/// `Parameter` for a confidence that is not between 0 and 1; `TooMany` above 10⁹ trials, where log-gammas lose their digits.
///
/// ```
/// use perfkit::stats::proportion::{Count, clopper_pearson};
/// let interval = clopper_pearson(Count::new(0, 1000).unwrap(), 0.95).unwrap();
/// assert!(interval.low == 0.0 && (interval.high - 0.003_682).abs() < 1e-6);
/// ```
pub fn clopper_pearson(count: Count, confidence: f64) -> Result<Interval, Refusal> {
    refusal::check_share(confidence)?;
    if count.trials > 1_000_000_000 {
        return Err(Refusal::TooMany);
    }
    let tail = (1.0 - confidence) / 2.0;
    let (successes, failures) = (count.successes as f64, (count.trials - count.successes) as f64);
    let low = if count.successes == 0 { Some(0.0) } else { beta_quantile(tail, successes, failures + 1.0) };
    let high = if count.successes == count.trials {
        Some(1.0)
    } else {
        // From the other side, so that an upper end near 1 keeps its digits.
        beta_quantile(tail, failures, successes + 1.0).map(|missing| 1.0 - missing)
    };
    Ok(Interval { estimate: count.share(), low: low.ok_or(Refusal::Parameter)?, high: high.ok_or(Refusal::Parameter)? })
}

/// Newcombe's hybrid score interval of `head − base`, two shares.
///
/// Assumes independent trials; where they come in runs that differ, give the `design_effect` (1 for none, see
/// [`design_effect`]): both counts are divided by it. Cost: O(1). Source: Newcombe (1998), method 10.
///
/// # Errors
/// `Parameter` for a confidence that is not between 0 and 1, or a design effect below 1.
///
/// ```
/// use perfkit::stats::proportion::{Count, newcombe};
/// let (base, head) = (Count::new(48, 80).unwrap(), Count::new(56, 70).unwrap());
/// let interval = newcombe(base, head, 1.0, 0.95).unwrap();
/// assert!((interval.low - 0.0524).abs() < 1e-4 && (interval.high - 0.3339).abs() < 1e-4);
/// ```
pub fn newcombe(base: Count, head: Count, design_effect: f64, confidence: f64) -> Result<Interval, Refusal> {
    if !(design_effect >= 1.0 && design_effect.is_finite()) {
        return Err(Refusal::Parameter);
    }
    let score = |count: Count| score_interval(count.share(), count.trials as f64 / design_effect, confidence);
    let (base, head) = (score(base)?, score(head)?);
    let estimate = head.estimate - base.estimate;
    Ok(Interval {
        estimate,
        low: estimate - (head.estimate - head.low).hypot(base.high - base.estimate),
        high: estimate + (head.high - head.estimate).hypot(base.estimate - base.low),
    })
}

/// How many times more the shares of runs vary than independent trials would: `max(1, variance of shares / (p(1 − p)/N))`.
///
/// Runs of different size are weighed by it. 1 where no run has a failure, or all have nothing else. Cost: O(R).
/// Source: Kish (1965).
///
/// # Errors
/// `TooFew` below two runs.
///
/// ```
/// use perfkit::stats::proportion::{Count, design_effect};
/// let runs = [990, 1000, 960, 1000, 1000].map(|good| Count::new(good, 1000).unwrap());
/// assert!(design_effect(&runs).unwrap() > 10.0);
/// ```
pub fn design_effect(runs: &[Count]) -> Result<f64, Refusal> {
    if runs.len() < 2 {
        return Err(Refusal::TooFew);
    }
    let trials: f64 = runs.iter().map(|run| run.trials as f64).sum();
    let share = runs.iter().map(|run| run.successes as f64).sum::<f64>() / trials;
    if share <= 0.0 || share >= 1.0 {
        return Ok(1.0);
    }
    // Pearson's chi-squared of the runs by its degrees of freedom; for equal runs the quotient of the two variances.
    let squares: f64 = runs.iter().map(|run| run.trials as f64 * (run.share() - share).powi(2)).sum();
    Ok((squares / (share * (1.0 - share)) / (runs.len() - 1) as f64).max(1.0))
}

/// The two-sided p-value of Fisher's exact test of two shares: the sum over all tables no likelier than this one.
///
/// Assumes independent trials. Cost: O(successes) at worst. Source: Fisher (1935).
///
/// # Errors
/// `TooMany` above ten million trials: [`newcombe`] is as good there.
///
/// ```
/// use perfkit::stats::proportion::{Count, fisher};
/// let p = fisher(Count::new(30, 10_000).unwrap(), Count::new(10, 10_000).unwrap()).unwrap();
/// assert!((p - 0.002200).abs() < 1e-6);
/// ```
pub fn fisher(base: Count, head: Count) -> Result<f64, Refusal> {
    if base.trials.saturating_add(head.trials) > 10_000_000 {
        return Err(Refusal::TooMany);
    }
    let (head_trials, base_trials) = (head.trials as f64, base.trials as f64);
    let successes = head.successes as f64 + base.successes as f64;
    let least = (successes - base_trials).max(0.0);
    let most = successes.min(head_trials);
    // Likelihoods relative to that of this table, outwards by the ratio of neighbours: no factorial is needed.
    let ratio = |x: f64| (head_trials - x) * (successes - x) / ((x + 1.0) * (base_trials - successes + x + 1.0));
    let observed = head.successes as f64;
    // Tables as likely as this one count; their likelihoods differ by rounding.
    let bound = 1.0 + 1e-10;
    let (mut part, mut whole) = (1.0, 1.0);
    let mut add = |likelihood: f64| {
        whole += likelihood;
        part += if likelihood <= bound { likelihood } else { 0.0 };
    };
    let (mut x, mut likelihood) = (observed, 1.0);
    // Beyond the mode they only fall: what is too small to be seen in the sum is followed by smaller ones.
    while x < most && (likelihood > 1e-20 || ratio(x) > 1.0) {
        likelihood *= ratio(x);
        x += 1.0;
        add(likelihood);
    }
    (x, likelihood) = (observed, 1.0);
    while x > least && (likelihood > 1e-20 || ratio(x - 1.0) < 1.0) {
        x -= 1.0;
        likelihood /= ratio(x);
        add(likelihood);
    }
    Ok((part / whole).min(1.0))
}
