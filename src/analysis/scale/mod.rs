//! What a workload takes with more users: each level with its metrics, memory as a line over users, and whether the line bends. Pure:
//! reads the runs, one for each number of users. Refuses to fit runs whose operations failed.

mod types;

use std::borrow::Cow;
use std::collections::BTreeSet;

use crate::record::{Metric, Run, Status};
use crate::stats::refusal::Refusal;
use crate::stats::{describe, interval, line};
use crate::unit::Unit;

pub use types::{Bend, Estimate, Fit, FunctionFit, Level, LevelMetric, SCHEMA, Scale};

/// The confidence of the intervals.
const CONFIDENCE: f64 = 0.95;
/// Slopes that differ by less are one slope: the margin of a regression.
const MARGIN: f64 = 0.1;
/// What is told of each level.
const SHOWN: [&str; 7] =
    ["success_rate", "throughput", "latency.p50", "latency.p95", "cpu.per_op", "memory.peak", "rss.max"];
/// What is told of a level whose operations failed.
const OF_INVALID: &str = "success_rate";
/// What is fitted over users.
const FITTED: [&str; 2] = ["memory.peak", "rss.max"];
/// Functions that are told.
const MOST_FUNCTIONS: usize = 10;

/// Says what users cost. `runs` are of one workload, each with another number of users, in any order. The same runs give the same
/// result.
///
/// ```
/// use perfkit::analysis::scale;
/// use perfkit::record::Run;
/// let scale = scale::analyze(&[Run::foreign("example", "1", "shop")]);
/// assert!(scale.levels.len() == 1 && scale.fits.is_empty());
/// ```
#[must_use]
pub fn analyze(runs: &[Run]) -> Scale {
    let mut runs: Vec<&Run> = runs.iter().collect();
    runs.sort_by_key(|run| run.load.users);
    let good: Vec<&Run> = runs.iter().copied().filter(|run| run.status != Status::Invalid).collect();
    let fits: Vec<Fit> = FITTED.iter().filter_map(|metric| fit(&good, metric)).collect();
    let whole = fits.first().and_then(|fit| fit.per_user).map(|per_user| per_user.estimate);
    let mut warnings = Vec::new();
    for warning in runs.iter().flat_map(|run| &run.warnings) {
        if !warnings.contains(warning) {
            warnings.push(warning.clone());
        }
    }
    let any = runs.first();
    Scale {
        schema: Cow::Borrowed(SCHEMA),
        workload: any.map_or_else(String::new, |run| run.workload.clone()),
        variant: any.map_or_else(String::new, |run| run.variant.clone()),
        confidence: CONFIDENCE,
        levels: runs.iter().map(|run| level(run)).collect(),
        functions: functions(&good, whole),
        fits,
        warnings,
    }
}

fn level(run: &Run) -> Level {
    let told = |name: &&&str| run.status != Status::Invalid || **name == OF_INVALID;
    let metrics = SHOWN.iter().filter(told).filter_map(|name| run.metric(name));
    Level {
        users: run.load.users,
        run: run.id.clone(),
        status: run.status,
        status_reason: run.status_reason.clone(),
        metrics: metrics.filter_map(level_metric).collect(),
    }
}

fn level_metric(metric: &Metric) -> Option<LevelMetric> {
    let values = metric.finite();
    let value = match interval::mean(&values, CONFIDENCE) {
        Some(interval) => estimate(interval),
        None => Estimate { estimate: describe::mean(&values)?, low: None, high: None },
    };
    Some(LevelMetric { name: metric.name.clone(), unit: metric.unit, value })
}

fn estimate(interval: interval::Interval) -> Estimate {
    Estimate { estimate: interval.estimate, low: Some(interval.low), high: Some(interval.high) }
}

