//! How fast a level rises when it may wander of itself and each look at it may be off, and where its rise bends. Refuses fewer
//! than five looks, and never takes a wandering level for a rising one because it was looked at often.

use super::interval::Interval;
use super::refusal::{self, Refusal};
use super::student::Estimate;

/// The fewest looks before and from a bend on, the one at the bend counted in both.
const BEFORE: usize = 4;
const AFTER: usize = 3;
/// The most places that are tried for a bend.
const MOST_BENDS: usize = 48;
/// The share of the earlier rate above which a bend, however sure, is no slowing down.
const BENT: f64 = 0.8;
/// Of the slowing down that would go on if the rise faded steadily, the share below which it has stopped.
const FADING: f64 = 0.3;
/// The level of the test that it has.
const SETTLED: f64 = 0.05;
/// The ratios of the variance of a step to that of a look that are tried.
const RATIOS: [f64; 10] = [0.0, 0.0003, 0.001, 0.004, 0.016, 0.06, 0.25, 1.0, 4.0, f64::INFINITY];
/// How much less likely (as a logarithm) than the best the ratio may be that is used.
const ALLOWANCE: f64 = 0.5;

/// A slope, or a difference of slopes, per look, with its standard error.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Drift {
    /// The estimate.
    pub value: f64,
    /// Its standard error; zero where the series has no deviation at all.
    pub error: f64,
    /// Degrees of freedom.
    pub degrees: f64,
    /// The share of the variance of an increment that stays, from 0 (each look is off by itself) to 1 (the level wanders).
    pub wander: f64,
}

impl Drift {
    /// The p-value of "it is at most `threshold`"; 0 or 1 where there is no error.
    pub fn p_above(&self, threshold: f64) -> f64 {
        match Estimate::new(self.value, self.error, self.degrees) {
            Ok(estimate) => estimate.p_above(threshold),
            Err(_) if self.value > threshold => 0.0,
            Err(_) => 1.0,
        }
    }

    /// The same seen from the other side: a fall as a rise.
    pub fn negated(self) -> Self {
        Self { value: -self.value, ..self }
    }

    /// The two-sided interval; without width where there is no error.
    ///
    /// # Errors
    /// `Parameter` for a confidence not between 0 and 1; `NotFinite`.
    pub fn interval(&self, confidence: f64) -> Result<Interval, Refusal> {
        refusal::check_share(confidence)?;
        match Estimate::new(self.value, self.error, self.degrees) {
            Err(Refusal::Constant) => Ok(Interval { estimate: self.value, low: self.value, high: self.value }),
            estimate => estimate?.interval(confidence),
        }
    }
}

/// The slope of a series, with an error that allows for a level that wanders.
///
/// The model is the local level with a drift: what is there takes a random step of its own between looks (live objects of random
/// number), and each look is off by something that does not stay (buffers in flight). The slope is that of generalized
/// least squares on the increments. The ratio of the two variances is the largest of ten whose restricted likelihood comes
/// near the best, since too small a one takes wandering for a rise. Near right for independent deviations, for a
/// random walk and between; AR(1) lies between. Not robust: wild values widen the error. Cost: O(n).
/// Source: Harvey (1989), chapter 2; Patterson and Thompson (1971).
///
/// # Errors
/// `TooFew` below five values; `NotFinite`.
///
/// ```
/// let level = [0.0, 2.0, 4.0, 6.0, 8.0, 10.0];
/// let drift = perfkit::stats::drift::drift(&level).unwrap();
/// assert_eq!((drift.value, drift.error), (2.0, 0.0));
/// ```
pub fn drift(values: &[f64]) -> Result<Drift, Refusal> {
    refusal::check(values, 5)?;
    Increments::of(values)?.slope()
}

/// The slope from look `bend` on, less `factor` times the slope up to it.
///
/// The deviations are measured from both slopes, so that a bend is not taken for noise. Model, cost and source as [`drift`].
///
/// # Errors
/// `TooFew` unless four looks lie up to the bend and three from it on; `NotFinite`.
///
/// ```
/// let level = [0.0, 2.0, 4.0, 6.0, 7.0, 8.0, 9.0];
/// assert_eq!(perfkit::stats::drift::change(&level, 3, 1.0).unwrap().value, -1.0);
/// ```
pub fn change(values: &[f64], bend: usize, factor: f64) -> Result<Drift, Refusal> {
    refusal::check(values, BEFORE + AFTER - 1)?;
    if bend + 1 < BEFORE || bend.saturating_add(AFTER) > values.len() {
        return Err(Refusal::TooFew);
    }
    Increments::of(values)?.contrast(bend, [-factor, 1.0])
}

