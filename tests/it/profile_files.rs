//! What a profile of the chat service leaves behind, read by other means than those that wrote it: Python, Chromium, the
//! HdrHistogram crate's own log reader.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::LazyLock;

use hdrhistogram::Histogram;
use hdrhistogram::serialization::Deserializer;
use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};
use serde_json::Value;

use crate::place::{Place, file_name, items, json, metric, tool};

/// One profile for all tests here.
static PROFILE: LazyLock<Place> = LazyLock::new(|| {
    tool("redis-server");
    let place = Place::shared("profile_files");
    let flags = ["--users", "4", "--rounds", "2", "--duration", "500ms", "--warmup", "100ms", "--timeout", "20s", "-q"];
    place.run(&[&["profile", "chat"], &flags[..]].concat()).must(0, &[]);
    place
});

fn run() -> Value {
    PROFILE.run_json()
}

fn file(name: &str) -> PathBuf {
    PROFILE.run_folder().join(name)
}

fn report(name: &str) -> PathBuf {
    PROFILE.path().join("reports/chat").join(file_name(&PROFILE.run_folder())).join(name)
}

#[test]
fn every_file_of_a_profile_is_there_and_nothing_else() {
    let names: BTreeSet<String> = PROFILE.files().iter().map(|(path, _)| file_name(path)).collect();
    for name in [
        "run.json",
        "ops.csv",
        "latency.hlog",
        "series.csv",
        "cpu.pb.gz",
        "cpu.folded",
        "heap.pb.gz",
        "heap.folded",
        "dhat-heap.json",
        "report.txt",
        "flamegraph.svg",
        "heap-flamegraph.svg",
    ] {
        assert!(names.contains(name), "no {name} among {names:?}");
    }
    assert!(!names.iter().any(|name| name.starts_with('.')), "{names:?}");
    for (path, content) in PROFILE.files() {
        // A run in which nothing held a worker has no stall to write down.
        let may_be_empty = file_name(&path) == "stalls.jsonl" && run()["stalls"].as_array().is_none_or(Vec::is_empty);
        assert!(!content.is_empty() || may_be_empty, "{} is empty", path.display());
        assert!(!path.to_string_lossy().contains("/."), "{}", path.display());
    }
    let run = run();
    assert_eq!((&run["status"], &run["schema"]), (&"complete".into(), &"perfkit.run/1".into()));
    assert_eq!(run["id"], file_name(&PROFILE.run_folder()));
    assert_eq!(
        (&run["services"]["redis"]["kind"], &run["services"]["llm"]["kind"]),
        (&"spawned".into(), &"embedded".into())
    );
}

/// The rows of `ops.csv` by pass and round, each a map from column to text.
fn rows() -> BTreeMap<(String, usize), Vec<BTreeMap<String, String>>> {
    let mut reader = csv::Reader::from_path(file("ops.csv")).unwrap();
    let mut rounds: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for row in reader.deserialize() {
        let row: BTreeMap<String, String> = row.unwrap();
        rounds.entry((row["pass"].clone(), row["round"].parse().unwrap())).or_default().push(row);
    }
    rounds
}

fn number(row: &BTreeMap<String, String>, column: &str) -> f64 {
    row[column].parse().unwrap_or_else(|_| panic!("{column} in {row:?}"))
}

#[test]
fn ops_csv_has_the_columns_of_the_contract_and_one_for_each_phase() {
    let header = fs::read_to_string(file("ops.csv")).unwrap().lines().next().unwrap().to_owned();
    let fixed = "pass,round,seq,worker,due_ns,start_ns,end_ns,outcome,busy_ns,scheduled_ns,idle_ns,";
    let rest = header.strip_prefix(fixed).unwrap_or_else(|| panic!("{header}"));
    let columns: BTreeSet<String> = rest.split(',').map(str::to_owned).collect();
    let run = run();
    let names = || items(&run["phases"]).iter().map(|phase| phase["name"].as_str().unwrap());
    // Whether the tests know of scheduled times is told by how they were built, as it is for perfkit.
    let states = if cfg!(tokio_unstable) { &["", "/busy", "/scheduled", "/idle"][..] } else { &["", "/busy", "/idle"] };
    let wanted = names().flat_map(|name| states.iter().map(move |state| format!("phase.{name}{state}_ns")));
    assert_eq!(columns, wanted.collect());
    for phase in ["redis.get", "redis.set", "llm.call", "cache.lookup", "tokenize", "transcript.append"] {
        assert!(columns.contains(&format!("phase.{phase}_ns")), "{columns:?}");
    }
}

