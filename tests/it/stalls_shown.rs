//! Stalls of a stored run as its readers see them: the picture, the report, the rules. Finding them is the probe's.

use std::fs;

use serde_json::{Value, json};

use crate::place::{Place, items};

/// A place with a run to which these stalls were added by hand, with their folded stacks.
fn stalled(folded: &str) -> Place {
    let place = Place::new();
    place.short("run", "noop", &["-q"]).must(0, &[]);
    add(&place, 0, folded);
    place
}

fn add(place: &Place, index: usize, folded: &str) {
    let folder = &place.run_folders()[index];
    let file = folder.join("run.json");
    let mut run: Value = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
    run["stalls"] = json!([{
        "round": 0, "start_ns": 1, "duration_ns": 32_000_000, "cause": "blocked", "syscall": "clock_nanosleep",
        "thread": "tokio-rt-worker", "task": { "id": 3, "spawned_at": "src/main.rs:4:5" },
        "stack": [{ "function": "std::thread::sleep" }, { "function": "shop::load", "file": "src/load.rs", "line": 12 }],
        "delayed_tasks": 2, "delay_ns": 50_000_000
    }]);
    fs::write(&file, run.to_string()).unwrap();
    fs::write(folder.join("stalls.folded"), folded).unwrap();
}

#[test]
fn the_stacks_that_held_a_thread_are_drawn_alone_and_against_another_run() {
    let place = stalled("tokio-rt-worker;tokio::runtime::task::raw::poll;shop::load;std::thread::sleep 32000000\n");
    let file = place.ok(&["flamegraph", "--of", "stalls"]).stdout;
    assert!(file.ends_with("stall-flamegraph.svg\n"), "{file}");
    let svg = fs::read_to_string(place.path().join(file.trim())).unwrap();
    assert!(svg.contains("noop: worker threads held") && svg.contains("shop::load") && svg.contains("32,000,000 ns"));
    assert!(!svg.contains("task::raw::poll"), "plumbing is folded away");
    let all = place.ok(&["flamegraph", "--of", "stalls", "-o", "-", "-v"]).stdout;
    assert!(all.contains("task::raw::poll"));

    place.short("run", "noop", &["-q"]).must(0, &[]);
    add(&place, 1, "tokio-rt-worker;shop::save 1000\n");
    let file = place.ok(&["flamegraph", "--of", "stalls", "--base", "latest~1"]).stdout;
    assert!(file.ends_with("stall-flamegraph-diff.svg\n"), "{file}");
}

#[test]
fn without_stacks_of_stalls_it_is_said_why_and_of_which_run() {
    let place = stalled("");
    place.run(&["flamegraph", "--of", "stalls"]).must(2, &["nothing held a worker thread of run", "hint:"]);
    let folder = place.run_folder();
    let file = folder.join("run.json");
    let mut run: Value = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
    (run["stalls"], run["probes"]) = (json!([]), json!([]));
    fs::write(&file, run.to_string()).unwrap();
    fs::remove_file(folder.join("stalls.folded")).unwrap();
    place.run(&["flamegraph", "--of", "stalls"]).must(2, &["stalls were not looked for in run", "perfkit run noop"]);
    assert!(!place.ok(&["report"]).stdout.contains("\nStalls"));

    place.short("run", "noop", &["-q"]).must(0, &[]);
    add(&place, 1, "tokio-rt-worker;shop::save 1000\n");
    let old = folder.file_name().unwrap().to_str().unwrap();
    place.run(&["flamegraph", "--of", "stalls", "--base", old]).must(2, &["not looked for in run", old]);
}

#[test]
fn the_report_has_a_table_of_the_stalls() {
    let place = stalled("");
    let text = place.ok(&["report"]).stdout;
    for part in
        ["\nStalls", "blocked clock_nanosleep", "shop::load", "src/load.rs:12", "task spawned at src/main.rs:4:5"]
    {
        assert!(text.contains(part), "no {part:?} in {text}");
    }
}

#[test]
fn every_rule_on_stalls_can_be_failed_on() {
    let place = Place::new();
    let list = place.ok(&["list", "--format", "json"]).json();
    let rules: Vec<&str> = items(&list["rules"]).iter().filter_map(Value::as_str).collect();
    for rule in ["blocking", "lock", "cpu-bound", "timer", "pool", "preempted", "block-in-place", "scheduling"] {
        assert!(rules.contains(&rule), "no {rule} among {rules:?}");
    }
    place.short("run", "noop", &["-q"]).must(0, &[]);
    let file = place.run_folder().join("run.json");
    let mut run: Value = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
    run["findings"] =
        json!([{ "rule": "blocking", "severity": "warning", "title": "t", "detail": "d", "next_step": "n" }]);
    fs::write(&file, run.to_string()).unwrap();
    place.run(&["report", "--fail-on", "blocking"]).must(1, &[]);
    place.ok(&["report", "--fail-on", "lock"]);
}