/// A place from which on a series rises more slowly.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bend {
    /// The index of the look at the bend: the last of the faster part.
    pub at: usize,
    /// The slope up to it, per look.
    pub before: f64,
    /// The slope from it on, per look.
    pub after: f64,
    /// The p-value of "it slows down nowhere", times the number of places tried (Bonferroni).
    pub p: f64,
}

/// The place where a series slows down most evidently; the caller judges by its `p` whether it does.
///
/// Tries at most 48 places. Assumes as [`drift`]; a smooth bend is found as well as a sharp one. Cost: O(n), and as much a place.
///
/// # Errors
/// `TooFew` below six values; `NotFinite`.
///
/// ```
/// let filling: Vec<f64> = (0..20).map(|round| f64::from(round.min(12))).collect();
/// let bend = perfkit::stats::drift::slowest_bend(&filling).unwrap();
/// assert_eq!((bend.at, bend.before, bend.after, bend.p), (12, 1.0, 0.0, 0.0));
/// ```
pub fn slowest_bend(values: &[f64]) -> Result<Bend, Refusal> {
    refusal::check(values, BEFORE + AFTER - 1)?;
    let places = BEFORE - 1..=values.len() - AFTER;
    let increments = Increments::of(values)?;
    let stride = places.clone().count().div_ceil(MOST_BENDS);
    let mut best: Option<(f64, usize, f64)> = None;
    let mut tried = 0.0;
    for place in places.step_by(stride) {
        let slowdown = increments.contrast(place, [1.0, -1.0])?;
        // Without any error 0 / 0 is no bend, and all else a sure one.
        let statistic = if slowdown.value == 0.0 { 0.0 } else { slowdown.value / slowdown.error };
        tried += 1.0;
        if best.is_none_or(|(largest, ..)| statistic > largest) {
            best = Some((statistic, place, slowdown.p_above(0.0)));
        }
    }
    let (_, at, p) = best.ok_or(Refusal::TooFew)?;
    Ok(Bend { p: (p * tried).min(1.0), ..bend_at(values, at)? })
}

/// The bend at one place that was chosen without looking. Assumption and cost as [`change`].
///
/// # Errors
/// As [`change`].
///
/// ```
/// let bend = perfkit::stats::drift::bend_at(&[0.0, 2.0, 4.0, 6.0, 7.0, 8.0, 9.0], 3).unwrap();
/// assert_eq!((bend.before, bend.after, bend.p), (2.0, 1.0, 0.0));
/// ```
pub fn bend_at(values: &[f64], at: usize) -> Result<Bend, Refusal> {
    let p = change(values, at, 1.0)?.negated().p_above(0.0);
    let slope = |values: &[f64]| Increments::of(values)?.slope().map(|drift| drift.value);
    Ok(Bend { at, before: slope(&values[..=at])?, after: slope(&values[at..])?, p })
}

/// The look from which on a rise no longer slows down: 0 where it never does, `None` where it still does so in the last
/// `least` looks. `level` is that of the search for one bend.
///
/// A bend counts where the rate falls by more than a fifth; then the rest is searched again. A rise that fades by the same
/// factor in equal times would, from the one half of that rest to the other, fall by a power of the factor it fell by at
/// the bend; its rate is settled only where it is shown (at 5 %) to lose less than a third of that. Cost: O(48·n) a bend.
///
/// # Errors
/// `TooFew` below six values; `NotFinite`.
///
/// ```
/// use perfkit::stats::drift::steady_from;
/// let values: Vec<f64> = (0..40).map(|round| f64::from(round) + 9.0 * f64::from(round.min(10))).collect();
/// assert_eq!(steady_from(&values, 12, 0.01), Ok(Some(10)));
/// let fading: Vec<f64> = (0..40).map(|round| 1.0 - (-f64::from(round) / 30.0).exp()).collect();
/// assert_eq!(steady_from(&fading, 12, 0.01), Ok(None));
/// ```
pub fn steady_from(values: &[f64], least: usize, level: f64) -> Result<Option<usize>, Refusal> {
    let least = least.max(BEFORE + AFTER - 1);
    let (mut start, mut last) = (0, None);
    while let Some(bend) = bend(&values[start..], level)? {
        last = Some((start, bend));
        start += bend.at;
        if values.len() - start < least {
            return Ok(None);
        }
    }
    let settled = match last {
        Some((start, bend)) => has_settled(&values[start..], &bend)?,
        None => true,
    };
    Ok(settled.then_some(start))
}

