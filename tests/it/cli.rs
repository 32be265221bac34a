//! The verbs as they are typed: what each prints where, and what is refused.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use crate::place::{Place, SHORT, items, json, metric};

/// The formats of `report`; `json` and `csv` are for programs.
const FORMATS: [&str; 4] = ["human", "text", "json", "csv"];

#[test]
fn list_names_the_workloads_with_their_variants_and_parameters() {
    let place = Place::new();
    let text = place.ok(&["list"]);
    for word in ["chat\n", "noop\n", "--variant blocking", "--param history=20", "needs redis, llm", "hot-path"] {
        assert!(text.stdout.contains(word), "no {word} in {}", text.stdout);
    }
    assert_eq!(text.stderr, "");
    let list = place.ok(&["list", "--format", "json"]).json();
    let names: Vec<&str> = items(&list["workloads"]).iter().filter_map(|workload| workload["name"].as_str()).collect();
    assert!(names.contains(&"chat") && names.contains(&"noop"), "{names:?}");
    assert!(place.files().is_empty(), "list left files behind");
}

#[test]
fn run_measures_the_time_pass_alone_and_puts_the_result_on_stdout() {
    let place = Place::new();
    let ended = place.short("run", "noop", &[]);
    ended.must(0, &["time 1: done", "time 2: done"]);
    assert!(ended.stdout.contains("noop  complete") && ended.stdout.contains("p95"), "{}", ended.stdout);
    assert!(!ended.stdout.contains("time 1: done") && !ended.stdout.contains('\u{1b}'), "{}", ended.stdout);
    let run = place.run_json();
    assert_eq!(run["load"]["passes"], serde_json::json!(["time"]));
    assert_eq!((metric(&run, "latency.p50").len(), run["functions"].as_array().map(Vec::len)), (2, Some(0)));
    for name in ["cpu.pb.gz", "heap.pb.gz", "dhat-heap.json"] {
        assert!(!place.run_folder().join(name).exists(), "{name} without its pass");
    }
}

#[test]
fn quiet_leaves_the_result_and_nothing_else() {
    let place = Place::new();
    let ended = place.short("run", "noop", &["-q"]);
    ended.must(0, &[]);
    assert_eq!(ended.stderr, "");
    assert!(ended.stdout.contains("noop  complete"), "{}", ended.stdout);
}

#[test]
fn profile_in_json_is_one_document_with_everything_the_contract_names() {
    let place = Place::new();
    let ended = place.short("profile", "noop", &["--format", "json"]);
    ended.must(0, &[]);
    let run = ended.json();
    assert_eq!(run, place.run_json(), "stdout and run.json differ");
    follows_the_contract(&run);
    let passes: BTreeSet<&str> =
        items(&run["probes"]).iter().filter_map(|probe| probe["detail"]["pass"].as_str()).collect();
    assert_eq!(passes, BTreeSet::from(["cpu", "heap", "time"]));
}

/// The keys that other programs rely on, with their types; a letter each: string, number, integer, list, object,
/// boolean, and `?` for one that may be null.
const SHAPE: &[(&str, &str)] = &[
    ("/schema", "s"),
    ("/id", "s"),
    ("/workload", "s"),
    ("/variant", "s"),
    ("/status", "s"),
    ("/environment/cpu_model", "s?"),
    ("/environment/cores", "i"),
    ("/environment/kernel", "s?"),
    ("/environment/rustc", "s"),
    ("/environment/git_sha", "s?"),
    ("/environment/git_dirty", "b?"),
    ("/environment/fingerprint", "s"),
    ("/load/model", "s"),
    ("/load/users", "i"),
    ("/load/rate_per_s", "n?"),
    ("/load/duration_s", "n?"),
    ("/load/rounds", "i"),
    ("/load/seed", "i"),
    ("/services", "o"),
    ("/operations/planned", "i"),
    ("/operations/ok", "i"),
    ("/operations/failed", "i"),
    ("/operations/dropped", "i"),
    ("/operations/timed_out", "i"),
    ("/operations/by_error", "l"),
    ("/metrics", "l"),
    ("/metrics/0/name", "s"),
    ("/metrics/0/unit", "s"),
    ("/metrics/0/better", "s"),
    ("/metrics/0/values", "l"),
    ("/metrics/0/values/0", "n"),
    ("/phases", "l"),
    ("/functions", "l"),
    ("/functions/0/name", "s"),
    ("/functions/0/self_ns_per_op/0", "n"),
    ("/functions/0/total_ns_per_op/0", "n"),
    ("/sites", "l"),
    ("/probes", "l"),
    ("/probes/0/name", "s"),
    ("/probes/0/overhead", "n?"),
    ("/probes/0/detail", "o"),
    ("/findings", "l"),
    ("/warnings", "l"),
    ("/warnings/0/code", "s"),
    ("/warnings/0/message", "s"),
];

