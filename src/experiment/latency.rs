//! The values of one round that come from the load itself: latencies, throughput, success rate. Operations that timed
//! out or were dropped stand behind all good ones: a percentile that falls among them is a lower bound, and said so.

use std::time::Duration;

use crate::load::Measured;
use crate::record::reading::RoundValue;
use crate::record::round;
use crate::stats::{describe, quantile};
use crate::unit::{Better, Unit};

/// The percentiles that are metrics.
const QUANTILES: [(&str, f64); 4] =
    [("latency.p50", 0.5), ("latency.p90", 0.9), ("latency.p95", 0.95), ("latency.p99", 0.99)];

/// What the load itself says of a round.
pub(super) struct Said {
    /// The values.
    pub(super) values: Vec<RoundValue>,
    /// The names of those that are lower bounds.
    pub(super) censored: Vec<String>,
    /// The latencies of good operations at the places that a run keeps.
    pub(super) places: Vec<f64>,
}

/// The values of a round.
pub(super) fn values(measured: &Measured) -> Said {
    let mut values = Values::default();
    let collected = &measured.collected;
    let mut good: Vec<f64> = collected.latencies_ns.iter().map(|ns| *ns as f64).collect();
    good.sort_by(f64::total_cmp);
    latencies(&mut values, &good, &collected.censored_ns);
    let places = round::places().filter_map(|share| quantile::sorted(&good, share)).collect();

    let seconds = measured.elapsed.max(Duration::from_nanos(1)).as_secs_f64();
    values.push("throughput", Unit::PerS, Better::Higher, Some(measured.operations.ok as f64 / seconds));
    values.push("success_rate", Unit::Ratio, Better::Higher, measured.operations.success_rate());
    if measured.pacing.is_some() {
        let p99 = collected.lateness.value_at_quantile(0.99) as f64;
        values.push("lateness.p99", Unit::Ns, Better::Lower, Some(p99));
    }
    let (watched, sums) = collected.watched;
    if watched > 0 {
        for (name, sum) in ["operation.busy", "operation.scheduled", "operation.idle"].into_iter().zip(sums) {
            values.push(name, Unit::Ns, Better::Lower, Some(sum as f64 / watched as f64));
        }
    }
    Said { values: values.values, censored: values.censored, places }
}

#[derive(Default)]
struct Values {
    values: Vec<RoundValue>,
    censored: Vec<String>,
}

impl Values {
    fn push(&mut self, name: &str, unit: Unit, better: Better, value: Option<f64>) {
        self.values.push(RoundValue { name: name.to_owned(), unit, better, value, per_operation: false });
    }
}

/// `good` is sorted.
fn latencies(values: &mut Values, good: &[f64], censored_ns: &[u64]) {
    let longest = good.last().copied().unwrap_or(0.0);
    // Without a single good operation there is no latency to speak of.
    let mut all = good.to_vec();
    if !good.is_empty() {
        let mut ages: Vec<f64> = censored_ns.iter().map(|age| (*age as f64).max(longest)).collect();
        ages.sort_by(f64::total_cmp);
        all.extend(ages);
    }
    let any_censored = all.len() > good.len();
    let named = |name: &str, value: Option<f64>, bound: bool, values: &mut Values| {
        values.push(name, Unit::Ns, Better::Lower, value);
        if bound {
            values.censored.push(name.to_owned());
        }
    };
    named("latency.mean", describe::mean(&all), any_censored, values);
    for (name, q) in QUANTILES {
        let bound = any_censored && quantile::highest_index(all.len(), q) >= good.len();
        named(name, quantile::sorted(&all, q), bound, values);
    }
    named("latency.max", all.last().copied(), any_censored, values);
    named("latency.sd", describe::standard_deviation(&all), any_censored, values);
    named("latency.mad", describe::median_absolute_deviation(&all), false, values);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_that_never_finished_make_a_percentile_a_lower_bound() {
        let mut values = Values::default();
        let good: Vec<f64> = (1..=90).map(f64::from).collect();
        latencies(&mut values, &good, &[1000; 10]);
        let of = |name: &str| values.values.iter().find(|value| value.name == name).unwrap().value.unwrap();
        assert!((of("latency.p50") - 50.5).abs() < 1e-9);
        assert!((of("latency.p99") - 1000.0).abs() < 1e-9);
        // The 90th percentile lies between the last good one and the first that never finished.
        let bounds = ["latency.mean", "latency.p90", "latency.p95", "latency.p99", "latency.max", "latency.sd"];
        assert_eq!(values.censored, bounds);
    }

    #[test]
    fn without_a_good_operation_there_is_no_latency() {
        let mut values = Values::default();
        latencies(&mut values, &[], &[5, 6]);
        assert!(values.values.iter().all(|value| value.value.is_none()));
        assert!(values.censored.is_empty());
    }
}
