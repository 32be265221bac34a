//! A program of a user's own, `examples/own_suite.rs`: it has all the verbs, and what it registers is what is run.

use crate::place::{Place, items, metric};

fn place() -> Place {
    Place::of_example("own_suite")
}

#[test]
fn a_suite_of_ones_own_lists_its_workloads_under_its_own_name() {
    let place = place();
    let list = place.ok(&["list"]).stdout;
    for word in ["parse\n", "checkout\n", "search\n", "looks a word up in an index", "--param words=1000"] {
        assert!(list.contains(word), "no {word} in {list}");
    }
    assert!(!list.contains("chat"), "{list}");
    assert!(place.ok(&["--help"]).stdout.contains("Usage: shop "));
    assert!(place.ok(&["completions", "bash"]).stdout.contains("_shop"));
    place
        .run(&["run", "serach"])
        .must(2, &["no workload `serach`", "did you mean `search`?", "parse, checkout, search"]);
}

#[test]
fn every_way_to_register_a_workload_is_driven_with_the_load_of_the_suite() {
    let place = place();
    for workload in ["parse", "checkout", "search"] {
        let run = place.short("run", workload, &["-q", "--rounds", "1", "--format", "json"]).json();
        assert_eq!((&run["status"], &run["load"]["users"]), (&"complete".into(), &8.into()), "{workload}");
        assert!(run["operations"]["ok"].as_u64() > Some(100), "{workload}: {}", run["operations"]);
        assert_eq!(run["operations"]["planned"], run["operations"]["ok"], "{workload}");
    }
}

#[test]
fn spans_of_the_program_are_the_phases_of_its_operations() {
    let run = place().short("run", "checkout", &["-q", "--format", "json"]).json();
    let ok = run["operations"]["ok"].as_u64();
    let phase =
        |name: &str| items(&run["phases"]).iter().find(|phase| phase["name"] == name).cloned().unwrap_or_default();
    let (price, pay) = (phase("price"), phase("pay"));
    assert_eq!((price["count"].as_u64(), pay["count"].as_u64()), (ok, ok), "each is passed once in each operation");
    // The sum that is slept for is 186 µs; a timer ends later, never sooner.
    assert!(pay["mean_ns"].as_f64() > Some(186e3) && pay["idle_ns"].as_f64() > Some(150e3), "{pay}");
    assert!(price["idle_ns"].as_f64() < Some(50e3), "{price}");
}

#[test]
fn parameters_reach_the_workload_and_wrong_ones_end_the_run() {
    let place = place();
    let run = place.short("run", "search", &["-q", "--rounds", "1", "--param", "words=7", "--format", "json"]).json();
    assert_eq!(run["params"]["words"], "7");
    let ended = place.short("run", "search", &["--param", "words=many"]);
    ended.must(5, &["parameter words", "`many` is not a valid value"]);
    place.short("run", "search", &["--param", "wrods=7"]).must(2, &["no parameter `wrods`", "words"]);
}

#[test]
fn a_number_of_operations_ends_each_round_however_long_it_takes() {
    let place = place();
    let run = place.short("run", "search", &["-q", "--operations", "1001", "--seed", "7", "--format", "json"]).json();
    assert_eq!((&run["load"]["operations"], &run["load"]["seed"]), (&1001.into(), &7.into()));
    assert_eq!((&run["load"]["duration_s"], &run["operations"]["planned"]), (&serde_json::Value::Null, &2002.into()));
}

#[test]
fn all_verbs_work_for_a_suite_of_ones_own() {
    let place = place();
    let run = place.short("profile", "parse", &["-q", "--rounds", "1", "--format", "json"]).json();
    assert!(metric(&run, "heap.blocks_per_op")[0] < 0.1, "it allocates nothing: {}", run["metrics"]);
    let mine =
        |function: &&serde_json::Value| function["name"].as_str().is_some_and(|name| name.starts_with("own_suite::"));
    let named = items(&run["functions"]).iter().find(mine).expect("a function of the program");
    assert!(named["file"].as_str().is_some_and(|file| file.ends_with("examples/own_suite.rs")), "{named}");
    assert_eq!(named["plumbing"], false, "{named}");
    assert!(place.ok(&["report"]).stdout.contains("parse  complete"));
    assert!(place.ok(&["flamegraph", "--of", "cpu", "-o", "-"]).stdout.contains("own_suite::"));
    assert!(place.ok(&["doctor"]).stdout.contains("track_heap! is in place"));
    assert!(place.ok(&["man"]).stdout.contains(".TH shop"));
    place.ok(&["schema"]);
}

#[test]
fn a_suite_without_track_heap_says_so_and_has_no_heap_profile() {
    let place = Place::of_example("failing");
    let ended = place.short("profile", "waits", &["-q", "--rounds", "1", "--format", "json"]);
    ended.must(0, &[]);
    let run = ended.json();
    let codes: Vec<_> = items(&run["warnings"]).iter().filter_map(|warning| warning["code"].as_str()).collect();
    assert!(codes.contains(&"no-heap-tracking"), "{codes:?}");
    assert!(!items(&run["metrics"]).iter().any(|metric| metric["name"].as_str().unwrap().starts_with("heap.")));
    assert!(place.ok(&["doctor"]).stdout.contains("track_heap! is missing"));
}
