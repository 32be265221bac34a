//! The energy distance: how far two distributions are apart in any respect, tested by exchanging the labels of rounds. Refuses
//! arms of fewer than two rounds.

use super::quantile::Sorted;
use super::random::Random;
use super::refusal::Refusal;

/// The most values of a round that enter the test; a longer one is represented by as many of its quantiles.
const MOST_VALUES: usize = 256;

/// The energy distance of two samples: `2E|X − Y| − E|X − X′| − E|Y − Y′|`, not its root.
///
/// 0 exactly where both are the same distribution; sees place, spread and shape alike. In the unit of the values. Assumes
/// nothing. `None` where it leaves the range of an `f64`. Cost: O(m + n) of sorted values. Source: Székely and Rizzo (2004).
///
/// ```
/// use perfkit::stats::{energy::distance, quantile::Sorted};
/// let (one, other) = (Sorted::new(&[0.0, 1.0]).unwrap(), Sorted::new(&[2.0, 3.0]).unwrap());
/// assert_eq!(distance(&one, &other), Some(3.0));
/// assert_eq!(distance(&one, &one), Some(0.0));
/// ```
#[must_use]
pub fn distance(base: &Sorted, head: &Sorted) -> Option<f64> {
    let (base, head) = (base.values(), head.values());
    let distance = 2.0 * mean_gap(base, head) - mean_gap(base, base) - mean_gap(head, head);
    distance.is_finite().then_some(distance.max(0.0))
}

/// `E|X − Y|` of two sorted samples: the integral of `F(1 − G) + G(1 − F)` over the gaps between neighbours.
fn mean_gap(one: &[f64], other: &[f64]) -> f64 {
    let (sizes, mut seen) = ([one.len() as f64, other.len() as f64], [0_usize, 0]);
    let mut sum = 0.0;
    let mut place = one[0].min(other[0]);
    loop {
        let next = match (one.get(seen[0]), other.get(seen[1])) {
            (Some(a), Some(b)) if a <= b => (*a, 0),
            (_, Some(b)) => (*b, 1),
            (Some(a), None) => (*a, 0),
            (None, None) => return sum,
        };
        let (below, other_below) = (seen[0] as f64 / sizes[0], seen[1] as f64 / sizes[1]);
        sum += (next.0 - place) * (below * (1.0 - other_below) + other_below * (1.0 - below));
        place = next.0;
        seen[next.1] += 1;
    }
}

/// Whether all labellings were tried or some drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Labellings {
    /// All of them: the p-value is exact.
    All,
    /// As many as asked for, from the seed.
    Drawn,
}

/// The result of the permutation test.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EnergyTest {
    /// The energy distance of the two arms, rounds weighing the same.
    pub distance: f64,
    /// The share of labellings with at least this distance, this one counted.
    pub p: f64,
    /// The labellings that were tried.
    pub count: usize,
    /// All of them or a sample.
    pub labellings: Labellings,
    /// The smallest p-value that this number of rounds can give: no test is worth its name where that is above α.
    pub smallest_p: f64,
}

