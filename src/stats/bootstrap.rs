//! Bootstrap intervals for statistics without a formula: `BCa` over values, studentized over clusters. Refuses what a resample
//! cannot tell: too few clusters, a statistic that is not finite.

use super::distribution::{normal_above, normal_quantile};
use super::interval::Interval;
use super::quantile;
use super::random::Random;
use super::refusal::{self, Refusal};

/// How often, how sure, and from which seed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Plan {
    /// The number of resamples; 9,999 is customary, 100 the least.
    pub resamples: usize,
    /// The confidence of the interval, between 0 and 1.
    pub confidence: f64,
    /// The seed: the same seed gives the same interval.
    pub seed: u64,
}

impl Default for Plan {
    fn default() -> Self {
        Self { resamples: 9_999, confidence: 0.95, seed: 0 }
    }
}

impl Plan {
    /// Passes a plan that can be carried out.
    pub(super) fn check(&self) -> Result<(), Refusal> {
        refusal::check_share(self.confidence)?;
        match self.resamples {
            0..100 => Err(Refusal::TooFew),
            100..=1_000_000 => Ok(()),
            _ => Err(Refusal::TooMany),
        }
    }
}

/// The bias-corrected and accelerated interval of any statistic of one or more samples, each resampled on its own.
///
/// Assumes independent values. Over the operations of one run it covers the variation *within that run* and nothing of the
/// next run's. Percentiles of the resampled statistic, shifted by the bias (share of resamples below the estimate, those equal
/// counted half) and by the acceleration (from the jackknife). Cost: O(B·n) for B resamples, plus the jackknife's n
/// statistics; memory O(B + n). Source: Efron (1987).
///
/// # Errors
/// `TooFew` below two values in a sample, without samples, or below 100 resamples; `TooMany` above 10⁶ resamples; `NotFinite`
/// for a value or where the statistic of any resample is not finite; `Constant` where every resample gives the same;
/// `Parameter`.
///
/// ```
/// use perfkit::stats::{bootstrap::{Plan, bca}, describe::mean};
/// let values = [4.0, 5.0, 6.0, 7.0, 9.0, 15.0];
/// let interval = bca(&[&values], |samples| mean(&samples[0]).unwrap_or(f64::NAN), Plan::default()).unwrap();
/// assert!(interval.low > 5.0 && interval.high > 10.0, "skewed to the right as the values are");
/// ```
#[expect(clippy::float_cmp, reason = "copies of one number are counted")]
pub fn bca(samples: &[&[f64]], statistic: impl Fn(&[Vec<f64>]) -> f64, plan: Plan) -> Result<Interval, Refusal> {
    plan.check()?;
    if samples.is_empty() {
        return Err(Refusal::TooFew);
    }
    samples.iter().try_for_each(|sample| refusal::check(sample, 2))?;
    let mut work: Vec<Vec<f64>> = samples.iter().map(|sample| sample.to_vec()).collect();
    let estimate = refusal::finite(statistic(&work))?;
    let acceleration = acceleration(samples, &mut work, &statistic)?;
    let mut random = Random::new(plan.seed);
    let mut replicates = Vec::with_capacity(plan.resamples);
    for _ in 0..plan.resamples {
        for (sample, work) in samples.iter().zip(&mut work) {
            work.clear();
            work.extend((0..sample.len()).map(|_| sample[random.below(sample.len())]));
        }
        replicates.push(refusal::finite(statistic(&work))?);
    }
    let below = replicates.iter().filter(|replicate| **replicate < estimate).count() as f64;
    let equal = replicates.iter().filter(|replicate| **replicate == estimate).count() as f64;
    let total = plan.resamples as f64;
    if equal >= total {
        return Err(Refusal::Constant);
    }
    // Where all resamples lie on one side there is no telling how far the bias goes.
    let bias = normal_quantile((below + equal / 2.0) / total).ok_or(Refusal::TooFew)?;
    let percentile = |tail: f64| {
        let z = bias + normal_quantile(tail)?;
        Some(1.0 - normal_above(bias + z / (1.0 - acceleration * z)))
    };
    let tail = (1.0 - plan.confidence) / 2.0;
    let ends = [percentile(tail), percentile(1.0 - tail)].map(|end| end.ok_or(Refusal::Parameter));
    let ends = quantile::several(&replicates, &[ends[0]?, ends[1]?]).ok_or(Refusal::NotFinite)?;
    Ok(Interval { estimate, low: ends[0].min(ends[1]), high: ends[0].max(ends[1]) })
}

/// A sixth of the skewness of the jackknife's influence values; 0 where they do not vary.
fn acceleration(
    samples: &[&[f64]],
    work: &mut [Vec<f64>],
    statistic: &impl Fn(&[Vec<f64>]) -> f64,
) -> Result<f64, Refusal> {
    let (mut cubes, mut squares) = (0.0, 0.0);
    for (index, sample) in samples.iter().enumerate() {
        let mut left_out = Vec::with_capacity(sample.len());
        for omitted in 0..sample.len() {
            work[index].clear();
            work[index].extend_from_slice(&sample[..omitted]);
            work[index].extend_from_slice(&sample[omitted + 1..]);
            left_out.push(refusal::finite(statistic(work))?);
        }
        work[index] = sample.to_vec();
        let count = sample.len() as f64;
        let mean = left_out.iter().sum::<f64>() / count;
        let influence = || left_out.iter().map(|value| (count - 1.0) * (mean - value) / count);
        cubes += influence().map(|value| value * value * value).sum::<f64>();
        squares += influence().map(|value| value * value).sum::<f64>();
    }
    let acceleration = cubes / (6.0 * squares.powf(1.5));
    Ok(if acceleration.is_finite() { acceleration } else { 0.0 })
}

