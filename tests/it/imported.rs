//! `import`: results of other programs in the store, shown and compared like runs.

use std::fs;
use std::path::Path;

use crate::place::{Place, items, json, metric};
use crate::rows::{measured, write};

/// The folder that `import` tells.
fn import(place: &Place, arguments: &[&str]) -> String {
    let ended = place.ok(&[&["import"], arguments].concat());
    let folder = ended.stdout.strip_suffix('\n').unwrap().to_owned();
    assert!(place.path().join(&folder).join("run.json").is_file(), "{ended:?}");
    folder
}

fn stored(place: &Place, folder: &str) -> serde_json::Value {
    json(&fs::read_to_string(place.path().join(folder).join("run.json")).unwrap())
}

/// What `hyperfine --export-json` writes of one command.
fn hyperfine(seconds: [f64; 5], exit_codes: [i32; 5]) -> String {
    let mean = seconds.iter().sum::<f64>() / 5.0;
    serde_json::json!({ "results": [{ "command": "sleep 0.1", "mean": mean, "stddev": 0.001, "median": mean, "user": 0.01,
        "system": 0.01, "min": mean, "max": mean, "times": seconds, "exit_codes": exit_codes }] })
    .to_string()
}

#[test]
fn hyperfine_results_are_stored_shown_and_compared() {
    let place = Place::new();
    let times = [0.101, 0.102, 0.1005, 0.1003, 0.1010];
    write(&place, "base.json", hyperfine(times, [0; 5]));
    write(&place, "head.json", hyperfine(times.map(|time| time * 1.3), [0; 5]));
    write(&place, "failed.json", hyperfine(times, [1; 5]));
    let base = import(&place, &["base.json", "--workload", "sleep"]);
    let run = stored(&place, &base);
    assert_eq!((&run["schema"], &run["workload"]), (&"perfkit.run/1".into(), &"sleep".into()));
    assert_eq!((&run["foreign"], &run["load"]["rounds"]), (&"hyperfine".into(), &5.into()));
    assert!(metric(&run, "latency").iter().zip(times).all(|(ns, s)| (ns - s * 1e9).abs() < 1.0), "{}", run["metrics"]);
    assert!(place.ok(&["report", "latest"]).stdout.contains("sleep  complete"));

    let head = import(&place, &["head.json", "--workload", "sleep"]);
    let ended = place.run(&["compare", &base, &head, "--format", "json"]);
    assert_eq!((ended.code, &ended.json()["verdict"]), (Some(1), &"regressed".into()));
    // The store tells which is the newer one; a file and a stored one are compared too.
    assert_eq!(place.run(&["compare", "latest~1", "latest:sleep"]).code, Some(1));
    assert_eq!(place.run(&["compare", &head, "base.json"]).code, Some(0));
    // A command that failed was not measured.
    let failed = place.run(&["compare", "base.json", "failed.json"]);
    assert!(failed.code == Some(4) && failed.stdout.contains("head is invalid: 5 of 5"), "{failed:?}");
}

#[test]
fn text_of_go_benchmarks_is_compared_by_time_and_by_allocations() {
    let place = Place::new();
    let text = |bytes: u32| {
        let line =
            |ns: u32| format!("BenchmarkFib-2   \t 1000\t      {ns} ns/op\t      {bytes} B/op\t       2 allocs/op\n");
        format!("goos: linux\npkg: example.com/fib\n{}PASS\n", [1000, 1010, 1005, 1002].map(line).concat())
    };
    write(&place, "base.txt", text(64));
    write(&place, "head.txt", text(128));
    let base = import(&place, &["base.txt"]);
    let run = stored(&place, &base);
    assert_eq!((&run["foreign"], &run["workload"]), (&"go".into(), &"base".into()));
    assert_eq!(metric(&run, "BenchmarkFib"), [1000.0, 1010.0, 1005.0, 1002.0]);
    assert!(place.ok(&["report", "latest"]).stdout.contains("BenchmarkFib"));
    let ended = place.run(&["compare", &base, "head.txt", "--format", "json"]);
    assert_eq!(ended.code, Some(1));
    let verdicts: Vec<_> = items(&ended.json()["metrics"])
        .iter()
        .map(|metric| format!("{} {}", metric["name"].as_str().unwrap(), metric["verdict"].as_str().unwrap()))
        .collect();
    assert_eq!(
        verdicts,
        ["BenchmarkFib unchanged", "BenchmarkFib.bytes_per_op regressed", "BenchmarkFib.allocs_per_op unchanged"]
    );
}

/// What criterion leaves of one benchmark.
fn criterion(folder: &Path, ns: f64) {
    let new = folder.join("fib/new");
    fs::create_dir_all(&new).unwrap();
    let about = serde_json::json!({ "group_id": "fib", "function_id": null, "value_str": null, "throughput": null,
        "full_id": "fib", "directory_name": "fib" });
    let interval = |point: f64| {
        serde_json::json!({ "confidence_interval": { "confidence_level": 0.95, "lower_bound": point * 0.99, "upper_bound": point * 1.01 },
            "point_estimate": point, "standard_error": 1.0 })
    };
    let estimates = serde_json::json!({ "mean": interval(ns), "median": interval(ns), "median_abs_dev": interval(1.0),
        "slope": null, "std_dev": interval(1.0) });
    let times: Vec<f64> = (0..100).map(|index| (ns + f64::from(index % 5)) * 10.0).collect();
    let sample = serde_json::json!({ "sampling_mode": "Flat", "iters": vec![10.0; 100], "times": times });
    for (name, content) in [("benchmark.json", about), ("estimates.json", estimates), ("sample.json", sample)] {
        fs::write(new.join(name), content.to_string()).unwrap();
    }
}

