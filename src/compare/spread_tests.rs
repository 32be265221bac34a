//! Simulated runs of which it is known what changed their spread: the component is named, arms that are swapped mirror it, and where
//! nothing is shown nothing is said.

use super::*;
use crate::record::stacks::Frame;
use crate::record::stall::Cause;
use crate::record::{Component, Metric, Round, Run, Stall};
use crate::stats::random::Random;
use crate::stats::{describe, quantile};
use crate::unit::{Better, Unit};

/// Milliseconds of the components of one operation.
type Operation<'a> = &'a dyn Fn(&mut Random) -> Vec<f64>;

/// A run of rounds of 300 operations, with the components and the metrics of their latencies.
fn run(id: &str, seed: u64, rounds: u32, names: &[&str], operation: Operation<'_>) -> Run {
    let mut run = Run::foreign("simulation", id, "shop");
    run.foreign = None;
    let component = |name: &&str| Component {
        name: (*name).to_owned(),
        within: None,
        covariance_ns2: Vec::new(),
        mean_ns: Vec::new(),
    };
    run.components = names.iter().map(component).collect();
    let metric = |name: &str| Metric::new(name, Unit::Ns, Better::Lower);
    run.metrics = ["latency.mean", "latency.sd", "latency.p95"].map(metric).to_vec();
    let mut random = Random::new(seed);
    for round in 0..rounds {
        let parts: Vec<Vec<f64>> =
            (0..300).map(|_| operation(&mut random).iter().map(|ms| ms * 1e6).collect()).collect();
        let latencies: Vec<f64> = parts.iter().map(|parts: &Vec<f64>| parts.iter().sum()).collect();
        let mean = describe::mean(&latencies).unwrap();
        for (place, component) in run.components.iter_mut().enumerate() {
            let own: Vec<f64> = parts.iter().map(|parts| parts[place]).collect();
            let mean_ns = describe::mean(&own).unwrap();
            let products = own.iter().zip(&latencies).map(|(own, latency)| (own - mean_ns) * (latency - mean));
            component.covariance_ns2.push(products.sum::<f64>() / 299.0);
            component.mean_ns.push(mean_ns);
        }
        let deviation = describe::standard_deviation(&latencies).unwrap();
        let values = [mean, deviation, quantile::of(&latencies, 0.95).unwrap()];
        run.metrics.iter_mut().zip(values).for_each(|(metric, value)| metric.values.push(value));
        let latencies = Vec::new();
        run.rounds.push(Round {
            pass: Pass::Time,
            round,
            planned: 300,
            ok: 300,
            latencies,
            stacks: None,
            cpu_ns: None,
        });
    }
    run
}

const NAMES: [&str; 3] = ["archive.read/busy", "llm.call/idle", "unattributed"];

/// All alike: 4 ms around half a second.
fn calm(id: &str, seed: u64) -> Run {
    run(id, seed, 5, &NAMES, &|random| vec![4.0 + 0.3 * random.normal(), 500.0 + 4.0 * random.normal(), 0.1])
}

/// Most got faster, and more than a quarter takes a path that reads for a second.
fn blown_up(id: &str, seed: u64) -> Run {
    run(id, seed, 5, &NAMES, &|random| {
        let reads = random.uniform() < 0.28;
        let read = if reads { 1035.0 + 120.0 * random.normal() } else { 4.0 + 0.3 * random.normal() };
        vec![read, 111.0 + 5.0 * random.normal(), 0.1]
    })
}

fn stall(function: &str, ms: u64, cause: Cause) -> Stall {
    Stall {
        round: 0,
        start_ns: 0,
        duration_ns: ms * 1_000_000,
        cause,
        syscall: None,
        thread: "worker".to_owned(),
        task: None,
        stack: vec![Frame { function: function.to_owned(), file: Some("src/shop.rs".to_owned()), line: Some(12) }],
        cpu_ns: 0,
        preempted_ns: 0,
        delayed_tasks: 0,
        delay_ns: 0,
        timer_delay_ns: 0,
    }
}