/// A metric over users; `None` where no run has it.
fn fit(runs: &[&Run], name: &str) -> Option<Fit> {
    let unit: Unit = runs.iter().find_map(|run| run.metric(name))?.unit;
    let having: Vec<(&Run, &Metric)> = runs.iter().filter_map(|run| Some((*run, run.metric(name)?))).collect();
    let users: Vec<f64> = having.iter().map(|(run, _)| f64::from(run.load.users)).collect();
    let values: Vec<&[f64]> = having.iter().map(|(_, metric)| metric.values.as_slice()).collect();
    let rounds = together(&values);
    let most = users.last().copied().unwrap_or(0.0);
    let mut fit = Fit {
        metric: name.to_owned(),
        unit,
        per_user: None,
        at_zero: None,
        bend: None,
        line: Vec::new(),
        note: String::new(),
    };
    match line::fit(&users, &rounds, CONFIDENCE) {
        Ok(line) => {
            let at_zero = line.at_zero.estimate;
            fit.line = vec![(0.0, at_zero), (most, at_zero + line.slope.estimate * most)];
            fit.per_user = Some(estimate(line.slope));
            fit.at_zero = Some(estimate(line.at_zero));
        }
        Err(refusal) => fit.note = refused(refusal, users.len(), rounds.len()),
    }
    match line::bend(&users, &rounds, CONFIDENCE, MARGIN) {
        Ok(Some(bend)) => {
            let knee = bend.at_zero.estimate + bend.before.estimate * bend.at;
            let end = knee + bend.after.estimate * (most - bend.at);
            fit.line = vec![(0.0, bend.at_zero.estimate), (bend.at, knee), (most, end)];
            fit.bend = Some(Bend { users: bend.at as u32, before: estimate(bend.before), after: estimate(bend.after) });
        }
        Err(Refusal::TooFew) if fit.note.is_empty() => {
            "with fewer than three numbers of users nothing is known of a bend".clone_into(&mut fit.note);
        }
        _ => {}
    }
    Some(fit)
}

/// The rounds that have a value at every level.
fn together(levels: &[&[f64]]) -> Vec<Vec<f64>> {
    let rounds = levels.iter().map(|values| values.len()).min().unwrap_or(0);
    let round = |index: usize| levels.iter().map(|values| values[index]).collect::<Vec<f64>>();
    (0..rounds).map(round).filter(|values| values.iter().all(|value| value.is_finite())).collect()
}

fn refused(refusal: Refusal, levels: usize, rounds: usize) -> String {
    match refusal {
        Refusal::TooFew if levels < 2 => "a line needs two numbers of users whose runs are valid".to_owned(),
        Refusal::TooFew => format!("an interval needs two rounds with all numbers of users, there are {rounds}"),
        other => other.to_string(),
    }
}