#[test]
fn ops_csv_has_a_row_for_each_operation_and_its_times_fit_together() {
    let (rounds, run) = (rows(), run());
    let keys: Vec<_> = rounds.keys().map(|(pass, round)| format!("{pass} {round}")).collect();
    assert_eq!(keys, ["cpu 0", "cpu 1", "heap 0", "heap 1", "time 0", "time 1"]);
    let count = |outcome: &str| {
        let timed = rounds.iter().filter(|((pass, _), _)| pass == "time").flat_map(|(_, rows)| rows);
        timed.filter(|row| outcome.is_empty() || row["outcome"] == outcome).count() as u64
    };
    for (outcome, name) in
        [("", "planned"), ("ok", "ok"), ("failed", "failed"), ("timed_out", "timed_out"), ("dropped", "dropped")]
    {
        assert_eq!(run["operations"][name].as_u64(), Some(count(outcome)), "{name}");
    }
    for ((pass, round), rows) in &rounds {
        let numbers: BTreeSet<&str> = rows.iter().map(|row| row["seq"].as_str()).collect();
        assert_eq!(numbers.len(), rows.len(), "{pass} {round}: a number stands twice");
        let mut near = 0;
        for row in rows {
            assert!(["ok", "failed", "timed_out", "dropped"].contains(&row["outcome"].as_str()), "{row:?}");
            assert!(row["due_ns"] == row["start_ns"] && number(row, "end_ns") > number(row, "start_ns"), "{row:?}");
            let parts = ["busy_ns", "scheduled_ns", "idle_ns"];
            if pass != "time" {
                assert!(parts.iter().all(|part| row[*part].is_empty()), "watched in the {pass} pass: {row:?}");
                continue;
            }
            let latency = number(row, "end_ns") - number(row, "start_ns");
            let sum: f64 = parts.iter().map(|part| number(row, part)).sum();
            assert!(sum <= latency, "{sum} of {latency}: {row:?}");
            near += usize::from(sum > latency * 0.95 - 200_000.0);
            // An answer from the cache needs no LLM.
            assert!(row["phase.llm.call_ns"].is_empty() || number(row, "phase.llm.call_ns") <= latency, "{row:?}");
            assert!(number(row, "phase.redis.get_ns") <= latency, "{row:?}");
        }
        // Before its first poll an operation is watched by nobody: a machine with other work can stop it there.
        assert!(pass != "time" || near * 10 >= rows.len() * 9, "{near} of {} rows add up", rows.len());
    }
}

#[test]
fn the_states_of_every_phase_of_every_operation_add_up_to_it() {
    let (rounds, mut seen) = (rows(), BTreeMap::<String, (usize, f64)>::new());
    let timed = rounds.iter().filter(|((pass, _), _)| pass == "time").flat_map(|(_, rows)| rows);
    for row in timed {
        let phases = row.keys().filter_map(|key| key.strip_prefix("phase.")?.strip_suffix("_ns"));
        for phase in phases.filter(|phase| !phase.contains('/') && !row[&format!("phase.{phase}_ns")].is_empty()) {
            let whole = number(row, &format!("phase.{phase}_ns"));
            let states = ["busy", "scheduled", "idle"].map(|state| format!("phase.{phase}/{state}_ns"));
            let known = states.iter().filter(|state| row.contains_key(*state));
            let sum: f64 = known.map(|state| number(row, state)).sum();
            assert!((sum - whole).abs() < 0.5, "{phase}: {sum} of {whole}: {row:?}");
            let (count, busy_ns) = seen.entry(phase.to_owned()).or_default();
            (*count, *busy_ns) = (*count + 1, *busy_ns + number(row, &states[0]));
        }
    }
    // The spans of the handler run in the server's tasks: they join their operation through its `traceparent`, and those inside
    // them through the span around them.
    for phase in ["chat.request", "chat.parse", "redis.get", "cache.lookup", "tokenize", "redis.set"] {
        assert!(seen.get(phase).is_some_and(|(count, busy_ns)| *count > 10 && *busy_ns > 0.0), "{phase}: {seen:?}");
    }
}