fn spread(base: &Run, head: &Run) -> Option<SpreadChange> {
    crate::compare::compare(base, head, &Policy::default()).spread
}

#[test]
fn a_blow_up_at_a_lower_mean_is_regressed_and_charged_to_what_was_planted() {
    let (base, head) = (calm("a", 1), blown_up("b", 2));
    let comparison = crate::compare::compare(&base, &head, &Policy::default());
    assert_eq!(comparison.verdict, Verdict::Regressed);
    let change = |name: &str| comparison.metrics.iter().find(|change| change.name == name).unwrap();
    let regressed = |name: &str| change(name).verdict == Verdict::Regressed;
    assert!(regressed("latency.sd") && regressed("latency.p95"), "{:?}", comparison.metrics);
    assert!(change("latency.mean").head < change("latency.mean").base);
    let spread = comparison.spread.unwrap();
    assert!((3.5e6..4.5e6).contains(&spread.base_sd_ns) && spread.head_sd_ns > 100e6, "{spread:?}");
    let planted = &spread.components[0];
    assert_eq!(planted.component, "archive.read/busy");
    assert!(planted.share_of_change >= 0.9 && planted.low >= Some(0.9) && planted.high < Some(1.1), "{planted:?}");
    let sum: f64 = spread.components.iter().map(|part| part.share_of_change).sum();
    assert!((sum - 1.0).abs() < 1e-9, "{sum}");
}

#[test]
fn swapping_the_runs_mirrors_the_change_and_leaves_its_shares() {
    let (base, head) = (calm("a", 1), blown_up("b", 2));
    let (there, back) = (spread(&base, &head).unwrap(), spread(&head, &base).unwrap());
    assert!((there.base_sd_ns - back.head_sd_ns).abs() < 1e-6 && (there.head_sd_ns - back.base_sd_ns).abs() < 1e-6);
    for (part, mirror) in there.components.iter().zip(&back.components) {
        assert_eq!(part.component, mirror.component);
        assert!((part.share_of_change - mirror.share_of_change).abs() < 1e-9);
        assert!((part.low.unwrap() - mirror.low.unwrap()).abs() < 1e-9);
        let change = part.head_ns2 - part.base_ns2;
        assert!((change + (mirror.head_ns2 - mirror.base_ns2)).abs() <= change.abs() * 1e-12);
    }
}

#[test]
fn another_unit_and_another_order_of_rounds_leave_the_shares() {
    let (base, head) = (calm("a", 1), blown_up("b", 2));
    let want = spread(&base, &head).unwrap();
    let mut scaled = [base, head];
    for run in &mut scaled {
        run.metrics.iter_mut().for_each(|metric| metric.values.iter_mut().for_each(|value| *value *= 8.0));
        run.metrics.iter_mut().for_each(|metric| metric.values.reverse());
        for component in &mut run.components {
            component.covariance_ns2.iter_mut().for_each(|value| *value *= 64.0);
            component.covariance_ns2.reverse();
        }
    }
    let got = spread(&scaled[0], &scaled[1]).unwrap();
    for (part, other) in want.components.iter().zip(&got.components) {
        assert!((part.share_of_change - other.share_of_change).abs() < 1e-9);
        assert!((part.low.unwrap() - other.low.unwrap()).abs() < 1e-9);
    }
}

#[test]
fn intervals_of_shares_cover_the_truth() {
    // Two components that grow by 3 : 1 in variance.
    let two = |id: &str, seed: u64, deviations: [f64; 2]| {
        run(id, seed, 6, &["a", "b"], &move |random| {
            deviations.map(|deviation| 100.0 + deviation * random.normal()).to_vec()
        })
    };
    let covers = |seed: &u64| {
        let (base, head) = (two("a", 2 * seed, [1.0, 1.0]), two("b", 2 * seed + 1, [4.0, 6.0_f64.sqrt()]));
        let spread = spread(&base, &head).unwrap();
        let part = spread.components.iter().find(|part| part.component == "a").unwrap();
        (part.low.unwrap()..=part.high.unwrap()).contains(&0.75)
    };
    let covered = (0..300).filter(covers).count() as f64 / 300.0;
    assert!((0.91..=0.99).contains(&covered), "{covered}");
}