fn bend(values: &[f64], level: f64) -> Result<Option<Bend>, Refusal> {
    // A smooth bend shows best in the middle, where only one place is tried; half of the level for either search.
    let slower = |bend: &Bend| bend.p < level / 2.0 && bend.before > 0.0 && bend.after < BENT * bend.before;
    let sharp = slowest_bend(values)?;
    if slower(&sharp) {
        return Ok(Some(sharp));
    }
    Ok(Some(bend_at(values, values.len() / 2)?).filter(slower))
}

fn has_settled(values: &[f64], bend: &Bend) -> Result<bool, Refusal> {
    let rest = &values[bend.at..];
    if bend.after <= 0.0 {
        return Ok(false);
    }
    let faded = (bend.after / bend.before).powf(FADING * rest.len() as f64 / values.len() as f64);
    Ok(change(rest, rest.len() / 2, faded)?.p_above(0.0) < SETTLED)
}

/// Increments, and what their fits under each ratio of the variances need.
struct Increments {
    steps: Vec<f64>,
    mean: f64,
    models: Vec<Model>,
}

impl Increments {
    fn of(values: &[f64]) -> Result<Self, Refusal> {
        let steps: Vec<f64> =
            values.windows(2).map(|pair| refusal::finite(pair[1] - pair[0])).collect::<Result<_, _>>()?;
        let mean = refusal::finite(steps.iter().sum::<f64>() / steps.len() as f64)?;
        // Deviations are fitted, not increments: a small noise on a large slope would drown in rounding.
        let deviations: Vec<f64> = steps.iter().map(|step| step - mean).collect();
        let models = RATIOS.iter().map(|ratio| Model::of(&deviations, *ratio)).collect();
        Ok(Self { steps, mean, models })
    }

    /// The mean of all.
    fn slope(&self) -> Result<Drift, Refusal> {
        self.contrast(self.steps.len(), [1.0, 0.0])
    }

    /// The weighted sum of the mean of the first `split` and that of the others, which have weight 0 where there are none.
    fn contrast(&self, split: usize, weights: [f64; 2]) -> Result<Drift, Refusal> {
        let groups = if split < self.steps.len() { 2.0 } else { 1.0 };
        let degrees = self.steps.len() as f64 - groups;
        let (early, late) = self.steps.split_at(split);
        if let (Some(early), Some(late)) = (constant(early), constant(late)) {
            let value = refusal::finite(weights[0] * early + weights[1] * late)?;
            return Ok(Drift { value, error: 0.0, degrees, wander: 0.0 });
        }
        let fits: Vec<Fit> = self.models.iter().map(|model| model.fit(split, degrees)).collect();
        let best = fits.iter().map(|fit| fit.likelihood).fold(f64::NEG_INFINITY, f64::max);
        let likely = |(_, fit): &(&Model, &Fit)| fit.likelihood >= best - ALLOWANCE;
        let (model, fit) = self.models.iter().zip(&fits).rfind(likely).ok_or(Refusal::NotFinite)?;
        let [early, late] = weights;
        let [first, both, second] = fit.covariance;
        let variance = early * early * first + 2.0 * early * late * both + late * late * second;
        let value = early * (self.mean + fit.means[0]) + late * (self.mean + fit.means[1]);
        let error = refusal::finite(variance.max(0.0).sqrt())?;
        Ok(Drift { value: refusal::finite(value)?, error, degrees, wander: 1.0 - 2.0 * model.look })
    }
}

