//! Programs with another allocator than the system's, `examples/jemalloc.rs`, and with one that perfkit does not see,
//! `examples/untracked.rs`.

use serde_json::Value;

use crate::place::{Place, items, metric};

/// A session of the workload that keeps 1,024 bytes of each operation.
fn leaks(place: &Place, workload: &str) -> Value {
    place.ok(&["leaks", workload, "-q", "--operations", "300", "--format", "json"]).json()
}

/// A heap pass with the recorder that is the default, which does a fortieth of the operations.
const HEAP_PASS: [&str; 10] =
    ["profile", "leaky-clean", "-q", "--rounds", "1", "--runtime", "current", "--operations", "20000", "--passes"];

/// What the heap probe of that pass told.
fn heap_pass(place: &Place) -> (Value, Value) {
    place.ok(&[&HEAP_PASS[..], &["heap"]].concat());
    let run = place.run_json();
    let heap = items(&run["probes"]).iter().find(|probe| probe["name"] == "heap").unwrap();
    (items(&heap["detail"]["rounds"])[0].clone(), run["warnings"].clone())
}

fn warns(document: &Value, code: &str) -> bool {
    document["warnings"].as_array().is_some_and(|all| all.iter().any(|warning| warning["code"] == code))
}

#[test]
fn a_leak_over_jemalloc_is_found_with_its_rate_and_its_call_site() {
    let leaks = leaks(&Place::of_example("jemalloc"), "leaky-operation");
    assert_eq!(leaks["verdict"], "leak", "{leaks:#}");
    let site = &items(&leaks["sites"])[0];
    assert!(site["function"].as_str().unwrap().ends_with("leaky::operation::keep_for_ever"), "{site:#}");
    let heap = items(&leaks["quantities"]).iter().find(|judged| judged["name"] == "heap.live").unwrap();
    let estimate = heap["rate"]["estimate"].as_f64().unwrap();
    assert!((estimate / 1024.0 - 1.0).abs() < 0.03, "{heap:#}");
}

#[test]
fn the_heap_pass_over_jemalloc_counts_what_it_counts_over_the_systems_allocator() {
    let (over_jemalloc, warnings) = heap_pass(&Place::of_example("jemalloc"));
    let (over_system, none) = heap_pass(&Place::new());
    assert_eq!((&over_jemalloc["recorder"], &over_system["recorder"]), (&"exact".into(), &"dhat".into()));
    for name in ["total_bytes", "total_blocks"] {
        let [ours, dhats] = [&over_jemalloc, &over_system].map(|totals| totals[name].as_f64().unwrap());
        assert!((ours / dhats - 1.0).abs() < 0.001, "{name}: {ours} over jemalloc, {dhats} over the system's");
    }
    let says = "perfkit's own recorder took its place";
    assert!(warnings.to_string().contains(says) && !none.to_string().contains(says), "{warnings:#}");
}

#[test]
fn without_track_heap_a_leaks_session_says_so_and_looks_at_the_rest() {
    let place = Place::of_example("untracked");
    let found = leaks(&place, "leaky-descriptor");
    assert!(warns(&found, "no-heap-tracking"), "{:#}", found["warnings"]);
    assert_eq!(found["verdict"], "leak", "{found:#}");
    let names: Vec<&str> = items(&found["quantities"]).iter().filter_map(|judged| judged["name"].as_str()).collect();
    assert!(names.contains(&"descriptors") && names.contains(&"rss"), "{names:?}");
    // Absent, not zero.
    assert!(!names.iter().any(|name| name.starts_with("heap")), "{names:?}");
    let place = Place::of_example("untracked");
    let kept = leaks(&place, "leaky-operation");
    assert_ne!(kept["verdict"], "ok", "1,024 bytes of each operation stay: {kept:#}");
}

#[test]
fn without_track_heap_a_profile_leaves_the_heap_out_and_says_so() {
    let place = Place::of_example("untracked");
    place.ok(&[&HEAP_PASS[..], &["time,heap"]].concat());
    let run = place.run_json();
    assert!(warns(&run, "no-heap-tracking"), "{:#}", run["warnings"]);
    assert_eq!(run["status"], "complete");
    assert!(metric(&run, "rss.max")[0] > 0.0 && metric(&run, "descriptors.max")[0] > 0.0);
    assert!(!items(&run["metrics"]).iter().any(|metric| metric["name"].as_str().unwrap().starts_with("heap")));
    // Alone it would measure nothing.
    let alone = Place::of_example("untracked").run(&[&HEAP_PASS[..], &["heap"]].concat());
    alone.must(2, &["the program does not track its heap", "perfkit::track_heap!()"]);
}
