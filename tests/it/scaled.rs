//! `run --scale`: what a user costs, against a workload of which one knows it: `users` of `examples/truth.rs`.

use std::fs;

use serde_json::Value;

use crate::place::{Place, items, json};

fn scale(flags: &[&str]) -> (Place, Value) {
    let place = Place::of_example("truth");
    let ended = place.short("run", "users", &[&["-q", "--format", "json"], flags].concat());
    ended.must(0, &[]);
    let scale = ended.json();
    (place, scale)
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

#[test]
fn memory_by_users_has_its_slope_its_bend_and_the_functions_that_hold_it() {
    let flags = ["--scale", "2,8,16", "--rounds", "2", "--passes", "memory", "--duration", "100ms"];
    let (place, scale) = scale(&flags);
    let users: Vec<u64> = items(&scale["levels"]).iter().map(|level| level["users"].as_u64().unwrap()).collect();
    assert_eq!(users, [2, 8, 16]);
    let fit = &items(&scale["fits"])[0];
    assert_eq!(fit["metric"], "memory.peak");
    // perfkit's own part of a user is not in it, tokio's is.
    let near = |value: &Value, bytes: f64| ((number(value) - bytes) / bytes).abs() < 0.03;
    assert_eq!(fit["bend"]["users"], 8, "{fit}");
    assert!(near(&fit["bend"]["before"]["estimate"], 65_536.0), "{fit}");
    assert!(near(&fit["bend"]["after"]["estimate"], 196_608.0), "{fit}");
    let function = |name: &str| {
        let all = items(&scale["functions"]);
        let found = all.iter().find(|function| function["function"] == name);
        found.unwrap_or_else(|| panic!("no {name} in {all:?}")).clone()
    };
    let always = function("truth::hold_always");
    assert!((number(&always["per_user"]["estimate"]) - 65_536.0).abs() < 1.0, "{always}");
    assert!(always["place"].as_str().unwrap().contains("truth.rs:"), "{always}");
    function("truth::hold_late");
    // Every level is a run of its own, and the one with the most users has the report.
    for level in items(&scale["levels"]) {
        let folder = place.path().join("profiles/users").join(level["run"].as_str().unwrap());
        let run = json(&fs::read_to_string(folder.join("run.json")).unwrap());
        assert_eq!(run["load"]["users"], level["users"]);
        assert!(!items(&run["holders"]).is_empty());
    }
    let last = items(&scale["levels"])[2]["run"].as_str().unwrap().to_owned();
    let report = |name: &str| fs::read_to_string(place.path().join("reports/users").join(&last).join(name)).unwrap();
    assert!(report("scale.txt").contains("from there on"), "{}", report("scale.txt"));
    assert!(report("scale.svg").contains("heap at its peak"));
    assert_eq!(json(&report("scale.json")), scale);
}

#[test]
fn memory_of_all_users_alike_is_straight_and_comes_with_the_time_pass() {
    let flags = ["--scale", "8,1,4", "--rounds", "2", "--duration", "100ms"];
    let (_place, scale) = scale(&flags);
    let fit = &items(&scale["fits"])[0];
    assert!((number(&fit["per_user"]["estimate"]) / 65_536.0 - 1.0).abs() < 0.03 && fit["bend"].is_null(), "{fit}");
    assert_eq!(items(&scale["fits"])[1]["metric"], "rss.max");
    for level in items(&scale["levels"]) {
        let names: Vec<&str> = items(&level["metrics"]).iter().map(|metric| metric["name"].as_str().unwrap()).collect();
        assert!(names.contains(&"throughput") && names.contains(&"latency.p50"), "{names:?}");
    }
}

#[test]
fn a_level_that_fails_is_told_and_the_others_stand() {
    let place = Place::of_example("failing");
    let flags = ["--scale", "1,2,3", "--rounds", "2", "--passes", "time"];
    let ended = place.short("run", "crowded", &flags);
    ended.must(5, &[]);
    for text in ["nothing was measured with 3 users", "a worker could not be set up", "resident memory:"] {
        assert!(ended.stdout.contains(text), "{text} is not in {}", ended.stdout);
    }
}

#[test]
fn what_is_no_scale_is_refused() {
    for (flags, text) in [
        (&["run", "noop", "--scale", "5"][..], "2 to 20 different numbers"),
        (&["run", "noop", "--scale", "0,1"], "2 to 20 different numbers"),
        (&["run", "noop", "--scale", "1,2", "--users", "3"], "cannot be used with"),
        (&["leaks", "noop", "--scale", "1,2"], "`leaks` has no --scale"),
        (&["check", "noop", "--scale", "1,2"], "`check` has no --scale"),
    ] {
        Place::new().run(flags).must(2, &[text]);
    }
}
