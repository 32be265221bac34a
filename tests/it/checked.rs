//! `check` against a stored baseline and against objectives: what passes, what does not, and that what was not measured is no pass.

use std::fs::{self, File};
use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::place::{Ended, Place, items, json, until, wait};
use crate::rows::write;

/// Two short rounds, whatever they show.
pub(crate) const QUICK: [&str; 8] = ["--until", "rounds", "--duration", "100ms", "--warmup", "20ms", "--rounds", "2"];

const BASELINE: &str = "profiles/baselines/noop.json";

pub(crate) fn check(place: &Place, arguments: &[&str]) -> Ended {
    place.run(&[&["check"], arguments, &QUICK, &["-q", "--format", "json"]].concat())
}

/// The one workload of the document. Whether short rounds of one program differ is up to the machine; that the exit code is that
/// of the verdict is not.
#[track_caller]
pub(crate) fn only(ended: &Ended) -> Value {
    let document = ended.json();
    assert_eq!(
        (&document["schema"], document["exit_code"].as_i64()),
        (&"perfkit.check/1".into(), ended.code.map(i64::from))
    );
    let [workload] = items(&document["workloads"]) else { panic!("more than one workload in {document}") };
    assert_eq!(workload["verdict"], document["verdict"]);
    let wanted: &[i32] = match workload["verdict"].as_str().unwrap() {
        "regressed" => &[1],
        "not_compared" => &[4, 5],
        _ => &[0],
    };
    assert!(wanted.contains(&ended.code.unwrap()), "{ended:?}");
    workload.clone()
}

fn with_a_baseline() -> Place {
    let place = Place::new();
    // Driven as the check drives: rounds of another length are another load.
    place.run(&[&["run", "noop", "-q"], &QUICK[2..]].concat()).must(0, &[]);
    place.ok(&["baseline", "save", "noop", "-q"]);
    place
}

#[test]
fn a_check_without_a_baseline_measures_nothing_and_does_not_pass() {
    let place = Place::new();
    // So long that it would not end in time if it were measured.
    for arguments in [&["noop"][..], &["noop", "--baseline", "main"], &["noop", "chat"]] {
        let ended = place.run(&[&["check", "--duration", "1h", "--format", "json"], arguments].concat());
        assert_eq!(ended.code, Some(4), "{ended:?}");
        for workload in items(&ended.json()["workloads"]) {
            assert_eq!((&workload["verdict"], &workload["comparison"]), (&"not_compared".into(), &Value::Null));
            assert!(workload["reason"].as_str().unwrap().contains("perfkit baseline save"), "{workload}");
        }
    }
    let human = place.run(&["check", "noop", "--duration", "1h"]);
    assert!(human.stdout.contains("no baseline `noop`") && human.stdout.contains("exit code 4"), "{human:?}");
    assert!(place.files().is_empty());
}

#[test]
fn a_check_with_a_baseline_compares_new_rounds_with_it_and_keeps_them() {
    let place = with_a_baseline();
    let base = place.ok(&["report", "latest", "--format", "json"]).json()["id"].clone();
    let ended = check(&place, &["noop", "--write", "json=check.json", "--write", "markdown=comment.md"]);
    let workload = only(&ended);
    let comparison = &workload["comparison"];
    assert_eq!((&workload["workload"], &comparison["base"]["id"]), (&"noop".into(), &base));
    assert_eq!((&comparison["paired"], &comparison["metrics"][0]["rounds_head"]), (&false.into(), &2.into()));
    assert!(comparison["family_size"].as_u64() > Some(5), "{comparison}");
    assert_eq!(place.ok(&["report", "latest", "--format", "json"]).json()["id"], comparison["head"]["id"]);
    assert_eq!(place.run_folders().len(), 3, "the baselines, the first run and head");
    assert_eq!(json(&fs::read_to_string(place.path().join("check.json")).unwrap()), ended.json());
    let comment = fs::read_to_string(place.path().join("comment.md")).unwrap();
    assert!(comment.starts_with("<!-- perfkit -->") && comment.contains("`noop`"), "{comment}");
}