/// What a user adds to what each function holds.
fn functions(runs: &[&Run], whole: Option<f64>) -> Vec<FunctionFit> {
    let users: Vec<f64> = runs.iter().map(|run| f64::from(run.load.users)).collect();
    let names: BTreeSet<&str> = runs.iter().flat_map(|run| &run.holders).map(|holder| holder.name.as_str()).collect();
    let rounds = |run: &Run| run.metric("memory.peak").map_or(0, |metric| metric.values.len());
    let mut functions: Vec<FunctionFit> = names
        .into_iter()
        .filter_map(|name| {
            // A function that is not there held nothing.
            let held: Vec<Vec<f64>> = runs
                .iter()
                .map(|run| {
                    let holder = run.holders.iter().find(|holder| holder.name == name);
                    holder.map_or_else(|| vec![0.0; rounds(run)], |holder| holder.peak_bytes.clone())
                })
                .collect();
            let held: Vec<&[f64]> = held.iter().map(Vec::as_slice).collect();
            let line = line::fit(&users, &together(&held), CONFIDENCE).ok()?;
            let holder = runs.iter().rev().find_map(|run| run.holders.iter().find(|holder| holder.name == name))?;
            Some(FunctionFit {
                function: name.to_owned(),
                place: super::summary::place(holder.file.as_deref(), holder.line),
                per_user: estimate(line.slope),
                share: whole.filter(|whole| *whole > 0.0).map(|whole| line.slope.estimate / whole),
            })
        })
        // What is not shown to rise says nothing of users.
        .filter(|function| function.per_user.low.is_some_and(|low| low > 0.0))
        .collect();
    functions.sort_by(|a, b| b.per_user.estimate.total_cmp(&a.per_user.estimate));
    functions.truncate(MOST_FUNCTIONS);
    functions
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Holder;
    use crate::unit::Better;

    const ROUNDS: usize = 4;

    /// A run with so many users, of which each holds 1,000 bytes in `shop::cart` and 10 in `shop::page`.
    fn run(users: u32, more: f64) -> Run {
        let mut run = Run::foreign("test", users.to_string(), "shop");
        run.load.users = users;
        let round = |index: usize| 5000.0 + 1010.0 * f64::from(users) + more + (index as f64 - 1.5) * 3.0;
        for (name, unit) in [("memory.peak", Unit::Bytes), ("rss.max", Unit::Bytes), ("throughput", Unit::PerS)] {
            let mut metric = Metric::new(name, unit, Better::Lower);
            metric.values = (0..ROUNDS).map(round).collect();
            run.metrics.push(metric);
        }
        for (name, bytes) in [("shop::cart", 1000.0), ("shop::page", 10.0)] {
            let peak_bytes = vec![bytes * f64::from(users); ROUNDS];
            run.holders.push(Holder { name: name.into(), file: Some("src/shop.rs".into()), line: Some(3), peak_bytes });
        }
        run.holders.push(Holder { name: "shop::start".into(), peak_bytes: vec![5000.0; ROUNDS], ..Holder::default() });
        run
    }

    #[test]
    fn what_a_user_adds_is_charged_to_the_functions_that_hold_it() {
        let scale = analyze(&[run(50, 0.0), run(1, 0.0), run(10, 0.0)]);
        assert_eq!(scale.levels.iter().map(|level| level.users).collect::<Vec<_>>(), [1, 10, 50]);
        let memory = &scale.fits[0];
        assert!((memory.per_user.unwrap().estimate - 1010.0).abs() < 1e-6 && memory.bend.is_none(), "{memory:?}");
        let names: Vec<&str> = scale.functions.iter().map(|function| function.function.as_str()).collect();
        assert_eq!(names, ["shop::cart", "shop::page"], "what all users share is of none");
        assert!((scale.functions[0].share.unwrap() - 1000.0 / 1010.0).abs() < 1e-9);
        assert_eq!(scale.functions[0].place, "src/shop.rs:3");
    }

    #[test]
    fn a_level_whose_operations_failed_is_shown_and_not_fitted() {
        let mut broken = run(100, 1e9);
        broken.status = Status::Invalid;
        let scale = analyze(&[run(1, 0.0), run(10, 0.0), run(50, 0.0), broken]);
        assert!(scale.levels[3].metrics.is_empty(), "{:?}", scale.levels[3]);
        assert!((scale.fits[0].per_user.unwrap().estimate - 1010.0).abs() < 1e-6);
    }

    #[test]
    fn memory_that_rises_faster_from_some_users_on_bends_there() {
        let scale = analyze(&[run(1, 0.0), run(10, 0.0), run(50, 0.0), run(100, 50_000.0)]);
        let bend = scale.fits[0].bend.unwrap();
        assert_eq!(bend.users, 50);
        assert!((bend.before.estimate - 1010.0).abs() < 1.0 && (bend.after.estimate - 2010.0).abs() < 1.0, "{bend:?}");
    }

    #[test]
    fn what_cannot_be_said_has_a_reason() {
        assert!(analyze(&[run(1, 0.0)]).fits[0].note.contains("two numbers of users"));
        let mut once = run(10, 0.0);
        once.metrics.iter_mut().for_each(|metric| metric.values.truncate(1));
        assert!(analyze(&[run(1, 0.0), once]).fits[0].note.contains("two rounds"));
        assert!(analyze(&[run(1, 0.0), run(2, 0.0)]).fits[0].note.contains("bend"));
    }
}
