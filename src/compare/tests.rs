//! What must hold of every comparison, whatever the numbers: mirrored arms, scaled values, shuffled rounds, doubled operations.

use super::policy::{Accepted, Limit, Mismatch};
use super::{Comparison, Method, MetricChange, Policy, Verdict, compare};
use crate::record::pass::Pass;
use crate::record::{Metric, Round, Run, Status};
use crate::stats::paired::Design;
use crate::stats::random::Random;
use crate::stats::{describe, quantile};
use crate::unit::{Better, Unit};

/// A run of which the values of one metric are known.
pub(super) fn run_of(id: &str, values: &[f64]) -> Run {
    let mut run = Run::foreign("csv", id, "build");
    run.metrics.push(Metric { values: values.to_vec(), ..Metric::new("build", Unit::Ns, Better::Lower) });
    run
}

/// Rounds of operations around a median, with a spread between rounds and within them.
fn operations(seed: u64, rounds: usize, median: f64) -> Vec<Vec<f64>> {
    let mut random = Random::new(seed);
    (0..rounds)
        .map(|_| {
            let level = median * (0.03 * random.normal()).exp();
            (0..400).map(|_| level * (0.2 * random.normal()).exp()).collect()
        })
        .collect()
}

/// A run of perfkit's own with the metrics of these operations.
pub(super) fn measured(id: &str, operations: &[Vec<f64>]) -> Run {
    let mut run = Run::foreign("csv", id, "chat");
    run.foreign = None;
    let mut add = |name: &str, of: &dyn Fn(&[f64]) -> f64| {
        let values = operations.iter().map(|round| of(round)).collect();
        run.metrics.push(Metric { values, ..Metric::new(name, Unit::Ns, Better::Lower) });
    };
    add("latency.mean", &|round| describe::mean(round).unwrap());
    add("latency.p50", &|round| quantile::median(round).unwrap());
    add("latency.p95", &|round| quantile::of(round, 0.95).unwrap());
    add("latency.p99", &|round| quantile::of(round, 0.99).unwrap());
    add("latency.sd", &|round| describe::standard_deviation(round).unwrap());
    add("latency.mad", &|round| describe::median_absolute_deviation(round).unwrap());
    for (number, round) in operations.iter().enumerate() {
        let shares: Vec<f64> = crate::record::round::places().collect();
        run.rounds.push(Round {
            pass: Pass::Time,
            round: number as u32,
            planned: round.len() as u64,
            ok: round.len() as u64,
            latencies: quantile::several(round, &shares).unwrap(),
            stacks: None,
            cpu_ns: None,
        });
    }
    run
}

fn metric<'a>(comparison: &'a Comparison, name: &str) -> &'a MetricChange {
    comparison.metrics.iter().find(|change| change.name == name).unwrap()
}

const BASE: [f64; 5] = [100.0, 102.0, 99.0, 101.0, 98.0];
const WORSE: [f64; 5] = [125.0, 126.0, 123.0, 127.0, 124.0];

#[test]
fn swapping_the_runs_mirrors_every_verdict() {
    let (base, head) = (measured("a", &operations(1, 5, 100.0)), measured("b", &operations(2, 5, 140.0)));
    let (there, back) = (compare(&base, &head, &Policy::default()), compare(&head, &base, &Policy::default()));
    assert_eq!(there.verdict, Verdict::Regressed);
    for change in &there.metrics {
        let mirror = metric(&back, &change.name);
        let mirrored = match change.verdict {
            Verdict::Regressed => Verdict::Improved,
            other => other,
        };
        assert_eq!(mirror.verdict, mirrored, "{}", change.name);
        assert!((change.low.unwrap() * mirror.high.unwrap() - 1.0).abs() < 1e-9, "{}", change.name);
    }
}

#[test]
fn another_unit_changes_no_ratio() {
    let scale = |values: [f64; 5]| values.map(|value| value * 1e6);
    let small = compare(&run_of("a", &BASE), &run_of("b", &WORSE), &Policy::default());
    let large = compare(&run_of("a", &scale(BASE)), &run_of("b", &scale(WORSE)), &Policy::default());
    let (small, large) = (&small.metrics[0], &large.metrics[0]);
    assert!((small.low.unwrap() - large.low.unwrap()).abs() < 1e-12);
    assert_eq!(small.verdict, large.verdict);
}

#[test]
fn the_order_of_rounds_changes_nothing_where_they_are_no_pairs() {
    let shuffled = [WORSE[3], WORSE[0], WORSE[4], WORSE[2], WORSE[1]];
    let one = compare(&run_of("a", &BASE), &run_of("b", &WORSE), &Policy::default());
    let other = compare(&run_of("a", &BASE), &run_of("b", &shuffled), &Policy::default());
    assert!((one.metrics[0].low.unwrap() - other.metrics[0].low.unwrap()).abs() < 1e-12);
}

