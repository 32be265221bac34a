//! The figures of simulated runs, whose truth is known: what was planted is found, what adds up does, and intervals cover.

use super::*;
use crate::record::ops::Timed;
use crate::stats::components::components;
use crate::stats::random::Random;

fn run() -> Run {
    Run::foreign("simulation", "1", "shop")
}

/// A number of nanoseconds from milliseconds, at least one.
fn ns(ms: f64) -> u64 {
    (ms * 1e6).max(1.0) as u64
}

/// Operations one after the other, of phases in milliseconds and a rest of 0.1 ms.
fn simulated(
    names: &[&str],
    rounds: u32,
    size: u64,
    mut phases: impl FnMut(u32, u64, &mut Random) -> Vec<f64>,
) -> Columns {
    let mut columns = Columns::new(names);
    let mut random = Random::new(17);
    for round in 0..rounds {
        for index in 0..size {
            let times = phases(round, index, &mut random);
            let cells: Vec<f32> = times.iter().map(|ms| ns(*ms) as f32).collect();
            let start_ns = index * 1_000_000;
            let end_ns = start_ns + times.iter().map(|ms| ns(*ms)).sum::<u64>() + ns(0.1 + 0.001 * random.normal());
            columns.push(round, Timed { due_ns: start_ns, start_ns, end_ns, states_ns: None, cells_ns: &cells });
        }
    }
    columns
}

/// The blow-up: most requests got faster, and a part of them takes a path that blocks.
fn blown_up(rounds: u32, size: u64) -> Columns {
    simulated(&["parse", "history.load", "llm.call"], rounds, size, |_, _, random| {
        let blocks = random.uniform() < 0.28;
        let load = if blocks { 1035.0 + 120.0 * random.normal() } else { 4.0 + random.normal().abs() };
        vec![1.0, load, 111.0 + 5.0 * random.normal()]
    })
}

fn sum(shares: &[Share]) -> f64 {
    shares.iter().map(|share| share.share).sum()
}

/// Every number of the document is one: JSON has no NaN, it would be `null`.
fn is_whole(variance: &Variance) -> bool {
    let numbers = [&variance.shares, &variance.states].into_iter().flatten().map(|share| share.share);
    let modes = variance.modes.iter().flat_map(|mode| [mode.center_ns, mode.weight, mode.mean_ns]);
    let tail = variance.tail.iter().flat_map(|excess| [excess.excess_ns, excess.share]);
    let drift = variance.drift.iter().flat_map(|drift| [drift.slope_ns_per_s, drift.change_ns, drift.p]);
    let between = variance.between_rounds.iter().flat_map(|between| [between.variance_ns2, between.share_of_total]);
    let all = numbers.chain(modes).chain(tail).chain(drift).chain(between).chain(variance.total_variance_ns2);
    all.into_iter().all(f64::is_finite)
}

#[test]
fn a_path_that_blocks_a_part_of_the_requests_has_nine_tenths_of_the_variance() {
    let calm = simulated(&["parse", "history.load", "llm.call"], 5, 200, |_, _, random| {
        vec![1.0, 4.0 + random.normal().abs(), 500.0 + 4.0 * random.normal()]
    });
    let (before, after) = (analyze(&run(), &calm, &[]), analyze(&run(), &blown_up(5, 200), &[]));
    let deviation = |variance: &Variance| variance.total_variance_ns2.unwrap().sqrt() / 1e6;
    assert!(deviation(&before) < 6.0 && deviation(&after) > 100.0, "{} {}", deviation(&before), deviation(&after));
    assert!(after.mean_ns < before.mean_ns);
    assert_eq!(before.shares[0].component, "llm.call");
    let planted = &after.shares[0];
    assert_eq!(planted.component, "history.load");
    assert!(planted.share >= 0.9 && planted.low >= Some(0.9), "{planted:?}");
    assert!((sum(&after.shares) - 1.0).abs() < 1e-9);
    let most = &after.tail[0];
    assert!(most.component == "history.load" && most.share > 0.9 && most.low > Some(0.0), "{most:?}");
    assert!(is_whole(&before) && is_whole(&after));
}

