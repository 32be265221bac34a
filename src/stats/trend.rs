//! Trend in a series: the Theil–Sen slope with its interval and the Mann–Kendall test. Refuses slopes of more than 2,000 points:
//! average them first.

use super::autocorrelation;
use super::describe;
use super::distribution::{normal_above, normal_quantile};
use super::interval::Interval;
use super::quantile;
use super::rank::midranks;
use super::refusal::{self, Refusal};

/// The most points that all slopes between two are computed for.
const MOST_POINTS: usize = 2_000;
/// The most points for which the distribution of Kendall's S is counted; beyond it is normal.
const MOST_EXACT_POINTS: usize = 60;

/// A line through points.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Line {
    /// The change of the value by one step of the position, with its interval.
    pub slope: Interval,
    /// Median of the values less slope times the median of the positions.
    pub intercept: f64,
    /// The confidence that the slope's interval has: at least the one asked for.
    pub confidence: f64,
}

/// The Theil–Sen line: the median of the slopes between all pairs of points; its interval inverts Kendall's test, exactly up to
/// 60 points without ties in position, asymptotically beyond.
///
/// Up to 29 % of the points may be wild. Assumes independent deviations from the line. Pairs of equal position are left out.
/// Cost: O(n²) time and memory (16 MiB at 2,000 points). Source: Theil (1950), Sen (1968).
///
/// # Errors
/// `Unpaired`; `TooFew` where the confidence cannot be reached (at 95 % below 5 points); `TooMany` above 2,000 points;
/// `NotFinite`; `Constant` where all positions are equal; `Parameter`.
///
/// ```
/// let positions: Vec<f64> = (0..8).map(f64::from).collect();
/// let values = [1.0, 3.0, 5.0, 7.0, 99.0, 11.0, 13.0, 15.0];
/// let line = perfkit::stats::trend::theil_sen(&positions, &values, 0.95).unwrap();
/// assert_eq!((line.slope.estimate, line.intercept), (2.0, 2.0));
/// ```
pub fn theil_sen(positions: &[f64], values: &[f64], confidence: f64) -> Result<Line, Refusal> {
    if positions.len() != values.len() {
        return Err(Refusal::Unpaired);
    }
    refusal::check(positions, 2)?;
    refusal::check(values, 2)?;
    refusal::check_share(confidence)?;
    if values.len() > MOST_POINTS {
        return Err(Refusal::TooMany);
    }
    let mut slopes = slopes(positions, values)?;
    let tail = (1.0 - confidence) / 2.0;
    let (rank, reached) = if values.len() <= MOST_EXACT_POINTS && midranks(positions).tie_term == 0.0 {
        exact_rank(values.len(), tail)
    } else {
        let z = normal_quantile(1.0 - tail).ok_or(Refusal::Parameter)?;
        let deviation = score_variance(positions, values).sqrt();
        (((slopes.len() as f64 - z * deviation) / 2.0).floor().max(0.0) as usize, confidence)
    };
    if rank == 0 {
        return Err(Refusal::TooFew);
    }
    let estimate = quantile::median(&slopes).ok_or(Refusal::NotFinite)?;
    let last = slopes.len() - rank;
    let low = *slopes.select_nth_unstable_by(rank - 1, f64::total_cmp).1;
    let high = *slopes.select_nth_unstable_by(last, f64::total_cmp).1;
    let middle = |values: &[f64]| quantile::median(values).ok_or(Refusal::NotFinite);
    let intercept = refusal::finite(middle(values)? - estimate * middle(positions)?)?;
    Ok(Line { slope: Interval { estimate, low, high }, intercept, confidence: reached })
}

fn slopes(positions: &[f64], values: &[f64]) -> Result<Vec<f64>, Refusal> {
    let mut slopes = Vec::with_capacity(values.len() * (values.len() - 1) / 2);
    for later in 1..values.len() {
        for earlier in 0..later {
            let run = positions[later] - positions[earlier];
            if run != 0.0 {
                slopes.push(refusal::finite((values[later] - values[earlier]) / run)?);
            }
        }
    }
    if slopes.is_empty() { Err(Refusal::Constant) } else { Ok(slopes) }
}

/// The distribution of the number of discordant pairs among `count` values in random order (Kendall 1938).
fn discordant_pairs(count: usize) -> Vec<f64> {
    let mut probabilities = vec![1.0];
    for size in 2..=count {
        // The value that comes next is discordant with 0 … size − 1 of the others, each equally likely.
        let mut next = vec![0.0; probabilities.len() + size - 1];
        for (pairs, probability) in probabilities.iter().enumerate() {
            next[pairs..pairs + size].iter_mut().for_each(|sum| *sum += probability / size as f64);
        }
        probabilities = next;
    }
    probabilities
}

/// The largest k with `P(discordant ≤ k − 1) ≤ tail`, and the confidence of the k-th slopes from both ends.
fn exact_rank(count: usize, tail: f64) -> (usize, f64) {
    let (mut rank, mut below) = (0, 0.0);
    for probability in discordant_pairs(count) {
        if below + probability > tail * (1.0 + 1e-12) {
            break;
        }
        (rank, below) = (rank + 1, below + probability);
    }
    (rank, 1.0 - 2.0 * below)
}

