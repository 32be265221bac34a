//! Rates of many counted things in two arms of rounds: their ratios and differences with intervals, the extra variance of each
//! judged in the light of all. Refuses an arm with fewer than two rounds, and what is no count.

use super::distribution::student_quantile;
use super::interval::Interval;
use super::refusal::{self, Refusal};
use super::student::Estimate;

/// The standard deviations between rounds that are considered: 0, then 1 % to 128 % in steps of √2.
const DEVIATIONS: usize = 16;
/// A row is asked about its variance between rounds from this count per round on; below, chance hides it.
const TELLING: f64 = 5.0;
/// How many rows' worth of belief every deviation shares before anything was seen, so that a few rows cannot rule all but one out.
const BELIEF: f64 = 0.25;
/// Steps of the expectation–maximization. Stopping early keeps the weights smooth: run to the end they gather on a few points,
/// and intervals become too narrow.
const STEPS: usize = 60;
/// A total below this is none; counts need not be whole.
const NONE: f64 = 0.5;

/// What was counted of one thing in each round.
#[derive(Clone, Copy, Debug)]
pub struct Counts<'a> {
    /// One count for each round of base.
    pub base: &'a [f64],
    /// One count for each round of head.
    pub head: &'a [f64],
}

/// The rate of one thing in one arm.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate {
    /// Count per exposure, over all rounds of the arm.
    pub value: f64,
    /// All that was counted.
    pub count: f64,
    exposure: f64,
    /// The variance of the rate's logarithm that comes from differences between rounds.
    between: f64,
}

impl Rate {
    /// The interval of the rate on the log scale; of a rate of nothing, from 0 to the exact Poisson limit.
    fn interval(&self, confidence: f64, degrees: f64) -> Result<Interval, Refusal> {
        let tail = (1.0 - confidence) / 2.0;
        if self.count < NONE {
            return Ok(Interval { estimate: self.value, low: 0.0, high: refusal::finite(-tail.ln() / self.exposure)? });
        }
        let error = (1.0 / self.count + self.between).sqrt();
        let half = -student_quantile(tail, degrees).ok_or(Refusal::NotFinite)? * error;
        let high = refusal::finite(self.value * half.exp())?;
        Ok(Interval { estimate: self.value, low: self.value * (-half).exp(), high })
    }
}

/// How the rate of one thing differs between base and head.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Change {
    /// The logarithm of head's rate over base's. Where one arm counted nothing, one count is added to the two, divided as their
    /// exposures are: the ratio stays finite, and 1 where the rates are equal.
    pub log_ratio: Estimate,
    /// The rate of base, nothing added.
    pub base: Rate,
    /// The rate of head, nothing added.
    pub head: Rate,
    /// The estimated standard deviation of the rate's logarithm between rounds, beyond the chance of counting.
    pub deviation: f64,
}

impl Change {
    /// The interval of head's rate less base's, also where one of them is zero.
    ///
    /// Definition: the two rates' own intervals, combined as if independent (MOVER): asymmetric, as those of counts are. Cost: O(1).
    /// Source: Zou and Donner (2008).
    ///
    /// ```
    /// use perfkit::stats::negative_binomial::{Counts, fit};
    /// let new = Counts { base: &[0.0, 0.0], head: &[60.0, 55.0] };
    /// let difference = fit(&[new], &[1.0; 2], &[1.0; 2]).unwrap()[0].difference(0.95).unwrap();
    /// assert_eq!(difference.estimate, 57.5);
    /// ```
    ///
    /// # Errors
    /// `Parameter` for a confidence that is not between 0 and 1; `NotFinite` where it leaves the range of `f64`.
    pub fn difference(&self, confidence: f64) -> Result<Interval, Refusal> {
        refusal::check_share(confidence)?;
        let degrees = self.log_ratio.degrees();
        let (base, head) = (self.base.interval(confidence, degrees)?, self.head.interval(confidence, degrees)?);
        let estimate = self.head.value - self.base.value;
        let down = (head.estimate - head.low).hypot(base.high - base.estimate);
        let up = (head.high - head.estimate).hypot(base.estimate - base.low);
        Ok(Interval { estimate, low: refusal::finite(estimate - down)?, high: refusal::finite(estimate + up)? })
    }
}

