//! Rank tests of two arms: Mann–Whitney, exact and asymptotic, both with ties, and Brunner–Munzel. Refuses exact tests of
//! more than 10,000 pairs.

use super::describe;
use super::distribution::{normal_above, student_above};
use super::refusal::{self, Refusal};

/// The most pairs (base × head) that an exact distribution is computed for.
const MOST_EXACT_PAIRS: usize = 10_000;

/// How the p-value is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// By counting all arrangements of the ranks, ties included.
    Exact,
    /// By the normal approximation with tie and continuity correction.
    Asymptotic,
    /// Exact up to 2,500 pairs, asymptotic beyond.
    Automatic,
}

/// The result of the Mann–Whitney test.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MannWhitney {
    /// The number of pairs in which head is above base, ties counted half.
    pub u: f64,
    /// The share of such pairs, the probability that a value of head is above one of base.
    pub probability: f64,
    /// The two-sided p-value of "both arms are the same distribution".
    pub p: f64,
    /// How it was found: never [`Method::Automatic`].
    pub method: Method,
}

impl MannWhitney {
    /// Cliff's delta, from −1 (head is always below) to 1 (always above).
    #[must_use]
    pub fn cliffs_delta(&self) -> f64 {
        2.0 * self.probability - 1.0
    }
}

/// The Mann–Whitney test.
///
/// The exact p-value is twice the smaller tail of the permutation distribution of the rank sum, given the ties that there are.
/// Assumes independent values, and equal distributions under the null hypothesis. Cost: O((m + n)·min(m, n)·mn) exact (0.1 s for
/// 100 against 100), O(N log N) asymptotic. Source: Mann and Whitney (1947); with ties Streitberg and Röhmel (1986).
///
/// # Errors
/// `TooFew` for an empty arm; `NotFinite`; `TooMany` for `Exact` above 10,000 pairs; `Constant` where all values are equal.
///
/// ```
/// use perfkit::stats::rank::{Method, mann_whitney};
/// let test = mann_whitney(&[10.0, 11.0, 12.0, 13.0], &[20.0, 21.0, 22.0, 23.0], Method::Exact).unwrap();
/// assert_eq!(test.u, 16.0);
/// assert!((test.p - 2.0 / 70.0).abs() < 1e-12);
/// ```
pub fn mann_whitney(base: &[f64], head: &[f64], method: Method) -> Result<MannWhitney, Refusal> {
    refusal::check(base, 1)?;
    refusal::check(head, 1)?;
    let ranks = midranks(&[head, base].concat());
    let total = ranks.ranks.len() as f64;
    if ranks.tie_term >= total * total * total - total {
        return Err(Refusal::Constant);
    }
    let (few, many) = (head.len() as f64, base.len() as f64);
    let pairs = few * many;
    let u = ranks.ranks[..head.len()].iter().sum::<f64>() - few * (few + 1.0) / 2.0;
    let exact = match method {
        Method::Exact if pairs > MOST_EXACT_PAIRS as f64 => return Err(Refusal::TooMany),
        Method::Exact => true,
        Method::Asymptotic => false,
        Method::Automatic => pairs <= 2_500.0,
    };
    let p = if exact {
        exact_rank_sum(&ranks.ranks, head.len())
    } else {
        let variance = pairs / 12.0 * (total + 1.0 - ranks.tie_term / (total * (total - 1.0)));
        let distance = (u - pairs / 2.0).abs() - 0.5;
        (2.0 * normal_above(distance / variance.sqrt())).min(1.0)
    };
    let method = if exact { Method::Exact } else { Method::Asymptotic };
    Ok(MannWhitney { u, probability: u / pairs, p, method })
}

/// Twice the smaller tail of the rank sum of the first `count` of all ranks.
fn exact_rank_sum(ranks: &[f64], count: usize) -> f64 {
    // Midranks are halves at most: doubled they are whole.
    let doubled: Vec<usize> = ranks.iter().map(|rank| (rank * 2.0).round() as usize).collect();
    let scores = SubsetSums::new(&doubled, count.min(ranks.len() - count));
    let first: usize = doubled[..count].iter().sum();
    let observed = if count * 2 <= ranks.len() { first } else { doubled.iter().sum::<usize>() - first };
    (2.0 * scores.at_most(observed).min(scores.at_least(observed))).min(1.0)
}

