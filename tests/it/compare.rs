//! `compare`: what it says of measurements that are known, as a word, as figures, as a document, and as an exit code.

use serde_json::Value;

use crate::place::{Ended, Place, items, json};
use crate::rows::{Rows, measured, write};

/// What the contract lists; a comparison in words has spaces.
const VERDICTS: [&str; 5] = ["regressed", "improved", "unchanged", "inconclusive", "not_compared"];

fn compare(place: &Place, base: &str, head: &str, arguments: &[&str]) -> Ended {
    place.run(&[&["compare", base, head, "--format", "json"], arguments].concat())
}

/// The verdict of the document, with the exit code.
fn verdict(ended: &Ended) -> (String, i32) {
    (ended.json()["verdict"].as_str().unwrap().to_owned(), ended.code.unwrap())
}

#[track_caller]
fn metric<'a>(comparison: &'a Value, name: &str) -> &'a Value {
    let found = items(&comparison["metrics"]).iter().find(|metric| metric["name"] == name);
    found.unwrap_or_else(|| panic!("no {name} in {comparison}"))
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

#[test]
fn what_is_slower_regresses_with_code_1_and_what_is_not_ends_with_0() {
    let place = measured();
    for (head, wanted, code) in
        [("slow.csv", "regressed", 1), ("fast.csv", "improved", 0), ("same.csv", "unchanged", 0)]
    {
        let ended = compare(&place, "base.csv", head, &[]);
        assert_eq!(verdict(&ended), (wanted.to_owned(), code), "{head}");
        let p50 = &ended.json()["metrics"][1];
        assert_eq!((&p50["name"], &p50["verdict"]), (&"latency.p50".into(), &wanted.into()), "{head}");
        let human = place.run(&["compare", "base.csv", head]);
        assert_eq!((human.code, human.stderr.as_str()), (Some(code), ""));
        let first = human.stdout.lines().next().unwrap();
        assert!(
            first.contains(&wanted.to_uppercase()) && first.contains("base.csv") && first.contains(head),
            "{first}"
        );
    }
}

#[test]
fn the_interval_holds_the_true_change_and_the_figures_are_those_of_the_rows() {
    let place = measured();
    let comparison = compare(&place, "base.csv", "slow.csv", &[]).json();
    for name in ["latency.mean", "latency.p50"] {
        let change = metric(&comparison, name);
        let [low, ratio, high] = ["low", "ratio", "high"].map(|key| number(&change[key]));
        assert!(low < 1.4 && 1.4 < high && high - low < 0.1 && low < ratio && ratio < high, "{change}");
        assert!((number(&change["base"]) / 1e6 - 1.0).abs() < 0.02, "{change}");
        assert!((number(&change["head"]) / 1.4e6 - 1.0).abs() < 0.02, "{change}");
    }
}

#[test]
fn undecided_ends_with_0_and_with_3_where_that_is_asked_for() {
    let place = measured();
    Rows { apart: 0.2, ..Rows::around(1.1e6, 5) }.write(&place, "noisy.csv");
    let ended = compare(&place, "base.csv", "noisy.csv", &[]);
    assert_eq!(verdict(&ended), ("inconclusive".to_owned(), 0));
    let more = |metric: &Value| metric["verdict"] == "inconclusive" && metric["more_rounds"].as_u64() > Some(0);
    assert!(items(&ended.json()["metrics"]).iter().any(more), "it does not say how many rounds would decide");
    let asked = compare(&place, "base.csv", "noisy.csv", &["--fail-on", "inconclusive"]);
    assert_eq!(verdict(&asked), ("inconclusive".to_owned(), 3));
    for (head, code) in [("same.csv", 0), ("slow.csv", 1)] {
        assert_eq!(compare(&place, "base.csv", head, &["--fail-on", "inconclusive"]).code, Some(code), "{head}");
    }
}