#[test]
fn two_modes_have_their_places_and_weights_and_are_told_apart_by_what_was_planted() {
    let variance = analyze(&run(), &blown_up(5, 400), &[]);
    let [fast, slow] = &variance.modes[..] else { panic!("two modes: {:?}", variance.modes) };
    assert!((fast.weight - 0.72).abs() < 0.04 && (fast.weight + slow.weight - 1.0).abs() < 1e-12, "{fast:?}");
    assert!((fast.center_ns / 117e6 - 1.0).abs() < 0.05 && (slow.center_ns / 1150e6 - 1.0).abs() < 0.1, "{slow:?}");
    assert!(slow.low < Some(0.28) && slow.high > Some(0.28), "{slow:?}");
    let by = slow.separated_by.as_ref().unwrap();
    assert!(by.component == "history.load" && by.share > 0.95, "{by:?}");
    assert_eq!(fast.separated_by, None);
}

#[test]
fn one_mode_is_one_mode() {
    let columns = simulated(&["llm.call"], 5, 300, |_, _, random| vec![100.0 + 5.0 * random.normal()]);
    let variance = analyze(&run(), &columns, &[]);
    assert_eq!((variance.modes.len(), variance.modes[0].weight), (1, 1.0));
}

#[test]
fn constant_latencies_have_no_shares_and_no_tail() {
    let mut columns = Columns::new(&["a"]);
    for index in 0..100 {
        let timed = Timed { due_ns: index, start_ns: index, end_ns: index + 100, states_ns: None, cells_ns: &[70.0] };
        columns.push((index % 3) as u32, timed);
    }
    let variance = analyze(&run(), &columns, &[]);
    assert_eq!((variance.total_variance_ns2, variance.mean_ns), (Some(0.0), Some(100.0)));
    assert!(variance.shares.is_empty() && variance.tail.is_empty() && variance.slow.is_none());
    assert_eq!((variance.modes.len(), variance.modes[0].weight), (1, 1.0));
    assert!(is_whole(&variance) && variance.between_rounds.unwrap().components.is_empty());
}

#[test]
fn one_round_has_shares_but_no_intervals() {
    let variance = analyze(&run(), &blown_up(1, 200), &[]);
    assert!((sum(&variance.shares) - 1.0).abs() < 1e-9);
    assert!(variance.shares.iter().all(|share| share.low.is_none() && share.high.is_none()));
    assert!(variance.between_rounds.is_none() && variance.drift.is_some() && is_whole(&variance));
    assert_eq!(variance.warnings[0].code, "few-rounds");
}

#[test]
fn without_phases_what_the_future_did_is_the_components() {
    let mut columns = Columns::new(&[]);
    let mut random = Random::new(3);
    for index in 0..400_u64 {
        let (busy, scheduled, idle) = (50.0, 1000.0 * random.uniform(), 300.0);
        let late = (100.0 * random.uniform()) as u64;
        let end_ns = index + late + 1_351;
        let states_ns = Some([busy, scheduled as f32, idle]);
        let end_ns = end_ns - 1_000 + scheduled as u64;
        columns.push(
            (index % 4) as u32,
            Timed { due_ns: index, start_ns: index + late, end_ns, states_ns, cells_ns: &[] },
        );
    }
    let variance = analyze(&run(), &columns, &[]);
    let names: Vec<&str> = variance.shares.iter().map(|share| share.component.as_str()).collect();
    assert_eq!(names[..2], ["operation/scheduled", "lateness"]);
    assert!((sum(&variance.shares) - 1.0).abs() < 1e-9 && variance.states.is_empty());
    assert!(variance.shares[0].share > 0.95, "{:?}", variance.shares);
}

#[test]
fn with_phases_the_futures_states_stand_beside_the_shares() {
    let mut columns = Columns::of_columns(&["get", "get/busy", "get/scheduled", "get/idle"]).unwrap();
    let mut random = Random::new(5);
    for index in 0..300 {
        let (busy, idle) = (100.0 * random.uniform(), 1000.0 * random.uniform());
        let cells = [busy + idle, busy, 0.0, idle].map(|ns| ns as f32);
        let states_ns = Some([busy as f32 + 20.0, 0.0, idle as f32 + 5.0]);
        let end_ns = (busy + idle) as u64 + 26;
        columns.push(index % 3, Timed { due_ns: 0, start_ns: 0, end_ns, states_ns, cells_ns: &cells });
    }
    let variance = analyze(&run(), &columns, &[]);
    assert_eq!(variance.shares[0].component, "get/idle");
    let own = variance.shares.iter().find(|share| share.component == "operation/busy").unwrap();
    assert!((own.mean_ns - 20.0).abs() < 1.0, "{own:?}");
    assert_eq!(variance.states[0].component, "operation/idle");
    assert!((sum(&variance.shares) - 1.0).abs() < 1e-9 && (sum(&variance.states) - 1.0).abs() < 1e-9);
}

