//! `baseline`: what is saved, shown and removed, what is refused, and how a regression is accepted.

use std::fs;

use serde_json::Value;

use crate::place::{Place, entries, file_name, items, json};
use crate::rows::{Rows, measured, write};

const FILE: &str = "profiles/baselines/noop.json";

/// A place with one short run of `noop`.
fn with_a_run(passes: &str) -> Place {
    let place = Place::new();
    place.short("profile", "noop", &["-q", "--passes", passes]).must(0, &[]);
    place
}

fn read(place: &Place, name: &str) -> String {
    fs::read_to_string(place.path().join(name)).unwrap()
}

#[test]
fn a_run_is_saved_listed_shown_compared_with_and_removed() {
    let place = with_a_run("time");
    let first = place.run_json()["id"].clone();
    let saved = place.ok(&["baseline", "save", "noop"]);
    assert_eq!(saved.stdout, format!("{FILE}\n"));
    assert!(saved.stderr.contains("2 rounds decide little"), "{}", saved.stderr);

    let list = place.ok(&["baseline", "list", "--format", "json"]).json();
    let only = &items(&list["baselines"])[0];
    assert_eq!((&only["name"], &only["workload"], &only["run"]), (&"noop".into(), &"noop".into(), &first));
    let human = place.ok(&["baseline", "list"]).stdout;
    assert!(human.lines().count() == 2 && human.contains("noop"), "{human}");
    assert!(place.ok(&["baseline", "show", "noop"]).stdout.contains(first.as_str().unwrap()));
    assert_eq!(place.ok(&["baseline", "show", "noop", "--format", "json"]).json()["id"], first);

    // The run that was saved is no other run; a second one is.
    let same = place.run(&["compare", "baseline:noop", "latest"]);
    assert!(same.code == Some(4) && same.stdout.contains("the same run"), "{same:?}");
    place.short("run", "noop", &["-q"]).must(0, &[]);
    let compared = place.run(&["compare", "baseline:noop", "latest", "--format", "json"]).json();
    assert_eq!((&compared["base"]["id"], &compared["head"]["workload"]), (&first, &"noop".into()));
    assert!(compared["family_size"].as_u64() > Some(5), "{}", compared["reason"]);
    let by_path = place.run(&["compare", FILE, "latest", "--format", "json"]).json();
    assert_eq!((&by_path["base"], &by_path["metrics"]), (&compared["base"], &compared["metrics"]));

    // Saved again, it is the newer one.
    place.ok(&["baseline", "save", "noop"]);
    assert_ne!(place.ok(&["baseline", "show", "noop", "--format", "json"]).json()["id"], first);

    assert_eq!(place.ok(&["baseline", "rm", "noop"]).stdout, format!("{FILE}\n"));
    assert!(!place.path().join(FILE).exists());
    place.run(&["baseline", "rm", "noop"]).must(2, &["no baseline `noop`", "hint:"]);
    assert_eq!(place.ok(&["baseline", "list", "--format", "json"]).json()["baselines"], Value::Array(Vec::new()));
    place.ok(&["baseline", "list"]);
}

#[test]
fn a_baseline_can_be_committed_it_holds_nothing_of_the_machine_but_its_kind() {
    let place = Place::new();
    let secret = "--param=depth=x";
    place.short("profile", "noop", &["-q", "--passes", "time,cpu", "--rounds", "1", "--color", "never"]).must(0, &[]);
    place.ok(&["baseline", "save", "noop"]);
    let text = read(&place, FILE);
    let run = &json(&text)["run"];
    assert_eq!((&run["environment"]["command"], &run["environment"]["variables"]), (&json("[]"), &json("{}")));
    items(&run["functions"]);
    let here = place.path().display().to_string();
    let home = std::env::var("HOME").unwrap_or_else(|_| "/root".to_owned());
    let checkout = env!("CARGO_MANIFEST_DIR");
    for part in [here.as_str(), &format!("{home}/"), checkout, "\"/", secret, "--color", "never"] {
        assert!(!text.contains(part), "{part} in the baseline");
    }
    assert!(items(&run["metrics"]).len() > 10 && text.ends_with("}\n"));
    // A result of another program is named by its file, not by the way to it.
    Rows::around(1e6, 1).write(&place, "pages.csv");
    let path = place.path().join("pages.csv").display().to_string();
    place.ok(&["baseline", "save", "pages", &path]);
    let text = read(&place, "profiles/baselines/pages.json");
    assert!(!text.contains(&here) && text.contains("\"pages.csv\""), "{}", &text[..400]);
    place.ok(&["compare", "baseline:pages", "pages.csv"]);
}

