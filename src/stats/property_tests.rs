//! What must hold for any sample: order within an arm, a common shift or a common unit change nothing but what they should, and
//! exchanging the arms mirrors the result.

use super::bootstrap::{Plan, bca, studentized_clusters};
use super::components::components;
use super::energy::permutation_test;
use super::hodges_lehmann::{one_sample, two_samples};
use super::interval::Interval;
use super::paired::{Design, paired};
use super::quantile::Sorted;
use super::random::Random;
use super::rank::{Method, brunner_munzel, mann_whitney};
use super::shift::{deciles, shift_function};
use super::trend::{Dependence, mann_kendall, theil_sen};
use super::welch::welch;
use super::{density, describe, dip, distance, energy, harrell_davis, quantile, spread};

const PLAN: Plan = Plan { resamples: 199, confidence: 0.95, seed: 9 };

fn near(one: f64, other: f64) -> bool {
    (one - other).abs() <= 1e-9 * one.abs().max(other.abs()).max(1.0)
}

#[track_caller]
fn same(one: Interval, other: Interval) {
    assert!(
        near(one.estimate, other.estimate) && near(one.low, other.low) && near(one.high, other.high),
        "{one:?} {other:?}"
    );
}

fn times(interval: Interval, factor: f64) -> Interval {
    Interval { estimate: interval.estimate * factor, low: interval.low * factor, high: interval.high * factor }
}

/// Thirty pairs of samples of several sizes, some with ties.
fn for_all(check: impl Fn(&[f64], &[f64], &mut Random)) {
    let mut random = Random::new(42);
    for case in 0..30 {
        let mut sample = |size: usize| -> Vec<f64> {
            let value =
                |random: &mut Random| if case % 3 == 0 { random.below(9) as f64 } else { 10.0 * random.normal().exp() };
            (0..size).map(|_| value(&mut random)).collect()
        };
        let (base, head) = (sample(6 + case % 7), sample(6 + case % 5));
        check(&base, &head, &mut random);
    }
}

/// P-values and statistics that depend on ranks or on ratios of spreads alone.
fn free_of_unit(base: &[f64], head: &[f64]) -> Vec<f64> {
    let mut found = Vec::new();
    found.extend(
        welch(base, head).map(|estimate| [estimate.statistic(), estimate.p_two_sided(), estimate.degrees()]).unwrap(),
    );
    for method in [Method::Exact, Method::Asymptotic] {
        found.push(mann_whitney(base, head, method).unwrap().p);
    }
    found.push(brunner_munzel(base, head).unwrap().p);
    for test in [spread::brown_forsythe, spread::fligner_killeen, spread::ansari_bradley] {
        found.push(test(base, head).unwrap().p);
    }
    for test in [distance::kolmogorov_smirnov, distance::cramer_von_mises] {
        found.push(test(base, head).unwrap().p);
    }
    found.extend([dip::dip(base).unwrap(), dip::dip(head).unwrap()]);
    found.extend(density::modes(head, 0.05).unwrap().iter().map(|mode| mode.weight));
    found.push(components(&[base, head]).unwrap().intraclass_correlation());
    found
}

/// Those that a permutation of each arm must leave alone too, and that scale with the unit.
fn with_unit(base: &[f64], head: &[f64]) -> Vec<f64> {
    let sorted = [base, head].map(|values| Sorted::new(values).unwrap());
    let interval = two_samples(base, head, 0.9).unwrap().interval;
    vec![
        describe::standard_deviation(base).unwrap(),
        describe::median_absolute_deviation(base).unwrap(),
        interval.estimate,
        interval.low,
        interval.high,
        energy::distance(&sorted[0], &sorted[1]).unwrap(),
        density::silverman_bandwidth(base).unwrap(),
    ]
}

#[test]
fn order_within_an_arm_a_shift_and_a_unit_change_nothing() {
    for_all(|base, head, random| {
        let (plain, sized) = (free_of_unit(base, head), with_unit(base, head));
        let mut shuffled = (base.to_vec(), head.to_vec());
        random.shuffle(&mut shuffled.0);
        random.shuffle(&mut shuffled.1);
        let all = |one: &[f64], other: &[f64]| one.iter().zip(other).all(|(one, other)| near(*one, *other));
        assert!(all(&plain, &free_of_unit(&shuffled.0, &shuffled.1)));
        assert!(all(&sized, &with_unit(&shuffled.0, &shuffled.1)));
        // A power of two and a whole number, so that ties stay ties.
        let change = |values: &[f64], factor: f64, shift: f64| -> Vec<f64> {
            values.iter().map(|value| value * factor + shift).collect()
        };
        let scaled = (change(base, 1_024.0, 0.0), change(head, 1_024.0, 0.0));
        assert!(all(&plain, &free_of_unit(&scaled.0, &scaled.1)), "{base:?} {head:?}");
        let larger: Vec<f64> = sized.iter().map(|value| value * 1_024.0).collect();
        assert!(all(&larger, &with_unit(&scaled.0, &scaled.1)));
        if base.iter().all(|value| value.fract() == 0.0) {
            let shifted = (change(base, 1.0, 512.0), change(head, 1.0, 512.0));
            assert!(all(&plain, &free_of_unit(&shifted.0, &shifted.1)), "{base:?} {head:?}");
            assert!(all(&sized, &with_unit(&shifted.0, &shifted.1)));
        }
    });
}

