//! How far two samples of independent values are apart in distribution: Kolmogorov–Smirnov and Cramér–von Mises. Refuses empty
//! samples. For runs use `energy`, which exchanges whole rounds: fed with the operations of a few processes these
//! raise up to 94 % false alarms.

use std::collections::BTreeMap;

use statrs::function::gamma::ln_gamma;

use super::quantile::Sorted;
use super::rank::midranks;
use super::refusal::{self, Refusal};

/// The most pairs for which the distribution of the Kolmogorov–Smirnov distance is counted.
const MOST_EXACT_PAIRS: usize = 10_000_000;

/// A distance with its p-value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DistanceTest {
    /// The statistic; which one, the function says.
    pub statistic: f64,
    /// The p-value of "both are the same distribution".
    pub p: f64,
}

/// The Kolmogorov–Smirnov test: the greatest distance between the two distribution functions.
///
/// The p-value is exact for values without ties up to 10⁷ pairs (with ties it is too large, never too small), else from
/// Kolmogorov's limit. Assumes independent values. Cost: O(mn) exact (30 ms at 10⁷ pairs), else O(N log N). Source:
/// Smirnov (1939), Hodges (1958).
///
/// # Errors
/// `TooFew` for an empty arm; `NotFinite`.
///
/// ```
/// let test = perfkit::stats::distance::kolmogorov_smirnov(&[1.0, 2.0, 3.0, 4.0], &[5.0, 6.0, 7.0, 8.0]).unwrap();
/// assert_eq!(test.statistic, 1.0);
/// assert!((test.p - 2.0 / 70.0).abs() < 1e-12);
/// ```
pub fn kolmogorov_smirnov(base: &[f64], head: &[f64]) -> Result<DistanceTest, Refusal> {
    refusal::check(base, 1)?;
    refusal::check(head, 1)?;
    let (base, head) = (Sorted::new(base).ok_or(Refusal::NotFinite)?, Sorted::new(head).ok_or(Refusal::NotFinite)?);
    let (base, head) = (base.values(), head.values());
    let (few, many) = (base.len() as u128, head.len() as u128);
    // Whole numbers: the distance times both sizes, so that equal distances are equal.
    let apart = |below: usize, other: usize| (below as u128 * many).abs_diff(other as u128 * few);
    let at = |value: &f64| apart(base.partition_point(|v| v <= value), head.partition_point(|v| v <= value));
    let farthest = base.iter().chain(head).map(at).max().unwrap_or(0);
    let statistic = farthest as f64 / (few * many) as f64;
    let p = if base.len().saturating_mul(head.len()) <= MOST_EXACT_PAIRS {
        share_of_paths(base.len(), head.len(), |below, other| apart(below, other) >= farthest)
    } else {
        let (few, many) = (few as f64, many as f64);
        kolmogorov_above(statistic * (few * many / (few + many)).sqrt())
    };
    Ok(DistanceTest { statistic, p })
}

/// The share of all orders of the two samples that come to a point that is `outside`.
fn share_of_paths(few: usize, many: usize, outside: impl Fn(usize, usize) -> bool) -> f64 {
    let mut row = vec![0.0; many + 1];
    for below in 0..=few {
        for other in 0..=many {
            let total = (below + other) as f64;
            row[other] = if outside(below, other) {
                1.0
            } else {
                let by_one = if below > 0 { row[other] * below as f64 / total } else { 0.0 };
                let by_other = if other > 0 { row[other - 1] * other as f64 / total } else { 0.0 };
                by_one + by_other
            };
        }
    }
    row[many]
}

/// `P(K > x)` of Kolmogorov's limit distribution.
fn kolmogorov_above(x: f64) -> f64 {
    if x < 0.2 {
        // Beyond what the alternating sum can resolve; the true value is above 1 − 10⁻¹².
        return 1.0;
    }
    let term = |k: i32| (-2.0 * f64::from(k * k) * x * x).exp() * if k % 2 == 1 { 2.0 } else { -2.0 };
    (1..100).map(term).sum::<f64>().clamp(0.0, 1.0)
}