/// Tests whether two arms of rounds come from one distribution, in any respect, by exchanging the labels of whole rounds.
///
/// Exact where there are at most `most` labellings (924 for six rounds against six), else `most` are drawn. Assumes that rounds
/// are exchangeable under the null hypothesis, nothing of the values in them. A round of more than 256 values enters as 256 of
/// its quantiles. Cost: O(R²·256) for the distances, then O(R²) a labelling; memory O(R²). Source: Székely and Rizzo (2004);
/// with clusters as units, Rizzo and Székely (2010).
///
/// # Errors
/// `TooFew` below two rounds in an arm or 99 labellings to draw; `TooMany` above 1,000 rounds or 10⁶ labellings; `NotFinite`
/// where distances leave the range of an `f64`.
///
/// ```
/// use perfkit::stats::{energy::permutation_test, quantile::Sorted};
/// let arm = |shift: f64| -> Vec<Sorted> {
///     (0..4).map(|round| Sorted::new(&[shift, shift + 1.0, shift + f64::from(round)]).unwrap()).collect()
/// };
/// let test = permutation_test(&arm(0.0), &arm(50.0), 9_999, 1).unwrap();
/// assert_eq!((test.p, test.smallest_p), (2.0 / 70.0, 2.0 / 70.0));
/// ```
pub fn permutation_test(base: &[Sorted], head: &[Sorted], most: usize, seed: u64) -> Result<EnergyTest, Refusal> {
    if base.len() < 2 || head.len() < 2 || most < 99 {
        return Err(Refusal::TooFew);
    }
    let rounds = base.len() + head.len();
    if rounds > 1_000 || most > 1_000_000 {
        return Err(Refusal::TooMany);
    }
    let points: Vec<Vec<f64>> = base.iter().chain(head).map(represent).collect();
    let gaps: Vec<Vec<f64>> =
        points.iter().map(|one| points.iter().map(|other| mean_gap(one, other)).collect()).collect();
    if gaps.iter().flatten().any(|gap| !(gap * (rounds * rounds) as f64).is_finite()) {
        return Err(Refusal::NotFinite);
    }
    let arms = Arms { gaps: &gaps, base: base.len() as f64, head: head.len() as f64 };
    let mut labels: Vec<bool> = (0..rounds).map(|round| round >= base.len()).collect();
    let distance = arms.distance(&labels);
    // Labellings that are the same but for rounding must count as equal.
    let bound = distance - 1e-12 * gaps.iter().flatten().fold(0.0, |most: f64, gap| most.max(*gap));
    let all = ways(rounds, head.len());
    // Arms of equal size can be exchanged without a change.
    let twins = if base.len() == head.len() { 2.0 } else { 1.0 };
    let mut reached = 0;
    if all <= most as f64 {
        labels.sort_unstable();
        let mut count = 0;
        loop {
            reached += usize::from(arms.distance(&labels) >= bound);
            count += 1;
            if !next_labelling(&mut labels) {
                let p = reached as f64 / f64::from(count);
                return Ok(EnergyTest {
                    distance,
                    p,
                    count: count as usize,
                    labellings: Labellings::All,
                    smallest_p: twins / all,
                });
            }
        }
    }
    let mut random = Random::new(seed);
    for _ in 0..most {
        random.shuffle(&mut labels);
        reached += usize::from(arms.distance(&labels) >= bound);
    }
    let smallest_p = (twins / all).max(1.0 / (most as f64 + 1.0));
    let p = (reached as f64 + 1.0) / (most as f64 + 1.0);
    Ok(EnergyTest { distance, p, count: most, labellings: Labellings::Drawn, smallest_p })
}

fn represent(round: &Sorted) -> Vec<f64> {
    if round.values().len() <= MOST_VALUES {
        return round.values().to_vec();
    }
    (0..MOST_VALUES).map(|point| round.quantile((point as f64 + 0.5) / MOST_VALUES as f64)).collect()
}

/// The mean gaps between all rounds, and the sizes of the arms.
struct Arms<'a> {
    gaps: &'a [Vec<f64>],
    base: f64,
    head: f64,
}

impl Arms<'_> {
    /// The energy distance of the mixtures of rounds with either label (true is head).
    fn distance(&self, labels: &[bool]) -> f64 {
        let (mut across, mut base, mut head) = (0.0, 0.0, 0.0);
        for (row, of_row) in self.gaps.iter().zip(labels) {
            for (gap, of_column) in row.iter().zip(labels) {
                match (of_row, of_column) {
                    (false, false) => base += gap,
                    (true, true) => head += gap,
                    _ => across += gap,
                }
            }
        }
        across / (self.base * self.head) - base / (self.base * self.base) - head / (self.head * self.head)
    }
}

/// The number of ways to choose `few` of `many`.
fn ways(many: usize, few: usize) -> f64 {
    (0..few.min(many - few)).fold(1.0, |ways, step| (ways * (many - step) as f64 / (step + 1) as f64).round())
}

/// The next arrangement in ascending order; false after the last.
fn next_labelling(labels: &mut [bool]) -> bool {
    let Some(left) = labels.windows(2).rposition(|pair| !pair[0] && pair[1]) else { return false };
    let right = labels.iter().rposition(|label| *label).unwrap_or(left + 1);
    labels.swap(left, right);
    labels[left + 1..].reverse();
    true
}
