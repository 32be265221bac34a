//! The metrics of a round from its operations, for formats that keep them. A percentile is left out of a round that has too few
//! operations beyond it; it is never guessed.

use crate::record::Metric;
use crate::stats::{describe, quantile};
use crate::unit::{Better, Unit};

/// The percentiles, each with the operations that it needs: about three beyond it.
const PERCENTILES: [(&str, f64, usize); 4] = [("p50", 0.5, 1), ("p90", 0.9, 30), ("p95", 0.95, 60), ("p99", 0.99, 300)];

/// The metrics of one benchmark while its rounds are added.
pub(super) struct Derived {
    metrics: Vec<Metric>,
}

impl Derived {
    /// The metrics `NAME.{mean,p50,p90,p95,p99,sd,mad}`, without rounds yet.
    pub(super) fn new(name: &str, unit: Unit, better: Better) -> Self {
        // A spread is better small, whichever way its values are.
        let places = [("mean", better), ("p50", better), ("p90", better), ("p95", better), ("p99", better)];
        let spreads = [("sd", Better::Lower), ("mad", Better::Lower)];
        let metric = |(place, better)| Metric::new(format!("{name}.{place}"), unit, better);
        Self { metrics: places.into_iter().chain(spreads).map(metric).collect() }
    }

    /// Adds a round; its values are finite, and sorted when this returns.
    pub(super) fn add_round(&mut self, values: &mut [f64]) {
        values.sort_unstable_by(f64::total_cmp);
        let values = &*values;
        let mut row = vec![describe::mean(values)];
        row.extend(PERCENTILES.map(
            |(_, share, least)| {
                if values.len() < least { None } else { quantile::sorted(values, share) }
            },
        ));
        row.push(describe::standard_deviation(values));
        row.push(describe::median_absolute_deviation_sorted(values));
        self.add_row(row);
    }

    /// Adds a round of which these are known: mean, the percentiles, standard and median absolute deviation.
    pub(super) fn add_row(&mut self, row: impl IntoIterator<Item = Option<f64>>) {
        for (metric, value) in self.metrics.iter_mut().zip(row) {
            metric.values.push(value.unwrap_or(f64::NAN));
        }
    }

    /// The metrics.
    pub(super) fn metrics(self) -> Vec<Metric> {
        self.metrics
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_needs_operations_beyond_it() {
        let mut derived = Derived::new("latency", Unit::Ns, Better::Lower);
        for count in [29, 30, 60, 300] {
            derived.add_round(&mut (1..=count).rev().map(f64::from).collect::<Vec<f64>>());
        }
        let metrics = derived.metrics();
        let known = |name: &str| {
            let metric = metrics.iter().find(|metric| metric.name == format!("latency.{name}")).unwrap();
            metric.values.iter().map(|value| value.is_finite()).collect::<Vec<bool>>()
        };
        assert_eq!(known("p50"), [true; 4]);
        assert_eq!(known("p90"), [false, true, true, true]);
        assert_eq!(known("p95"), [false, false, true, true]);
        assert_eq!(known("p99"), [false, false, false, true]);
        assert_eq!(metrics[1].values, [15.0, 15.5, 30.5, 150.5]);
    }

    #[test]
    fn one_operation_has_no_deviation() {
        let mut derived = Derived::new("latency", Unit::Ns, Better::Lower);
        derived.add_round(&mut [7.0]);
        let metrics = derived.metrics();
        assert_eq!(metrics[0].values, [7.0]);
        assert!(metrics[5].values[0].is_nan());
    }
}