fn follows_the_contract(run: &Value) {
    for (place, kind) in SHAPE {
        let value = run.pointer(place).unwrap_or_else(|| panic!("no {place}"));
        let fits = match &kind[..1] {
            "s" => value.is_string(),
            "n" => value.is_number(),
            "i" => value.is_u64(),
            "b" => value.is_boolean(),
            "l" => value.is_array(),
            _ => value.is_object(),
        };
        assert!(fits || (kind.ends_with('?') && value.is_null()), "{place} is {value}, wanted {kind}");
    }
    assert_eq!((&run["schema"], &run["status"]), (&json("\"perfkit.run/1\""), &json("\"complete\"")));
    for metric in items(&run["metrics"]) {
        let unit = metric["unit"].as_str().unwrap();
        assert!(["ns", "bytes", "count", "ratio", "per_s"].contains(&unit), "{metric}");
        assert!(["lower", "higher"].contains(&metric["better"].as_str().unwrap()), "{metric}");
        assert_eq!(items(&metric["values"]).len(), 2, "one value for each round: {metric}");
    }
    for name in ["mean", "p50", "p90", "p95", "p99", "max", "sd", "mad"] {
        assert!(metric(run, &format!("latency.{name}")).iter().all(|value| *value >= 0.0), "latency.{name}");
    }
    for name in [
        "throughput",
        "success_rate",
        "cpu.per_op",
        "heap.bytes_per_op",
        "heap.blocks_per_op",
        "heap.peak",
        "heap.growth_per_op",
        "rss.max",
        "poll.p99",
        "schedule_delay.p99",
    ] {
        assert!(metric(run, name).iter().all(|value| value.is_finite()), "{name}");
    }
}

#[test]
fn a_stored_run_is_shown_again_in_every_format_by_every_name_it_has() {
    let place = Place::new();
    place.short("run", "noop", &["-q"]).must(0, &[]);
    let folder = place.run_folder();
    let id = folder.file_name().unwrap().to_str().unwrap();
    let names = [id, "latest", "latest:noop", folder.to_str().unwrap(), &format!("{}/run.json", folder.display())];
    for format in FORMATS {
        let shown = names.map(|name| place.ok(&["report", name, "--format", format]).stdout);
        assert!(shown.iter().all(|text| text.len() > 100), "{format}: {shown:?}");
        if format == "json" || format == "csv" {
            assert!(shown.iter().all(|text| *text == shown[0]), "{format} depends on how the run was named");
        }
    }
    assert_eq!(place.ok(&["report", "--format", "json"]).json(), place.run_json());
    let rows = place.ok(&["report", "--format", "csv"]).stdout;
    let mut reader = csv::Reader::from_reader(rows.as_bytes());
    assert_eq!(reader.headers().unwrap().iter().collect::<Vec<_>>(), ["metric", "unit", "better", "round", "value"]);
    let p50: Vec<f64> = reader
        .records()
        .map(Result::unwrap)
        .filter(|row| &row[0] == "latency.p50")
        .map(|row| row[4].parse().unwrap())
        .collect();
    assert_eq!(p50, metric(&place.run_json(), "latency.p50"));
    place.run(&["report", "--format", "html5"]).must(2, &["html5", "text, json, csv"]);
    place.run(&["report", "nosuchrun"]).must(2, &["nosuchrun", id]);
}

