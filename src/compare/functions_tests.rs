//! What is said of functions: of costs that rise, fall, appear, move; and of runs that cannot be compared.

use serde_json::json;

use super::functions::compare;
use super::{FunctionChange, Verdict};
use crate::record::pass::Pass;
use crate::record::{Function, Round, Run};
use crate::stats::random::Random;

/// CPU time that a stack stands for, in nanoseconds.
const PERIOD: f64 = 1e6;
/// Good operations of a round.
const OPERATIONS: u64 = 500;

fn empty() -> Run {
    serde_json::from_value(json!({
        "schema": "perfkit.run/1", "id": "a", "workload": "w", "status": "complete",
        "environment": {
            "cpu_model": null, "cores": 1, "kernel": null, "rustc": "", "git_sha": null, "git_dirty": null, "fingerprint": "",
        },
        "load": { "model": "closed", "users": 1, "rate_per_s": null, "duration_s": null, "rounds": 5, "seed": 1 },
        "operations": { "planned": 0, "ok": 0, "failed": 0, "dropped": 0, "timed_out": 0 },
    }))
    .unwrap()
}

fn function(name: &str, values: Vec<f64>) -> Function {
    Function {
        name: name.to_owned(),
        file: None,
        line: None,
        plumbing: false,
        folded_self_ns_per_op: values.clone(),
        total_ns_per_op: values.clone(),
        self_ns_per_op: values,
    }
}

/// A run whose functions have about so many stacks in each of five rounds, with the chance of counting.
fn run(seed: u64, stacks: &[(&str, f64)]) -> Run {
    let mut random = Random::new(seed);
    let mut run = empty();
    let mut sums = [0.0; 5];
    for (name, mean) in stacks.iter().filter(|(_, mean)| *mean > 0.0) {
        let counts = sums.map(|_| (mean + mean.sqrt() * random.normal()).round().max(0.0));
        sums.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
        let values = counts.map(|count| count * PERIOD / OPERATIONS as f64);
        run.functions.push(function(name, values.to_vec()));
    }
    run.rounds = (0..5).map(|round| cpu_round(round, sums[round as usize])).collect();
    run
}

fn cpu_round(round: u32, stacks: f64) -> Round {
    Round {
        pass: Pass::Cpu,
        round,
        planned: OPERATIONS,
        ok: OPERATIONS,
        latencies: Vec::new(),
        stacks: Some(stacks as u64),
        cpu_ns: Some(stacks * PERIOD),
    }
}

const SHOP: &[(&str, f64)] = &[
    ("shop::cart::add", 600.0),
    ("shop::cart::sum", 500.0),
    ("shop::price::show", 400.0),
    ("json::parse", 900.0),
    ("json::write", 300.0),
    ("memcpy", 250.0),
    ("rare::one", 3.0),
];

/// The shop with some functions at another cost.
fn shop(seed: u64, other: &[(&'static str, f64)]) -> Run {
    let same = SHOP.iter().filter(|(name, _)| other.iter().all(|(changed, _)| changed != name));
    let all: Vec<(&str, f64)> = same.chain(other).copied().collect();
    run(seed, &all)
}

fn of<'a>(changes: &'a [FunctionChange], name: &str) -> &'a FunctionChange {
    changes.iter().find(|change| change.name == name).unwrap_or_else(|| panic!("no {name} in {changes:?}"))
}

fn verdicts(changes: &[FunctionChange], verdict: Verdict) -> Vec<&str> {
    changes.iter().filter(|change| change.verdict == verdict).map(|change| change.name.as_str()).collect()
}

#[test]
fn a_function_that_grew_has_regressed_and_stands_first_and_the_others_have_not_improved() {
    let changes = compare(&shop(1, &[]), &shop(2, &[("json::parse", 1_800.0)]), 0.95);
    let first = &changes[0];
    assert_eq!(
        (first.name.as_str(), first.verdict, first.total.verdict),
        ("json::parse", Verdict::Regressed, Verdict::Regressed)
    );
    assert!(first.low.unwrap() > 1.7 && first.high.unwrap() < 2.3 && first.q < 1e-6, "{first:?}");
    assert!((first.base_ns_per_op / (900.0 * PERIOD / OPERATIONS as f64) - 1.0).abs() < 0.1);
    // Its share of the time grew, so all other shares fell; their time per operation did not.
    assert!(verdicts(&changes, Verdict::Improved).is_empty());
    assert!(changes.iter().all(|change| change.name != "rare::one"), "below the share that is compared");
}