#[test]
fn where_nothing_is_shown_nothing_is_said() {
    assert_eq!(spread(&calm("a", 1), &calm("b", 2)), None);
    let mut bare = blown_up("b", 2);
    bare.components.clear();
    assert_eq!(spread(&calm("a", 1), &bare), None);
    // A run that was changed by hand: values that fit no rounds.
    let mut damaged = blown_up("b", 2);
    damaged.components[0].covariance_ns2.pop();
    assert_eq!(spread(&calm("a", 1), &damaged), None);
    let mut one_round = blown_up("b", 2);
    one_round.components.iter_mut().for_each(|component| component.covariance_ns2[1..].fill(f64::NAN));
    assert_eq!(spread(&calm("a", 1), &one_round), None);
}

#[test]
fn rounds_that_could_not_say_are_left_out_with_their_partners() {
    let (base, mut head) = (calm("a", 1), blown_up("b", 2));
    head.components.iter_mut().for_each(|component| component.covariance_ns2[2] = f64::NAN);
    let policy = Policy { design: Design::Paired, ..Policy::default() };
    let spread = crate::compare::compare(&base, &head, &policy).spread.unwrap();
    let rounds: Vec<f64> = [0, 1, 3, 4].iter().map(|round| base.components[0].covariance_ns2[*round]).collect();
    let planted = &spread.components[0];
    assert!((planted.base_ns2 / describe::mean(&rounds).unwrap() - 1.0).abs() < 1e-12 && planted.low >= Some(0.9));
}

#[test]
fn a_base_that_does_not_know_the_states_of_its_phases_is_compared_by_the_whole() {
    let mut base = calm("a", 1);
    base.components[0].name = "archive.read".to_owned();
    base.components[1].name = "llm.call".to_owned();
    let mut head = blown_up("b", 2);
    let own = Component { name: "operation/idle".to_owned(), ..head.components[2].clone() };
    head.components.push(own);
    let names = |spread: &SpreadChange| {
        let mut names: Vec<String> = spread.components.iter().map(|part| part.component.clone()).collect();
        names.sort();
        names
    };
    for (one, other) in [(&base, &head), (&head, &base)] {
        let spread = spread(one, other).unwrap();
        assert_eq!(names(&spread), ["archive.read", "llm.call", "unattributed"]);
        assert_eq!(spread.components[0].component, "archive.read");
    }
}

#[test]
fn phases_that_lie_in_each_other_differently_are_told() {
    let (mut base, head) = (calm("a", 1), blown_up("b", 2));
    assert_eq!(spread(&base, &head).unwrap().note, "");
    base.components[0].within = Some("shop.request".to_owned());
    assert!(spread(&base, &head).unwrap().note.contains("differently"));
}

#[test]
fn who_held_a_worker_in_head_alone_is_named_where_the_spread_grew() {
    let (mut base, mut head) = (calm("a", 1), blown_up("b", 2));
    base.stalls = vec![stall("shop::load", 90, Cause::Blocked)];
    head.stalls = vec![
        stall("shop::load", 900, Cause::Blocked),
        stall("shop::naive_tokenize", 40, Cause::Cpu),
        stall("shop::naive_tokenize", 30, Cause::Cpu),
        stall("shop::machine", 800, Cause::Preempted),
        stall("shop::short", 60, Cause::Cpu),
    ];
    let held = spread(&base, &head).unwrap().held_by.unwrap();
    assert_eq!((held.frame.function.as_str(), held.stalls, held.held_ns), ("shop::naive_tokenize", 2, 70_000_000));
    let document = serde_json::to_value(&held).unwrap();
    assert_eq!((&document["function"], &document["line"]), (&"shop::naive_tokenize".into(), &12.into()));
    assert_eq!(spread(&head, &base).unwrap().held_by, None);
}