/// The change of every row's rate between two arms of rounds, in the order of the rows.
///
/// Definition: the count of a row in a round is negative binomial with mean `rate·exposure = μ` and variance `μ(1 + τ²μ)`; τ, the
/// standard deviation of the rate between rounds, is each row's own. Few rounds say little about one τ, so all rows together say how
/// common each τ is (expectation–maximization of the weights of a grid), and each row's variance is the mean over that distribution
/// given the row's own residuals; its own part in the distribution is left out. The variance of the log ratio is
/// `1/C_base + 1/C_head + τ²·Σ(exposure/Σexposure)²`, and Student's degrees of freedom follow from how well the data know it: from the
/// posterior's own variance, never more than all residuals have, and – where all rows rise and fall together from round to round –
/// down to those of the rounds (Satterthwaite).
///
/// Assumes that rounds are independent, and that a row is no likelier to vary for being in one arm. Counts need not be whole. A row
/// that is nearly all of the exposure is sampled with less than Poisson's variance, so its interval is a little wide. Cost: O(rows ·
/// rounds). Source: moderation across rows after Smyth (2004), the distribution by Laird (1978) as in Koenker and Mizera (2014), its
/// use for intervals after Stephens (2017).
///
/// # Errors
/// `TooFew` below two rounds in an arm; `Unpaired` where a row has not one count for each round; `Parameter` for a negative count or an
/// exposure that is not positive; `NotFinite`.
///
/// ```
/// use perfkit::stats::negative_binomial::{Counts, fit};
/// let steady = Counts { base: &[100.0, 110.0, 95.0], head: &[105.0, 98.0, 102.0] };
/// let grown = Counts { base: &[200.0, 210.0, 190.0], head: &[400.0, 420.0, 395.0] };
/// let changes = fit(&[steady, grown], &[1.0; 3], &[1.0; 3]).unwrap();
/// let ratio = changes[1].log_ratio.interval(0.95).unwrap().exponential();
/// assert!(ratio.low > 1.5 && ratio.contains(2.0));
/// assert!(changes[0].log_ratio.interval(0.95).unwrap().contains(0.0));
/// ```
pub fn fit(rows: &[Counts<'_>], base: &[f64], head: &[f64]) -> Result<Vec<Change>, Refusal> {
    for exposures in [base, head] {
        refusal::check(exposures, 2)?;
        if exposures.iter().any(|exposure| *exposure <= 0.0) {
            return Err(Refusal::Parameter);
        }
    }
    for row in rows {
        check(row.base, base)?;
        check(row.head, head)?;
    }
    let model = Model::new(rows, base, head);
    let spread = model.spread(rows);
    rows.iter().zip(&spread).map(|(row, spread)| model.change(*row, *spread)).collect()
}

fn check(counts: &[f64], exposures: &[f64]) -> Result<(), Refusal> {
    if counts.len() != exposures.len() {
        return Err(Refusal::Unpaired);
    }
    refusal::check(counts, 2)?;
    if counts.iter().any(|count| *count < 0.0) { Err(Refusal::Parameter) } else { Ok(()) }
}

/// What all rows share: the exposures of an arm.
struct Arm<'a> {
    exposures: &'a [f64],
    total: f64,
    /// `Σ(exposure/Σexposure)²`: one over the number of rounds, where they are alike.
    weight: f64,
}

impl<'a> Arm<'a> {
    fn new(exposures: &'a [f64]) -> Self {
        let total: f64 = exposures.iter().sum();
        Self { exposures, total, weight: exposures.iter().map(|exposure| (exposure / total).powi(2)).sum() }
    }

    /// The log-likelihood of the residuals at a variance `tau_squared`, with one round's worth given up for the fitted rate.
    fn log_likelihood(&self, counts: &[f64], tau_squared: f64) -> f64 {
        let (count, rounds) = (counts.iter().sum::<f64>(), counts.len() as f64);
        if count < NONE {
            return 0.0;
        }
        let (mut logs, mut squares) = (0.0, 0.0);
        for (count_here, exposure) in counts.iter().zip(self.exposures) {
            let mean = count / self.total * exposure;
            let variance = mean * (1.0 + tau_squared * mean);
            logs += variance.ln();
            squares += (count_here - mean).powi(2) / variance;
        }
        -0.5 * (logs * (rounds - 1.0) / rounds + squares)
    }

    /// The sum of squared deviations of the rounds' summed rates from their mean, relative to it.
    fn common(&self, sums: &[f64]) -> f64 {
        let rate = sums.iter().sum::<f64>() / self.total;
        if rate <= 0.0 {
            return 0.0;
        }
        sums.iter().zip(self.exposures).map(|(sum, exposure)| (sum / (rate * exposure) - 1.0).powi(2)).sum()
    }
}

/// What the data say about the variance of one row: weights over the grid.
type Weights = [f64; DEVIATIONS];

/// The variance between rounds of one row: its mean, and how far the data leave it open.
#[derive(Clone, Copy)]
struct Spread {
    mean: f64,
    variance: f64,
}

struct Model<'a> {
    base: Arm<'a>,
    head: Arm<'a>,
    /// The variance between rounds that all rows have in common.
    common: f64,
    /// Rounds beyond the two rates that are fitted.
    residual: f64,
    /// Rows with enough counts to tell their variance.
    telling: Vec<bool>,
}