#[test]
fn exchanging_the_runs_mirrors_the_verdict() {
    let (base, head) = (shop(1, &[]), shop(2, &[("json::parse", 1_800.0)]));
    let (there, back) = (compare(&base, &head, 0.95), compare(&head, &base, 0.95));
    let (there, back) = (of(&there, "json::parse"), of(&back, "json::parse"));
    assert_eq!(back.verdict, Verdict::Improved);
    assert!((there.low.unwrap() * back.high.unwrap() - 1.0).abs() < 1e-9 && (there.q - back.q).abs() < 1e-12);
}

#[test]
fn what_did_not_change_is_shown_to_be_unchanged_where_there_are_stacks_enough() {
    let many: Vec<(&str, f64)> = SHOP.iter().map(|(name, mean)| (*name, mean * 20.0)).collect();
    let changes = compare(&run(1, &many), &run(2, &many), 0.95);
    assert_eq!(of(&changes, "json::parse").verdict, Verdict::Unchanged);
    assert!(verdicts(&changes, Verdict::Regressed).is_empty() && verdicts(&changes, Verdict::Improved).is_empty());
    let few: Vec<(&str, f64)> = SHOP.iter().map(|(name, mean)| (*name, mean / 20.0)).collect();
    let changes = compare(&run(1, &few), &run(2, &few), 0.95);
    assert_eq!(of(&changes, "json::parse").verdict, Verdict::Inconclusive);
}

#[test]
fn a_new_function_has_no_ratio_and_has_regressed_by_what_it_costs() {
    let changes = compare(&shop(1, &[]), &shop(2, &[("shop::log::line", 200.0), ("shop::log::tick", 8.0)]), 0.95);
    let new = of(&changes, "shop::log::line");
    assert_eq!((new.verdict, new.ratio, new.low, new.high), (Verdict::Regressed, None, None, None));
    assert!(new.note.starts_with("not seen in base: ") && new.q < 0.05, "{new:?}");
    // Twice the share that is listed, but no more than that for sure.
    assert_eq!(changes.iter().find(|change| change.name == "shop::log::tick").map(|tick| tick.verdict), None);
    let gone = compare(&shop(1, &[("shop::log::line", 200.0)]), &shop(2, &[]), 0.95);
    let gone = of(&gone, "shop::log::line");
    assert_eq!((gone.verdict, gone.ratio, gone.low), (Verdict::Improved, Some(0.0), Some(0.0)));
    assert!(gone.high.unwrap() < 0.1 && gone.note == "not seen in head", "{gone:?}");
}

#[test]
fn a_cost_that_moved_within_its_module_is_no_regression() {
    let head = shop(2, &[("shop::cart::add", 200.0), ("shop::cart::sum", 900.0)]);
    let changes = compare(&shop(1, &[]), &head, 0.95);
    for name in ["shop::cart::add", "shop::cart::sum"] {
        let moved = of(&changes, name);
        assert_eq!(moved.verdict, Verdict::Unchanged, "{moved:?}");
        assert!(moved.note.starts_with("moved within `shop::cart`, which is unchanged as a whole"), "{}", moved.note);
    }
    // Into another module it is one.
    let head = shop(2, &[("shop::cart::add", 200.0), ("shop::price::show", 800.0)]);
    let changes = compare(&shop(1, &[]), &head, 0.95);
    assert_eq!(verdicts(&changes, Verdict::Regressed), ["shop::price::show"]);
    assert_eq!(verdicts(&changes, Verdict::Improved), ["shop::cart::add"]);
}

#[test]
fn a_large_module_does_not_hide_what_grew_in_it() {
    let base = [("json::parse", 9_000.0), ("json::write", 300.0), ("memcpy", 250.0)];
    let head = [("json::parse", 9_000.0), ("json::write", 600.0), ("memcpy", 250.0)];
    let changes = compare(&run(1, &base), &run(2, &head), 0.95);
    assert_eq!(verdicts(&changes, Verdict::Regressed), ["json::write"], "{changes:?}");
}