#[test]
fn one_round_is_no_comparison_and_says_so() {
    let place = measured();
    Rows { rounds: 1, ..Rows::around(2e6, 6) }.write(&place, "one.csv");
    for (base, head) in [("base.csv", "one.csv"), ("one.csv", "base.csv"), ("one.csv", "one.csv")] {
        let ended = compare(&place, base, head, &[]);
        assert_eq!(ended.code, Some(4), "{base} {head}: {}", ended.stdout);
        let comparison = ended.json();
        assert_eq!((&comparison["reason"], &comparison["family_size"]), (&"one round, no interval".into(), &0.into()));
        assert!(["inconclusive", "not_compared"].contains(&verdict(&ended).0.as_str()), "{comparison}");
        for metric in items(&comparison["metrics"]) {
            assert!(metric["low"].is_null() && metric["high"].is_null() && metric["method"].is_null(), "{metric}");
            assert!(number(&metric["base"]) > 0.0 && number(&metric["head"]) > 0.0, "{metric}");
        }
        assert!(place.run(&["compare", base, head]).stdout.contains("one round, no interval"));
    }
}

#[test]
fn figures_that_do_not_vary_are_compared_as_they_are() {
    let place = Place::new();
    for (name, value) in [("five.csv", 500), ("again.csv", 500), ("six.csv", 600)] {
        write(&place, name, format!("round,value\n0,{value}\n1,{value}\n2,{value}\n3,{value}\n4,{value}\n"));
    }
    for (base, head, wanted, code) in [
        ("five.csv", "six.csv", "regressed", 1),
        ("six.csv", "five.csv", "improved", 0),
        ("five.csv", "again.csv", "unchanged", 0),
    ] {
        let ended = compare(&place, base, head, &["--values", "rounds"]);
        assert_eq!(verdict(&ended), (wanted.to_owned(), code), "{base} {head}");
        let change = &ended.json()["metrics"][0];
        assert_eq!((&change["method"], &change["verdict"]), (&"exact".into(), &wanted.into()));
        assert!((number(&change["ratio"]) - number(&change["head"]) / number(&change["base"])).abs() < 1e-9);
    }
}