#[test]
fn a_baseline_of_another_machine_is_no_base_unless_that_is_allowed() {
    let place = with_a_baseline();
    let mut baseline = json(&fs::read_to_string(place.path().join(BASELINE)).unwrap());
    for (key, value, reason) in [
        ("cpu_model", Value::from("abacus"), "processor abacus there"),
        ("cores", 31.into(), "processors 31 there"),
        ("rustc", "rustc 0.9".into(), "compiler rustc 0.9 there"),
    ] {
        let before = baseline["run"]["environment"][key].take();
        baseline["run"]["environment"][key] = value;
        baseline["run"]["environment"]["fingerprint"] = "0123456789abcdef".into();
        write(&place, BASELINE, baseline.to_string());
        let ended = place.run(&["check", "noop", "--duration", "1h", "--format", "json"]);
        let workload = only(&ended);
        assert_eq!((ended.code, &workload["comparison"]), (Some(4), &Value::Null));
        let told = workload["reason"].as_str().unwrap();
        assert!(told.contains(reason) && told.contains("--base-rev"), "{told}");
        baseline["run"]["environment"][key] = before;
    }
    write(&place, BASELINE, baseline.to_string());
    assert_eq!(place.run(&["check", "noop", "--duration", "1h"]).code, Some(4), "the fingerprint alone differs");
    let allowed = only(&check(&place, &["noop", "--allow-mismatch"]));
    assert!(allowed["comparison"]["family_size"].as_u64() > Some(5), "{allowed}");
}

/// A check of `noop` against these objectives alone.
fn held_to(objectives: &str, arguments: &[&str]) -> Ended {
    let place = Place::new();
    write(&place, "perfkit.toml", format!("[slo]\nnoop = [{objectives}]\n"));
    place.run(&[&["check", "noop", "--slo-only", "-q", "--format", "json"], &QUICK[..], arguments].concat())
}

