//! `perfkit leaks` against workloads that leak and workloads that only seem to: the verdict, the rate, the call site; and what it does
//! where it cannot decide.

use std::fs;

use perfkit::workload::builtin::leaky::{PLANTED, Planted};
use serde_json::Value;

use crate::place::{Place, json, metric};

/// A session of a leaky workload, as its JSON document.
fn session(place: &Place, planted: &Planted, more: &[&str]) -> Value {
    let variant: &[&str] = if planted.variant.is_empty() { &[] } else { &["--variant", planted.variant] };
    // As many operations as fill the cache's 3000 places in the warm-up.
    let driven = ["leaks", planted.workload, "-q", "--format", "json", "--operations", "1000"];
    place.ok(&[&driven, variant, more].concat()).json()
}

fn planted(name: &str) -> &'static Planted {
    PLANTED.iter().find(|planted| planted.workload == name).unwrap()
}

/// The rate of what the planted leak adds to, with its interval.
fn rate(planted: &Planted, leaks: &Value) -> [f64; 3] {
    let name = if planted.subject == "heap" { "heap.live" } else { planted.subject };
    let quantities = leaks["quantities"].as_array().unwrap();
    let judged = quantities.iter().find(|judged| judged["name"] == name).unwrap();
    ["estimate", "low", "high"].map(|part| judged["rate"][part].as_f64().unwrap())
}

fn check(planted: &Planted, leaks: &Value) {
    let verdict = leaks["verdict"].as_str().unwrap();
    assert!(planted.verdict.contains(&verdict), "{} {}: {verdict}: {leaks:#}", planted.workload, planted.variant);
    if verdict != "leak" {
        return;
    }
    let [estimate, low, high] = rate(planted, leaks);
    if let Some(slope) = planted.slope {
        assert!((estimate / slope - 1.0).abs() < 0.03, "{}: {estimate} instead of {slope}", planted.workload);
        assert!(low <= slope * 1.001 && slope * 0.999 <= high, "{}: [{low}, {high}]", planted.workload);
    }
    let sites = leaks["sites"].as_array().unwrap();
    if planted.subject == "heap" {
        let site = &sites[0];
        assert!(site["function"].as_str().unwrap().ends_with(planted.function), "{site:#}");
        assert!(site["place"].as_str().unwrap().contains(planted.file), "{site:#}");
        assert_eq!(site["verdict"], "leak");
    }
}

#[test]
fn what_leaks_is_found_with_its_rate_and_its_call_site_on_one_worker_and_on_two() {
    let place = Place::new();
    for name in ["leaky-operation", "leaky-rare", "leaky-task", "leaky-vector"] {
        for runtime in ["current", "multi:2"] {
            let planted = planted(name);
            check(planted, &session(&place, planted, &["--runtime", runtime]));
        }
    }
}

#[test]
fn threads_and_descriptors_that_are_never_given_back_are_found() {
    let place = Place::new();
    for name in ["leaky-descriptor", "leaky-thread"] {
        let planted = planted(name);
        check(planted, &session(&place, planted, &[]));
    }
}

#[test]
fn what_only_seems_to_leak_is_not_called_a_leak() {
    let place = Place::new();
    let bounded = PLANTED.iter().filter(|planted| !planted.verdict.contains(&"leak") && planted.subject == "heap");
    for planted in bounded {
        let leaks = session(&place, planted, &[]);
        check(planted, &leaks);
        assert!(leaks["sites"].as_array().unwrap().iter().all(|site| site["verdict"] != "leak"), "{leaks:#}");
    }
}

#[test]
fn memory_that_the_allocator_keeps_is_retention() {
    // Small steps and few operations, so that it fragments on to the end.
    let leaks =
        session(&Place::new(), planted("leaky-fragmentation"), &["--operations", "500", "--param", "step=1024"]);
    check(planted("leaky-fragmentation"), &leaks);
}

