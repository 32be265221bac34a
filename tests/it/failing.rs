//! Programs that go wrong, by `examples/failing.rs`: what is counted, what is shown, what the exit code is.

use std::fs;

use serde_json::Value;

use crate::place::{Ended, Place, items, metric};

fn place() -> Place {
    Place::of_example("failing")
}

fn warning<'a>(run: &'a Value, code: &str) -> &'a str {
    let found = items(&run["warnings"]).iter().find(|warning| warning["code"] == code);
    found.and_then(|warning| warning["message"].as_str()).unwrap_or_else(|| panic!("no {code} in {}", run["warnings"]))
}

#[test]
fn a_workload_that_never_works_is_stopped_before_any_load() {
    let place = place();
    let ended = place.short("profile", "always_fails", &["--duration", "1h"]);
    ended.must(5, &["workload always_fails", "preflight", "status: got 503 Service Unavailable", "hint:"]);
    assert_eq!(ended.stdout, "");
    assert!(place.files().is_empty(), "nothing was measured, so nothing is kept");
}

/// An invalid run: code 5, its failures, and not one latency.
fn is_invalid(place: &Place, ended: &Ended) -> Value {
    ended.must(5, &[]);
    let run = place.run_json();
    assert_eq!(run["status"], "invalid");
    let id = run["id"].as_str().unwrap();
    let stored =
        fs::read_to_string(place.path().join(format!("reports/{}/{id}/report.txt", run["workload"].as_str().unwrap())));
    for text in [&ended.stdout, &stored.unwrap(), &place.ok(&["report"]).stdout] {
        assert!(text.contains("INVALID") && text.contains("Failures"), "{text}");
        assert!(
            !["p50", "p95", "p99", "median", "throughput", "Latency"].iter().any(|word| text.contains(word)),
            "{text}"
        );
    }
    run
}

#[test]
fn a_run_whose_operations_fail_after_the_preflight_is_invalid_and_shows_no_latency() {
    let place = place();
    let ended = place.short("run", "half_fails", &[]);
    let run = is_invalid(&place, &ended);
    let operations = &run["operations"];
    let [planned, ok, failed] = ["planned", "ok", "failed"].map(|name| operations[name].as_u64().unwrap());
    assert!(planned == ok + failed && ok.abs_diff(failed) < planned / 10, "{operations}");
    let first = &items(&operations["by_error"])[0];
    assert_eq!((&first["kind"], first["count"].as_u64()), (&"status".into(), Some(failed)));
    assert_eq!(first["example"], "got 503 Service Unavailable");
    assert!(!ended.stderr.contains("median"), "the talk tells a latency of a run that is no result: {}", ended.stderr);
    assert_eq!(items(&run["findings"])[0]["rule"], "validity");
}

#[test]
fn a_lower_floor_makes_the_same_run_a_result() {
    let place = place();
    let ended = place.short("run", "half_fails", &["--min-success", "30%"]);
    ended.must(0, &[]);
    assert!(ended.stdout.contains("half_fails  complete") && ended.stdout.contains("Failures"), "{}", ended.stdout);
    assert!(metric(&place.run_json(), "success_rate").iter().all(|rate| (rate - 0.5).abs() < 0.05));
}

#[test]
fn a_round_whose_first_operations_fail_is_stopped_early() {
    let place = place();
    let ended = place.short("run", "later_fails", &["--duration", "1h", "--rounds", "5"]);
    let run = is_invalid(&place, &ended);
    assert!(run["status_reason"].as_str().unwrap().contains("stopped early"), "{}", run["status_reason"]);
    assert!(run["operations"]["failed"].as_u64() < Some(200), "{}", run["operations"]);
}