#[test]
fn variance_tells_of_a_real_run_which_state_of_which_phase_it_lies_in() {
    let run = PROFILE.run_folder();
    let variance = PROFILE.ok(&["variance", run.to_str().unwrap(), "--format", "json"]).json();
    let shares = items(&variance["shares"]);
    let names: BTreeSet<&str> = shares.iter().filter_map(|share| share["component"].as_str()).collect();
    for component in ["redis.get/idle", "redis.get/busy", "redis.set/idle", "chat.request/busy", "operation/busy"] {
        assert!(names.contains(component), "{component} in {names:?}");
    }
    assert!((shares.iter().filter_map(|share| share["share"].as_f64()).sum::<f64>() - 1.0).abs() < 1e-9, "{variance}");
}

#[test]
fn the_run_knows_what_its_spread_is_made_of_round_by_round() {
    let run = run();
    let components = items(&run["components"]);
    let sums = |key: &str| -> Vec<f64> {
        let of = |round: usize| components.iter().filter_map(|one| one[key][round].as_f64()).sum();
        (0..2).map(of).collect()
    };
    for round in 0..2 {
        let value = |name: &str| metric(&run, name)[round];
        let (variance, mean) = (value("latency.sd").powi(2), value("latency.mean"));
        assert!((sums("covariance_ns2")[round] / variance - 1.0).abs() < 1e-6, "{variance}: {components:?}");
        assert!((sums("mean_ns")[round] / mean - 1.0).abs() < 1e-6, "{mean}: {components:?}");
    }
    let get = components.iter().find(|one| one["name"] == "redis.get/idle").unwrap();
    assert_eq!(get["within"], "chat.request");
}

#[test]
fn the_metrics_can_be_computed_again_from_ops_csv() {
    let (rounds, run) = (rows(), run());
    for round in 0..2 {
        let rows = &rounds[&("time".to_owned(), round)];
        let good = rows.iter().filter(|row| row["outcome"] == "ok");
        let mut latencies: Vec<f64> = good.map(|row| number(row, "end_ns") - number(row, "due_ns")).collect();
        latencies.sort_by(f64::total_cmp);
        let (count, end) = (latencies.len() as f64, rows.iter().map(|row| number(row, "end_ns")).fold(0.0, f64::max));
        for (name, again) in [
            ("latency.mean", latencies.iter().sum::<f64>() / count),
            ("latency.max", *latencies.last().unwrap()),
            ("throughput", count / end * 1e9),
            ("success_rate", count / rows.len() as f64),
        ] {
            let stored = metric(&run, name)[round];
            assert!((stored / again - 1.0).abs() < 1e-6, "{name} of round {round}: {stored}, again {again}");
        }
        let middle = [(count / 2.0 - 1.0) as usize, (count / 2.0 + 1.0) as usize]
            .map(|index| latencies[index.min(latencies.len() - 1)]);
        assert!((middle[0]..=middle[1]).contains(&metric(&run, "latency.p50")[round]));
    }
}

/// Standard base64 with padding.
fn base64(text: &str) -> Vec<u8> {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let (mut bytes, mut bits, mut held) = (Vec::new(), 0u32, 0);
    for letter in text.bytes().filter(|letter| *letter != b'=') {
        let value = LETTERS.iter().position(|known| *known == letter).expect("a letter of base64");
        (bits, held) = (bits << 6 | value as u32, held + 6);
        if held >= 8 {
            held -= 8;
            bytes.push((bits >> held) as u8);
        }
    }
    bytes
}