#[test]
#[cfg(tokio_unstable)]
fn a_task_that_never_ends_is_named_by_the_place_where_it_was_spawned() {
    let place = Place::new();
    let planted = planted("leaky-task");
    let leaks = session(&place, planted, &[]);
    let task = &leaks["tasks"][0];
    assert!(task["name"].as_str().unwrap().contains("leaky/task.rs:"), "{task:#}");
    assert_eq!(task["verdict"], "leak");
}

#[test]
fn a_leak_fails_where_that_is_asked_for_and_is_kept_in_the_run_and_drawn() {
    let place = Place::new();
    let driven = ["leaks", "leaky-operation", "-q", "--operations", "300", "--fail-on", "leak"];
    let ended = place.run(&driven);
    ended.must(1, &[]);
    assert!(
        ended.stdout.contains("leaky::operation::keep_for_ever") && ended.stdout.contains("1,024 B"),
        "{}",
        ended.stdout
    );
    let run = json(&fs::read_to_string(place.run_folder().join("run.json")).unwrap());
    assert_eq!(run["sites"][0]["verdict"], "leak");
    assert_eq!(run["growth"]["operations"].as_array().unwrap().len(), 48);
    assert_eq!(run["sites"][0]["growth_bytes_per_op"][20], 1024.0);
    assert!(run["findings"].to_string().contains("leaks 1,024 B per operation"), "{:#}", run["findings"]);
    let shown = place.ok(&["report", "latest"]);
    for text in ["leaks 1,024 B per operation", "48 rounds of 300 operations", "1.00 KiB per operation still alive"] {
        assert!(shown.stdout.contains(text), "no `{text}` in {}", shown.stdout);
    }
    let series = fs::read_to_string(place.run_folder().join("series.csv")).unwrap();
    for name in ["operations,count", "heap.live,bytes", "rss,bytes"] {
        let looks = series.lines().filter(|line| line.contains(&format!(",{name},"))).count();
        assert_eq!(looks, 48, "{name} after each round, in {series}");
    }
    let svg = place.files().into_iter().find(|(path, _)| path.ends_with("growth.svg")).unwrap().1;
    let svg = String::from_utf8(svg).unwrap();
    assert!(svg.contains("heap.live") && svg.contains("keep_for_ever"), "{svg}");
    for (of, by) in [("heap-growth", "thread"), ("heap-blocks", "task"), ("heap-peak", "thread")] {
        let svg = place.ok(&["flamegraph", "latest", "--of", of, "--by", by, "-o", "-"]).stdout;
        assert!(svg.contains("keep_for_ever") && !svg.contains("hdrhistogram"), "{of} by {by}");
    }
    place.run(&["leaks", "leaky-clean", "-q", "--operations", "200", "--fail-on", "leak"]).must(0, &[]);
}

#[test]
fn too_few_operations_are_inconclusive_and_a_load_that_cannot_be_repeated_is_refused() {
    let place = Place::new();
    let driven = ["leaks", "leaky-rare", "-q", "--operations", "5", "--format", "json"];
    let leaks = place.ok(&driven).json();
    assert_eq!(leaks["verdict"], "inconclusive", "{leaks:#}");
    assert!(leaks["operations_needed"].as_u64().unwrap() > 240, "{leaks:#}");
    place.run(&["leaks", "leaky-rare", "--rate", "100/s"]).must(2, &["--users"]);
    place.run(&["leaks", "leaky-rare", "--passes", "heap"]).must(2, &["--passes"]);
}

/// Bytes and blocks per operation in the heap pass of `leaky-clean`, and the bytes of all its stacks.
fn heap_pass(recorder: &str, operations: &str) -> ([f64; 2], f64) {
    let place = Place::new();
    let driven = ["profile", "leaky-clean", "-q", "--passes", "heap", "--rounds", "1", "--runtime", "current"];
    place.ok(&[&driven[..], &["--recorder", recorder, "--operations", operations]].concat());
    let run = place.run_json();
    let folded = fs::read_to_string(place.run_folder().join("heap.folded")).unwrap_or_default();
    let bytes = folded.lines().map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()).sum();
    (["heap.bytes_per_op", "heap.blocks_per_op"].map(|name| metric(&run, name)[0]), bytes)
}