#[test]
fn runs_that_are_no_measurement_are_no_baseline() {
    let failing = Place::of_example("failing");
    failing.short("run", "half_fails", &["-q", "--rounds", "1"]).must(5, &[]);
    failing.run(&["baseline", "save", "half"]).must(2, &["is no baseline", "succeeded", "hint:"]);
    assert!(!failing.path().join("profiles/baselines/half.json").exists());

    let place = with_a_run("time");
    let file = place.run_folder().join("run.json");
    let mut run = place.run_json();
    for (status, reason) in [("partial", "interrupted by SIGINT"), ("invalid", "the floor is 95 %")] {
        run["status"] = status.into();
        run["status_reason"] = reason.into();
        fs::write(&file, run.to_string()).unwrap();
        let ended = place.run(&["baseline", "save", "noop"]);
        ended.must(2, &["is no baseline", reason]);
        assert_eq!(ended.stdout, "");
    }
    for run in ["latest:chat", "nowhere", "baseline:nothing", ""] {
        place.run(&["baseline", "save", "noop", run]).must(2, &["hint:"]);
    }
    assert!(entries(&place.path().join("profiles/baselines")).is_empty());
}

#[test]
fn a_name_is_a_plain_word_and_leads_nowhere() {
    let place = with_a_run("time");
    fs::write(place.path().join("profiles/x.json"), "mine").unwrap();
    let long = "n".repeat(300);
    for name in ["../x", "", "a/b", "ünï", ".hidden", "-", "a b", "x\u{1b}[2J", "..", "a\\b", "x\n", &long] {
        for verb in ["save", "show", "rm"] {
            let ended = place.run(&["baseline", verb, "--", name]);
            ended.must(2, &["hint:"]);
            assert!(ended.stdout.is_empty() && !ended.stderr.contains('\u{1b}'), "{ended:?}");
        }
        place.run(&["compare", &format!("baseline:{name}"), "latest"]).must(2, &["hint:"]);
        place.run(&["check", "noop", &format!("--baseline={name}")]).must(2, &["is no name for a baseline"]);
    }
    assert_eq!(read(&place, "profiles/x.json"), "mine");
    assert!(!place.path().join("profiles/baselines").exists());
    for name in ["main", "v1.2", "a_b-c", "9"] {
        place.ok(&["baseline", "save", name]);
    }
    let names: Vec<String> =
        entries(&place.path().join("profiles/baselines")).iter().map(|path| file_name(path)).collect();
    assert_eq!(names, ["9.json", "a_b-c.json", "main.json", "v1.2.json"]);
}

#[test]
fn a_damaged_baseline_is_refused_with_its_path_and_line() {
    let place = with_a_run("time");
    place.ok(&["baseline", "save", "noop"]);
    let whole = read(&place, FILE);
    let tries = |text: &str, parts: &[&str]| {
        write(&place, FILE, text);
        for arguments in [
            &["compare", "baseline:noop", "latest"][..],
            &["compare", FILE, "latest"],
            &["baseline", "show", "noop"],
            &["baseline", "list"],
            &["check", "noop"],
        ] {
            let ended = place.run(arguments);
            ended.must(2, &[&[FILE, "hint:"], parts].concat());
            assert_eq!(ended.stdout, "", "{arguments:?}");
        }
    };
    tries(&whole[..whole.len() / 2], &["line", "column"]);
    tries(&whole.replacen("\"status\": \"complete\"", "\"status\": \"splendid\"", 1), &["line", "splendid"]);
    tries(&whole.replacen("perfkit.baseline/1", "perfkit.baseline/9", 1), &["perfkit.baseline/9", "save it anew"]);
    write(&place, FILE, &whole);
    place.ok(&["baseline", "show", "noop"]);
}

/// `slow.csv` is 40 % slower than `base.csv`.
fn regression(place: &Place) -> Option<i32> {
    place.run(&["compare", "base.csv", "slow.csv"]).code
}

const SLOWER: [&str; 5] = ["latency.mean", "latency.p50", "latency.p90", "latency.p95", "latency.p99"];