#[test]
fn a_phase_around_others_keeps_only_what_is_its_own() {
    let mut columns = Columns::new(&["get", "request", "llm"]);
    let mut random = Random::new(6);
    for index in 0..300 {
        let (get, llm) = (1000.0 * random.uniform(), 9000.0 * random.uniform());
        let request = get + llm + 50.0;
        let cells = [get, request, llm].map(|ns| ns as f32);
        let timed = Timed { due_ns: 0, start_ns: 0, end_ns: request as u64 + 30, states_ns: None, cells_ns: &cells };
        columns.push(index % 3, timed);
    }
    let variance = analyze(&run(), &columns, &[]);
    assert_eq!(
        variance.nesting.iter().map(|nested| nested.within.as_str()).collect::<Vec<_>>(),
        ["request", "request"]
    );
    let request = variance.shares.iter().find(|share| share.component == "request").unwrap();
    assert!((request.mean_ns - 50.0).abs() < 1.0 && request.share.abs() < 0.01, "{request:?}");
    assert!(variance.shares[0].component == "llm" && (sum(&variance.shares) - 1.0).abs() < 1e-9);
}

#[test]
fn parallel_phases_are_scaled_and_a_warning_says_so() {
    let mut columns = Columns::new(&["left", "right"]);
    let mut random = Random::new(8);
    for index in 0..300 {
        let (left, right) = (1e6 * (0.5 + random.uniform()), 1e6 * (0.5 + random.uniform()));
        let end_ns = left.max(right) as u64 + 10;
        let timed = Timed { due_ns: 0, start_ns: 0, end_ns, states_ns: None, cells_ns: &[left as f32, right as f32] };
        columns.push(index % 3, timed);
    }
    let variance = analyze(&run(), &columns, &[]);
    assert!(variance.nesting.is_empty() && variance.warnings.iter().any(|warning| warning.code == "phases-overlap"));
    assert!((sum(&variance.shares) - 1.0).abs() < 1e-9 && is_whole(&variance), "{variance:?}");
}

#[test]
fn what_lies_between_rounds_is_that_of_the_analysis_of_variance() {
    let shift = [0.0, 9.0, 2.0, 14.0, 5.0];
    let columns = simulated(&["db", "llm"], 5, 50, |round, index, random| {
        vec![5.0 + shift[round as usize] + (index % 2) as f64, 60.0 + 3.0 * random.normal()]
    });
    let variance = analyze(&run(), &columns, &[]);
    let between = variance.between_rounds.as_ref().unwrap();
    let rounds: Vec<&[f64]> = columns.rounds().iter().map(|round| &round.latency_ns[..]).collect();
    let want = components(&rounds).unwrap();
    assert!((between.variance_ns2 / want.between - 1.0).abs() < 1e-9);
    assert!((variance.within_rounds_ns2.unwrap() / want.within - 1.0).abs() < 1e-9);
    assert!((between.share_of_total - want.intraclass_correlation()).abs() < 1e-9);
    assert!(between.components[0].component == "db" && between.components[0].share > 0.8, "{between:?}");
    assert!((between.components.iter().map(|part| part.share).sum::<f64>() - 1.0).abs() < 1e-9);
    assert_eq!(variance.shares[0].component, "llm");
}

#[test]
fn a_rise_within_every_round_is_a_drift_and_its_component_is_named() {
    let rising = simulated(&["db", "llm"], 4, 400, |_, index, random| {
        vec![5.0 + 0.02 * index as f64 + random.normal(), 60.0 + 3.0 * random.normal()]
    });
    let drift = analyze(&run(), &rising, &[]).drift.unwrap();
    // Operations are due a millisecond apart: 0.02 ms each is 20 ms in a second.
    assert!((drift.slope_ns_per_s / 20e6 - 1.0).abs() < 0.2 && drift.p < 0.01, "{drift:?}");
    assert_eq!(drift.component.as_deref(), Some("db"));
}

#[test]
fn steady_rounds_drift_no_more_often_than_chance_has_it() {
    for rounds in [1, 3] {
        let mut random = Random::new(2);
        let drifts = |_: &u32| {
            let columns = simulated(&["db"], rounds, 100, |_, _, _| vec![5.0 + random.normal().abs()]);
            analyze(&run(), &columns, &[]).drift.unwrap().p < 0.05
        };
        let found = (0..100).filter(drifts).count();
        assert!(found <= 10, "{found} of 100 with {rounds} rounds");
    }
}