/// The two-sample Cramér–von Mises test: the squared distance of the two distribution functions, summed over all values.
///
/// The p-value is exact up to 20 values in each arm (with ties too large rather than too small), else from the limit
/// distribution with the mean and variance of this size. Assumes independent values. Cost: O(N log N), exact O((mn)²) at
/// worst. Source: Anderson (1962), Xiao, Gordon and Yakovlev (2007).
///
/// # Errors
/// `TooFew` below two values in an arm; `NotFinite`.
///
/// ```
/// let test = perfkit::stats::distance::cramer_von_mises(&[1.0, 2.0, 3.0, 4.0], &[5.0, 6.0, 7.0, 8.0]).unwrap();
/// assert!((test.p - 2.0 / 70.0).abs() < 1e-12);
/// ```
pub fn cramer_von_mises(base: &[f64], head: &[f64]) -> Result<DistanceTest, Refusal> {
    refusal::check(base, 2)?;
    refusal::check(head, 2)?;
    let ranks = midranks(&[base, head].concat()).ranks;
    let squares = |ranks: &[f64]| {
        let mut sorted = ranks.to_vec();
        sorted.sort_unstable_by(f64::total_cmp);
        sorted.iter().enumerate().map(|(index, rank)| (rank - (index + 1) as f64).powi(2)).sum::<f64>()
    };
    let (base_count, head_count) = (base.len() as f64, head.len() as f64);
    let (pairs, total) = (base_count * head_count, base_count + head_count);
    let sum = base_count * squares(&ranks[..base.len()]) + head_count * squares(&ranks[base.len()..]);
    let statistic = sum / (pairs * total) - (4.0 * pairs - 1.0) / (6.0 * total);
    let p = if base.len().max(head.len()) <= 20 {
        exact_above(statistic, base.len(), head.len())
    } else {
        let mean = (1.0 + 1.0 / total) / 6.0;
        let sizes = 4.0 * pairs * total - 3.0 * (base_count * base_count + head_count * head_count) - 2.0 * pairs;
        let variance = (total + 1.0) * sizes / (45.0 * total * total * 4.0 * pairs);
        (1.0 - limit_below(1.0 / 6.0 + (statistic - mean) / (45.0 * variance).sqrt())).clamp(0.0, 1.0)
    };
    Ok(DistanceTest { statistic, p })
}

/// The share of all orders of the two samples with at least this statistic, by counting the paths to each sum of squares.
fn exact_above(statistic: f64, few: usize, many: usize) -> f64 {
    let least = least_common_multiple(few as u64, many as u64);
    let (step, other_step) = (least / few as u64, least / many as u64);
    let total = (few + many) as f64;
    // The statistic is this sum of squares by the square of N·lcm, times mn.
    let scale = (least * least) as f64 * total * total / (few * many) as f64;
    let bound = (statistic * scale * (1.0 - 1e-12)).floor().max(0.0) as u64;
    let mut row: Vec<BTreeMap<u64, f64>> = vec![BTreeMap::new(); few + 1];
    row[0].insert(0, 1.0);
    for other in 0..=many {
        let mut before: BTreeMap<u64, f64> = BTreeMap::new();
        for (own, ways) in row.iter_mut().enumerate() {
            let square = (own as u64 * step).abs_diff(other as u64 * other_step).pow(2);
            let mut merged = BTreeMap::new();
            for (sum, count) in before.iter().chain(ways.iter()) {
                *merged.entry(sum + square).or_insert(0.0) += count;
            }
            ways.clone_from(&merged);
            before = merged;
        }
    }
    let all: f64 = row[few].values().sum();
    row[few].range(bound..).map(|(_, count)| count).sum::<f64>() / all
}

fn least_common_multiple(a: u64, b: u64) -> u64 {
    let (mut divisor, mut rest) = (a, b);
    while rest > 0 {
        (divisor, rest) = (rest, divisor % rest);
    }
    a / divisor * b
}

/// The limit distribution of the Cramér–von Mises statistic (Anderson and Darling 1952, equation 4.35).
fn limit_below(x: f64) -> f64 {
    if x <= 0.0 {
        return 0.0;
    }
    let term = |k: i32| {
        let k = f64::from(k);
        let y = 4.0 * k + 1.0;
        let q = y * y / (16.0 * x);
        let front = (ln_gamma(k + 0.5) - ln_gamma(k + 1.0)).exp() / (std::f64::consts::PI.powf(1.5) * x.sqrt());
        front * y.sqrt() * bessel_quarter(q)
    };
    (0..60).map(term).sum::<f64>().clamp(0.0, 1.0)
}

/// `e^(−q)·K_¼(q)`, the modified Bessel function, by its integral; the trapezoidal rule is exact to rounding here.
fn bessel_quarter(q: f64) -> f64 {
    let step = 1.0 / 64.0;
    let value = |point: i32| {
        let t = f64::from(point) * step;
        (-q * (1.0 + t.cosh())).exp() * (0.25 * t).cosh()
    };
    step * (0.5 * value(0) + (1..1_600).map(value).sum::<f64>())
}
