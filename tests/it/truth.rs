//! The CPU profile against a known truth: `examples/truth.rs` spends 70 % of its time in one function and 30 % in another.

use std::fs;
use std::ops::RangeInclusive;

use serde_json::Value;

use crate::place::{Alone, Place, items};

/// A CPU profile of a workload of the example; more stacks than by default make the shares surer.
fn profile(workload: &str, duration: &str, rounds: &str) -> (Place, Value) {
    profile_by("both", workload, duration, rounds)
}

fn profile_by(sampler: &str, workload: &str, duration: &str, rounds: &str) -> (Place, Value) {
    let place = Place::of_example("truth");
    let flags = ["-q", "--passes", "cpu", "--frequency", "997", "--duration", duration, "--rounds", rounds];
    let flags = [&flags[..], &["--format", "json", "--sampler", sampler]].concat();
    let ended = place.short("profile", workload, &flags);
    ended.must(0, &[]);
    let run = ended.json();
    (place, run)
}

#[track_caller]
fn function<'a>(run: &'a Value, name: &str) -> &'a Value {
    let all = items(&run["functions"]);
    let names = || all.iter().filter_map(|function| function["name"].as_str()).collect::<Vec<_>>();
    all.iter().find(|function| function["name"] == name).unwrap_or_else(|| panic!("no {name} in {:?}", names()))
}

/// The sum over the rounds.
fn ns(function: &Value, key: &str) -> f64 {
    items(&function[key]).iter().map(|value| value.as_f64().unwrap()).sum()
}

/// The lines of the example from the one that holds `first` to the next line that is `}`.
fn lines_of(first: &str) -> RangeInclusive<u64> {
    let text = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/truth.rs")).unwrap();
    let start =
        text.lines().position(|line| line.trim_start().starts_with(first)).unwrap_or_else(|| panic!("no {first}"));
    let length = text.lines().skip(start).position(|line| line.trim() == "}").unwrap();
    start as u64 + 1..=(start + length) as u64 + 1
}

#[track_caller]
fn stands_in(function: &Value, first: &str) {
    assert!(function["file"].as_str().is_some_and(|file| file.ends_with("examples/truth.rs")), "{function}");
    assert!(
        lines_of(first).contains(&function["line"].as_u64().unwrap()),
        "{function} is not in {:?}",
        lines_of(first)
    );
    assert_eq!(function["plumbing"], false, "{function}");
}

#[test]
fn cpu_time_is_split_as_the_work_is() {
    let _alone = Alone::begin();
    // A thousand stacks: the share's standard error is a point and a half.
    let (place, run) = profile("split", "2s", "5");
    let (long, short) = (function(&run, "truth::long_leaf"), function(&run, "truth::short_leaf"));
    let (long_ns, short_ns) = (ns(long, "folded_self_ns_per_op"), ns(short, "folded_self_ns_per_op"));
    let share = long_ns / (long_ns + short_ns);
    assert!((share - 0.70).abs() < 0.05, "{:.1} % instead of 70 %", share * 100.0);
    stands_in(long, "fn long_leaf");
    stands_in(short, "fn short_leaf");
    // Who calls both has the time of both, and none of its own.
    let split = function(&run, "truth::split");
    stands_in(split, "fn split");
    let total = ns(split, "total_ns_per_op");
    assert!(ns(split, "folded_self_ns_per_op") < total * 0.05, "{split}");
    assert!(((long_ns + short_ns) / total - 1.0).abs() < 0.05, "{long_ns} and {short_ns} of {total}");
    // Nearly all CPU time is the operation's, and that is what an operation takes.
    let rows = fs::read_to_string(place.run_folder().join("ops.csv")).unwrap();
    let operations = rows.lines().count() as f64 - 1.0;
    let cpu = items(&run["probes"])[0]["detail"]["rounds"].clone();
    let cpu: f64 = items(&cpu).iter().map(|round| round["cpu_ns"].as_f64().unwrap()).sum();
    // `total` is a sum of five rounds' means.
    assert!((total / 5.0 / (cpu / operations) - 1.0).abs() < 0.1, "{total} of {cpu} in {operations} operations");
}