#[test]
fn latency_hlog_is_a_log_that_hdrhistogram_reads() {
    let (log, run, rounds) = (fs::read(file("latency.hlog")).unwrap(), run(), rows());
    let entries: Vec<LogEntry<'_>> =
        IntervalLogIterator::new(&log).map(|entry| entry.expect("a line of a log")).collect();
    let mut round = 0;
    for entry in &entries {
        let LogEntry::Interval(interval) = entry else { continue };
        assert_eq!(interval.tag().map(|tag| tag.as_str()), Some(format!("round-{round}").as_str()));
        let histogram: Histogram<u64> =
            Deserializer::new().deserialize(&mut base64(interval.encoded_histogram()).as_slice()).unwrap();
        let ok = rounds[&("time".to_owned(), round)].iter().filter(|row| row["outcome"] == "ok").count();
        assert_eq!(histogram.len(), ok as u64);
        let near = |a: f64, b: f64| (a / b - 1.0).abs() < 0.002;
        let (max, mean) = (metric(&run, "latency.max")[round], metric(&run, "latency.mean")[round]);
        assert!(near(histogram.max() as f64, max) && near(histogram.mean(), mean), "{} {max}", histogram.max());
        assert!(near(interval.max(), max / 1e6) && interval.duration().as_millis() >= 499, "{interval:?}");
        round += 1;
    }
    assert_eq!(round, 2, "{entries:?}");
    assert!(entries.iter().any(|entry| matches!(entry, LogEntry::StartTime(_))), "{entries:?}");
}

#[test]
fn series_csv_has_points_in_time_for_every_round_of_the_time_pass() {
    let mut reader = csv::Reader::from_path(file("series.csv")).unwrap();
    assert_eq!(
        reader.headers().unwrap().iter().collect::<Vec<_>>(),
        ["pass", "round", "t_ns", "name", "unit", "value"]
    );
    let mut last: BTreeMap<String, u64> = BTreeMap::new();
    let mut names = BTreeSet::new();
    for row in reader.records().map(Result::unwrap) {
        assert!(
            ["ns", "bytes", "count", "ratio", "per_s"].contains(&&row[4]) && row[5].parse::<f64>().unwrap().is_finite(),
            "{row:?}"
        );
        let at: u64 = row[2].parse().unwrap();
        let before = last.insert(format!("{} {} {}", &row[0], &row[1], &row[3]), at);
        assert!(before.is_none_or(|before| before < at), "time goes back: {row:?}");
        names.insert(row[3].to_owned());
    }
    for name in ["rss", "runtime.busy_ratio"] {
        assert!(names.contains(name), "{names:?}");
        assert!([0, 1].iter().all(|round| last.contains_key(&format!("time {round} {name}"))), "{last:?}");
    }
}

/// What Python makes of a pprof file; fails unless it finds nothing wrong with it.
fn read_pprof(name: &str) -> Value {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/read_pprof.py");
    let ended = Place::finish(Command::new(tool("python3")).arg(script).arg(file(name)));
    ended.must(0, &[]);
    let summary = ended.json();
    assert_eq!(summary["wrong"], json("[]"), "{name}");
    assert!(summary["samples"].as_u64() > Some(20) && summary["lines"].as_u64() > Some(100), "{summary:.500}");
    assert_eq!((&summary["unused_locations"], &summary["has_functions"]), (&0.into(), &true.into()), "{name}");
    assert!(summary["main_mapping"].as_str().unwrap().ends_with("/perfkit"), "{}", summary["main_mapping"]);
    assert!(
        items(&summary["functions"]).iter().any(|function| function.as_str().unwrap().contains("chat::tokenizer::")),
        "{name}"
    );
    assert!(items(&summary["comments"])[0].as_str().unwrap().contains(run()["id"].as_str().unwrap()));
    summary
}

/// The sum over a folded file, of which every line must be frames and a count.
fn folded_sum(name: &str) -> u64 {
    let text = fs::read_to_string(file(name)).unwrap();
    let counts = text.lines().map(|line| {
        let (frames, count) = line.rsplit_once(' ').unwrap_or_else(|| panic!("{line}"));
        assert!(frames.split(';').all(|frame| !frame.is_empty()) && !frames.contains(char::is_control), "{line}");
        count.parse::<u64>().unwrap_or_else(|_| panic!("{line}"))
    });
    counts.sum()
}

