//! Whether verdicts come as often as they may, by small seeded simulations: the quick part of what `cargo bench --bench calibration`
//! measures in full. Each bound has three standard errors of its simulation beside it, no more: a comparator that took operations for
//! replicates would say "changed" of half of all equal runs, as the last test shows, and fail here at once.

use super::control::control;
use super::policy::Mismatch;
use super::tests::{measured, run_of};
use super::{Affordable, Comparison, Fitness, Method, MetricChange, Policy, Verdict, compare, is_precise};
use crate::record::{Metric, Run};
use crate::stats::paired::Design;
use crate::stats::random::Random;
use crate::stats::welch::welch;
use crate::unit::{Better, Unit};

/// The standard deviation of the logarithm of a round.
const BETWEEN: f64 = 0.03;

/// A share with the bounds that it must keep, three standard errors of `times` simulations beyond them.
#[track_caller]
fn keeps(what: &str, (count, times): (usize, usize), least: f64, most: f64) {
    let share = count as f64 / times as f64;
    let open = |bound: f64| 3.0 * (bound * (1.0 - bound) / times as f64).sqrt();
    assert!(
        least - open(least) <= share && share <= most + open(most),
        "{what}: {share} of {times}, not within {least} to {most}"
    );
}

fn figures(random: &mut Random, rounds: usize, ratio: f64) -> Vec<f64> {
    (0..rounds).map(|_| ratio * (BETWEEN * random.normal()).exp()).collect()
}

/// Changes of one metric with a true ratio, of rounds with one figure each.
fn changes(seed: u64, times: usize, rounds: usize, ratio: f64) -> Vec<MetricChange> {
    let mut random = Random::new(seed);
    let mut change = || {
        let (base, head) = (figures(&mut random, rounds, 1.0), figures(&mut random, rounds, ratio));
        compare(&run_of("base", &base), &run_of("head", &head), &Policy::default()).metrics.swap_remove(0)
    };
    (0..times).map(|_| change()).collect()
}

fn count<T>(items: &[T], is: impl Fn(&T) -> bool) -> (usize, usize) {
    (items.iter().filter(|item| is(item)).count(), items.len())
}

fn excludes(change: &MetricChange, ratio: f64) -> bool {
    let (Some(low), Some(high)) = (change.low, change.high) else { panic!("no interval: {}", change.note) };
    ratio < low || high < ratio
}

fn of<'a>(comparison: &'a Comparison, name: &str) -> &'a MetricChange {
    comparison.metrics.iter().find(|change| change.name == name).unwrap()
}

/// Rounds of operations, each round with a level of its own. The shape is not asked for: nothing is decided by it.
fn run_of_operations(id: &str, rounds: usize, mut operation: impl FnMut() -> f64, random: &mut Random) -> Run {
    let mut round = || {
        let level = (BETWEEN * random.normal()).exp();
        (0..100).map(|_| level * operation()).collect::<Vec<f64>>()
    };
    let rounds: Vec<Vec<f64>> = (0..rounds).map(|_| round()).collect();
    let mut run = measured(id, &rounds);
    run.rounds.iter_mut().for_each(|round| round.latencies.clear());
    run
}

#[test]
fn equal_runs_change_as_often_as_the_confidence_allows_and_never_regress() {
    for (rounds, times) in [(3, 1_200), (5, 1_200), (10, 500)] {
        let changes = changes(1, times, rounds, 1.0);
        keeps("any change", count(&changes, |change| excludes(change, 1.0)), 0.035, 0.065);
        keeps("regressed", count(&changes, |change| change.verdict == Verdict::Regressed), 0.0, 0.001);
    }
}

#[test]
fn a_change_of_the_margin_is_seldom_failed_seldom_passed_and_mostly_covered() {
    let changes = changes(2, 1_500, 5, 1.1);
    keeps("regressed", count(&changes, |change| change.verdict == Verdict::Regressed), 0.0, 0.03);
    keeps("unchanged", count(&changes, |change| change.verdict == Verdict::Unchanged), 0.0, 0.05);
    keeps("covered", count(&changes, |change| !excludes(change, 1.1)), 0.93, 0.97);
}

#[test]
fn a_change_of_a_fifth_is_seen_with_five_rounds() {
    keeps("regressed", count(&changes(3, 400, 5, 1.2), |change| change.verdict == Verdict::Regressed), 0.85, 1.0);
}

#[test]
fn what_is_said_to_be_seen_is_seen() {
    for (rounds, times) in [(3, 1_500), (5, 400)] {
        // The deviation that each comparison goes by is right in its square, on average.
        let said = changes(4, 400, rounds, 1.0);
        let beyond = |change: &MetricChange| change.minimum_detectable.unwrap().ln_1p() - 0.1f64.ln_1p();
        let mean_square = said.iter().map(|change| beyond(change).powi(2)).sum::<f64>() / said.len() as f64;
        let smallest = 1.1 * mean_square.sqrt().exp();
        let seen = changes(5, times, rounds, smallest);
        keeps("seen", count(&seen, |change| change.verdict == Verdict::Regressed), 0.75, 0.85);
    }
}