#[test]
fn an_accepted_regression_passes_until_it_grows() {
    let place = measured();
    write(&place, "perfkit.toml", "[check]\nbudget = \"1s\" # no line end");
    assert_eq!(regression(&place), Some(1));
    let accept = |metric: &str, change: &str| {
        let reason = "answers are \"checked\" now\n[[accept]]\nworkload = 1";
        place.ok(&["baseline", "accept", "slow", metric, "--reason", reason, "--change", change, "--commit", "1a2b"])
    };
    for metric in &SLOWER[1..] {
        accept(metric, "60%");
    }
    assert_eq!(regression(&place), Some(1), "one of them is not accepted");
    assert_eq!(
        accept(SLOWER[0], "60%").stdout,
        "perfkit.toml\n".replace("perfkit", &format!("{}/perfkit", real(&place)))
    );
    let text = read(&place, "perfkit.toml");
    assert!(text.starts_with("[check]\nbudget = \"1s\" # no line end\n\n[[accept]]\nworkload = \"slow\"\n"), "{text}");
    assert!(text.contains("commit = \"1a2b\"") && text.contains("change = \"60%\""), "{text}");
    let passed = place.run(&["compare", "base.csv", "slow.csv", "--format", "json"]);
    assert_eq!(passed.code, Some(0), "{}", passed.stdout);
    let comparison = passed.json();
    assert!(comparison["reason"].as_str().unwrap().contains("accepted"), "{}", comparison["reason"]);
    for change in items(&comparison["metrics"]).iter().filter(|change| change["accepted"] == true) {
        assert_eq!(change["verdict"], "regressed", "an accepted regression is one still");
        assert!(change["note"].as_str().unwrap().contains("answers are \"checked\" now"), "{change}");
    }
    // What grows beyond regresses again, and it is not said that nothing regressed.
    Rows::around(2e6, 2).write(&place, "slow.csv");
    let grown = place.run(&["compare", "base.csv", "slow.csv"]);
    assert!(grown.code == Some(1) && !grown.stdout.contains("accept-unused"), "{}", grown.stdout);
    // The last word counts.
    for metric in SLOWER.iter().chain(&["latency.sd", "latency.mad"]) {
        accept(metric, "150%");
    }
    assert_eq!(regression(&place), Some(0));
    // Where nothing is slower any more the entry would hide the next one: that is told.
    Rows::around(1e6, 2).write(&place, "slow.csv");
    let gone = place.ok(&["compare", "base.csv", "slow.csv"]);
    assert!(gone.stdout.contains("accept-unused") && gone.stdout.contains("latency.p95"), "{}", gone.stdout);
    // Another workload has accepted nothing.
    fs::copy(place.path().join("slow.csv"), place.path().join("other.csv")).unwrap();
    Rows::around(1.4e6, 2).write(&place, "other.csv");
    assert_eq!(place.run(&["compare", "base.csv", "other.csv"]).code, Some(1));
}

/// The folder as the system names it, without links.
fn real(place: &Place) -> String {
    place.path().canonicalize().unwrap().display().to_string()
}

#[test]
fn the_change_that_is_accepted_is_the_one_that_is_seen() {
    let place = measured();
    let accept = |metric: &str, base: &str, head: &str| {
        place.run(&["baseline", "accept", "slow", metric, "--reason", "TLS", "--base", base, "--head", head])
    };
    accept("latency.p50", "base.csv", "slow.csv").must(0, &[]);
    let text = read(&place, "perfkit.toml");
    let change = text.split("change = \"").nth(1).unwrap().split('%').next().unwrap().parse::<f64>().unwrap();
    assert!((40.0..47.0).contains(&change), "{text}");
    accept("latency.p50", "base.csv", "fast.csv").must(2, &["is improved, not regressed", "--change"]);
    accept("latency.p42", "base.csv", "slow.csv").must(2, &["no metric `latency.p42`", "latency.p50, latency.p90"]);
    accept("latency.p50", "nowhere.csv", "slow.csv").must(2, &["nowhere.csv"]);
    place.run(&["baseline", "accept", "slow", "latency.p50", "--reason", "TLS"]).must(2, &["no baseline `slow`"]);
    assert_eq!(read(&place, "perfkit.toml"), text);
}

#[test]
fn what_cannot_be_accepted_leaves_the_file_as_it_is() {
    let place = measured();
    let before = "[check]\nbudget = \"1s\"\n";
    write(&place, "perfkit.toml", before);
    let accept = ["baseline", "accept", "slow", "latency.p50"];
    for (arguments, parts) in [
        (&["--reason", "TLS", "--change", "lots"][..], &["`lots` is no margin", "latency.p50"][..]),
        (&["--reason", "TLS", "--change=-5%"], &["`-5%` is no margin"]),
        (&["--reason", "TLS", "--change", "0%"], &["`0%` is no margin"]),
        (&["--reason", "TLS", "--change", "5ms"], &["`5ms` is no margin"]),
        (&["--reason", "TLS", "--change", "nan"], &["`nan` is no margin"]),
        (&["--reason", " ", "--change", "5%"], &["the reason is empty"]),
        (&["--change", "5%"], &["--reason"]),
    ] {
        let ended = place.run(&[&accept[..], arguments].concat());
        ended.must(2, parts);
        assert_eq!((ended.stdout.as_str(), read(&place, "perfkit.toml").as_str()), ("", before), "{arguments:?}");
    }
    let valid = [&accept[..], &["--reason", "TLS", "--change", "5%"]].concat();
    for broken in ["[check\n", "[check]\nbudgett = 1\n"] {
        write(&place, "perfkit.toml", broken);
        place.run(&valid).must(2, &["perfkit.toml", "line", "mend the file first"]);
        assert_eq!(read(&place, "perfkit.toml"), broken);
    }
    fs::remove_file(place.path().join("perfkit.toml")).unwrap();
    place.run(&[&valid[..], &["--config", "nowhere/perfkit.toml"]].concat()).must(6, &["could not write"]);
    place.ok(&[&valid[..], &["--config", "other.toml"]].concat());
    assert!(read(&place, "other.toml").contains("latency.p50") && !place.path().join("perfkit.toml").exists());
}
