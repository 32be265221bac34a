//! Mean, standard deviation and median absolute deviation of a sample.

use super::quantile;

/// The arithmetic mean; `None` for an empty sample.
#[must_use]
pub fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// The sample standard deviation (n − 1), two-pass so that large means cost no digits; `None` below two values.
///
/// ```
/// use perfkit::stats::describe::standard_deviation;
/// assert_eq!(standard_deviation(&[1.0, 3.0]), Some(2f64.sqrt()));
/// assert_eq!(standard_deviation(&[1.0]), None);
/// ```
#[must_use]
pub fn standard_deviation(values: &[f64]) -> Option<f64> {
    let mean = mean(values).filter(|_| values.len() > 1)?;
    let squares: f64 = values.iter().map(|value| (value - mean) * (value - mean)).sum();
    Some((squares / (values.len() - 1) as f64).sqrt())
}

/// The median absolute deviation from the median, not scaled. For a normal distribution 1.4826 times it is the standard
/// deviation; rare spikes leave it unmoved. `None` for an empty sample.
#[must_use]
pub fn median_absolute_deviation(values: &[f64]) -> Option<f64> {
    let center = quantile::median(values)?;
    let deviations: Vec<f64> = values.iter().map(|value| (value - center).abs()).collect();
    quantile::median(&deviations)
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
}