#[test]
fn ranks_are_not_chosen_for_most_normal_rounds() {
    // At five rounds 37 of 100 pairs of arms have a round beyond 3.5 deviations; it would be 61 by bare median deviations.
    let ranks = count(&changes(6, 600, 5, 1.0), |change| change.method == Some(Method::HodgesLehmann));
    keeps("ranks", ranks, 0.30, 0.42);
}

#[test]
fn spread_and_tails_of_equal_runs_seldom_change() {
    let (mut random, mut noise) = (Random::new(7), Random::new(8));
    let mut run = |id: &str| run_of_operations(id, 5, || (0.1 * noise.normal()).exp(), &mut random);
    let all: Vec<Comparison> = (0..300).map(|_| compare(&run("base"), &run("head"), &Policy::default())).collect();
    for metric in ["latency.p95", "latency.sd", "latency.mad"] {
        keeps(metric, count(&all, |comparison| excludes(of(comparison, metric), 1.0)), 0.0, 0.06);
    }
    keeps("regressed", count(&all, |comparison| comparison.verdict == Verdict::Regressed), 0.0, 0.001);
}

#[test]
fn rare_slow_operations_always_regress_although_the_mean_falls() {
    let (mut random, mut noise) = (Random::new(9), Random::new(10));
    for _ in 0..60 {
        let base = run_of_operations("base", 5, || 505.0 + 3.9 * noise.normal(), &mut random);
        let mut spiky = || {
            let (center, spread) = if noise.uniform() < 0.72 { (120.0, 5.0) } else { (1150.0, 120.0) };
            center + spread * noise.normal()
        };
        let head = run_of_operations("head", 5, &mut spiky, &mut random);
        assert_eq!(compare(&base, &head, &Policy::default()).verdict, Verdict::Regressed);
    }
}

#[test]
fn looking_for_precision_after_each_block_raises_few_alarms() {
    let policy = Policy { design: Design::Paired, ..Policy::default() };
    let mut random = Random::new(11);
    let mut ended = Vec::new();
    for _ in 0..400 {
        let (mut base, mut head) = (Vec::new(), Vec::new());
        let comparison = loop {
            base.extend(figures(&mut random, 2, 1.0));
            head.extend(figures(&mut random, 2, 1.0));
            let comparison = compare(&run_of("base", &base), &run_of("head", &head), &policy);
            if base.len() >= 30 || (base.len() >= 5 && is_precise(&comparison, Affordable::Both(30))) {
                break comparison;
            }
        };
        ended.push(comparison.metrics[0].clone());
    }
    keeps("any change", count(&ended, |change| excludes(change, 1.0)), 0.0, 0.06);
    keeps("regressed", count(&ended, |change| change.verdict == Verdict::Regressed), 0.0, 0.001);
}

#[test]
fn base_is_seldom_unfit_beside_itself() {
    let policy = Policy { mismatch: Mismatch::Allow, ..Policy::default() };
    let (mut random, mut noise) = (Random::new(12), Random::new(13));
    let mut run = |id: &str| run_of_operations(id, 3, || (0.1 * noise.normal()).exp(), &mut random);
    let controls: Vec<_> = (0..200).map(|_| control(&run("base"), &run("again"), &policy)).collect();
    assert!(controls.iter().all(|control| !control.metrics.is_empty()));
    keeps("unfit", count(&controls, |control| control.fit == Fitness::Unfit), 0.0, 0.02);
}

#[test]
fn equal_success_rates_seldom_differ() {
    let mut random = Random::new(14);
    let mut run = |id: &str| {
        let mut run = measured(id, &vec![vec![1.0, 1.0]; 5]);
        let mut metric = Metric::new("success_rate", Unit::Ratio, Better::Higher);
        for round in &mut run.rounds {
            round.planned = 1_000;
            round.ok = 1_000 - (0..1_000).filter(|_| random.uniform() < 0.01).count() as u64;
            metric.values.push(round.ok as f64 / 1_000.0);
        }
        run.metrics = vec![metric];
        run
    };
    let all: Vec<Comparison> = (0..200).map(|_| compare(&run("base"), &run("head"), &Policy::default())).collect();
    let differs = |comparison: &Comparison| {
        let difference = of(comparison, "success_rate").difference.unwrap();
        difference.low.unwrap() > 0.0 || difference.high.unwrap() < 0.0
    };
    keeps("any change", count(&all, differs), 0.0, 0.065);
}

#[test]
fn operations_are_no_replicates() {
    let mut random = Random::new(16);
    let mut flat = || -> Vec<f64> {
        let levels = figures(&mut random, 5, 1.0);
        levels
            .iter()
            .flat_map(|level| (0..100).map(|_| level.ln() + 0.1 * random.normal()).collect::<Vec<_>>())
            .collect()
    };
    let alarms = (0..200).filter(|_| !welch(&flat(), &flat()).unwrap().interval(0.95).unwrap().contains(0.0)).count();
    assert!(alarms > 80, "{alarms} of 200");
}