#[test]
fn the_text_that_was_printed_is_the_text_that_was_stored_and_is_shown_again() {
    let place = Place::new();
    let printed = place.short("run", "noop", &["-q"]).stdout;
    let id = place.run_folder().file_name().unwrap().to_str().unwrap().to_owned();
    let stored = fs::read_to_string(place.path().join(format!("reports/noop/{id}/report.txt"))).unwrap();
    assert_eq!(printed, stored);
    let before_files = |text: &str| text.split("\nFiles").next().unwrap_or_default().to_owned();
    assert_eq!(before_files(&place.ok(&["report"]).stdout), before_files(&stored));
}

#[test]
fn flamegraphs_are_drawn_again_and_against_another_run() {
    let place = Place::new();
    for _ in 0..2 {
        place.short("profile", "noop", &["-q", "--passes", "cpu,heap", "--rounds", "1"]).must(0, &[]);
    }
    let base = place.run_folders()[0].to_str().unwrap().to_owned();
    for of in ["cpu", "heap"] {
        let drawn = place.ok(&["flamegraph", "latest", "--of", of, "--output", "-"]).stdout;
        assert!(drawn.starts_with("<?xml") && drawn.trim_end().ends_with("</svg>"), "{of}: {drawn:.200}");
        let named = place.ok(&["flamegraph", "latest", "--of", of]);
        assert_eq!(fs::read_to_string(place.path().join(named.stdout.trim())).unwrap(), drawn, "{of}");
        let change = place.ok(&["flamegraph", "--of", of, "--base", &base, "-o", "-"]).stdout;
        assert!(change.contains("</svg>") && change != drawn, "{of}");
    }
    place.short("run", "noop", &["-q"]).must(0, &[]);
    place.run(&["flamegraph", "latest"]).must(2, &["no stacks of CPU time", "--passes time,cpu,heap"]);
}

#[test]
fn doctor_schema_completions_and_man_say_what_they_are_asked() {
    let place = Place::new();
    let doctor = place.ok(&["doctor"]).stdout;
    for name in ["build", "processors", "wake-ups", "heap tracking", "redis"] {
        assert!(doctor.contains(name), "no {name} in {doctor}");
    }
    let checks = place.ok(&["doctor", "--format", "json"]).json();
    assert!(items(&checks["checks"]).iter().all(|check| check["fit"].is_boolean() && check["advice"].is_string()));
    let completions = place.ok(&["completions", "bash"]).stdout;
    assert!(completions.contains("complete -F _perfkit") && completions.contains("--redis-url"), "{completions:.300}");
    let manual = place.ok(&["man"]).stdout;
    assert!(manual.contains(".TH perfkit") && manual.contains("flamegraph"), "{manual:.300}");
    assert!(!format!("{completions}{manual}").contains("__round"), "the hidden verbs are shown");
    assert!(place.files().is_empty(), "files were left behind");
}

#[test]
fn a_run_has_what_its_schema_requires_and_only_types_it_allows() {
    let place = Place::new();
    let run = place.short("profile", "noop", &["-q", "--format", "json", "--rounds", "1"]).json();
    let schema = place.ok(&["schema"]).json();
    assert!(items(&schema["required"]).len() > 5, "{schema}");
    let mut wrong = Vec::new();
    check(&schema, &schema, &run, "", &mut wrong);
    assert!(wrong.is_empty(), "{wrong:#?}");
    let mut damaged = run.clone();
    damaged["load"]["users"] = json("\"many\"");
    damaged.as_object_mut().unwrap().remove("environment");
    check(&schema, &schema, &damaged, "", &mut wrong);
    assert_eq!(wrong.len(), 2, "the check itself sees too little: {wrong:?}");
}