#[test]
fn doubling_every_operation_narrows_no_interval() {
    let double = |operations: &[Vec<f64>]| -> Vec<Vec<f64>> {
        operations.iter().map(|round| [round.as_slice(), round.as_slice()].concat()).collect()
    };
    let (base, head) = (operations(3, 5, 100.0), operations(4, 5, 104.0));
    let once = compare(&measured("a", &base), &measured("b", &head), &Policy::default());
    let twice = compare(&measured("a", &double(&base)), &measured("b", &double(&head)), &Policy::default());
    for name in ["latency.mean", "latency.p50", "latency.p95", "latency.sd"] {
        let width = |comparison: &Comparison| {
            let change = metric(comparison, name);
            change.high.unwrap() / change.low.unwrap()
        };
        assert!(width(&twice) > width(&once) * 0.97, "{name}: {} then {}", width(&once), width(&twice));
    }
}

#[test]
fn pairs_are_used_where_rounds_belong_together() {
    let drift = [100.0, 120.0, 150.0, 180.0, 230.0];
    let slower = drift.map(|value| value * 1.2);
    let paired = Policy { design: Design::Paired, ..Policy::default() };
    let alone = compare(&run_of("a", &drift), &run_of("b", &slower), &Policy::default());
    assert_eq!(alone.verdict, Verdict::Inconclusive);
    assert!(alone.metrics[0].more_rounds.is_some());
    let together = compare(&run_of("a", &drift), &run_of("b", &slower), &paired);
    assert_eq!((together.verdict, together.paired), (Verdict::Regressed, true));
}

#[test]
fn one_round_gives_a_point_and_no_pass() {
    let comparison = compare(&run_of("a", &BASE), &run_of("b", &[300.0]), &Policy::default());
    assert_eq!((comparison.verdict, comparison.family_size), (Verdict::NotCompared, 0));
    let change = &comparison.metrics[0];
    assert!(change.ratio.unwrap() > 2.9 && change.low.is_none() && change.note == "one round, no interval");
    let one =
        compare(&measured("a", &operations(1, 5, 100.0)), &measured("b", &operations(2, 1, 100.0)), &Policy::default());
    assert_eq!((one.verdict, one.family_size), (Verdict::Inconclusive, 0));
}

#[test]
fn latencies_of_failures_are_never_shown() {
    let mut head = measured("b", &operations(2, 5, 10.0));
    head.status = Status::Invalid;
    head.status_reason = Some("240 of 280 requests failed".to_owned());
    let comparison = compare(&measured("a", &operations(1, 5, 100.0)), &head, &Policy::default());
    assert_eq!((comparison.verdict, comparison.family_size), (Verdict::NotCompared, 0));
    assert_eq!(comparison.reason, "head is invalid: 240 of 280 requests failed");
    assert!(comparison.metrics.iter().all(|change| change.head.is_none() && change.ratio.is_none()));
}

#[test]
fn other_conditions_are_refused_unless_they_are_allowed() {
    let base = measured("a", &operations(1, 5, 100.0));
    let mut head = measured("b", &operations(2, 5, 100.0));
    head.environment.cpu_model = Some("other".to_owned());
    let refused = compare(&base, &head, &Policy::default());
    assert_eq!(refused.verdict, Verdict::NotCompared);
    assert!(refused.reason.contains("the processor differs"), "{}", refused.reason);
    let allowed = compare(&base, &head, &Policy { mismatch: Mismatch::Allow, ..Policy::default() });
    assert_ne!(allowed.verdict, Verdict::NotCompared);
    assert!(allowed.warnings.iter().any(|warning| warning.code == "mismatch"));
}

#[test]
fn a_metric_of_one_run_alone_is_no_pass() {
    let base = measured("a", &operations(1, 5, 100.0));
    let mut head = measured("b", &operations(2, 5, 100.0));
    head.metrics.retain(|metric| metric.name != "latency.p95");
    let comparison = compare(&base, &head, &Policy::default());
    assert_eq!(comparison.verdict, Verdict::NotCompared);
    assert_eq!(comparison.reason, "latency.p95 measured in base only");
}

