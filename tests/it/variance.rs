//! `variance` as it is typed: its document, its tables, and the runs it has nothing to say of.

use std::fs;

use serde_json::{Value, json};

use crate::place::{Place, items};

#[test]
fn the_shares_of_a_run_sum_to_one_and_its_document_is_one() {
    let place = Place::new();
    place.short("run", "noop", &["-q"]).must(0, &[]);
    let variance = place.ok(&["variance", "--format", "json"]).json();
    assert_eq!(variance["schema"], "perfkit.variance/1");
    let shares = items(&variance["shares"]);
    let sum: f64 = shares.iter().filter_map(|share| share["share"].as_f64()).sum();
    assert!((sum - 1.0).abs() < 1e-9 && variance["total_variance_ns2"].as_f64() > Some(0.0), "{variance}");
    let human = place.ok(&["variance", "latest:noop"]);
    assert!(
        human.stdout.starts_with("noop  complete\n") && human.stdout.contains("operation/busy"),
        "{}",
        human.stdout
    );
    assert_eq!(human.stderr, "");
}

#[test]
fn of_an_invalid_run_there_is_the_reason_and_code_5() {
    let place = Place::new();
    place.short("run", "noop", &["-q"]).must(0, &[]);
    let path = place.run_folder().join("run.json");
    let mut run: Value = place.run_json();
    (run["status"], run["status_reason"]) = (json!("invalid"), json!("most of it failed"));
    fs::write(&path, run.to_string()).unwrap();
    let ended = place.run(&["variance"]);
    assert_eq!(ended.code, Some(5), "{ended:?}");
    assert!(
        ended.stdout.starts_with("noop  INVALID: most of it failed\n") && !ended.stdout.contains("µs"),
        "{ended:?}"
    );
    let ended = place.run(&["variance", "--format", "json"]);
    assert_eq!((ended.code, &ended.json()["total_variance_ns2"]), (Some(5), &Value::Null));
}

#[test]
fn a_damaged_ops_csv_is_refused_with_its_line() {
    let place = Place::new();
    place.short("run", "noop", &["-q"]).must(0, &[]);
    let path = place.run_folder().join("ops.csv");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replacen("\ntime,0,", "\ntime,zero,", 1)).unwrap();
    let ended = place.run(&["variance"]);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""), "{ended:?}");
    assert!(ended.stderr.contains("ops.csv: line 2: `zero` is no whole number"), "{ended:?}");
    fs::remove_file(&path).unwrap();
    assert_eq!(place.run(&["variance"]).code, Some(2));
}

/// The line of a stall that holds the first round from the start of its measured part on.
fn stall(function: &str, cause: &str) -> String {
    let own = json!({ "function": function, "file": "src/cart.rs", "line": 12 });
    let sleep = json!({ "function": "std::thread::sleep", "file": "library/std/src/thread/mod.rs", "line": 1 });
    let stall = json!({
        "round": 0, "start_ns": 0, "duration_ns": 60_000_000_000_u64, "cause": cause, "thread": "w", "stack": [sleep, own]
    });
    format!("{stall}\n")
}

#[test]
fn stalls_are_told_by_the_function_that_held_the_worker() {
    let place = Place::new();
    place.short("run", "noop", &["-q"]).must(0, &[]);
    let path = place.run_folder().join("stalls.jsonl");
    let lines = [stall("shop::load", "blocked"), stall("shop::load", "cpu"), stall("shop::other", "preempted")];
    fs::write(&path, lines.concat()).unwrap();
    let variance = place.ok(&["variance", "--format", "json"]).json();
    let [load] = items(&variance["stalls"]) else { panic!("one function: {}", variance["stalls"]) };
    assert_eq!(load["stack"][1]["function"], "shop::load");
    assert!(load["operations_hit"].as_u64() > Some(0) && load["share_of_tail"].is_number(), "{load}");
    let human = place.ok(&["variance"]).stdout;
    assert!(human.contains("shop::load (src/cart.rs:12)") && !human.contains("shop::other"), "{human}");
    fs::remove_file(&path).unwrap();
    assert!(!place.ok(&["variance"]).stdout.contains("Stalls"));
}

#[test]
fn a_damaged_stalls_jsonl_is_refused_with_its_line() {
    let place = Place::new();
    place.short("run", "noop", &["-q"]).must(0, &[]);
    let good = stall("shop::load", "cpu");
    fs::write(place.run_folder().join("stalls.jsonl"), format!("{good}{}\n", &good[..30])).unwrap();
    let ended = place.run(&["variance"]);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""), "{ended:?}");
    assert!(ended.stderr.contains("stalls.jsonl: line 2: "), "{ended:?}");
}