fn kept(ended: &Ended) -> Vec<String> {
    let workload = only(ended);
    items(&workload["objectives"]).iter().map(|held| held["kept"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn objectives_that_are_met_pass_and_one_that_is_missed_fails() {
    // Of two rounds only shares of operations are known well, however busy the machine is.
    let ended = held_to("'latency.p50 < 1000s', 'success_rate > 95%'", &[]);
    assert_eq!((ended.code, kept(&ended)), (Some(0), vec!["met".to_owned(); 2]), "{}", ended.stdout);
    let ended = held_to("'latency.p50 < 1000s', 'success_rate < 50%'", &[]);
    assert_eq!((ended.code, kept(&ended)), (Some(1), vec!["met".to_owned(), "missed".to_owned()]), "{}", ended.stdout);
    let document = ended.json();
    let missed = &document["workloads"][0]["objectives"][1];
    assert_eq!((&missed["target"], &missed["unit"], &missed["value"]), (&0.5.into(), &"ratio".into(), &1.0.into()));
    assert!(missed["low"].as_f64() > Some(0.9) && missed["margin"].as_f64() < Some(0.0), "{missed}");
}

#[test]
fn resources_have_limits_as_latencies_have() {
    let limits = "'rss.max < 900GiB', 'threads.max < 10000', 'descriptors.max < 10000', 'rss.max < 1KiB'";
    let ended = held_to(limits, &[]);
    let expected = ["met", "met", "met", "missed"].map(str::to_owned);
    assert_eq!((ended.code, kept(&ended)), (Some(1), expected.to_vec()), "{}", ended.stdout);
}

#[test]
fn an_objective_that_is_not_shown_is_undecided_and_one_without_a_figure_does_not_pass() {
    for (arguments, code) in [(&["--rounds", "1"][..], 0), (&["--rounds", "1", "--fail-on", "inconclusive"], 3)] {
        let ended = held_to("'latency.p50 < 1s'", arguments);
        assert_eq!(ended.code, Some(code), "{ended:?}");
        let document = ended.json();
        assert_eq!(document["workloads"][0]["objectives"][0]["note"], "one round, no interval");
    }
    for (objective, note) in [
        ("'latency.p51 < 1s'", "latency.p51 was not measured"),
        ("'latency.p50 < 1MB'", "the target is in bytes, the metric in ns"),
    ] {
        let ended = held_to(objective, &[]);
        assert_eq!((ended.code, kept(&ended)), (Some(4), vec!["not_shown".to_owned()]), "{objective}");
        assert!(only(&ended)["reason"].as_str().unwrap().contains(note), "{}", ended.stdout);
    }
    // A missed one is told first.
    assert_eq!(held_to("'success_rate < 50%', 'latency.p51 < 1s'", &[]).code, Some(1));
}

#[test]
fn objectives_are_held_beside_a_baseline_too() {
    let place = with_a_baseline();
    write(&place, "perfkit.toml", "[slo]\n'*' = ['success_rate < 50%']\n");
    let ended = check(&place, &["noop"]);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    write(&place, "perfkit.toml", "[slo]\n'*' = ['latency.p51 < 1s']\n");
    let ended = check(&place, &["noop"]);
    assert!([Some(1), Some(4)].contains(&ended.code), "a metric that is not there passes: {ended:?}");
}

#[test]
fn a_configuration_that_cannot_be_meant_is_refused_with_its_file_and_place_before_anything_is_measured() {
    let place = Place::new();
    for (text, parts) in [
        (
            "[slo]\nnoop = ['fast please']\n",
            &["[slo]", "noop", "`fast please` is no objective", "latency.p95 < 2s"][..],
        ),
        ("[slo]\n'*' = ['latency.p95 < 2 parsecs']\n", &["[slo]", "2 parsecs"]),
        ("[slo]\nnoop = 'latency.p95 < 2s'\n", &["line 2", "expected a sequence"]),
        ("[compare.noop]\n'latency.p50' = { fial = '3%' }\n", &["line 2", "fial", "`fail`"]),
        ("[compare.noop]\n'latency.p50' = { fail = 'much' }\n", &["latency.p50", "`much` is no margin"]),
        ("[compare.noop]\nlatency.p50 = { fail = '3%' }\n", &["line 2", "names with a dot need quotes"]),
        ("[check]\nworkload = ['noop']\n", &["line 2", "`workload`"]),
        ("[check]\nworkloads = ['nope']\n", &["no workload `nope`"]),
        ("[check]\nworkloads = ['noop']\nbudget = 'soon'\n", &["[check] budget", "`soon` is no duration"]),
        ("[[accept]]\nworkload = 'noop'\nmetric = 'x'\nchange = '3%'\nreason = 'r'\nwho = 'me'\n", &["line 6", "who"]),
        ("[[accept]]\nworkload = 'noop'\nmetric = 'x'\nchange = '3%'\n", &["line 1", "reason"]),
        ("[[accept]]\nworkload = 'noop'\nmetric = 'x'\nchange = 'big'\nreason = 'r'\n", &["[[accept]] x", "`big`"]),
        ("[checks]\n", &["line 1", "checks"]),
        ("[slo]\nchat = ['latency.p95 < 2s']\n", &["noop has no objectives", "hint:"]),
    ] {
        write(&place, "perfkit.toml", text);
        let arguments: &[&str] = if text.contains("workloads") { &[] } else { &["noop"] };
        let ended = place.run(&[&["check", "--slo-only", "--duration", "1h"], arguments].concat());
        ended.must(2, parts);
        let tells_file = ended.stderr.contains("perfkit.toml") || text.contains("nope");
        assert!(ended.stdout.is_empty() && tells_file, "{ended:?}");
    }
    assert!(!place.path().join("profiles").exists());
}

#[test]
fn the_workloads_are_those_that_are_named_listed_or_spoken_of() {
    let place = Place::of_example("own_suite");
    let names = |arguments: &[&str]| {
        let ended = place.run(&[&["check", "--duration", "1h", "--format", "json"], arguments].concat());
        assert_eq!(ended.code, Some(4), "{ended:?}");
        let document = ended.json();
        items(&document["workloads"]).iter().map(|one| one["workload"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    place.run(&["check"]).must(2, &["nothing to check", "[check] workloads"]);
    place.run(&["check", "parse", "nope"]).must(2, &["no workload `nope`", "parse, checkout, search"]);
    write(&place, "perfkit.toml", "[slo]\nsearch = ['latency.p95 < 1s']\n[workload.parse]\nusers = 1\n");
    assert_eq!(names(&[]), ["parse", "search"]);
    write(&place, "perfkit.toml", "[slo]\nsearch = ['latency.p95 < 1s']\n[check]\nworkloads = ['checkout', 'parse']\n");
    assert_eq!(names(&[]), ["checkout", "parse"]);
    assert_eq!(names(&["search"]), ["search"]);
}

#[test]
fn a_workload_that_fails_ends_the_check_with_code_5() {
    let place = Place::of_example("failing");
    write(&place, "perfkit.toml", "[slo]\n'*' = ['latency.p95 < 10s']\n");
    for workload in ["half_fails", "always_fails"] {
        let ended = check(&place, &[workload, "--slo-only"]);
        assert_eq!(ended.code, Some(5), "{workload}: {ended:?}");
        assert_eq!(ended.json()["workloads"][0]["verdict"], "not_compared", "{workload}");
    }
    place.short("run", "waits", &["-q"]).must(0, &[]);
    place.ok(&["baseline", "save", "waits", "-q"]);
    assert_eq!(check(&place, &["half_fails", "--baseline", "waits"]).code, Some(5));
    // What was asked first is that enough of it succeeds.
    write(&place, "perfkit.toml", "[slo]\n'*' = ['success_rate > 95%']\n");
    assert_eq!(check(&place, &["half_fails", "--slo-only"]).code, Some(1));
}

#[test]
fn an_interrupted_check_keeps_what_was_measured_and_ends_with_130() {
    for base in ["--slo-only", "--base-bin"] {
        let place = Place::of_example("failing");
        write(&place, "perfkit.toml", "[slo]\n'*' = ['latency.p95 < 10s']\n");
        let program = place.command(&[]).get_program().to_str().unwrap().to_owned();
        let long = ["check", "waits", "--duration", "300ms", "--warmup", "20ms", "--rounds", "1000", base];
        let program: &[&str] = if base == "--base-bin" { &[&program] } else { &[] };
        let [out, err] = ["out", "err"].map(|name| place.path().join(name));
        let mut command = place.command(&[&long, program].concat());
        command.stdout(File::create(&out).unwrap()).stderr(File::create(&err).unwrap()).stdin(Stdio::null());
        let mut child = command.spawn().unwrap();
        until("two rounds are done", || fs::read_to_string(&err).unwrap().contains("time 2: done"));
        kill_process(Pid::from_child(&child), Signal::INT).unwrap();
        let code = wait(&mut child);
        let said = fs::read_to_string(&err).unwrap();
        assert!(code == Some(130) && said.contains("interrupted"), "{base}: {code:?} {said}");
        assert_eq!(fs::read_to_string(&out).unwrap(), "", "a verdict of what was not measured");
        let runs = place.run_folders();
        assert_eq!(runs.len(), if base == "--base-bin" { 2 } else { 1 }, "{said}");
        for run in runs {
            assert_eq!(json(&fs::read_to_string(run.join("run.json")).unwrap())["status"], "partial", "{said}");
        }
    }
}