/// The mean of increments that are all equal but for rounding; 0 where there are none.
fn constant(steps: &[f64]) -> Option<f64> {
    let mean = steps.iter().sum::<f64>() / steps.len().max(1) as f64;
    let largest = steps.iter().fold(0.0, |largest: f64, step| largest.max(step.abs()));
    steps.iter().all(|step| (step - mean).abs() <= 8.0 * f64::EPSILON * largest).then_some(mean)
}

/// Deviations under one ratio of the variances: products `aᵀV⁻¹b`, where V is the covariance of increments, with 1 on its diagonal
/// and −look beside it.
struct Model {
    /// The variance of a look by that of an increment.
    look: f64,
    /// The logarithm of the determinant of V.
    volume: f64,
    /// Data by data.
    square: f64,
    /// Of the column that is 1 for the first so many increments and 0 then: by data, by a column of ones, by itself.
    early: Vec<[f64; 3]>,
}

impl Model {
    /// `ratio` is the variance of a step by that of a look.
    fn of(deviations: &[f64], ratio: f64) -> Self {
        let look = if ratio.is_finite() { 1.0 / (ratio + 2.0) } else { 0.0 };
        // V = L·D·Lᵀ with L of one link below its diagonal: solving L first makes all columns independent.
        let (mut pivot, mut link, mut square) = (1.0, 0.0, 0.0);
        let (mut volume, mut logarithms) = (1.0, 0.0);
        let (mut data, mut ones) = (0.0, 0.0);
        let mut rows = Vec::with_capacity(deviations.len());
        for (index, deviation) in deviations.iter().enumerate() {
            if index > 0 {
                link = -look / pivot;
                pivot = 1.0 + look * link;
            }
            data = deviation - link * data;
            ones = 1.0 - link * ones;
            volume *= pivot;
            if volume < 1e-200 {
                // Pivots are at least a half: long series would bring their product to zero.
                (volume, logarithms) = (1.0, logarithms + f64::ln(volume));
            }
            square += data * data / pivot;
            rows.push((link, pivot, data, ones));
        }
        // What a column that ends here still has in the rows from here on, by each of the three, per unit in the row before.
        let mut tails = vec![[0.0; 3]; rows.len() + 1];
        for (index, (link, pivot, data, ones)) in rows.iter().enumerate().rev() {
            let next = tails[index + 1];
            tails[index] = [
                -link * (data / pivot + next[0]),
                -link * (ones / pivot + next[1]),
                link * link * (1.0 / pivot + next[2]),
            ];
        }
        let mut sums = [0.0; 3];
        let mut early = vec![sums];
        for ((_, pivot, data, ones), tail) in rows.iter().zip(&tails[1..]) {
            sums = [sums[0] + ones * data / pivot, sums[1] + ones * ones / pivot, sums[2] + ones * ones / pivot];
            early.push([sums[0] + ones * tail[0], sums[1] + ones * tail[1], sums[2] + ones * ones * tail[2]]);
        }
        Self { look, volume: logarithms + f64::ln(volume), square, early }
    }

    fn fit(&self, split: usize, degrees: f64) -> Fit {
        let ([y1, one, a], [all, whole, _]) = (self.early[split], self.early[self.early.len() - 1]);
        let two = split + 1 < self.early.len();
        // The late column is a column of ones less the early one.
        let (y2, b, c) = (all - y1, one - a, whole - 2.0 * one + a);
        let determinant = if two { a * c - b * b } else { a };
        let inverse =
            if two { [c / determinant, -b / determinant, a / determinant] } else { [1.0 / determinant, 0.0, 0.0] };
        let means = [inverse[0] * y1 + inverse[1] * y2, inverse[1] * y1 + inverse[2] * y2];
        let variance = ((self.square - means[0] * y1 - means[1] * y2) / degrees).max(f64::MIN_POSITIVE);
        let likelihood = -0.5 * (degrees * variance.ln() + self.volume + determinant.ln());
        Fit { means, covariance: inverse.map(|entry| entry * variance), likelihood }
    }
}

/// The means of both groups of increments under one model.
struct Fit {
    means: [f64; 2],
    /// Of the first mean, of both, of the second.
    covariance: [f64; 3],
    /// The logarithm of the restricted likelihood, less a constant.
    likelihood: f64,
}