/// The distribution of the sum of `count` scores drawn without replacement, each subset equally likely: what every exact rank
/// test asks. Cost: O(N·count·range) time, O(count·range) memory, by adding one score after the other.
pub(super) struct SubsetSums {
    /// The sum at the first probability, and the step between two of them.
    offset: usize,
    step: usize,
    probabilities: Vec<f64>,
}

impl SubsetSums {
    pub(super) fn new(scores: &[usize], count: usize) -> Self {
        let least = scores.iter().copied().min().unwrap_or(0);
        // Without ties all doubled ranks are even; dividing by what they share halves the table.
        let step = scores.iter().fold(0, |shared, score| common_divisor(shared, score - least)).max(1);
        let mut reduced: Vec<usize> = scores.iter().map(|score| (score - least) / step).collect();
        reduced.sort_unstable();
        let range: usize = reduced.iter().rev().take(count).sum::<usize>() + 1;
        let mut table = vec![vec![0.0; range]; count + 1];
        table[0][0] = 1.0;
        for (seen, score) in reduced.iter().enumerate() {
            for chosen in (1..=count.min(seen + 1)).rev() {
                let (without, with) = table.split_at_mut(chosen);
                let from = &without[chosen - 1][..range.saturating_sub(*score)];
                with[0][range - from.len()..].iter_mut().zip(from).for_each(|(to, from)| *to += from);
            }
        }
        let mut probabilities = table.swap_remove(count);
        let total: f64 = probabilities.iter().sum();
        for ways in &mut probabilities {
            *ways /= total;
        }
        Self { offset: least * count, step, probabilities }
    }

    /// A distribution that was counted in another way, over the sums 0, 1, 2, ….
    pub(super) fn from_probabilities(probabilities: Vec<f64>) -> Self {
        Self { offset: 0, step: 1, probabilities }
    }

    fn index(&self, sum: usize) -> usize {
        sum.saturating_sub(self.offset) / self.step
    }

    /// `P(sum ≤ observed)`, of a sum that can occur.
    pub(super) fn at_most(&self, observed: usize) -> f64 {
        self.probabilities.iter().take(self.index(observed) + 1).sum()
    }

    /// `P(sum ≥ observed)`, of a sum that can occur.
    pub(super) fn at_least(&self, observed: usize) -> f64 {
        self.probabilities.iter().skip(self.index(observed)).sum()
    }

    /// The probabilities of the sums in ascending order, from the least one that can occur.
    pub(super) fn probabilities(&self) -> &[f64] {
        let first = self.probabilities.iter().position(|probability| *probability > 0.0);
        &self.probabilities[first.unwrap_or(0)..]
    }
}

fn common_divisor(mut a: usize, mut b: usize) -> usize {
    while b > 0 {
        (a, b) = (b, a % b);
    }
    a
}

/// Ranks with ties at their mean, and what the ties take from the variance.
pub(super) struct Ranks {
    pub(super) ranks: Vec<f64>,
    /// The sum of `t³ − t` over groups of t tied values.
    pub(super) tie_term: f64,
}

/// The ranks of finite values from 1, tied values at the mean of their ranks. Cost: O(n log n).
#[expect(clippy::float_cmp, reason = "ties are equal to the last digit")]
pub(super) fn midranks(values: &[f64]) -> Ranks {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|a, b| values[*a].total_cmp(&values[*b]));
    let mut ranks = vec![0.0; values.len()];
    let (mut before, mut tie_term) = (0, 0.0);
    // `==` and not `total_cmp`: 0 and −0 are tied.
    for group in order.chunk_by(|a, b| values[*a] == values[*b]) {
        let size = group.len() as f64;
        for index in group {
            ranks[*index] = before as f64 + f64::midpoint(size, 1.0);
        }
        before += group.len();
        tie_term += size * size * size - size;
    }
    Ranks { ranks, tie_term }
}