/// The part of the long leaf in the time of both.
fn long_share(run: &Value) -> f64 {
    let [long, short] =
        ["truth::long_leaf", "truth::short_leaf"].map(|name| ns(function(run, name), "folded_self_ns_per_op"));
    long / (long + short)
}

#[test]
fn the_jittered_sampler_keeps_step_with_nothing() {
    let _alone = Alone::begin();
    for (workload, duration) in [("split", "3s"), ("dozing", "4s")] {
        let (_, run) = profile_by("jittered", workload, duration, "1");
        let round = &items(&items(&run["probes"])[0]["detail"]["rounds"])[0];
        assert_eq!(round["sampler"], "jittered");
        let (share, stacks) = (long_share(&run), round["stacks"].as_f64().unwrap());
        // Three points, and what chance does to so many stacks.
        let chance = 2.0 * (0.7 * 0.3 / stacks).sqrt();
        assert!(stacks > 300.0, "{round}");
        assert!((share - 0.70).abs() < 0.03 + chance, "{workload}: {:.1} % instead of 70 %", share * 100.0);
    }
}

#[test]
fn cpu_time_is_charged_to_threads_of_which_most_have_no_stack() {
    let _alone = Alone::begin();
    let place = Place::of_example("truth");
    let flags = ["-q", "--passes", "cpu", "--duration", "1s", "--rounds", "4", "--sampler", "jittered"];
    place.ok(&[&["profile", "crowd"][..], &flags].concat());
    let share = long_share(&place.run_json());
    // Eight hundred stacks: the share's standard error is 1.6 points. By the CPU time of those that have stacks it would be more by
    // what the others used.
    assert!((share - 0.70).abs() < 0.05, "{:.1} % instead of 70 %", share * 100.0);
}

#[test]
fn two_samplers_check_each_other() {
    let _alone = Alone::begin();
    let place = Place::of_example("truth");
    // One thread, that only computes: two hand the work to each other at times, and what wakes a thread meets pprof's tick too often.
    let flags =
        ["-q", "--passes", "cpu", "--frequency", "997", "--duration", "2s", "--rounds", "2", "--runtime", "current"];
    place.short("profile", "split", &flags).must(0, &[]);
    let run = place.run_json();
    let detail = &items(&run["probes"])[0]["detail"];
    let samplers: Vec<&str> = items(&detail["rounds"]).iter().filter_map(|round| round["sampler"].as_str()).collect();
    assert_eq!(samplers, ["jittered", "pprof"]);
    assert_eq!(detail["agreement"]["agree"], true, "{detail}");
    let text = place.ok(&["report", "latest"]).stdout;
    assert!(text.contains("The two samplers agree: furthest apart is `"), "{text}");
}

/// The part of the first frame whose name begins so, in percent of a picture.
#[track_caller]
fn share_of(svg: &str, name: &str) -> f64 {
    let titles: Vec<&str> = svg.split("<title>").skip(1).filter_map(|rest| rest.split("</title>").next()).collect();
    // `examples/truth.rs:70:16 (1,234 ns, 69.90%)`
    let title = titles.iter().find(|title| title.starts_with(name));
    let title = title.unwrap_or_else(|| panic!("no {name} in {titles:?}"));
    title.rsplit_once(", ").unwrap().1.trim_end_matches("%)").parse().unwrap()
}

#[test]
fn cpu_time_is_told_by_the_place_where_tasks_were_spawned() {
    let _alone = Alone::begin();
    let (place, _) = profile_by("jittered", "tasks", "3s", "1");
    let svg = place.ok(&["flamegraph", "--by", "task", "-o", "-"]).stdout;
    let share = |line: u64| share_of(&svg, &format!("examples/truth.rs:{line}:"));
    let (long, short) = (lines_of("let long = tokio::spawn"), lines_of("let short = tokio::spawn"));
    let (long, short) = (share(*long.start()), share(*short.start()));
    assert!((long / (long + short) - 0.70).abs() < 0.04, "{long} % and {short} %");
    let name = place.ok(&["flamegraph", "--by", "task"]).stdout;
    assert!(name.ends_with("task-flamegraph.svg\n"), "{name}");
    place.run(&["flamegraph", "--of", "stalls", "--by", "task"]).must(2, &["`--by task` cannot draw", "hint:"]);
    place.run(&["profile", "tasks", "--sampler", "x"]).must(2, &["there is no sampler `x`"]);
    let (place, _) = profile_by("pprof", "tasks", "300ms", "1");
    place.run(&["flamegraph", "--by", "task"]).must(2, &["no stacks of CPU time with tasks", "--sampler both"]);
}