#[test]
fn rounds_without_good_operations_or_stacks_are_left_out() {
    let (base, mut head) = (shop(1, &[]), shop(2, &[]));
    let plain = compare(&base, &head, 0.95);
    // A round that failed has no value in any function; one whose sampler saw nothing has zeros.
    head.rounds.insert(2, Round { ok: 0, ..cpu_round(7, 100.0) });
    head.rounds.insert(0, Round { pass: Pass::Time, ..cpu_round(0, 9.0) });
    head.rounds.push(Round { stacks: Some(0), cpu_ns: Some(0.0), ..cpu_round(8, 0.0) });
    for function in &mut head.functions {
        function.self_ns_per_op.push(0.0);
        function.folded_self_ns_per_op.push(0.0);
        function.total_ns_per_op.push(0.0);
    }
    assert_eq!(compare(&base, &head, 0.95), plain);
}

#[test]
fn without_two_counted_rounds_there_are_figures_and_the_reason() {
    let base = shop(1, &[]);
    let mut one = shop(2, &[("json::parse", 1_800.0)]);
    one.rounds.truncate(1);
    for function in &mut one.functions {
        function.self_ns_per_op.truncate(1);
        function.total_ns_per_op.truncate(1);
    }
    let mut none = one.clone();
    none.rounds.clear();
    for (head, why) in
        [(&one, "head has one round"), (&none, "head has no rounds"), (&empty(), "head has no functions")]
    {
        let changes = compare(&base, head, 0.95);
        let change = of(&changes, "json::parse");
        assert_eq!((change.verdict, change.low, change.high, change.q), (Verdict::NotCompared, None, None, 1.0));
        assert!(change.note.starts_with(why) && change.base_ns_per_op > 0.0, "{change:?}");
    }
    assert!(compare(&empty(), &empty(), 0.95).is_empty());
}

#[test]
fn values_that_make_no_sense_are_not_compared_and_harm_no_other() {
    for broken in [vec![f64::NAN; 5], vec![-1.0; 5], vec![f64::INFINITY; 5], vec![1e300; 5], vec![1e5; 4], vec![]] {
        let (base, mut head) = (shop(1, &[]), shop(2, &[("json::parse", 1_800.0)]));
        let place = head.functions.iter().position(|function| function.name == "shop::cart::add").unwrap();
        head.functions[place] = function("shop::cart::add", broken.clone());
        let changes = compare(&base, &head, 0.95);
        assert_eq!(verdicts(&changes, Verdict::Regressed), ["json::parse"], "{broken:?}");
        let numbers = |change: &FunctionChange| [change.base_ns_per_op, change.head_ns_per_op, change.q];
        assert!(changes.iter().flat_map(numbers).all(f64::is_finite), "{broken:?}");
        let found = changes.iter().find(|change| change.name == "shop::cart::add");
        assert!(found.is_none_or(|change| change.verdict == Verdict::NotCompared), "{found:?}");
    }
}

#[test]
fn absurd_rounds_and_confidences_break_nothing() {
    let base = shop(1, &[]);
    for (stacks, cpu_ns) in [(0, 0.0), (u64::MAX, 1.0), (1, f64::NAN), (1, -5.0), (1, f64::MIN_POSITIVE), (9, f64::MAX)]
    {
        let mut head = shop(2, &[]);
        head.rounds.iter_mut().for_each(|round| (round.stacks, round.cpu_ns) = (Some(stacks), Some(cpu_ns)));
        assert!(verdicts(&compare(&base, &head, 0.95), Verdict::Improved).is_empty(), "{stacks} {cpu_ns}");
        let _ = compare(&head, &base, 0.95);
    }
    let head = shop(2, &[("json::parse", 1_800.0)]);
    for confidence in [f64::NAN, 0.0, 1.0, -1.0, 7.0] {
        assert!(compare(&base, &head, confidence).iter().all(|change| change.verdict == Verdict::NotCompared));
    }
    assert_eq!(compare(&base, &head, 0.3).len(), 6);
}

#[test]
fn a_hundred_thousand_functions_are_compared_and_the_largest_changes_told() {
    let many = |factor: f64| {
        let mut run = shop(1, &[]);
        let value = |index: usize| vec![factor * PERIOD / OPERATIONS as f64 * (index % 3) as f64; 5];
        run.functions.extend((0..100_000).map(|index| function(&format!("many::f{index}"), value(index))));
        run.rounds.iter_mut().for_each(|round| {
            round.stacks = round.stacks.map(|stacks| stacks + 100_000);
            round.cpu_ns = round.cpu_ns.map(|ns| ns + 1e5 * PERIOD);
        });
        run
    };
    let changes = compare(&many(1.0), &many(1.1), 0.95);
    assert!(!changes.is_empty() && changes.len() <= 200);
}