/// The part of JSON schema that perfkit's uses: references, types, properties, required, items, enumerations.
fn check(root: &Value, schema: &Value, value: &Value, at: &str, wrong: &mut Vec<String>) {
    if let Some(reference) = schema["$ref"].as_str() {
        let target = root.pointer(reference.trim_start_matches('#')).unwrap_or_else(|| panic!("no {reference}"));
        return check(root, target, value, at, wrong);
    }
    for choices in ["anyOf", "oneOf"] {
        if let Some(choices) = schema[choices].as_array() {
            let fits = |choice| {
                let mut inside = Vec::new();
                check(root, choice, value, at, &mut inside);
                inside.is_empty()
            };
            if !choices.iter().any(fits) {
                wrong.push(format!("{at}: {value} is none of the choices"));
            }
        }
    }
    let names = match &schema["type"] {
        Value::String(name) => vec![name.as_str()],
        Value::Array(names) => names.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    let is = |name: &&str| match *name {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_u64() || value.is_i64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        _ => value.is_object(),
    };
    if !names.is_empty() && !names.iter().any(is) {
        return wrong.push(format!("{at}: {value} is no {names:?}"));
    }
    let allowed = |constant: &Value| constant.is_null() || constant == value;
    if !allowed(&schema["const"]) || schema["enum"].as_array().is_some_and(|all| !all.contains(value)) {
        wrong.push(format!("{at}: {value} is not among {} {}", schema["const"], schema["enum"]));
    }
    for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        if value.is_object() && value.get(name).is_none() {
            wrong.push(format!("{at}: no {name}"));
        }
    }
    for (name, of) in schema["properties"].as_object().into_iter().flatten() {
        if let Some(inside) = value.get(name) {
            check(root, of, inside, &format!("{at}/{name}"), wrong);
        }
    }
    for (index, inside) in value.as_array().into_iter().flatten().enumerate().filter(|_| schema["items"].is_object()) {
        check(root, &schema["items"], inside, &format!("{at}/{index}"), wrong);
    }
}

#[test]
fn help_and_version_are_results() {
    let place = Place::new();
    let help = place.ok(&["--help"]);
    assert!(help.stdout.contains("Exit codes") && help.stderr.is_empty(), "{help:?}");
    assert!(place.ok(&["run", "--help"]).stdout.contains("--operations"));
    assert_eq!(place.ok(&["--version"]).stdout, format!("perfkit {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn flags_are_stronger_than_the_environment_and_that_than_the_file() {
    let place = Place::new();
    fs::write(
        place.path().join("perfkit.toml"),
        "[run]\nusers = 3\nseed = 30\nrounds = 1\n[workload.noop]\nusers = 4\n",
    )
    .unwrap();
    let loads = [(None, None), (Some("5"), None), (Some("5"), Some("6"))].map(|(variable, flag)| {
        let flags: Vec<&str> = flag.map_or_else(Vec::new, |users| vec!["--users", users]);
        let mut command = place.command(&[&["run", "noop", "-q", "--format", "json"], &flags[..]].concat());
        command.envs([("PERFKIT_DURATION", "50ms"), ("PERFKIT_WARMUP", "10ms")]);
        command.envs(variable.map(|users| ("PERFKIT_USERS", users)));
        Place::finish(&mut command).json()["load"].clone()
    });
    assert_eq!(loads.clone().map(|load| load["users"].as_u64()), [Some(4), Some(5), Some(6)]);
    assert!(
        loads.iter().all(|load| load["seed"] == 30 && load["rounds"] == 1 && load["duration_s"] == 0.05),
        "{loads:?}"
    );
}

#[test]
fn folders_from_the_environment_are_used() {
    let place = Place::new();
    let mut command = place.command(&["run", "noop", "-q"]);
    command.envs(SHORT).envs([("PERFKIT_PROFILES_DIR", "here/p"), ("PERFKIT_REPORTS_DIR", "here/r")]);
    Place::finish(&mut command).must(0, &[]);
    let tops: BTreeSet<PathBuf> = place.files().iter().map(|(path, _)| path.iter().take(2).collect()).collect();
    assert_eq!(tops, BTreeSet::from(["here/p".into(), "here/r".into()]));
}

#[test]
fn fail_on_ends_with_code_1_where_the_finding_is_and_0_where_it_is_not() {
    let place = Place::new();
    let run = place.short("profile", "noop", &["-q", "--passes", "cpu", "--rounds", "1", "--format", "json"]).json();
    let found: Vec<&str> =
        run["findings"].as_array().unwrap().iter().filter_map(|finding| finding["rule"].as_str()).collect();
    for rule in items(&place.ok(&["list", "--format", "json"]).json()["rules"]) {
        let rule = rule.as_str().unwrap();
        let ended = place.run(&["report", "--fail-on", rule]);
        assert_eq!(ended.code, Some(i32::from(found.contains(&rule))), "{rule} among {found:?}");
    }
}
