//! Objectives: `latency.p95 < 2s`. Read from text, and held against a run with the interval, never with the point alone.

use std::str::FromStr;

use super::{Kept, Objective, Verdict};
use crate::record::pass::Pass;
use crate::record::{Metric, Run, Status};
use crate::stats::interval::{self, Interval};
use crate::stats::proportion::{self, Count};
use crate::unit::Unit;

/// An objective as it was written.
#[derive(Clone, Debug, PartialEq)]
pub struct Target {
    /// As it was written.
    pub text: String,
    /// The metric.
    pub metric: String,
    /// How the metric must stand to the value.
    pub relation: Relation,
    /// The value, in `unit`.
    pub value: f64,
    /// The unit that the value was written in: `2s` is nanoseconds. `None` for a plain number, which takes the metric's.
    pub unit: Option<Unit>,
}

/// How a metric must stand to its target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relation {
    /// `<`
    Below,
    /// `<=`
    AtMost,
    /// `>`
    Above,
    /// `>=`
    AtLeast,
    /// `==`
    Equal,
}

/// The longer spellings first: `<=` begins with `<`.
const RELATIONS: [(&str, Relation); 5] = [
    ("<=", Relation::AtMost),
    (">=", Relation::AtLeast),
    ("==", Relation::Equal),
    ("<", Relation::Below),
    (">", Relation::Above),
];

/// Endings of numbers: the unit they are stored in, and the factor to it.
const ENDINGS: &[(&str, Unit, f64)] = &[
    ("/s", Unit::PerS, 1.0),
    ("/min", Unit::PerS, 1.0 / 60.0),
    ("%", Unit::Ratio, 0.01),
    ("KiB", Unit::Bytes, 1024.0),
    ("MiB", Unit::Bytes, 1024.0 * 1024.0),
    ("GiB", Unit::Bytes, 1024.0 * 1024.0 * 1024.0),
    ("kB", Unit::Bytes, 1e3),
    ("MB", Unit::Bytes, 1e6),
    ("GB", Unit::Bytes, 1e9),
    ("B", Unit::Bytes, 1.0),
    ("ns", Unit::Ns, 1.0),
    ("us", Unit::Ns, 1e3),
    ("µs", Unit::Ns, 1e3),
    ("ms", Unit::Ns, 1e6),
    ("min", Unit::Ns, 60e9),
    ("s", Unit::Ns, 1e9),
];

/// A number with the unit it was written in: `2s`, `64MiB`, `95%`, `1000/s`; a plain number has none.
///
/// ```
/// use perfkit::{Unit, compare::objective::quantity};
/// assert_eq!(quantity("2s"), Some((2e9, Some(Unit::Ns))));
/// assert_eq!(quantity("0"), Some((0.0, None)));
/// assert_eq!(quantity("2 parsecs"), None);
/// ```
#[must_use]
pub fn quantity(text: &str) -> Option<(f64, Option<Unit>)> {
    let text = text.trim();
    let finite = |number: &str| number.trim().parse::<f64>().ok().filter(|value| value.is_finite());
    for (ending, unit, factor) in ENDINGS {
        if let Some(number) = text.strip_suffix(ending).and_then(finite) {
            return Some((number * factor, Some(*unit)));
        }
    }
    finite(text).map(|number| (number, None))
}

/// Why a text is no objective.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no objective: write a metric, one of < <= > >= ==, and a value with its unit, such as `latency.p95 < 2s`"
)]
pub struct NoObjective(String);

impl FromStr for Target {
    type Err = NoObjective;

    /// ```
    /// use perfkit::compare::objective::Target;
    /// let target: Target = "latency.p95 < 2s".parse().unwrap();
    /// assert_eq!((target.metric.as_str(), target.value), ("latency.p95", 2e9));
    /// assert!("latency.p95".parse::<Target>().is_err());
    /// ```
    fn from_str(text: &str) -> Result<Self, NoObjective> {
        let wrong = || NoObjective(text.to_owned());
        let found = RELATIONS.iter().find_map(|(sign, relation)| text.split_once(sign).map(|parts| (parts, *relation)));
        let ((metric, value), relation) = found.ok_or_else(wrong)?;
        let (value, unit) = quantity(value).ok_or_else(wrong)?;
        let metric = metric.trim();
        if metric.is_empty() || metric.contains(char::is_whitespace) {
            return Err(wrong());
        }
        Ok(Self { text: text.trim().to_owned(), metric: metric.to_owned(), relation, value, unit })
    }
}

