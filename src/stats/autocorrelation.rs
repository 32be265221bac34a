//! How much a series of values in time order repeats itself, and how many independent values it is worth. Refuses series that
//! do not vary.

use super::describe;
use super::interval::Interval;
use super::refusal::{self, Refusal};
use super::student::Estimate;

/// The most values that lags are computed for; longer series are first averaged in blocks.
const MOST_VALUES: usize = 8_192;

/// The autocorrelation at a lag: the autocovariance (divided by n, not n − lag) by the variance.
///
/// Assumes a series without trend. Cost: O(n). Source: any textbook.
///
/// # Errors
/// `TooFew` where the lag leaves no pair; `NotFinite`; `Constant`.
///
/// ```
/// let series = [1.0, 2.0, 3.0, 4.0, 5.0];
/// assert!((perfkit::stats::autocorrelation::at_lag(&series, 1).unwrap() - 0.4).abs() < 1e-12);
/// ```
pub fn at_lag(values: &[f64], lag: usize) -> Result<f64, Refusal> {
    refusal::check(values, lag.saturating_add(2))?;
    let centered = centered(values)?;
    Ok(covariance(&centered, lag) / covariance(&centered, 0))
}

/// The values less their mean.
fn centered(values: &[f64]) -> Result<Vec<f64>, Refusal> {
    let mean = describe::mean(values).ok_or(Refusal::NotFinite)?;
    let variance = describe::variance(values).ok_or(Refusal::NotFinite)?;
    if describe::is_rounding(variance.sqrt(), &[values]) || variance <= 0.0 {
        return Err(Refusal::Constant);
    }
    Ok(values.iter().map(|value| value - mean).collect())
}

fn covariance(centered: &[f64], lag: usize) -> f64 {
    let products = centered.iter().zip(&centered[lag..]).map(|(early, late)| early * late);
    products.sum::<f64>() / centered.len() as f64
}

/// The effective sample size: the number of independent values whose mean would vary as much as the mean of this series.
///
/// Geyer's initial monotone sequence: autocovariances are added in pairs while the sums stay positive, none larger than the
/// one before. Between 1 and n; a series that alternates, whose mean varies less, counts as n. Assumes a steady series; a trend
/// gives a small number, rightly. Series above 8,192 values are averaged in blocks first, which changes the number by a few
/// per cent. Cost: O(n + 8,192²) at worst, O(n·length of the memory) mostly. Source: Geyer (1992).
///
/// # Errors
/// `TooFew` below four values; `NotFinite`; `Constant`.
///
/// ```
/// let series: Vec<f64> = (0..100).map(|index| f64::from(index / 10 % 3)).collect();
/// let effective = perfkit::stats::autocorrelation::effective_size(&series).unwrap();
/// assert!(effective < 50.0);
/// ```
pub fn effective_size(values: &[f64]) -> Result<f64, Refusal> {
    refusal::check(values, 4)?;
    let count = values.len() as f64;
    let variance = covariance(&centered(values)?, 0);
    let block = values.len().div_ceil(MOST_VALUES);
    let means: Vec<f64> = values.chunks_exact(block).filter_map(describe::mean).collect();
    let series = if block > 1 { centered(&means)? } else { centered(values)? };
    let mut long_run = -covariance(&series, 0);
    let mut smallest = f64::INFINITY;
    for lag in (0..series.len() / 2).map(|pair| 2 * pair).take_while(|lag| lag + 1 < series.len()) {
        let pair = covariance(&series, lag) + covariance(&series, lag + 1);
        if pair <= 0.0 {
            break;
        }
        smallest = pair.min(smallest);
        long_run += 2.0 * smallest;
    }
    // The variance of the mean is the long-run variance by the length of the series.
    let effective = variance * series.len() as f64 / long_run;
    Ok(if long_run > 0.0 { effective.clamp(1.0, count) } else { count })
}

/// The interval of the mean of an autocorrelated series: t with as many degrees as [`effective_size`] leaves.
///
/// Covers 96 % at a nominal 95 % for independent values, 94 % at an autocorrelation of 0.8, 89 % at 0.95 (n = 500). It says how
/// well *this run* is known and nothing of the next run. Cost: as [`effective_size`]. Source: Geyer (1992).
///
/// # Errors
/// As [`effective_size`]; `TooFew` also where the series is worth less than two values; `Parameter` for the confidence.
///
/// ```
/// let series: Vec<f64> = (0..100).map(|index| f64::from(index / 4 % 3)).collect();
/// let interval = perfkit::stats::autocorrelation::mean_interval(&series, 0.95).unwrap();
/// assert!(interval.low < 1.0 && interval.high > 1.0);
/// ```
pub fn mean_interval(values: &[f64], confidence: f64) -> Result<Interval, Refusal> {
    let effective = effective_size(values)?;
    if effective < 2.0 {
        return Err(Refusal::TooFew);
    }
    let mean = describe::mean(values).ok_or(Refusal::NotFinite)?;
    let deviation = describe::standard_deviation(values).ok_or(Refusal::NotFinite)?;
    Estimate::new(mean, deviation / effective.sqrt(), effective - 1.0)?.interval(confidence)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::random::Random;

    fn autoregressive(random: &mut Random, count: usize, memory: f64) -> Vec<f64> {
        let mut value = random.normal() / (1.0 - memory * memory).sqrt();
        (0..count)
            .map(|_| {
                value = memory * value + random.normal();
                value
            })
            .collect()
    }

    #[test]
    fn an_autoregressive_series_is_worth_what_theory_says() {
        // n(1 − φ)/(1 + φ), also where the series is long enough to be averaged in blocks.
        for (count, memory) in [(4_000, 0.0), (4_000, 0.5), (8_000, 0.8), (100_000, 0.8)] {
            let series = autoregressive(&mut Random::new(3), count, memory);
            let share = effective_size(&series).unwrap() / count as f64;
            let theory = (1.0 - memory) / (1.0 + memory);
            assert!((share / theory - 1.0).abs() < 0.25, "{count} {memory}: {share} {theory}");
        }
    }

    #[test]
    fn doubling_every_value_does_not_add_information() {
        let series = autoregressive(&mut Random::new(5), 2_000, 0.3);
        let doubled: Vec<f64> = series.iter().flat_map(|value| [*value, *value]).collect();
        let (once, twice) = (effective_size(&series).unwrap(), effective_size(&doubled).unwrap());
        assert!((twice / once - 1.0).abs() < 0.1, "{once} {twice}");
    }

    #[test]
    fn the_interval_of_the_mean_covers() {
        let mut random = Random::new(11);
        let covers =
            |random: &mut Random| mean_interval(&autoregressive(random, 300, 0.6), 0.95).unwrap().contains(0.0);
        let share = (0..400).filter(|_| covers(&mut random)).count() as f64 / 400.0;
        assert!((0.90..=0.99).contains(&share), "{share}");
    }
}