/// The result of the Brunner–Munzel test.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BrunnerMunzel {
    /// The statistic; positive where head tends to be above base.
    pub statistic: f64,
    /// The degrees of freedom.
    pub degrees: f64,
    /// The two-sided p-value of "head is above base as often as below".
    pub p: f64,
}

/// The Brunner–Munzel test: Mann–Whitney that does not assume equal spread. Cost: O(N log N). For at least about ten
/// independent values in each arm. Source: Brunner and Munzel (2000).
///
/// # Errors
/// `TooFew` below two values in an arm; `NotFinite`; `Constant` where the arms do not overlap, or nothing varies.
///
/// ```
/// use perfkit::stats::rank::brunner_munzel;
/// let test = brunner_munzel(&[1.0, 2.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 2.0, 4.0, 1.0, 1.0],
///     &[3.0, 3.0, 4.0, 3.0, 1.0, 2.0, 3.0, 1.0, 1.0, 5.0, 4.0]).unwrap();
/// assert!((test.statistic - 3.1375).abs() < 1e-4 && (test.p - 0.0058).abs() < 1e-4);
/// ```
pub fn brunner_munzel(base: &[f64], head: &[f64]) -> Result<BrunnerMunzel, Refusal> {
    refusal::check(base, 2)?;
    refusal::check(head, 2)?;
    let pooled = midranks(&[base, head].concat()).ranks;
    let (base_ranks, head_ranks) = pooled.split_at(base.len());
    // What a value's rank owes to the other arm alone; its variance is that arm's part of the error.
    let placements = |ranks: &[f64], arm: &[f64]| -> Vec<f64> {
        ranks.iter().zip(midranks(arm).ranks).map(|(pooled, own)| pooled - own).collect()
    };
    let part = |ranks: &[f64], arm: &[f64]| {
        let variance = describe::variance(&placements(ranks, arm)).ok_or(Refusal::NotFinite)?;
        Ok((arm.len() as f64 * variance, arm.len() as f64 - 1.0))
    };
    let (base_part, base_degrees) = part(base_ranks, base)?;
    let (head_part, head_degrees) = part(head_ranks, head)?;
    let total = base_part + head_part;
    if total <= 0.0 {
        return Err(Refusal::Constant);
    }
    let mean = |ranks: &[f64]| describe::mean(ranks).ok_or(Refusal::NotFinite);
    let sizes = base.len() as f64 * head.len() as f64 / pooled.len() as f64;
    let statistic = sizes * (mean(head_ranks)? - mean(base_ranks)?) / total.sqrt();
    let degrees = total * total / (base_part * base_part / base_degrees + head_part * head_part / head_degrees);
    let tail = student_above(statistic.abs(), degrees).ok_or(Refusal::NotFinite)?;
    Ok(BrunnerMunzel { statistic, degrees, p: (2.0 * tail).min(1.0) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exact_test_counts_ties() {
        // By hand: of the six ways to choose 2 of {1, 2.5, 2.5, 4} as head, one has a rank sum of 6.5 or more.
        let test = mann_whitney(&[1.0, 2.0], &[2.0, 3.0], Method::Exact).unwrap();
        assert!((test.u - 3.5).abs() < 1e-12);
        assert!((test.p - 2.0 * 2.0 / 6.0).abs() < 1e-12, "{}", test.p);
    }

    #[test]
    fn swapping_the_arms_mirrors_u_and_keeps_p() {
        let (base, head) = ([1.0, 2.0, 2.0, 7.0], [2.0, 8.0, 9.0]);
        for method in [Method::Exact, Method::Asymptotic] {
            let (there, back) =
                (mann_whitney(&base, &head, method).unwrap(), mann_whitney(&head, &base, method).unwrap());
            assert!((there.u + back.u - 12.0).abs() < 1e-12);
            assert!((there.p - back.p).abs() < 1e-12);
        }
    }
}