/// Holds a run to an objective.
#[must_use]
pub fn hold(run: &Run, target: &Target, confidence: f64) -> Objective {
    let mut objective = Objective {
        objective: target.text.clone(),
        metric: target.metric.clone(),
        unit: target.unit.unwrap_or(Unit::Count),
        target: target.value,
        value: None,
        low: None,
        high: None,
        margin: None,
        kept: Kept::NotShown,
        note: String::new(),
    };
    let Some(metric) = run.metric(&target.metric) else {
        objective.note = format!("{} was not measured", target.metric);
        return objective;
    };
    if target.unit.is_some_and(|unit| unit != metric.unit) {
        objective.note = format!("the target is in {}, the metric in {}", objective.unit.name(), metric.unit.name());
        return objective;
    }
    objective.unit = metric.unit;
    if target.unit.is_none() && target.value != 0.0 && !matches!(metric.unit, Unit::Count | Unit::Ratio) {
        objective.note = format!("the target has no unit: the metric is in {}", metric.unit.name());
        return objective;
    }
    // Of a run that failed only how much of it failed is known.
    if run.status == Status::Invalid && target.metric != super::success::METRIC {
        objective.note = format!("the run is invalid: {}", run.status_reason.as_deref().unwrap_or("no reason given"));
        return objective;
    }
    let Some((interval, rounds)) = value(run, metric, confidence) else {
        objective.note = "no round has a value".to_owned();
        return objective;
    };
    objective.value = Some(interval.estimate);
    objective.margin = margin(target, interval.estimate);
    if rounds < 2 {
        objective.note = "one round, no interval".to_owned();
        return objective;
    }
    (objective.low, objective.high) = (Some(interval.low), Some(interval.high));
    objective.kept = kept(target, interval);
    objective
}

/// What the objectives alone say of a run: kept, missed, or not shown.
#[must_use]
pub fn verdict(run: &Run, objectives: &[Objective]) -> (Verdict, String) {
    let of = |kept: Kept| objectives.iter().filter(move |objective| objective.kept == kept);
    let names = |kept: Kept| of(kept).map(|objective| objective.objective.as_str()).collect::<Vec<_>>().join(", ");
    if of(Kept::Missed).next().is_some() {
        return (Verdict::Regressed, format!("missed: {}", names(Kept::Missed)));
    }
    if run.status == Status::Invalid {
        let reason = run.status_reason.as_deref().unwrap_or("no reason given");
        return (Verdict::NotCompared, format!("head is invalid: {reason}"));
    }
    if let Some(unmeasured) = of(Kept::NotShown).find(|objective| objective.value.is_none()) {
        return (Verdict::NotCompared, format!("{}: {}", unmeasured.objective, unmeasured.note));
    }
    if of(Kept::NotShown).next().is_some() {
        return (Verdict::Inconclusive, format!("not shown: {}", names(Kept::NotShown)));
    }
    let s = if objectives.len() == 1 { "" } else { "s" };
    (Verdict::Unchanged, format!("{} objective{s} met", objectives.len()))
}

/// The mean of the rounds with its interval, and how many rounds it comes from.
fn value(run: &Run, metric: &Metric, confidence: f64) -> Option<(Interval, usize)> {
    let values = metric.finite();
    let interval = mean(&values, metric.unit, confidence);
    if metric.name == super::success::METRIC
        && let Some(pooled) = without_failures(run, confidence)
    {
        // Rounds without a failure do not vary: how many operations there were says how sure that is.
        return Some((pooled, 2));
    }
    match (interval, values.as_slice()) {
        (Some(interval), _) => Some((interval, values.len())),
        (None, [value]) => Some((Interval { estimate: *value, low: *value, high: *value }, 1)),
        _ => None,
    }
}

