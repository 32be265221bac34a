//! A run of the first version loads for ever. Its text is a golden file: `PERFKIT_BLESS=1 cargo test compat` writes it anew,
//! and the difference is then for a person to read.

use std::fs;
use std::path::{Path, PathBuf};

use crate::place::{Place, items, metric};

/// From the root of the repository, so that the text holds no path of a machine.
const RUN: &str = "tests/data/runs/v1/run.json";
const GOLDEN: &str = "tests/data/golden/v1-report.txt";

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn report(format: &str) -> String {
    let place = Place::new();
    let ended = Place::finish(place.command(&["report", RUN, "--format", format]).current_dir(root()));
    ended.must(0, &[]);
    ended.stdout
}

#[test]
fn a_run_of_version_1_is_shown_as_it_always_was() {
    let text = report("text");
    if std::env::var_os("PERFKIT_BLESS").is_some() {
        fs::write(root().join(GOLDEN), &text).unwrap();
    }
    let golden = fs::read_to_string(root().join(GOLDEN)).unwrap();
    let changed = golden.lines().zip(text.lines()).find(|(golden, text)| golden != text);
    assert!(golden == text, "first change: {changed:?}\nPERFKIT_BLESS=1 accepts it; all of it:\n{text}");
}

#[test]
fn nothing_of_a_run_of_version_1_is_lost() {
    let mut stored = crate::place::json(&fs::read_to_string(root().join(RUN)).unwrap());
    let shown = crate::place::json(&report("json"));
    // What a later version adds with a default may be there; what the file says must be.
    let lost = missing(&stored, &shown, "");
    assert!(lost.is_empty(), "{lost:#?}");
    stored["metrics"][0]["values"][0] = 0.into();
    assert_eq!(missing(&stored, &shown, "").len(), 1, "the comparison itself sees nothing");
}

/// The places where `shown` has not what `stored` has.
pub(crate) fn missing(stored: &serde_json::Value, shown: &serde_json::Value, at: &str) -> Vec<String> {
    use serde_json::Value::{Array, Number, Object};
    match (stored, shown) {
        (Object(fields), _) => {
            fields.iter().flat_map(|(name, value)| missing(value, &shown[name], &format!("{at}/{name}"))).collect()
        }
        (Array(values), Array(others)) if values.len() == others.len() => {
            let pairs = values.iter().zip(others).enumerate();
            pairs.flat_map(|(index, (value, other))| missing(value, other, &format!("{at}/{index}"))).collect()
        }
        (Number(value), Number(other)) if value.as_f64() == other.as_f64() => Vec::new(),
        _ if stored == shown => Vec::new(),
        _ => vec![format!("{at}: {stored} became {shown}")],
    }
}

#[test]
fn the_sample_of_version_1_has_something_of_everything_and_nothing_of_a_machine() {
    let text = fs::read_to_string(root().join(RUN)).unwrap();
    for part in ["/tmp/", "/home/", "/root/", "\"/"] {
        assert!(!text.contains(part), "{part} in the sample");
    }
    let run = crate::place::json(&text);
    for list in ["metrics", "phases", "functions", "sites", "probes", "findings", "warnings"] {
        items(&run[list]);
    }
    items(&run["operations"]["by_error"]);
    assert!(metric(&run, "latency.p95").len() >= 3 && metric(&run, "switches.per_op")[1].is_nan());
    assert!(run["extra_of_a_later_version"].is_object());
    assert!(Path::new(RUN).ends_with("run.json") && text.len() < 40_000, "{} bytes", text.len());
}