#[test]
fn rare_spikes_regress_although_the_mean_falls() {
    // A draw in which the mean is even shown to improve.
    let mut random = Random::new(6);
    let base: Vec<Vec<f64>> = (0..5).map(|_| (0..300).map(|_| 505.0 + 3.9 * random.normal()).collect()).collect();
    let spiky = |random: &mut Random| {
        let (center, spread) = if random.uniform() < 0.72 { (120.0, 5.0) } else { (1150.0, 120.0) };
        center + spread * random.normal()
    };
    let head: Vec<Vec<f64>> = (0..5).map(|_| (0..300).map(|_| spiky(&mut random)).collect()).collect();
    let comparison = compare(&measured("a", &base), &measured("b", &head), &Policy::default());
    assert_eq!(comparison.verdict, Verdict::Regressed);
    assert_eq!(metric(&comparison, "latency.mean").verdict, Verdict::Improved);
    let verdict = |name: &str| metric(&comparison, name).verdict;
    assert_eq!((verdict("latency.sd"), verdict("latency.p95")), (Verdict::Regressed, Verdict::Regressed));
    let shape = comparison.shape.unwrap();
    assert!(shape.note.contains("the fast got faster and the slow got slower"), "{}", shape.note);
    assert!(shape.note.contains("% of the operations of head took about 1"), "{}", shape.note);
}

#[test]
fn an_accepted_regression_passes_until_it_grows() {
    let accepted = |change: f64| Policy {
        accepted: vec![Accepted { metric: "build".into(), change, reason: "TLS".into(), commit: "1a2b".into() }],
        ..Policy::default()
    };
    let run = |policy: &Policy| compare(&run_of("a", &BASE), &run_of("b", &WORSE), policy);
    let passes = run(&accepted(0.30));
    assert_eq!(passes.verdict, Verdict::Unchanged);
    assert!(passes.metrics[0].accepted && passes.metrics[0].verdict == Verdict::Regressed);
    assert_eq!(run(&accepted(0.15)).verdict, Verdict::Regressed);
    let unused = compare(&run_of("a", &BASE), &run_of("b", &BASE), &accepted(0.30));
    assert!(unused.warnings.iter().any(|warning| warning.code == "accept-unused"));
}

#[test]
fn a_floor_keeps_nanoseconds_from_failing() {
    let floor = Policy {
        limits: vec![("build".into(), Limit { min_effect: Some((50.0, Some(Unit::Ns))), ..Limit::default() })],
        ..Policy::default()
    };
    assert_eq!(compare(&run_of("a", &BASE), &run_of("b", &WORSE), &floor).verdict, Verdict::Unchanged);
}

#[test]
fn no_failure_is_said_in_words_and_failures_regress() {
    let base = measured("a", &operations(1, 5, 100.0));
    let with_rate = |mut run: Run, failed: u64| {
        for round in &mut run.rounds {
            round.planned = 1000;
            round.ok = 1000 - failed;
        }
        let values = vec![1.0 - failed as f64 / 1000.0; 5];
        run.metrics.push(Metric { values, ..Metric::new("success_rate", Unit::Ratio, Better::Higher) });
        run
    };
    let good = compare(
        &with_rate(base.clone(), 0),
        &with_rate(measured("b", &operations(2, 5, 100.0)), 0),
        &Policy::default(),
    );
    let change = metric(&good, "success_rate");
    assert_eq!((change.verdict, change.method), (Verdict::Unchanged, Some(Method::Exact)));
    assert!(change.note.starts_with("no failure in 5,000 operations of head: at most 0.0"), "{}", change.note);
    let bad = compare(&with_rate(base, 0), &with_rate(measured("b", &operations(2, 5, 100.0)), 40), &Policy::default());
    let change = metric(&bad, "success_rate");
    assert_eq!((change.verdict, change.method), (Verdict::Regressed, Some(Method::Newcombe)));
    assert!((change.difference.unwrap().estimate + 0.04).abs() < 1e-9);
}

#[test]
fn nothing_at_all_is_no_pass() {
    let empty = Run::foreign("csv", "a", "a");
    assert_eq!(compare(&empty, &empty, &Policy::default()).verdict, Verdict::NotCompared);
    let nothing = run_of("a", &[f64::NAN, f64::NAN]);
    assert_eq!(compare(&nothing, &nothing, &Policy::default()).verdict, Verdict::NotCompared);
}

#[test]
fn a_change_beyond_the_margin_that_warns_is_told_and_passes() {
    let limit = Limit { fail: Some(0.5), warn: Some(0.1), ..Limit::default() };
    let policy = Policy { limits: vec![("build".into(), limit)], ..Policy::default() };
    let comparison = compare(&run_of("a", &BASE), &run_of("b", &WORSE), &policy);
    let change = &comparison.metrics[0];
    assert_eq!((comparison.verdict, change.warned), (Verdict::Unchanged, true));
    assert!(change.note.contains("beyond the margin of 10 % that warns"), "{}", change.note);
}