#[test]
fn operations_give_seven_metrics_and_rounds_give_the_one_of_that_name() {
    let place = measured();
    let names = |ended: &Ended| {
        let comparison = ended.json();
        items(&comparison["metrics"])
            .iter()
            .map(|metric| metric["name"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    let places = ["mean", "p50", "p90", "p95", "p99", "sd", "mad"];
    for name in ["latency", "build"] {
        let wanted: Vec<String> = places.iter().map(|place| format!("{name}.{place}")).collect();
        assert_eq!(names(&compare(&place, "base.csv", "slow.csv", &["--metric", name])), wanted);
    }
    write(&place, "a.csv", Rows::around(1e6, 1).csv_of_rounds());
    write(&place, "b.csv", Rows::around(1.5e6, 2).csv_of_rounds());
    let ended = compare(&place, "a.csv", "b.csv", &["--metric", "build", "--values", "rounds"]);
    assert_eq!((names(&ended), ended.code), (vec!["build".to_owned()], Some(1)));
    // Rows that are operations cannot be rounds.
    compare(&place, "base.csv", "slow.csv", &["--values", "rounds"]).must(2, &["base.csv: line 3", "round 0"]);
}

#[test]
fn higher_is_better_mirrors_the_verdict_and_not_the_figures() {
    let place = measured();
    for (head, wanted, code) in
        [("slow.csv", "improved", 0), ("fast.csv", "regressed", 1), ("same.csv", "unchanged", 0)]
    {
        let higher = compare(&place, "base.csv", head, &["--better", "higher", "--unit", "per_s"]);
        assert_eq!(verdict(&higher), (wanted.to_owned(), code), "{head}");
        let (higher, lower) = (higher.json(), compare(&place, "base.csv", head, &[]).json());
        let (higher, lower) = (metric(&higher, "latency.p50"), metric(&lower, "latency.p50"));
        assert_eq!((&higher["better"], &higher["unit"]), (&"higher".into(), &"per_s".into()));
        for key in ["base", "head", "ratio", "low", "high"] {
            assert!((number(&higher[key]) / number(&lower[key]) - 1.0).abs() < 1e-9, "{key}: {higher} {lower}");
        }
    }
}

#[test]
fn pairs_are_the_rounds_of_one_number_and_the_rest_is_left_out_and_told() {
    let place = Place::new();
    // What moves a round moves both runs: only as pairs do they show that head is 5 % slower.
    let rows = Rows { apart: 0.2, rounds: 8, ..Rows::around(1e6, 7) }.csv_of_rounds();
    let slower = |line: &str| {
        let (round, value) = line.split_once(',').unwrap();
        format!("{round},{}\n", value.parse::<f64>().unwrap() * (1.05 + 0.001 * round.parse::<f64>().unwrap()))
    };
    let head: String = rows.lines().skip(1).take(6).map(slower).collect();
    write(&place, "base.csv", &rows);
    write(&place, "head.csv", format!("round,value\n{head}"));
    let paired = compare(&place, "base.csv", "head.csv", &["--values", "rounds", "--paired"]);
    let comparison = paired.json();
    let change = metric(&comparison, "latency");
    assert_eq!((&comparison["paired"], &change["method"]), (&true.into(), &"paired-t".into()));
    assert_eq!((&change["rounds_base"], &change["rounds_head"]), (&6.into(), &6.into()));
    assert!(
        change["note"].as_str().unwrap().contains("2 rounds without a value or a partner are left out"),
        "{change}"
    );
    assert!(number(&change["low"]) > 1.04 && number(&change["high"]) < 1.07, "{change}");
    let unpaired = compare(&place, "base.csv", "head.csv", &["--values", "rounds"]).json();
    let change = metric(&unpaired, "latency");
    assert_eq!((&unpaired["paired"], &change["rounds_base"]), (&false.into(), &8.into()));
    assert!(number(&change["low"]) < 1.0 && number(&change["high"]) > 1.1, "{change}");
}

#[test]
fn the_same_operations_twice_are_no_more_evidence() {
    let place = measured();
    for name in ["base", "slow"] {
        let rows = std::fs::read_to_string(place.path().join(format!("{name}.csv"))).unwrap();
        let below = rows.strip_prefix("round,value\n").unwrap();
        write(&place, &format!("{name}-twice.csv"), format!("round,value\n{}", below.repeat(2)));
    }
    let once = compare(&place, "base.csv", "slow.csv", &[]).json();
    let twice = compare(&place, "base-twice.csv", "slow-twice.csv", &[]).json();
    assert_eq!(number(&twice["head"]["planned"]).to_bits(), (2.0 * number(&once["head"]["planned"])).to_bits());
    for change in items(&once["metrics"]) {
        let name = change["name"].as_str().unwrap();
        let width = |change: &Value| number(&change["high"]) / number(&change["low"]);
        let (before, after) = (width(change), width(metric(&twice, name)));
        // Tails move a little where every operation has a twin; they do not get surer.
        assert!(after > 1.0 + (before - 1.0) * 0.85, "{name}: {before} became {after}");
    }
}

#[test]
fn the_same_input_gives_the_same_output_to_the_last_byte() {
    let place = measured();
    for format in ["human", "json"] {
        let [once, again] = [0, 1].map(|_| place.run(&["compare", "base.csv", "slow.csv", "--format", format]).stdout);
        assert!(once == again && once.contains("latency.p95"), "{format}: {once}\n{again}");
    }
    assert!(compare(&place, "base.csv", "slow.csv", &[]).json()["seed"].is_u64(), "no seed in the output");
}

/// The keys of the contract with their types; a letter each: string, number, integer, list, object, boolean, and `?` for one
/// that may be null.
fn has(value: &Value, shape: &[(&str, &str)]) {
    for (key, kind) in shape {
        let found = value.get(key).unwrap_or_else(|| panic!("no {key} in {value}"));
        let fits = match &kind[..1] {
            "s" => found.is_string(),
            "n" => found.is_number(),
            "i" => found.is_u64(),
            "b" => found.is_boolean(),
            "l" => found.is_array(),
            _ => found.is_object(),
        };
        assert!(fits || (kind.ends_with('?') && found.is_null()), "{key} is {found}, wanted {kind}");
    }
}

fn follows_the_contract(comparison: &Value) {
    has(
        comparison,
        &[("confidence", "n"), ("family_size", "i"), ("paired", "b"), ("metrics", "l"), ("functions", "l")],
    );
    has(comparison, &[("schema", "s"), ("verdict", "s"), ("warnings", "l")]);
    assert_eq!(comparison["schema"], "perfkit.comparison/1");
    assert!(VERDICTS.contains(&comparison["verdict"].as_str().unwrap()), "{}", comparison["verdict"]);
    for metric in items(&comparison["metrics"]) {
        has(metric, &[("name", "s"), ("unit", "s"), ("better", "s"), ("base", "n?"), ("head", "n?"), ("ratio", "n?")]);
        has(metric, &[("low", "n?"), ("high", "n?"), ("method", "s?"), ("rounds_base", "i"), ("rounds_head", "i")]);
        has(metric, &[("margin", "n"), ("verdict", "s"), ("note", "s"), ("minimum_detectable", "n?")]);
        has(metric, &[("more_rounds", "i?")]);
        let word = |key: &str, known: &[&str]| metric[key].as_str().is_none_or(|word| known.contains(&word));
        assert!(word("unit", &["ns", "bytes", "count", "ratio", "per_s"]), "{metric}");
        assert!(word("better", &["lower", "higher"]) && word("verdict", &VERDICTS), "{metric}");
        assert!(word("method", &["paired-t", "welch-t", "hodges-lehmann", "exact", "newcombe"]), "{metric}");
        assert!(
            metric["verdict"] == "not_compared" || metric["verdict"] == "inconclusive" || !metric["method"].is_null()
        );
    }
    for function in comparison["functions"].as_array().unwrap() {
        has(function, &[("name", "s"), ("base_ns_per_op", "n"), ("head_ns_per_op", "n"), ("ratio", "n?")]);
        has(function, &[("low", "n?"), ("high", "n?"), ("verdict", "s")]);
        assert!(VERDICTS.contains(&function["verdict"].as_str().unwrap()), "{function}");
    }
}

#[test]
fn the_document_has_every_key_of_the_contract_whatever_the_verdict() {
    let place = measured();
    Rows { rounds: 1, ..Rows::around(1e6, 6) }.write(&place, "one.csv");
    Rows { operations: 20, apart: 0.3, ..Rows::around(1e6, 6) }.write(&place, "few.csv");
    for head in ["slow.csv", "fast.csv", "same.csv", "one.csv", "few.csv"] {
        let ended = compare(&place, "base.csv", head, &[]);
        assert!(ended.stdout.ends_with("}\n") && ended.stderr.is_empty(), "{ended:?}");
        follows_the_contract(&ended.json());
    }
    // Runs of perfkit have functions.
    let run = json(include_str!("../data/runs/v1/run.json"));
    let mut other = run.clone();
    other["id"] = "20260101T000000000Z-nogit-aaaa".into();
    write(&place, "base.json", run.to_string());
    write(&place, "head.json", other.to_string());
    let comparison = compare(&place, "base.json", "head.json", &["--confidence", "90%"]).json();
    follows_the_contract(&comparison);
    items(&comparison["functions"]);
    assert_eq!((&comparison["confidence"], &comparison["head"]["id"]), (&0.9.into(), &other["id"]));
}