#[test]
fn cpu_time_is_told_by_the_phase_that_was_entered() {
    let _alone = Alone::begin();
    let (place, _) = profile_by("jittered", "phases", "4s", "1");
    let svg = place.ok(&["flamegraph", "--by", "phase", "-o", "-"]).stdout;
    let [long, short, outside] = ["long (", "short (", "outside phases ("].map(|name| share_of(&svg, name));
    // Of `long` five parts come after `short` was left: without its mark again it would have two of five.
    assert!((long / (long + short) - 0.70).abs() < 0.05, "{long} % and {short} %");
    // Three parts of thirteen run while `long` waits, in no phase; so does the runtime, which is little.
    assert!((19.0..35.0).contains(&outside), "{outside} %");
    assert!((long + short + outside - 100.0).abs() < 0.1, "{long} %, {short} % and {outside} %");
    let name = place.ok(&["flamegraph", "--by", "phase"]).stdout;
    assert!(name.ends_with("phase-flamegraph.svg\n"), "{name}");
    place.run(&["flamegraph", "--of", "stalls", "--by", "phase"]).must(2, &["`--by phase` cannot draw", "hint:"]);
    let (place, _) = profile_by("pprof", "phases", "300ms", "1");
    place.run(&["flamegraph", "--by", "phase"]).must(2, &["no stacks of CPU time with phases", "--sampler both"]);
}

#[test]
fn a_recursive_function_has_its_time_once() {
    let (place, run) = profile("recursion", "500ms", "1");
    let (descend, leaf) = (function(&run, "truth::descend"), function(&run, "truth::short_leaf"));
    stands_in(descend, "fn descend");
    let (total, own) = (ns(descend, "total_ns_per_op"), ns(leaf, "folded_self_ns_per_op"));
    assert!(total >= own && own > total * 0.9, "nine calls in each other took {total} of which the leaf {own}");
    // Each depth stays visible in the stacks.
    let folded = fs::read_to_string(place.run_folder().join("cpu.folded")).unwrap();
    let depths = folded.lines().map(|line| line.split(';').filter(|frame| frame.starts_with("truth::descend")).count());
    assert_eq!(depths.max(), Some(9), "{folded:.2000}");
}

#[test]
fn a_semicolon_in_a_types_name_splits_no_frame() {
    let (place, run) = profile("array", "500ms", "1");
    let folded = fs::read_to_string(place.run_folder().join("cpu.folded")).unwrap();
    let frames = || folded.lines().flat_map(|line| line.rsplit_once(' ').unwrap().0.split(';'));
    let of_array: Vec<&str> = frames().filter(|frame| frame.contains("Churn")).collect();
    assert!(
        !of_array.is_empty() && of_array.iter().all(|frame| *frame == "<[u8: 4] as truth::Churn>::churn"),
        "{of_array:?}"
    );
    assert!(!frames().any(|frame| frame.trim_start().starts_with("4]")), "a frame was split");
    let svg = place.ok(&["flamegraph", "-v", "-o", "-"]).stdout;
    assert!(svg.contains("&lt;[u8: 4] as truth::Churn&gt;::churn ("), "{svg:.300}");
    // In run.json the name is true.
    function(&run, "<[u8; 4] as truth::Churn>::churn");
}

#[test]
fn a_trait_of_the_program_on_an_array_is_the_programs_code() {
    let (place, run) = profile("array", "300ms", "1");
    stands_in(function(&run, "<[u8; 4] as truth::Churn>::churn"), "fn churn(self) -> Work {");
    let svg = place.ok(&["flamegraph", "-o", "-"]).stdout;
    assert!(svg.contains("as truth::Churn&gt;::churn ("), "it is folded away");
}
