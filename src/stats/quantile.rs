//! Quantiles of a sample, type 7 of Hyndman and Fan (1996): linear between order statistics, as R and `NumPy` do by default.

/// The `q`-quantile of values that are sorted ascending; `None` for an empty sample.
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
    let position = last as f64 * q.clamp(0.0, 1.0);
    let below = position.floor() as usize;
    let low = *values.get(below)?;
    let high = *values.get(below + 1).unwrap_or(&low);
    Some(low + (high - low) * (position - below as f64))
}

/// The index of the highest order statistic that [`sorted`] looks at: what is behind it does not matter.
#[must_use]
pub fn highest_index(len: usize, q: f64) -> usize {
    (len.saturating_sub(1) as f64 * q.clamp(0.0, 1.0)).ceil() as usize
}

/// The median of values in any order; `None` for an empty sample. Cost: O(n log n).
#[must_use]
pub fn median(values: &[f64]) -> Option<f64> {
    let mut copy = values.to_vec();
    copy.sort_by(f64::total_cmp);
    sorted(&copy, 0.5)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn type_7_agrees_with_r() {
        // R: quantile(c(3.7, 2.7, 3.3, 1.3, 2.2, 3.1), c(.25, .5, .95), type = 7)
        let mut values = [3.7, 2.7, 3.3, 1.3, 2.2, 3.1];
        values.sort_by(f64::total_cmp);
        for (q, want) in [(0.25, 2.325), (0.5, 2.9), (0.95, 3.6)] {
            let got = sorted(&values, q).unwrap();
            assert!((got - want).abs() < 1e-12, "{q}: {got}");
        }
    }

    #[test]
    fn edges_are_the_smallest_and_the_largest() {
        let values = [1.0, 5.0, 9.0];
        assert_eq!((sorted(&values, 0.0), sorted(&values, 1.0)), (Some(1.0), Some(9.0)));
        assert_eq!(highest_index(3, 0.5), 1);
        assert_eq!(highest_index(4, 0.5), 2);
    }
}