#[test]
fn a_panic_is_a_failure_of_its_operation_and_the_others_go_on() {
    let place = place();
    let ended = place.short("run", "panics", &[]);
    ended.must(0, &[]);
    let run = place.run_json();
    let (operations, kinds) = (&run["operations"], items(&run["operations"]["by_error"]));
    assert!(operations["ok"].as_u64() > Some(100), "{operations}");
    assert_eq!((&kinds[0]["kind"], &kinds[0]["example"]), (&"panic".into(), &"the till is empty".into()));
    assert_eq!(kinds[0]["count"], operations["failed"], "{operations}");
    let rows = fs::read_to_string(place.run_folder().join("ops.csv")).unwrap();
    assert_eq!(rows.matches(",failed,").count() as u64, operations["failed"].as_u64().unwrap());
}

#[test]
fn an_operation_that_takes_too_long_is_stopped_and_counted_as_timed_out() {
    let place = place();
    let ended = place.short("run", "slow", &["--timeout", "40ms", "--min-success", "50%", "--duration", "400ms"]);
    ended.must(0, &[]);
    let run = place.run_json();
    let timed_out = run["operations"]["timed_out"].as_u64().unwrap();
    assert!(timed_out > 3 && run["operations"]["failed"] == 0, "{}", run["operations"]);
    assert_eq!(items(&run["operations"]["by_error"])[0]["kind"], "timeout");
    // Latencies hold what was waited in vain: the longest is the timeout at least, and only a lower bound.
    assert!(metric(&run, "latency.max").iter().all(|max| *max >= 40e6));
    assert!(warning(&run, "censored").contains("lower bound") && ended.stdout.contains('≥'), "{}", ended.stdout);
    let rows = fs::read_to_string(place.run_folder().join("ops.csv")).unwrap();
    assert_eq!(rows.matches(",timed_out,").count() as u64, timed_out);
}

#[test]
fn a_child_that_dies_costs_its_round_and_is_told_with_its_last_lines() {
    let place = place();
    let ended = place.short("run", "crashes", &["--rounds", "4"]);
    ended.must(0, &["SIGABRT", "fatal: the floor is gone"]);
    let run = place.run_json();
    assert_eq!((&run["status"], &run["status_reason"]), (&"partial".into(), &"2 of 4 rounds were measured".into()));
    let told = warning(&run, "round-lost");
    assert!(told.contains("SIGABRT") && told.contains("fatal: the floor is gone"), "{told}");
    assert_eq!(metric(&run, "latency.p50").len(), 2);
    assert!(ended.stdout.contains("PARTIAL") && ended.stdout.contains("p95"), "{}", ended.stdout);
    let rounds: std::collections::BTreeSet<String> = rows(&place).map(|row| row[1].to_owned()).collect();
    assert_eq!(rounds.len(), 2, "ops.csv has rows of a lost round: {rounds:?}");
    assert!(!place.files().iter().any(|(path, _)| path.to_string_lossy().contains("/.")), "hidden folders are left");
}

fn rows(place: &Place) -> impl Iterator<Item = csv::StringRecord> {
    csv::Reader::from_path(place.run_folder().join("ops.csv")).unwrap().into_records().map(Result::unwrap)
}

#[test]
fn a_program_that_writes_to_its_output_is_measured_all_the_same() {
    let place = place();
    let ended = place.short("run", "prints", &["--format", "json"]);
    ended.must(0, &[]);
    let run = ended.json();
    assert_eq!((&run["status"], metric(&run, "latency.p50").len()), (&"complete".into(), 2));
}

/// The process that is left behind sleeps for 25 s.
fn does_not_hold_the_run(holds: &str) {
    let place = place();
    let begin = std::time::Instant::now();
    let ended = place.short("run", "lingers", &["--rounds", "1", "--param", holds]);
    ended.must(0, &[]);
    assert_eq!(place.run_json()["status"], "complete");
    assert!(begin.elapsed().as_secs() < 15, "it took {:?}", begin.elapsed());
}

#[test]
fn a_process_that_the_program_leaves_behind_does_not_hold_the_run() {
    does_not_hold_the_run("holds=output");
}

#[test]
fn not_even_one_that_holds_the_errors_alone() {
    does_not_hold_the_run("holds=errors");
}