#[test]
fn perfkits_own_recorder_counts_what_dhat_counts() {
    // dhat does a fortieth of the operations, the exact recorder a fourth: 500 both.
    let ((dhat, _), (own, _)) = (heap_pass("dhat", "20000"), heap_pass("exact", "2000"));
    for (dhat, own) in dhat.iter().zip(own) {
        assert!((own / dhat - 1.0).abs() < 0.001, "{own} by perfkit, {dhat} by dhat");
    }
}

#[test]
fn sampled_blocks_stand_for_all_and_counting_needs_no_sites() {
    let ([bytes, blocks], sampled) = heap_pass("sampled", "60000");
    let ([all_bytes, all_blocks], nothing) = heap_pass("count", "60000");
    assert!((bytes / all_bytes - 1.0).abs() < 0.01 && (blocks / all_blocks - 1.0).abs() < 0.01);
    // Some 400 samples: five standard deviations.
    assert!(
        (sampled / 60_000.0 / bytes - 1.0).abs() < 0.25,
        "{sampled} bytes of samples, {bytes} per operation counted"
    );
    assert!(nothing.abs() < 1.0);
}

#[test]
fn what_is_allocated_is_charged_to_the_phase_that_was_entered() {
    let place = Place::of_example("truth");
    let flags = ["-q", "--passes", "heap", "--recorder", "exact", "--rounds", "1", "--operations", "400"];
    place.ok(&[&["profile", "phase-blocks", "--runtime", "current"], &flags[..]].concat());
    place.ok(&["flamegraph", "--of", "heap", "--by", "phase", "-q"]);
    let svg = place.files().into_iter().find(|(path, _)| path.ends_with("heap-phase-flamegraph.svg")).unwrap().1;
    let svg = String::from_utf8(svg).unwrap();
    // The title of a root's frame: its name and its bytes.
    let bytes = |phase: &str| -> f64 {
        let title = svg.split("<title>").find(|title| title.starts_with(&format!("{phase} (")));
        let title = title.unwrap_or_else(|| panic!("no {phase} in {svg}"));
        let digits: String = title[phase.len() + 2..].chars().take_while(|c| *c != ' ').filter(|c| *c != ',').collect();
        digits.parse().unwrap()
    };
    let (outer, inner) = (bytes("outer"), bytes("inner"));
    // perfkit's and tokio's own part of an operation is outside phases.
    assert!((outer / inner - 1.5).abs() < 0.01, "{outer} and {inner} bytes");
    assert!(bytes("outside phases") >= inner / 2.0 * 0.99);
}

/// The numbers that a session must hold, by many sessions of each workload: `cargo test --test it leaking::table -- --ignored
/// --nocapture`, a quarter of an hour.
#[test]
#[ignore = "takes a quarter of an hour; prints a table"]
fn table() {
    for planted in PLANTED.iter().filter(|planted| ["heap", "tasks"].contains(&planted.subject)) {
        let leaks = planted.verdict.contains(&"leak");
        let (runtimes, sessions) = if leaks { (&["current", "multi:2"][..], 6) } else { (&["current"][..], 30) };
        for runtime in runtimes {
            let mut verdicts = std::collections::BTreeMap::new();
            for seed in 1..=sessions {
                // A folder of its own: nothing of one session is there for the next.
                let place = Place::new();
                let driven = ["leaks", planted.workload, "-q", "--format", "json", "--operations", "1000"];
                let variant: &[&str] = if planted.variant.is_empty() { &[] } else { &["--variant", planted.variant] };
                let seeded = ["--runtime", runtime, "--seed", &seed.to_string()];
                // Without a limit of time: in a debug build some take a minute.
                let ended = place.command(&[&driven, variant, &seeded].concat()).output().unwrap();
                let told = json(&String::from_utf8(ended.stdout).unwrap());
                check(planted, &told);
                *verdicts.entry(told["verdict"].as_str().unwrap().to_owned()).or_insert(0) += 1;
            }
            println!("{:<18} {:<10} {runtime:<8} {verdicts:?}", planted.workload, planted.variant);
        }
    }
}