#[test]
fn a_folder_of_criterion_is_one_run_and_no_evidence_of_a_change() {
    let place = Place::new();
    criterion(&place.path().join("base"), 500.0);
    criterion(&place.path().join("head"), 900.0);
    let run = stored(&place, &import(&place, &["base", "--workload", "fib"]));
    assert_eq!((&run["foreign"], &run["load"]["rounds"]), (&"criterion".into(), &1.into()));
    assert!(place.ok(&["report", "latest"]).stdout.contains("fib"));
    // One process measured all of it: whatever the figures say, it is one round.
    let ended = place.run(&["compare", "base", "head"]);
    assert!(ended.code == Some(4) && ended.stdout.contains("one round, no interval"), "{ended:?}");
    fs::create_dir(place.path().join("empty")).unwrap();
    place.run(&["import", "empty"]).must(2, &["empty", "no benchmark of criterion"]);
}

#[test]
fn folded_stacks_are_shown_by_function_and_cannot_regress() {
    let place = Place::new();
    write(&place, "base.folded", "main;shop::cart;shop::sum 10\nmain;shop::page 5\n");
    write(&place, "head.folded", "main;shop::cart;shop::sum 90\nmain;shop::page 5\n");
    let base = import(&place, &["base.folded"]);
    let report = place.ok(&["report", &base]).stdout;
    assert!(report.contains("shop::sum") && report.contains("66.7 %"), "{report}");
    let ended = place.run(&["compare", &base, "head.folded"]);
    assert!(ended.code == Some(4) && ended.stdout.contains("no metric that decides was measured"), "{ended:?}");
    write(&place, "bad.folded", "main;shop::page 5\nmain;shop::page five\n");
    let ended = place.run(&["import", "bad.folded"]);
    ended.must(2, &["bad.folded", "hint:"]);
}

#[test]
fn what_the_flags_say_of_a_csv_is_stored_with_it() {
    let place = measured();
    let flags = ["--metric", "size", "--unit", "bytes", "--better", "higher", "--workload", "pages"];
    let ended = place.ok(&[&["import", "base.csv", "--format", "json"], &flags[..]].concat());
    let document = ended.json();
    let run = stored(&place, document["run"].as_str().unwrap());
    assert_eq!((&run["id"], &run["workload"]), (&document["id"], &"pages".into()));
    let first = &items(&run["metrics"])[0];
    assert_eq!(
        (&first["name"], &first["unit"], &first["better"]),
        (&"size.mean".into(), &"bytes".into(), &"higher".into())
    );
    // A file beside it must be read with the same flags, else it is another metric.
    assert_eq!(place.run(&["compare", "latest", "slow.csv"]).code, Some(4));
    assert_eq!(place.run(&[&["compare", "latest", "slow.csv"], &flags[..6]].concat()).code, Some(0));
    assert_eq!(place.run(&[&["compare", "latest", "fast.csv"], &flags[..6]].concat()).code, Some(1));
}

#[test]
fn what_is_known_of_a_foreign_run_is_shown_and_nothing_made_up() {
    let place = measured();
    import(&place, &["base.csv"]);
    let report = place.ok(&["report"]).stdout;
    assert!(report.contains("base  complete") && report.contains("p95"), "{report}");
    for text in ["0 users", "0 cores", "closed load", "pass ()", "multi:"] {
        assert!(!report.contains(text), "`{text}`, which nobody measured, in {report}");
    }
}

#[test]
fn what_cannot_be_imported_is_refused_and_nothing_is_stored() {
    let place = measured();
    write(&place, "text.bin", b"\0\x01\x02 no result");
    write(&place, "cut.json", &hyperfine([0.1; 5], [0; 5])[..100]);
    write(&place, "nan.csv", "round,value\n0,NaN\n");
    write(&place, "none.json", "{\"results\": []}");
    for (file, parts) in [
        ("nowhere.json", &["nowhere.json", "no such file"][..]),
        ("text.bin", &["text.bin", "no reader knows", "CSV with the header"]),
        ("cut.json", &["cut.json", "line 1 column"]),
        ("nan.csv", &["nan.csv: line 2", "`NaN`"]),
        ("none.json", &["none.json", "no result"]),
        ("/dev/null", &["/dev/null", "neither a file nor a folder"]),
        ("", &["<FILE>"]),
    ] {
        let ended = place.run(&["import", "--", file]);
        ended.must(2, parts);
        assert_eq!(ended.stdout, "", "{file}");
    }
    place.run(&["import"]).must(2, &["<FILE>"]);
    place.run(&["import", "base.csv", "--profiles-dir", "base.csv"]).must(6, &["could not write", "base.csv"]);
    assert!(place.run_folders().is_empty() && !place.path().join("profiles").exists());
}

#[test]
fn names_of_workloads_lead_out_of_no_folder() {
    let place = measured();
    for name in ["../../x", "/tmp/x", "a\u{1b}[31mb", "x/../../y"] {
        let folder = import(&place, &["base.csv", "--workload", name]);
        assert_eq!(Path::new(&folder).iter().count(), 3, "{folder}");
        assert_eq!(stored(&place, &folder)["workload"], name);
        place.ok(&["report", &folder]);
    }
    let paths: Vec<_> = place.files().into_iter().map(|(path, _)| path).collect();
    assert!(paths.iter().all(|path| path.starts_with("profiles") || path.iter().count() == 1), "{paths:?}");
}