#[test]
fn cpu_pb_gz_is_a_profile_whose_time_is_the_cpu_time_that_was_measured() {
    let summary = read_pprof("cpu.pb.gz");
    assert_eq!(summary["sample_type"], json(r#"[["samples", "count"], ["cpu", "nanoseconds"]]"#));
    assert_eq!(
        (&summary["default_sample_type"], &summary["period_type"]),
        (&"cpu".into(), &json(r#"["cpu", "nanoseconds"]"#))
    );
    let [samples, cpu] = [0, 1].map(|index| summary["totals"][index].as_u64().unwrap());
    let period = summary["period"].as_u64().unwrap();
    assert!(cpu > 0 && cpu - samples * period < samples, "{cpu} ns in {samples} stacks, one for {period} ns");
    let run = run();
    let probe = items(&run["probes"]).iter().find(|probe| probe["name"] == "cpu").unwrap();
    let measured: u64 = items(&probe["detail"]["rounds"]).iter().map(|round| round["cpu_ns"].as_u64().unwrap()).sum();
    assert_eq!((cpu, folded_sum("cpu.folded")), (measured, measured));
    let threads = items(&summary["threads"]);
    assert!(threads.contains(&"tokio-rt-worker".into()), "{threads:?}");
    // Operations took this long; the passes are other processes, so only the order of size is the same.
    let per_op = metric(&run, "cpu.per_op").iter().sum::<f64>() / 2.0;
    let operations = rows().iter().filter(|((pass, _), _)| pass == "cpu").map(|(_, rows)| rows.len()).sum::<usize>();
    let ratio = cpu as f64 / operations as f64 / per_op;
    assert!((0.2..5.0).contains(&ratio), "{ratio}");
}

#[test]
fn heap_pb_gz_has_the_totals_of_dhats_own_file() {
    let summary = read_pprof("heap.pb.gz");
    let types: Vec<_> = items(&summary["sample_type"]).iter().map(|kind| kind[0].as_str().unwrap()).collect();
    assert_eq!(types[..4], ["alloc_objects", "alloc_space", "inuse_objects", "inuse_space"]);
    let dhat = json(&fs::read_to_string(file("dhat-heap.json")).unwrap());
    assert_eq!((&dhat["dhatFileVersion"], &dhat["mode"]), (&2.into(), &"rust-heap".into()));
    let sum = |name: &str| items(&dhat["pps"]).iter().map(|point| point[name].as_u64().unwrap()).sum::<u64>();
    assert_eq!(
        summary["totals"].as_array().unwrap()[..4],
        ["tbk", "tb", "ebk", "eb"].map(|name| Value::from(sum(name)))
    );
    assert_eq!(folded_sum("heap.folded"), sum("tb"));
    let run = run();
    let last = rows()[&("heap".to_owned(), 1)].len() as f64;
    for (name, of) in [("heap.bytes_per_op", "tb"), ("heap.blocks_per_op", "tbk"), ("heap.growth_per_op", "eb")] {
        let (stored, again) = (metric(&run, name)[1], sum(of) as f64 / last);
        assert!((stored / again - 1.0).abs() < 1e-3, "{name}: {stored}, by dhat's file {again}");
    }
}

/// The page as Chromium shows it.
fn shown(path: &std::path::Path) -> String {
    let home = tempfile::tempdir().unwrap();
    let flags = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--disable-dev-shm-usage",
        "--dump-dom",
    ];
    let mut command = Command::new(tool("chromium"));
    command
        .args(flags)
        .arg(format!("--user-data-dir={}", home.path().display()))
        .arg(format!("file://{}", path.display()));
    let ended = Place::finish(command.env("HOME", home.path()));
    assert_eq!(ended.code, Some(0), "{ended:?}");
    ended.stdout
}

const BROKEN: &str = "This page contains the following errors";

#[test]
fn a_browser_opens_the_flamegraphs_and_they_name_the_functions() {
    for (name, function) in [("flamegraph.svg", "chat::"), ("heap-flamegraph.svg", "tokenize")] {
        let page = shown(&report(name));
        assert!(page.contains("<svg") && page.contains(function) && !page.contains(BROKEN), "{name}: {page:.300}");
        assert!(page.matches("<title>").count() > 10, "{name} has no frames");
    }
    // That it would tell.
    let folder = tempfile::tempdir().unwrap();
    let broken = folder.path().join("broken.svg");
    let text = fs::read_to_string(report("flamegraph.svg")).unwrap();
    fs::write(&broken, text.replacen("chat::", "chat\u{1}::", 1)).unwrap();
    assert!(shown(&broken).contains(BROKEN));
}
