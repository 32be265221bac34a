//! A metric: a name, its unit and direction, and one value for each round. Never a summary.

use serde::{Deserialize, Serialize};

use crate::unit::{Better, Unit};

/// One measured quantity over the rounds of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Metric {
    /// Dotted name: `latency.p95`.
    pub name: String,
    /// The unit of every value.
    pub unit: Unit,
    /// Which way is better.
    pub better: Better,
    /// One value for each round; `null` where that round could not say.
    #[serde(with = "nullable")]
    #[schemars(with = "Vec<Option<f64>>")]
    pub values: Vec<f64>,
}

impl Metric {
    /// A metric without values yet.
    pub fn new(name: impl Into<String>, unit: Unit, better: Better) -> Self {
        Self { name: name.into(), unit, better, values: Vec::new() }
    }

    /// The values that are numbers.
    #[must_use]
    pub fn finite(&self) -> Vec<f64> {
        self.values.iter().copied().filter(|value| value.is_finite()).collect()
    }
}

/// JSON has no NaN: a round that could not say is `null` there and NaN here.
pub(super) mod nullable {
    use serde::{Deserialize, Deserializer, Serializer};

    pub(in crate::record) fn serialize<S: Serializer>(values: &[f64], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(values.iter().map(|value| value.is_finite().then_some(*value)))
    }

    pub(in crate::record) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<f64>, D::Error> {
        let values = Vec::<Option<f64>>::deserialize(deserializer)?;
        Ok(values.into_iter().map(|value| value.unwrap_or(f64::NAN)).collect())
    }
}