/// On the scale of ratios where that can be, as a comparison does it: no interval then reaches below zero.
fn mean(values: &[f64], unit: Unit, confidence: f64) -> Option<Interval> {
    if unit == Unit::Ratio || values.iter().any(|value| *value <= 0.0) {
        return interval::mean(values, confidence);
    }
    let logarithms: Vec<f64> = values.iter().map(|value| value.ln()).collect();
    interval::mean(&logarithms, confidence).map(Interval::exponential)
}

fn without_failures(run: &Run, confidence: f64) -> Option<Interval> {
    let rounds = || run.rounds.iter().filter(|round| round.pass == Pass::Time);
    let (ok, planned) = (rounds().map(|round| round.ok).sum::<u64>(), rounds().map(|round| round.planned).sum::<u64>());
    let count = Count::new(ok, planned).ok().filter(|_| ok == planned)?;
    proportion::clopper_pearson(count, confidence).ok()
}

#[expect(clippy::float_cmp, reason = "`==` asks for just that")]
fn kept(target: &Target, interval: Interval) -> Kept {
    let (low, high, goal) = (interval.low, interval.high, target.value);
    let (met, missed) = match target.relation {
        Relation::Below => (high < goal, low >= goal),
        Relation::AtMost => (high <= goal, low > goal),
        Relation::Above => (low > goal, high <= goal),
        Relation::AtLeast => (low >= goal, high < goal),
        // Equal to a number is only what is so in every round.
        Relation::Equal => (low == goal && high == goal, low > goal || high < goal || interval.estimate != goal),
    };
    match (met, missed) {
        (true, _) => Kept::Met,
        (_, true) => Kept::Missed,
        _ => Kept::NotShown,
    }
}

/// What is left to the target, as a part of it.
fn margin(target: &Target, value: f64) -> Option<f64> {
    let left = match target.relation {
        Relation::Below | Relation::AtMost => target.value - value,
        Relation::Above | Relation::AtLeast => value - target.value,
        Relation::Equal => -(value - target.value).abs(),
    };
    (target.value != 0.0).then(|| left / target.value.abs())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::unit::Better;

    fn held(text: &str, unit: Unit, values: &[f64]) -> Objective {
        let target: Target = text.parse().unwrap();
        let mut run = Run::foreign("csv", "a.csv", "a");
        run.metrics.push(Metric { values: values.to_vec(), ..Metric::new(&target.metric, unit, Better::Lower) });
        hold(&run, &target, 0.95)
    }

    #[test]
    fn the_interval_decides_and_not_the_point() {
        let values = [1.9e9, 1.95e9, 1.92e9, 1.93e9];
        assert_eq!(held("latency.p95 < 2s", Unit::Ns, &values).kept, Kept::Met);
        assert_eq!(held("latency.p95 < 1s", Unit::Ns, &values).kept, Kept::Missed);
        let close = held("latency.p95 < 1.93s", Unit::Ns, &values);
        assert_eq!(close.kept, Kept::NotShown);
        assert!(close.value.unwrap() < 1.93e9 && close.margin.unwrap() > 0.0);
    }

    #[test]
    fn zero_is_kept_only_where_every_round_has_zero() {
        assert_eq!(held("stalls.count == 0", Unit::Count, &[0.0; 3]).kept, Kept::Met);
        assert_eq!(held("stalls.count == 0", Unit::Count, &[0.0, 0.0, 1.0]).kept, Kept::Missed);
    }

    #[test]
    fn what_cannot_be_shown_says_why() {
        assert_eq!(held("latency.p95 < 2s", Unit::Ns, &[1.0]).note, "one round, no interval");
        assert_eq!(held("latency.p95 < 2s", Unit::Count, &[1.0, 2.0]).note, "the target is in ns, the metric in count");
        assert_eq!(held("latency.p95 < 2s", Unit::Ns, &[]).kept, Kept::NotShown);
        for text in ["", "latency.p95", "< 2s", "a b < 1", "x < y", "x < nan", "x < inf"] {
            assert!(text.parse::<Target>().is_err(), "{text}");
        }
    }
}
