//! What the heap pass counts: the operation's own blocks to the last one, and of the harness next to none.

use serde_json::Value;

use crate::place::{Place, items, metric};

/// A heap round of so many operations, of which the heap pass does a fortieth.
fn heap(example: &str, workload: &str, operations: &str) -> (Value, f64, f64) {
    let place = Place::of_example(example);
    let flags =
        ["-q", "--passes", "heap", "--rounds", "1", "--users", "2", "--operations", operations, "--format", "json"];
    let ended = place.short("profile", workload, &flags);
    ended.must(0, &[]);
    let run = ended.json();
    let total = items(&run["probes"])[0]["detail"]["rounds"][0]["total_blocks"].as_f64().unwrap();
    let done = std::fs::read_to_string(place.run_folder().join("ops.csv")).unwrap().lines().count() as f64 - 1.0;
    (run, total, done)
}

#[test]
fn the_harness_allocates_nothing_for_an_operation() {
    for workload in ["parse", "search"] {
        let (_, few, short) = heap("own_suite", workload, "40000");
        let (_, many, long) = heap("own_suite", workload, "1600000");
        assert_eq!((short, long), (1_000.0, 40_000.0));
        // What remains are batches of rows on their way to the disk: fewer than one for 256 operations.
        assert!(many - few < (long - short) / 256.0 + 20.0, "{workload}: {few} blocks in {short}, {many} in {long}");
    }
}

#[test]
fn the_harness_does_not_look_like_a_leak() {
    let (run, _, _) = heap("own_suite", "parse", "1600000");
    let growth = metric(&run, "heap.growth_per_op")[0];
    assert!(growth < 1.0, "{growth} bytes per operation are alive at the end of a workload that allocates nothing");
}

#[test]
fn blocks_and_bytes_of_an_operation_are_counted_to_the_last() {
    let (run, _, done) = heap("truth", "blocks", "400000");
    // Three blocks of 100, 200 and 300 bytes in each operation.
    let blocks = metric(&run, "heap.blocks_per_op")[0];
    assert!((3.0..3.01).contains(&blocks), "{blocks} blocks per operation, {done} operations");
    let of_blocks = |site: &&Value| items(&site["stack"]).iter().any(|frame| frame["function"] == "truth::blocks");
    let site = items(&run["sites"]).iter().find(of_blocks).expect("a site in `blocks`");
    let number = |name: &str| site[name].as_f64().unwrap();
    assert!((number("blocks_per_op") - 3.0).abs() < 1e-9 && (number("bytes_per_op") - 600.0).abs() < 1e-6, "{site}");
    assert!(number("live_bytes_end").abs() < 1e-9, "{site}");
}

#[test]
fn a_heap_pass_alone_says_how_many_operations_it_did() {
    let (run, _, done) = heap("truth", "blocks", "40000");
    assert!(done > 0.0);
    // The counts of `operations` are those of the time pass: without one, the text must not say that nothing was done.
    let place = Place::of_example("truth");
    let shown = place.short("profile", "blocks", &["-q", "--passes", "heap", "--rounds", "1"]).stdout;
    assert!(!shown.contains("0 of 0"), "{shown}");
    assert_eq!(run["status"], "complete");
}
