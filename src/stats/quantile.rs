//! Quantiles of a sample, type 7 of Hyndman and Fan (1996): linear between order statistics, as R and `NumPy` do by default.
//! Never sorts its input in place; refuses values that are not finite. The weighted ones are in `harrell_davis`.

/// The `q`-quantile of values that are sorted ascending; `None` for an empty sample, one whose ends are not finite, or a `q`
/// that is NaN; a `q` beyond 0 and 1 is taken as 0 and 1.
///
/// Definition: with `h = (n − 1)·q`, the value at `⌊h⌋` plus the fraction of the step to the next. Assumes nothing of the
/// distribution. Cost: O(1).
///
/// ```
/// use perfkit::stats::quantile::sorted;
/// assert_eq!(sorted(&[1.0, 2.0, 3.0, 4.0], 0.5), Some(2.5));
/// assert_eq!(sorted(&[], 0.5), None);
/// ```
#[must_use]
pub fn sorted(values: &[f64], q: f64) -> Option<f64> {
    let last = values.len().checked_sub(1)?;
    // Sorted values that are not finite stand at the ends, so two looks find them.
    if q.is_nan() || !values[0].is_finite() || !values[last].is_finite() {
        return None;
    }
    let position = last as f64 * q.clamp(0.0, 1.0);
    let below = position.floor() as usize;
    let low = *values.get(below)?;
    let high = *values.get(below + 1).unwrap_or(&low);
    Some(between(low, high, position - below as f64))
}

fn between(low: f64, high: f64, fraction: f64) -> f64 {
    let step = high - low;
    // Two finite values can lie further apart than an f64 can say.
    if step.is_finite() { low + step * fraction } else { low * (1.0 - fraction) + high * fraction }
}

/// The index of the highest order statistic that [`sorted`] looks at: what is behind it does not matter.
#[must_use]
pub fn highest_index(len: usize, q: f64) -> usize {
    (len.saturating_sub(1) as f64 * q.clamp(0.0, 1.0)).ceil() as usize
}

/// A copy of the values, sorted ascending; `None` for an empty sample or one with a value that is not finite.
///
/// Where several quantities of one sample are wanted, sort once: then each quantile costs O(1). Cost: O(n log n).
///
/// ```
/// use perfkit::stats::quantile::Sorted;
/// let sorted = Sorted::new(&[3.0, 1.0, 2.0]).unwrap();
/// assert_eq!(sorted.values(), [1.0, 2.0, 3.0]);
/// assert_eq!(sorted.quantile(0.5), 2.0);
/// assert!(Sorted::new(&[f64::NAN]).is_none());
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Sorted(Vec<f64>);

impl Sorted {
    /// Sorts a copy.
    #[must_use]
    pub fn new(values: &[f64]) -> Option<Self> {
        if values.is_empty() || values.iter().any(|value| !value.is_finite()) {
            return None;
        }
        let mut copy = values.to_vec();
        copy.sort_unstable_by(f64::total_cmp);
        Some(Self(copy))
    }

    /// The values, ascending; at least one, all finite.
    #[must_use]
    pub fn values(&self) -> &[f64] {
        &self.0
    }

    /// The `q`-quantile, type 7; a `q` beyond 0 and 1 is taken as 0 and 1, NaN as 0. Cost: O(1).
    #[must_use]
    pub fn quantile(&self, q: f64) -> f64 {
        sorted(&self.0, if q.is_nan() { 0.0 } else { q }).unwrap_or(self.0[0])
    }
}

/// The `q`-quantile of values in any order; `None` as [`sorted`]. Cost: O(n) by selection, and one copy.
///
/// ```
/// assert_eq!(perfkit::stats::quantile::of(&[4.0, 1.0, 3.0, 2.0], 0.5), Some(2.5));
/// ```
#[must_use]
pub fn of(values: &[f64], q: f64) -> Option<f64> {
    several(values, &[q])?.first().copied()
}

/// Several quantiles of values in any order, in the order of `qs`; `None` as [`sorted`]. Cost: O(n log k) for k quantiles by
/// repeated selection, and one copy.
///
/// ```
/// use perfkit::stats::quantile::several;
/// assert_eq!(several(&[4.0, 1.0, 3.0, 2.0], &[0.5, 0.0, 1.0]), Some(vec![2.5, 1.0, 4.0]));
/// ```
#[must_use]
pub fn several(values: &[f64], qs: &[f64]) -> Option<Vec<f64>> {
    if values.is_empty() || values.iter().any(|value| !value.is_finite()) || qs.iter().any(|q| q.is_nan()) {
        return None;
    }
    let mut copy = values.to_vec();
    let last = copy.len() - 1;
    let places = |q: f64| {
        let position = last as f64 * q.clamp(0.0, 1.0);
        let below = position.floor() as usize;
        (below, (below + 1).min(last), position - below as f64)
    };
    let mut ranks: Vec<usize> = qs.iter().flat_map(|q| [places(*q).0, places(*q).1]).collect();
    ranks.sort_unstable();
    ranks.dedup();
    select(&mut copy, 0, &ranks);
    Some(qs.iter().map(|q| places(*q)).map(|(low, high, part)| between(copy[low], copy[high], part)).collect())
}

/// Puts the values of these ranks (ascending, each at least `offset`) where they belong: the middle one first, then what is on
/// either side of it, so that each value is moved O(log k) times.
fn select(values: &mut [f64], offset: usize, ranks: &[usize]) {
    let middle = ranks.len() / 2;
    let Some(rank) = ranks.get(middle) else { return };
    let (below, _, above) = values.select_nth_unstable_by(rank - offset, f64::total_cmp);
    select(below, offset, &ranks[..middle]);
    select(above, rank + 1, &ranks[middle + 1..]);
}

/// The median of values in any order; `None` for an empty sample or one with a value that is not finite. Cost: O(n).
#[must_use]
pub fn median(values: &[f64]) -> Option<f64> {
    of(values, 0.5)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn type_7_agrees_with_r() {
        // R: quantile(c(3.7, 2.7, 3.3, 1.3, 2.2, 3.1), c(.25, .5, .95), type = 7)
        let values = [3.7, 2.7, 3.3, 1.3, 2.2, 3.1];
        let sorted_values = Sorted::new(&values).unwrap();
        for (q, want) in [(0.25, 2.325), (0.5, 2.9), (0.95, 3.6)] {
            let got = sorted(sorted_values.values(), q).unwrap();
            assert!((got - want).abs() < 1e-12, "{q}: {got}");
            assert_eq!(of(&values, q), Some(got));
        }
    }

    #[test]
    fn selection_agrees_with_sorting() {
        let values: Vec<f64> = (0..997).map(|index| f64::from((index * 7919) % 1009)).collect();
        let sorted_values = Sorted::new(&values).unwrap();
        let qs: Vec<f64> = (0..=100).rev().map(|percent| f64::from(percent) / 100.0).collect();
        let want: Vec<f64> = qs.iter().map(|q| sorted_values.quantile(*q)).collect();
        assert_eq!(several(&values, &qs), Some(want));
    }

    #[test]
    fn edges_are_the_smallest_and_the_largest() {
        let values = [1.0, 5.0, 9.0];
        assert_eq!((sorted(&values, 0.0), sorted(&values, 1.0)), (Some(1.0), Some(9.0)));
        assert_eq!(sorted(&[-f64::MAX, f64::MAX], 0.5), Some(0.0));
        assert_eq!(highest_index(3, 0.5), 1);
        assert_eq!(highest_index(4, 0.5), 2);
    }
}