#[test]
fn of_an_invalid_run_there_are_no_figures() {
    let mut run = run();
    run.status = Status::Invalid;
    run.status_reason = Some("success rate 10 %".to_owned());
    let variance = analyze(&run, &blown_up(3, 50), &[]);
    assert_eq!((variance.total_variance_ns2, variance.mean_ns, variance.operations), (None, None, 0));
    assert!(variance.shares.is_empty() && variance.modes.is_empty() && variance.tail.is_empty());
}

#[test]
fn no_operations_or_one_are_no_variance() {
    let none = analyze(&run(), &Columns::new(&["a"]), &[]);
    assert!(none.total_variance_ns2.is_none() && none.shares.is_empty() && is_whole(&none));
    let one = analyze(&run(), &blown_up(1, 1), &[]);
    assert!(one.total_variance_ns2.is_none() && one.mean_ns.is_some() && is_whole(&one));
}

#[test]
fn scale_and_the_order_of_rounds_change_nothing() {
    let columns = |scale: u64, order: [u32; 3]| {
        let mut columns = Columns::new(&["a"]);
        for round in order {
            let mut random = Random::new(u64::from(round));
            for _ in 0..50 {
                let a = scale * (1_000 + (1_000.0 * random.uniform()) as u64 * u64::from(round + 1));
                let end_ns = a + scale * (500.0 * random.uniform()) as u64;
                columns.push(round, Timed { due_ns: 0, start_ns: 0, end_ns, states_ns: None, cells_ns: &[a as f32] });
            }
        }
        analyze(&run(), &columns, &[]).shares
    };
    let shares = columns(1, [0, 1, 2]);
    for other in [columns(1024, [0, 1, 2]), columns(1, [2, 0, 1])] {
        for (share, other) in shares.iter().zip(&other) {
            assert_eq!(share.component, other.component);
            assert!((share.share - other.share).abs() < 1e-9 && (share.low.unwrap() - other.low.unwrap()).abs() < 1e-9);
        }
    }
}

/// How rounds of simulated runs differ.
type Layout = fn(&mut Random) -> (f64, f64);

/// A round's operations: a spike of some length in some of them, and a calm phase.
fn round_of(random: &mut Random, (often, long): (f64, f64), round: u32, size: u64, columns: &mut Columns) {
    for _ in 0..size {
        let spike = if random.uniform() < often { -long * random.uniform().max(1e-12).ln() } else { 0.0 };
        let calm = 20.0 + 4.0 * random.normal();
        let end_ns = ns(spike) + ns(calm);
        let cells = [ns(spike) as f32, ns(calm) as f32];
        columns.push(round, Timed { due_ns: 0, start_ns: 0, end_ns, states_ns: None, cells_ns: &cells });
    }
}

fn share_of_spikes(columns: &Columns) -> Share {
    let splitter = Splitter::by_phase(columns);
    let sizes: Vec<usize> = columns.rounds().iter().map(crate::record::ops::RoundOps::len).collect();
    let shares = shares::shares(splitter.names(), &shares::moments(&splitter, &sizes).0);
    shares.into_iter().find(|share| share.component == "spike").unwrap()
}

#[test]
fn intervals_of_shares_cover_the_truth_with_five_rounds() {
    let layouts: [(&str, Layout); 3] = [
        ("rounds alike", |_| (0.28, 10.0)),
        ("rounds that spike more or less often", |random| (0.1 + 0.3 * random.uniform(), 10.0)),
        ("rounds with longer or shorter spikes", |random| (0.2, 8.0 * (0.25 * random.normal()).exp())),
    ];
    for (name, layout) in layouts {
        let mut random = Random::new(1);
        let mut all = Columns::new(&["spike", "calm"]);
        for round in 0..500 {
            let drawn = layout(&mut random);
            round_of(&mut random, drawn, round, 200, &mut all);
        }
        let truth = share_of_spikes(&all).share;
        let runs = 400;
        let covers = |_: &u32| {
            let mut columns = Columns::new(&["spike", "calm"]);
            for round in 0..5 {
                let drawn = layout(&mut random);
                round_of(&mut random, drawn, round, 200, &mut columns);
            }
            let share = share_of_spikes(&columns);
            share.low.unwrap() <= truth && truth <= share.high.unwrap()
        };
        let coverage = (0..runs).filter(covers).count() as f64 / f64::from(runs);
        assert!((0.90..=0.98).contains(&coverage), "{name}: {coverage} of {truth}");
    }
}
