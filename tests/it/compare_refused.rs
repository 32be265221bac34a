//! `compare` where there is nothing to compare: what cannot be read is refused with its place, what failed or differs is not judged.

use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use crate::place::{Place, items, json};
use crate::rows::{measured, write};

/// Written by the scripts that perfkit takes the place of: six of seven requests failed.
const FOREIGN: [&str; 2] = ["async_baseline_20251009_214400.json", "async_baseline_20251010_075214.json"];

fn foreign(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/foreign").join(name)
}

#[test]
fn a_row_that_is_no_measurement_is_refused_with_its_path_and_line() {
    let place = measured();
    let rows: [(&[u8], &str); 12] = [
        (b"0,NaN", "`NaN`"),
        (b"0,inf", "`inf`"),
        (b"0,-inf", "`-inf`"),
        (b"0,1e999", "`1e999`"),
        (b"0,-1", "`-1`"),
        (b"0,", "no value"),
        (b"0,1,2", "3 columns"),
        (b"0", "1 column"),
        (b"0,fast", "`fast`"),
        (b"zero,1", "`zero`"),
        (b"0.5,1", "`0.5`"),
        (b"0,\xff\xfe", "not UTF-8"),
    ];
    for (row, what) in rows {
        write(&place, "bad.csv", [b"round,value\n0,5\n".as_slice(), row, b"\n1,6\n"].concat());
        for arguments in [["bad.csv", "base.csv"], ["base.csv", "bad.csv"]] {
            let ended = place.run(&["compare", arguments[0], arguments[1], "--format", "json"]);
            ended.must(2, &["bad.csv: line 3", what, "hint:"]);
            assert_eq!(ended.stdout, "", "{arguments:?}");
        }
    }
}

#[test]
fn a_file_without_rows_or_of_another_kind_is_refused() {
    let place = measured();
    let texts: [(&[u8], &[&str], &[&str]); 6] = [
        (b"", &["bad.csv", "empty"], &[]),
        (b"round,value\n", &["bad.csv", "no row"], &[]),
        (b"round,value,unit\n0,1,ns\n", &["bad.csv: line 1", "header"], &[]),
        (b"value\n1\n", &["bad.csv: line 1", "header"], &[]),
        (b"\x89PNG\r\n\x1a\n\0\0", &["bad.csv: line 1"], &[]),
        (b"round,value\n0,1\n0,2\n", &["bad.csv: line 3", "line 2"], &["--values", "rounds"]),
    ];
    for (text, parts, arguments) in texts {
        write(&place, "bad.csv", text);
        let ended = place.run(&[&["compare", "bad.csv", "base.csv"], arguments].concat());
        ended.must(2, parts);
        assert_eq!(ended.stdout, "");
    }
    for (arguments, parts) in [
        (&["--unit", "hours"][..], &["hours", "per_s"][..]),
        (&["--values", "seconds"], &["seconds", "rounds"]),
        (&["--better", "faster"], &["faster", "higher"]),
        (&["--confidence", "20%"], &["--confidence", "60%"]),
        (&["--confidence", "95"], &["`95` is no ratio"]),
        (&["--format", "yaml"], &["no format `yaml`", "markdown"]),
        (&["--write", "yaml=x"], &["no format `yaml`", "junit"]),
        (&["--write", "markdown"], &["FORMAT=FILE"]),
        (&["--write", "markdown="], &["FORMAT=FILE"]),
        (&["--fail-on", "regressions"], &["no rule `regressions`", "inconclusive"]),
    ] {
        let ended = place.run(&[&["compare", "base.csv", "same.csv"], arguments].concat());
        ended.must(2, parts);
        assert_eq!(ended.stdout, "", "{arguments:?}");
    }
}

#[test]
fn what_is_not_there_is_told_by_its_name() {
    let place = measured();
    for name in ["nowhere.csv", "nowhere/", "latest", "latest~7", "latest:noop", "baseline:main", ""] {
        for arguments in [["compare", name, "base.csv"], ["compare", "base.csv", name]] {
            let ended = place.run(&arguments);
            ended.must(2, &[name.trim_start_matches("baseline:"), "hint:"]);
            assert_eq!(ended.stdout, "", "{arguments:?}");
        }
    }
    place.run(&["compare", "base.csv"]).must(2, &["<HEAD>"]);
    fs::create_dir(place.path().join("folder")).unwrap();
    place.run(&["compare", "folder", "base.csv"]).must(2, &["folder"]);
}

/// The stored run of the first version, and that run with something changed in it.
fn run_and(change: impl Fn(&mut Value)) -> Place {
    let place = Place::new();
    let run = include_str!("../data/runs/v1/run.json");
    let mut other = json(run);
    other["id"] = "20260101T000000000Z-nogit-aaaa".into();
    change(&mut other);
    write(&place, "base.json", run);
    write(&place, "head.json", other.to_string());
    place
}

#[test]
fn a_run_of_another_schema_is_refused_with_its_name() {
    for (schema, text) in [("perfkit.run/9", "update perfkit"), ("perfkit.run/x", "perfkit.run/x")] {
        let place = run_and(|run| run["schema"] = schema.into());
        for arguments in [["base.json", "head.json"], ["head.json", "base.json"]] {
            let ended = place.run(&["compare", arguments[0], arguments[1]]);
            ended.must(2, &["head.json", schema, text]);
            assert_eq!(ended.stdout, "");
        }
    }
}