#[test]
fn exchanging_the_arms_mirrors_every_interval_and_keeps_every_p() {
    for_all(|base, head, _| {
        same(
            welch(base, head).unwrap().interval(0.9).unwrap(),
            welch(head, base).unwrap().interval(0.9).unwrap().negated(),
        );
        let shift = |one: &[f64], other: &[f64]| two_samples(one, other, 0.9).unwrap().interval;
        same(shift(base, head), shift(head, base).negated());
        let size = base.len().min(head.len());
        let differences =
            |one: &[f64], other: &[f64]| paired(&one[..size], &other[..size]).unwrap().interval(0.9).unwrap();
        same(differences(base, head), differences(head, base).negated());
        for test in [spread::brown_forsythe, spread::fligner_killeen, spread::ansari_bradley] {
            assert!(near(test(base, head).unwrap().p, test(head, base).unwrap().p));
        }
        for test in [distance::kolmogorov_smirnov, distance::cramer_von_mises] {
            assert!(near(test(base, head).unwrap().p, test(head, base).unwrap().p));
        }
        let there = brunner_munzel(base, head).unwrap();
        assert!(near(there.statistic, -brunner_munzel(head, base).unwrap().statistic));
        let rows =
            |values: &[f64]| -> Vec<Vec<f64>> { values.iter().map(|value| vec![*value, value * value]).collect() };
        let band =
            |one: &[f64], other: &[f64]| shift_function(&rows(one), &rows(other), Design::Unpaired, PLAN).unwrap();
        let (there, back) = (band(base, head), band(head, base));
        // The draws fall on other rounds: the width agrees to the error of drawing.
        assert!((there.critical / back.critical - 1.0).abs() < 0.4);
        assert!(near(there.points[0].estimate, -back.points[0].estimate));
    });
}

#[test]
fn resampling_follows_the_unit_and_the_seed() {
    for_all(|base, head, _| {
        let change = |samples: &[Vec<f64>]| describe::mean(&samples[1]).unwrap() - describe::mean(&samples[0]).unwrap();
        let once = bca(&[base, head], change, PLAN).unwrap();
        assert_eq!(once, bca(&[base, head], change, PLAN).unwrap());
        let double = |values: &[f64]| -> Vec<f64> { values.iter().map(|value| value * 2.0).collect() };
        same(times(once, 2.0), bca(&[&double(base), &double(head)], change, PLAN).unwrap());
        let mean = |arm: &[&f64]| arm.iter().copied().sum::<f64>() / arm.len() as f64;
        let clusters = |base: &[f64], head: &[f64]| {
            studentized_clusters(&[base, head], |arms| mean(&arms[1]) - mean(&arms[0]), PLAN)
        };
        match (clusters(base, head), clusters(&double(base), &double(head))) {
            (Ok(once), Ok(twice)) => same(times(once, 2.0), twice),
            (once, twice) => assert_eq!(once, twice),
        }
    });
}

#[test]
fn trends_turn_with_the_series() {
    for_all(|_, head, _| {
        let positions: Vec<f64> = (0..head.len()).map(|position| position as f64).collect();
        let backward: Vec<f64> = head.iter().rev().copied().collect();
        let slope = |values: &[f64]| theil_sen(&positions, values, 0.9).unwrap().slope;
        same(slope(head), slope(&backward).negated());
        let test = |values: &[f64]| mann_kendall(values, Dependence::Independent).unwrap();
        assert!(near(test(head).score, -test(&backward).score) && near(test(head).p, test(&backward).p));
        let line: Vec<f64> = positions.iter().map(|position| 3.0 * position - 1.0).collect();
        let found = theil_sen(&positions, &line, 0.9).unwrap();
        assert!(near(found.slope.low, 3.0) && near(found.slope.high, 3.0) && near(found.intercept, -1.0));
    });
}

#[test]
fn quantiles_rise_and_the_median_of_harrell_and_davis_mirrors() {
    for_all(|base, _, _| {
        let found = deciles(&Sorted::new(base).unwrap());
        assert!(found.is_sorted());
        assert!(near(found[4], quantile::median(base).unwrap()));
        let mirrored: Vec<f64> = base.iter().map(|value| -value).collect();
        let davis = |values: &[f64]| harrell_davis::quantile(values, 0.5).unwrap();
        assert!(near(davis(base), -davis(&mirrored)));
        let shift = |values: &[f64]| one_sample(values, 0.9).unwrap().interval;
        same(shift(base), shift(&mirrored).negated());
    });
}

#[test]
fn doubling_every_operation_of_a_round_adds_no_evidence() {
    // The energy test works on rounds, so copies of operations change nothing at all.
    let mut random = Random::new(4);
    let mut round = |shift: f64| -> Vec<f64> { (0..40).map(|_| random.normal() + shift).collect() };
    let (base, head): (Vec<_>, Vec<_>) = ((0..5).map(|_| round(0.0)).collect(), (0..5).map(|_| round(0.3)).collect());
    let test = |copies: usize| {
        let sorted = |rounds: &[Vec<f64>]| -> Vec<Sorted> {
            rounds.iter().map(|round| Sorted::new(&round.repeat(copies)).unwrap()).collect()
        };
        permutation_test(&sorted(&base), &sorted(&head), 9_999, 1).unwrap()
    };
    let (once, twice) = (test(1), test(2));
    assert!(near(once.distance, twice.distance) && near(once.p, twice.p));
    assert_eq!(once.count, 252);
    let swapped = {
        let sorted = |rounds: &[Vec<f64>]| -> Vec<Sorted> { rounds.iter().map(|r| Sorted::new(r).unwrap()).collect() };
        permutation_test(&sorted(&head), &sorted(&base), 9_999, 1).unwrap()
    };
    assert!(near(swapped.p, once.p) && near(swapped.distance, once.distance));
}
