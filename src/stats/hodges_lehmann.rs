//! The Hodges–Lehmann shift with an interval by exact inversion of the rank test that belongs to it. Refuses samples too small
//! to reach the confidence, and more than 4 million pairs.

use super::distribution::normal_quantile;
use super::interval::Interval;
use super::quantile;
use super::rank::SubsetSums;
use super::refusal::{self, Refusal};

/// The most pairs whose differences are held, 32 MiB.
const MOST_PAIRS: usize = 4 << 20;
/// The most pairs for which the distribution of the rank statistic is counted; beyond it is normal.
const MOST_EXACT_PAIRS: usize = 10_000;

/// A shift, its distribution-free interval and the confidence that the interval truly has.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct HodgesLehmann {
    /// The median of all differences, with two of the ordered differences around it.
    pub interval: Interval,
    /// The confidence: at least the one asked for, since only some are possible with few values.
    pub confidence: f64,
}

/// The median of all differences `head − base`, with the interval that inverts the Mann–Whitney test.
///
/// Outliers cannot move it far: up to 29 % of the values may be wild. On logarithms of one value per round `exponential()` of it
/// is the ratio. Assumes independent values and equal shape of both arms; where spreads differ, the coverage may. Ties only
/// make it wider. Cost: O(mn) time and memory. Source: Hodges and Lehmann (1963), Moses (1965).
///
/// # Errors
/// `TooFew` where even the extreme differences do not reach the confidence (at 95 % below 4 against 4); `TooMany` above
/// 4 million pairs; `NotFinite`; `Parameter`.
///
/// ```
/// use perfkit::stats::hodges_lehmann::two_samples;
/// let shift = two_samples(&[10.0, 11.0, 12.0, 13.0], &[20.0, 21.0, 22.0, 23.0], 0.95).unwrap();
/// assert_eq!((shift.interval.low, shift.interval.estimate, shift.interval.high), (7.0, 10.0, 13.0));
/// assert!((shift.confidence - 68.0 / 70.0).abs() < 1e-12);
/// ```
pub fn two_samples(base: &[f64], head: &[f64], confidence: f64) -> Result<HodgesLehmann, Refusal> {
    refusal::check(base, 1)?;
    refusal::check(head, 1)?;
    refusal::check_share(confidence)?;
    let pairs = base.len().checked_mul(head.len()).filter(|pairs| *pairs <= MOST_PAIRS).ok_or(Refusal::TooMany)?;
    let (few, many) = (base.len().min(head.len()), base.len().max(head.len()));
    let null = if pairs <= MOST_EXACT_PAIRS {
        // Without ties the ranks 0, 1, 2, …: their sum less the least possible one is U.
        let ranks: Vec<usize> = (0..few + many).collect();
        Null::Exact(SubsetSums::new(&ranks, few))
    } else {
        let total = (few + many) as f64;
        Null::Normal { deviation: (pairs as f64 * (total + 1.0) / 12.0).sqrt() }
    };
    let differences = head.iter().flat_map(|head| base.iter().map(move |base| head - base)).collect();
    invert(differences, &null, confidence)
}

/// The median of the means of all pairs of differences (each with itself as well), with the interval that inverts Wilcoxon's
/// signed-rank test: for paired rounds.
///
/// Assumes independent differences, symmetric about their median. Cost: O(n²) time and memory. Source: Hodges and Lehmann
/// (1963), Tukey (1949).
///
/// # Errors
/// `TooFew` where the confidence cannot be reached (at 95 % below 6 differences); `TooMany` above 2,895 differences;
/// `NotFinite`; `Parameter`.
///
/// ```
/// use perfkit::stats::hodges_lehmann::one_sample;
/// let shift = one_sample(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], 0.95).unwrap();
/// assert_eq!((shift.interval.low, shift.interval.estimate, shift.interval.high), (1.0, 3.5, 6.0));
/// assert!((shift.confidence - (1.0 - 2.0 / 64.0)).abs() < 1e-12);
/// ```
pub fn one_sample(differences: &[f64], confidence: f64) -> Result<HodgesLehmann, Refusal> {
    refusal::check(differences, 1)?;
    refusal::check_share(confidence)?;
    let count = differences.len();
    let pairs = count.checked_mul(count + 1).map(|twice| twice / 2).filter(|pairs| *pairs <= MOST_PAIRS);
    let pairs = pairs.ok_or(Refusal::TooMany)?;
    let null = if pairs <= MOST_EXACT_PAIRS {
        Null::Exact(signed_ranks(count))
    } else {
        let number = count as f64;
        Null::Normal { deviation: (number * (number + 1.0) * (2.0 * number + 1.0) / 24.0).sqrt() }
    };
    let averages = (0..count)
        .flat_map(|first| differences[first..].iter().map(move |second| f64::midpoint(differences[first], *second)));
    invert(averages.collect(), &null, confidence)
}

/// The distribution of Wilcoxon's signed-rank sum: each of the ranks 1 … n is in the sum or not, as a coin falls.
fn signed_ranks(count: usize) -> SubsetSums {
    let mut probabilities = vec![0.0; count * (count + 1) / 2 + 1];
    probabilities[0] = 1.0;
    for rank in 1..=count {
        for sum in (0..probabilities.len()).rev() {
            let with = if sum >= rank { probabilities[sum - rank] } else { 0.0 };
            probabilities[sum] = f64::midpoint(probabilities[sum], with);
        }
    }
    SubsetSums::from_probabilities(probabilities)
}

/// The distribution of the rank statistic where nothing differs.
enum Null {
    Exact(SubsetSums),
    Normal { deviation: f64 },
}

/// The interval from the k-th smallest to the k-th largest, k the largest with `P(statistic ≤ k − 1) ≤ α/2`.
fn invert(mut pairs: Vec<f64>, null: &Null, confidence: f64) -> Result<HodgesLehmann, Refusal> {
    let tail = (1.0 - confidence) / 2.0;
    let (rank, reached) = match null {
        Null::Exact(sums) => {
            let (mut rank, mut below) = (0, 0.0);
            for probability in sums.probabilities() {
                // A hair of tolerance: 0.025 must be reached where it is 1/40 in rounding.
                if below + probability > tail * (1.0 + 1e-12) {
                    break;
                }
                (rank, below) = (rank + 1, below + probability);
            }
            (rank, 1.0 - 2.0 * below)
        }
        Null::Normal { deviation } => {
            let z = normal_quantile(1.0 - tail).ok_or(Refusal::Parameter)?;
            ((pairs.len() as f64 / 2.0 - z * deviation).floor().max(0.0) as usize, confidence)
        }
    };
    if rank == 0 {
        return Err(Refusal::TooFew);
    }
    refusal::check(&pairs, 1)?;
    let estimate = quantile::median(&pairs).ok_or(Refusal::NotFinite)?;
    let last = pairs.len() - rank;
    let low = *pairs.select_nth_unstable_by(rank - 1, f64::total_cmp).1;
    let high = *pairs.select_nth_unstable_by(last, f64::total_cmp).1;
    Ok(HodgesLehmann { interval: Interval { estimate, low, high }, confidence: reached })
}