/// The variance of Kendall's S with ties in either list.
#[expect(clippy::float_cmp, reason = "ties are equal to the last digit")]
fn score_variance(positions: &[f64], values: &[f64]) -> f64 {
    let whole = |size: f64| size * (size - 1.0) * (2.0 * size + 5.0);
    let ties = |values: &[f64]| {
        let mut sorted = values.to_vec();
        sorted.sort_unstable_by(f64::total_cmp);
        sorted.chunk_by(|a, b| a == b).map(|group| whole(group.len() as f64)).sum::<f64>()
    };
    (whole(values.len() as f64) - ties(positions) - ties(values)) / 18.0
}

/// Whether the values of a series depend on those before them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dependence {
    /// They do not: one value per commit or per round.
    Independent,
    /// They do: operations or batches of one run. The variance is made larger by the loss of effective size.
    Autocorrelated,
}

/// The result of the Mann–Kendall test.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MannKendall {
    /// Pairs that rise less pairs that fall.
    pub score: f64,
    /// The score by the number of pairs, from −1 to 1: Kendall's tau-a.
    pub tau: f64,
    /// The two-sided p-value of "no trend".
    pub p: f64,
}

/// The Mann–Kendall test for a monotone trend; exact up to 60 independent values without ties, else normal with tie and
/// continuity correction.
///
/// Assumes what `dependence` says. For autocorrelated series the variance is divided by the effective share of the series
/// less its least-squares line. Cost: O(n log n), and that of [`autocorrelation::effective_size`]. Source: Mann (1945),
/// Kendall (1975), Yue and Wang (2004).
///
/// # Errors
/// `TooFew` below three values (four where autocorrelated); `NotFinite`; `Constant`.
///
/// ```
/// use perfkit::stats::trend::{Dependence, mann_kendall};
/// let test = mann_kendall(&[1.0, 2.0, 4.0, 3.0, 5.0], Dependence::Independent).unwrap();
/// assert_eq!((test.score, test.tau), (8.0, 0.8));
/// assert!((test.p - 10.0 / 120.0).abs() < 1e-12);
/// ```
#[expect(clippy::float_cmp, reason = "ties are equal to the last digit")]
pub fn mann_kendall(values: &[f64], dependence: Dependence) -> Result<MannKendall, Refusal> {
    refusal::check(values, if dependence == Dependence::Independent { 3 } else { 4 })?;
    let count = values.len() as f64;
    let ranks = midranks(values);
    let mut variance = score_variance(&[], values);
    if variance <= 0.0 {
        return Err(Refusal::Constant);
    }
    let mut ordered = values.to_vec();
    let falling = inversions(&mut ordered) as f64;
    // After counting, the copy is sorted: its groups are the ties.
    let tied: f64 =
        ordered.chunk_by(|a, b| a == b).map(|group| group.len() as f64).map(|size| size * (size - 1.0) / 2.0).sum();
    let pairs = count * (count - 1.0) / 2.0;
    let score = pairs - tied - 2.0 * falling;
    let p = if dependence == Dependence::Independent && ranks.tie_term == 0.0 && values.len() <= MOST_EXACT_POINTS {
        let fewer = falling.min(pairs - falling) as usize;
        2.0 * discordant_pairs(values.len()).iter().take(fewer + 1).sum::<f64>()
    } else {
        if dependence == Dependence::Autocorrelated {
            variance *= loss_of_size(values)?;
        }
        2.0 * normal_above((score.abs() - 1.0).max(0.0) / variance.sqrt())
    };
    Ok(MannKendall { score, tau: score / pairs, p: p.min(1.0) })
}

/// How many times larger the series is than its effective size, once its least-squares line is taken away.
fn loss_of_size(values: &[f64]) -> Result<f64, Refusal> {
    let mean = describe::mean(values).ok_or(Refusal::NotFinite)?;
    let middle = (values.len() as f64 - 1.0) / 2.0;
    let offsets = || (0..values.len()).map(|index| index as f64 - middle);
    let rise: f64 = offsets().zip(values).map(|(offset, value)| offset * (value - mean)).sum();
    let slope = rise / offsets().map(|offset| offset * offset).sum::<f64>();
    let residuals: Vec<f64> = offsets().zip(values).map(|(offset, value)| value - slope * offset).collect();
    match autocorrelation::effective_size(&residuals) {
        Ok(size) => Ok(values.len() as f64 / size),
        // On a line without any deviation there is nothing that could repeat itself.
        Err(Refusal::Constant) => Ok(1.0),
        Err(refusal) => Err(refusal),
    }
}

/// Sorts the values and counts the pairs that stood in falling order, by merging.
fn inversions(values: &mut [f64]) -> u64 {
    if values.len() < 2 {
        return 0;
    }
    let (left, right) = values.split_at_mut(values.len() / 2);
    let mut count = inversions(left) + inversions(right);
    let mut merged = Vec::with_capacity(left.len() + right.len());
    let (mut from_left, mut from_right) = (0, 0);
    while from_left < left.len() && from_right < right.len() {
        if right[from_right] < left[from_left] {
            merged.push(right[from_right]);
            from_right += 1;
            count += (left.len() - from_left) as u64;
        } else {
            merged.push(left[from_left]);
            from_left += 1;
        }
    }
    merged.extend_from_slice(&left[from_left..]);
    merged.extend_from_slice(&right[from_right..]);
    values.copy_from_slice(&merged);
    count
}