#[test]
fn metrics_in_other_units_are_not_compared_and_not_passed_over() {
    let place = run_and(|run| {
        for metric in run["metrics"].as_array_mut().unwrap().iter_mut().filter(|metric| metric["name"] == "latency.p50")
        {
            metric["unit"] = "bytes".into();
        }
    });
    let ended = place.run(&["compare", "base.json", "head.json", "--format", "json"]);
    let comparison = ended.json();
    let p50 = items(&comparison["metrics"]).iter().find(|metric| metric["name"] == "latency.p50").unwrap();
    assert_eq!((&p50["verdict"], &p50["ratio"]), (&"not_compared".into(), &Value::Null));
    assert!(p50["note"].as_str().unwrap().contains("base is in ns (lower is better), head in bytes"), "{p50}");
    // A gate that lost one of its metrics is no pass.
    assert_eq!((&comparison["verdict"], ended.code), (&"not_compared".into(), Some(4)), "{}", comparison["reason"]);
    assert!(comparison["reason"].as_str().unwrap().contains("latency.p50"), "{}", comparison["reason"]);
}

#[test]
fn a_floor_in_another_unit_than_its_metric_is_no_pass() {
    let place = measured();
    write(&place, "perfkit.toml", "[compare.'*']\n'latency.p50' = { min_effect = '5MB' }\n");
    let ended = place.run(&["compare", "base.csv", "same.csv", "--format", "json"]);
    assert_eq!((ended.code, &ended.json()["verdict"]), (Some(4), &"not_compared".into()));
    assert!(ended.json()["reason"].as_str().unwrap().contains("latency.p50"), "{}", ended.json()["reason"]);
    write(&place, "perfkit.toml", "[compare.'*']\n'latency.p50' = { min_effect = '5MB', gate = false }\n");
    place.ok(&["compare", "base.csv", "same.csv"]);
}

#[test]
fn runs_of_other_conditions_are_compared_only_where_that_is_allowed() {
    for (change, text) in [
        (("environment", "cpu_model", Value::from("abacus")), "the processor"),
        (("environment", "cores", Value::from(31)), "the number of processors"),
        (("environment", "profile", Value::from("quick")), "the build"),
        (("load", "users", Value::from(77)), "the number of users"),
        (("load", "runtime", Value::from("current")), "the runtime"),
    ] {
        let (section, key, value) = change;
        let place = run_and(|run| run[section][key] = value.clone());
        let ended = place.run(&["compare", "base.json", "head.json"]);
        assert_eq!(ended.code, Some(4), "{ended:?}");
        assert!(ended.stdout.contains(&format!("{text} differs")), "{}", ended.stdout);
        let allowed = place.run(&["compare", "base.json", "head.json", "--allow-mismatch"]);
        assert_eq!(allowed.code, Some(0), "{allowed:?}");
        assert!(allowed.stdout.contains("[mismatch]") && allowed.stdout.contains(text), "{}", allowed.stdout);
    }
}

#[test]
fn a_run_is_not_compared_with_itself() {
    let place = run_and(|run| run["id"] = json(include_str!("../data/runs/v1/run.json"))["id"].clone());
    for head in ["base.json", "head.json"] {
        let ended = place.run(&["compare", "base.json", head]);
        assert_eq!(ended.code, Some(4), "{ended:?}");
        assert!(ended.stdout.contains("base and head are the same run"), "{}", ended.stdout);
    }
}

#[test]
fn a_partial_run_is_compared_with_a_warning_and_an_invalid_one_is_not() {
    for (status, code, text) in [("partial", 0, "head is partial: cut"), ("invalid", 4, "head is invalid: cut")] {
        let place = run_and(|run| {
            run["status"] = status.into();
            run["status_reason"] = "cut".into();
        });
        let ended = place.run(&["compare", "base.json", "head.json", "--format", "json"]);
        assert_eq!(ended.code, Some(code), "{status}: {}", ended.json()["reason"]);
        assert!(ended.stdout.contains(text), "{status}");
    }
}

#[test]
fn latencies_of_requests_that_failed_are_not_shown_as_results() {
    let place = Place::new();
    let [base, head] = FOREIGN.map(|name| foreign(name).display().to_string());
    let ended = place.run(&["compare", &base, &head, "--format", "json"]);
    assert_eq!(ended.code, Some(4));
    let comparison = ended.json();
    assert_eq!(comparison["verdict"], "not_compared");
    for side in ["base", "head"] {
        assert_eq!((&comparison[side]["status"], &comparison[side]["ok"]), (&"invalid".into(), &40.into()));
    }
    for metric in items(&comparison["metrics"]) {
        for key in ["base", "head", "ratio", "low", "high", "difference"] {
            assert!(metric[key].is_null(), "{key} of {metric}");
        }
    }
    for format in ["human", "text", "markdown", "junit", "github", "csv"] {
        let shown = place.run(&["compare", &base, &head, "--format", format]);
        assert_eq!(shown.code, Some(4), "{format}");
        assert!(shown.stdout.contains("240 of 280"), "{format}: {}", shown.stdout);
        let plain = shown.stdout.replace(&base, "").replace(&head, "");
        for unit in [" ms", " µs", " ns", "/s"] {
            let mut before: Vec<&str> = plain.split(unit).collect();
            before.pop();
            assert!(
                !before.iter().any(|text| text.ends_with(|end: char| end.is_ascii_digit())),
                "{format}:{unit} {plain}"
            );
        }
    }
}
