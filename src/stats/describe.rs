//! Mean, standard deviation and median absolute deviation of a sample. Refuses values that are not finite.

use super::quantile;

/// The arithmetic mean; `None` for an empty sample or one with a value that is not finite. Cost: O(n).
///
/// ```
/// use perfkit::stats::describe::mean;
/// assert_eq!(mean(&[1.0, 2.0, 6.0]), Some(3.0));
/// assert_eq!(mean(&[1.0, f64::NAN]), None);
/// ```
#[expect(clippy::float_cmp, reason = "constant means equal to the last digit")]
#[must_use]
pub fn mean(values: &[f64]) -> Option<f64> {
    let (first, count) = (values.first()?, values.len() as f64);
    if values.iter().all(|value| value == first) {
        // A sum of equal values divided by their number can differ from them in the last digit.
        return first.is_finite().then_some(*first);
    }
    Some(values.iter().sum::<f64>() / count).filter(|mean| mean.is_finite())
}

/// The sample variance (n − 1), two-pass so that large means cost no digits; `None` below two values or where one is not
/// finite. Exactly zero where all values are equal. Cost: O(n).
///
/// ```
/// assert_eq!(perfkit::stats::describe::variance(&[1.0, 3.0]), Some(2.0));
/// assert_eq!(perfkit::stats::describe::variance(&[0.1, 0.1, 0.1]), Some(0.0));
/// ```
#[must_use]
pub fn variance(values: &[f64]) -> Option<f64> {
    let mean = mean(values).filter(|_| values.len() > 1)?;
    let squares: f64 = values.iter().map(|value| (value - mean) * (value - mean)).sum();
    Some(squares / (values.len() - 1) as f64).filter(|variance| variance.is_finite())
}

/// The sample standard deviation (n − 1), two-pass so that large means cost no digits; `None` below two values or where one
/// is not finite. Cost: O(n).
///
/// ```
/// use perfkit::stats::describe::standard_deviation;
/// assert_eq!(standard_deviation(&[1.0, 3.0]), Some(2f64.sqrt()));
/// assert_eq!(standard_deviation(&[1.0]), None);
/// ```
#[must_use]
pub fn standard_deviation(values: &[f64]) -> Option<f64> {
    variance(values).map(f64::sqrt)
}

/// The median absolute deviation from the median, not scaled. For a normal distribution 1.4826 times it is the standard
/// deviation; rare spikes leave it unmoved. `None` for an empty sample or one with a value that is not finite. Cost: O(n).
/// Source: Hampel (1974).
///
/// ```
/// assert_eq!(perfkit::stats::describe::median_absolute_deviation(&[1.0, 2.0, 3.0, 4.0, 900.0]), Some(1.0));
/// ```
#[must_use]
pub fn median_absolute_deviation(values: &[f64]) -> Option<f64> {
    let center = quantile::median(values)?;
    let deviations: Vec<f64> = values.iter().map(|value| (value - center).abs()).collect();
    quantile::median(&deviations)
}

/// The same of values that are sorted ascending, without a copy of them. `None` as [`quantile::sorted`]. Cost: O(n).
///
/// ```
/// use perfkit::stats::describe::median_absolute_deviation_sorted;
/// assert_eq!(median_absolute_deviation_sorted(&[1.0, 2.0, 3.0, 4.0, 900.0]), Some(1.0));
/// ```
#[must_use]
pub fn median_absolute_deviation_sorted(values: &[f64]) -> Option<f64> {
    let center = quantile::sorted(values, 0.5)?;
    // From the median outwards the deviations of either side ascend: merging the sides gives them in order.
    let mut right = values.partition_point(|value| *value < center);
    let mut left = right;
    let (mut last, mut before) = (0.0, 0.0);
    for _ in 0..=values.len() / 2 {
        let below = left.checked_sub(1).map(|index| center - values[index]);
        let above = values.get(right).map(|value| value - center);
        before = last;
        last = match (below, above) {
            (Some(below), Some(above)) if below <= above => {
                left -= 1;
                below
            }
            (Some(below), None) => {
                left -= 1;
                below
            }
            (_, Some(above)) => {
                right += 1;
                above
            }
            (None, None) => last,
        };
    }
    Some(if values.len().is_multiple_of(2) { f64::midpoint(before, last) } else { last })
}

/// Whether a standard error is no more than what rounding makes of values of this size: then the data are constant, and a
/// t statistic would be the quotient of two rounding errors.
pub(super) fn is_rounding(standard_error: f64, samples: &[&[f64]]) -> bool {
    let largest = samples.iter().copied().flatten().fold(0.0, |largest: f64, value| largest.max(value.abs()));
    standard_error <= 4.0 * f64::EPSILON * largest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rare_spike_moves_the_deviation_and_not_the_median_deviation() {
        let mut values = vec![10.0; 99];
        values.iter_mut().enumerate().for_each(|(index, value)| *value += (index % 3) as f64);
        let calm = median_absolute_deviation(&values);
        values.push(10_000.0);
        assert_eq!(median_absolute_deviation(&values), calm);
        assert!(standard_deviation(&values).unwrap() > 900.0);
    }

    #[test]
    fn the_median_deviation_of_sorted_values_is_that_of_values_in_any_order() {
        for length in 1..40_u32 {
            let values: Vec<f64> = (0..length).map(|index| f64::from(index * index * 7919 % 101)).collect();
            let sorted = quantile::Sorted::new(&values).unwrap();
            let (want, got) = (median_absolute_deviation(&values), median_absolute_deviation_sorted(sorted.values()));
            assert!((want.unwrap() - got.unwrap()).abs() < 1e-12, "{length}: {want:?} {got:?}");
        }
        assert_eq!(median_absolute_deviation_sorted(&[]), None);
    }
}