/// The studentized interval of any statistic of clusters (rounds), resampled as wholes within each arm and never taken apart.
///
/// Each resample's distance from the estimate is measured in its own standard error, by the jackknife over its clusters, and
/// the interval is scaled back by the standard error of the estimate. Paired rounds are one arm whose clusters are pairs. A resample
/// without spread counts as infinitely far, so that few clusters widen the interval and never narrow it. Assumes independent
/// clusters. For statistics that have no formula; for a mean of logarithms take `welch`. With three rounds it is very wide. Cost:
/// O(B·R) statistics of R clusters, so O(B·R²). Source: Davison and Hinkley (1997, chapters 2.4 and 3.8), Hall (1992).
///
/// # Errors
/// `TooFew` below three clusters in an arm, without arms, below 100 resamples, or where so many resamples are without spread that
/// the interval would be endless; `TooMany` above 10⁶ resamples; `NotFinite` where the statistic is; `Constant` where it does
/// not vary over the clusters; `Parameter`.
///
/// ```
/// use perfkit::stats::bootstrap::{Plan, studentized_clusters};
/// // The ratio of total time by total operations, from (time, operations) of each round.
/// let base = [(9.1, 90.0), (10.2, 100.0), (11.5, 110.0), (10.0, 101.0), (9.9, 98.0)];
/// let head = [(11.0, 91.0), (12.5, 101.0), (13.2, 108.0), (12.0, 99.0), (12.2, 100.0)];
/// let cost = |arm: &[&(f64, f64)]| arm.iter().map(|round| round.0).sum::<f64>() / arm.iter().map(|round| round.1).sum::<f64>();
/// let change = |arms: &[Vec<&(f64, f64)>]| (cost(&arms[1]) / cost(&arms[0])).ln();
/// let interval = studentized_clusters(&[&base, &head], change, Plan::default()).unwrap();
/// assert!(interval.low > 0.1 && interval.high < 0.3);
/// ```
pub fn studentized_clusters<T>(
    arms: &[&[T]],
    statistic: impl Fn(&[Vec<&T>]) -> f64,
    plan: Plan,
) -> Result<Interval, Refusal> {
    plan.check()?;
    if arms.is_empty() || arms.iter().any(|arm| arm.len() < 3) {
        return Err(Refusal::TooFew);
    }
    let mut work: Vec<Vec<&T>> = arms.iter().map(|arm| arm.iter().collect()).collect();
    let estimate = refusal::finite(statistic(&work))?;
    let error = jackknife_error(&mut work, &statistic)?;
    if error <= 4.0 * f64::EPSILON * estimate.abs() {
        return Err(Refusal::Constant);
    }
    let mut random = Random::new(plan.seed);
    let mut distances = Vec::with_capacity(plan.resamples);
    for _ in 0..plan.resamples {
        for (arm, work) in arms.iter().zip(&mut work) {
            work.clear();
            work.extend((0..arm.len()).map(|_| &arm[random.below(arm.len())]));
        }
        let away = refusal::finite(statistic(&work))? - estimate;
        let own_error = jackknife_error(&mut work, &statistic)?;
        distances.push(if own_error > 1e-9 * error { away / own_error } else { f64::INFINITY.copysign(away) });
    }
    distances.sort_unstable_by(f64::total_cmp);
    let tail = (1.0 - plan.confidence) / 2.0;
    // The order statistic outside of the tail, without interpolation: a neighbour may be infinite.
    let outer = ((tail * (plan.resamples as f64 + 1.0)).floor().max(1.0) as usize) - 1;
    let (lowest, highest) = (distances[outer], distances[plan.resamples - 1 - outer]);
    if !(lowest.is_finite() && highest.is_finite()) {
        return Err(Refusal::TooFew);
    }
    Ok(Interval {
        estimate,
        low: refusal::finite(estimate - highest * error)?,
        high: refusal::finite(estimate - lowest * error)?,
    })
}

/// The standard error of the statistic by leaving out one cluster after the other, arm by arm.
fn jackknife_error<T>(work: &mut [Vec<&T>], statistic: &impl Fn(&[Vec<&T>]) -> f64) -> Result<f64, Refusal> {
    let mut variance = 0.0;
    for arm in 0..work.len() {
        let count = work[arm].len();
        let mut left_out = Vec::with_capacity(count);
        for _ in 0..count {
            // Taking the last and putting it in front goes once around and ends where it began.
            let Some(omitted) = work[arm].pop() else { break };
            left_out.push(refusal::finite(statistic(work))?);
            work[arm].insert(0, omitted);
        }
        let count = count as f64;
        let mean = left_out.iter().sum::<f64>() / count;
        let squares: f64 = left_out.iter().map(|value| (value - mean) * (value - mean)).sum();
        variance += squares * (count - 1.0) / count;
    }
    refusal::finite(variance.sqrt())
}