impl<'a> Model<'a> {
    fn new(rows: &[Counts<'_>], base: &'a [f64], head: &'a [f64]) -> Self {
        let rounds = (base.len() + head.len()) as f64;
        let sums = |len: usize, of: fn(&Counts<'_>, usize) -> f64| -> Vec<f64> {
            (0..len).map(|round| rows.iter().map(|row| of(row, round)).sum()).collect()
        };
        let base_sums = sums(base.len(), |row, round| row.base[round]);
        let head_sums = sums(head.len(), |row, round| row.head[round]);
        let (base, head) = (Arm::new(base), Arm::new(head));
        let common = (base.common(&base_sums) + head.common(&head_sums)) / (rounds - 2.0);
        let count = |row: &Counts<'_>| row.base.iter().chain(row.head).sum::<f64>();
        let telling = rows.iter().map(|row| count(row) / rounds > TELLING).collect();
        Self { base, head, common, residual: rounds - 2.0, telling }
    }

    /// Every row's variance between rounds.
    fn spread(&self, rows: &[Counts<'_>]) -> Vec<Spread> {
        let likelihoods: Vec<Weights> = rows.iter().map(|row| self.likelihood(*row)).collect();
        let telling = || likelihoods.iter().zip(&self.telling).filter(|(_, telling)| **telling);
        let mut common = [1.0 / DEVIATIONS as f64; DEVIATIONS];
        // Of the last step the sums are kept, and the weights they came from, to take a row's own part out of them.
        let (mut sums, mut before) = (common, common);
        for _ in 0..STEPS {
            before = common;
            sums = [BELIEF / DEVIATIONS as f64; DEVIATIONS];
            for (likelihood, _) in telling() {
                add(&mut sums, &normalized(product(&common, likelihood)), 1.0);
            }
            common = normalized(sums);
        }
        let of = |(likelihood, telling): (&Weights, &bool)| {
            let mut others = sums;
            if *telling {
                add(&mut others, &normalized(product(&before, likelihood)), -1.0);
                others = others.map(|weight| weight.max(BELIEF / DEVIATIONS as f64));
            }
            let posterior = normalized(product(&others, likelihood));
            let moment = |power: i32| -> f64 { (0..DEVIATIONS).map(|at| posterior[at] * grid(at).powi(power)).sum() };
            let mean = moment(1);
            Spread { mean, variance: (moment(2) - mean * mean).max(0.0) }
        };
        likelihoods.iter().zip(&self.telling).map(of).collect()
    }

    /// How likely each variance makes a row's residuals, relative to the likeliest.
    fn likelihood(&self, row: Counts<'_>) -> Weights {
        let logs: Weights = std::array::from_fn(|at| {
            self.base.log_likelihood(row.base, grid(at)) + self.head.log_likelihood(row.head, grid(at))
        });
        let highest = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        logs.map(|log| (log - highest).exp())
    }

    fn change(&self, row: Counts<'_>, spread: Spread) -> Result<Change, Refusal> {
        let count = |counts: &[f64]| refusal::finite(counts.iter().sum::<f64>());
        let (base, head) = (count(row.base)?, count(row.head)?);
        let exposure = self.base.total + self.head.total;
        let added = if base < NONE || head < NONE { 1.0 / exposure } else { 0.0 };
        let (more_base, more_head) = (base + added * self.base.total, head + added * self.head.total);
        let log_ratio = (more_head / self.head.total).ln() - (more_base / self.base.total).ln();

        let weight = self.base.weight + self.head.weight;
        let chance = 1.0 / more_base + 1.0 / more_head;
        let mean = chance + weight * spread.mean;
        // A normal error whose variance is itself uncertain is taken for Student's with the same variance and kurtosis …
        let open = weight * weight * spread.variance / (mean * mean);
        let degrees = 4.0 + 2.0 / open;
        let variance = mean * (1.0 - 2.0 / degrees);
        // … but what all rows know together is no more than all their residuals tell.
        let rows = self.telling.iter().filter(|telling| **telling).count().max(1) as f64;
        let degrees = 1.0 / (1.0 / degrees + 1.0 / (rows * self.residual));
        // What all rows have in common was seen in as many rounds as there are, however many rows show it.
        let shared = (self.common * weight / variance).min(1.0);
        let degrees = 1.0 / ((1.0 - shared).powi(2) / degrees + shared * shared / self.residual);

        let between = ((variance - chance) / weight).max(0.0);
        let rate = |count: f64, arm: &Arm<'_>| Rate {
            value: count / arm.total,
            count,
            exposure: arm.total,
            between: between * arm.weight,
        };
        Ok(Change {
            log_ratio: Estimate::new(log_ratio, variance.sqrt(), degrees)?,
            base: rate(base, &self.base),
            head: rate(head, &self.head),
            deviation: between.sqrt(),
        })
    }
}

/// The variance between rounds at a place of the grid.
fn grid(at: usize) -> f64 {
    if at == 0 { 0.0 } else { 1e-4 * 2f64.powi(at as i32 - 1) }
}

fn product(a: &Weights, b: &Weights) -> Weights {
    std::array::from_fn(|at| a[at] * b[at])
}

fn add(sums: &mut Weights, weights: &Weights, times: f64) {
    sums.iter_mut().zip(weights).for_each(|(sum, weight)| *sum += times * weight);
}

fn normalized(weights: Weights) -> Weights {
    let sum: f64 = weights.iter().sum();
    weights.map(|weight| weight / sum)
}
