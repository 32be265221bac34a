//! How a comparison looks to people and to programs, as golden files: `PERFKIT_BLESS=1 cargo test comparison_golden` writes them anew,
//! and the difference is then for a person to read.

use std::fs;
use std::path::PathBuf;

use perfkit::compare::{Comparison, Judged, Verdict};
use perfkit::report::comparison::{self, Detail, Judgement, Kind};

/// The first workload is compared with everything that a comparison can have; the second has no base.
const JUDGED: &str = "tests/data/judged/v1.json";

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn judged() -> Vec<Judged> {
    serde_json::from_str(&fs::read_to_string(root().join(JUDGED)).unwrap()).unwrap()
}

fn rendered(format: &str, kind: Kind, judged: &[Judged]) -> String {
    let judgement = Judgement {
        kind,
        title: if kind == Kind::Check { "perfkit check" } else { "perfkit compare" },
        judged,
        verdict: Verdict::Regressed,
        exit_code: 1,
        command: "perfkit check chat search --base baseline:main",
        detail: Detail::Changed,
    };
    let mut out = Vec::new();
    (comparison::format(format).unwrap().render)(&judgement, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

fn must_be_golden(name: &str, text: &str) {
    let golden = root().join("tests/data/golden").join(name);
    if std::env::var_os("PERFKIT_BLESS").is_some() {
        fs::write(&golden, text).unwrap();
    }
    let wanted = fs::read_to_string(&golden).unwrap();
    let changed = wanted.lines().zip(text.lines()).find(|(wanted, text)| wanted != text);
    assert!(wanted == text, "first change: {changed:?}\nPERFKIT_BLESS=1 accepts it; all of it:\n{text}");
}

#[test]
fn a_check_looks_in_a_terminal_as_it_did() {
    must_be_golden("check.txt", &rendered("text", Kind::Check, &judged()));
}

#[test]
fn a_check_looks_on_a_pull_request_as_it_did() {
    must_be_golden("check.md", &rendered("markdown", Kind::Check, &judged()));
}

#[test]
fn programs_read_of_a_check_what_they_did() {
    must_be_golden("check.xml", &rendered("junit", Kind::Check, &judged()));
    must_be_golden("check-annotations.txt", &rendered("github", Kind::Check, &judged()));
    must_be_golden("check.csv", &rendered("csv", Kind::Check, &judged()));
}

#[test]
fn a_comparison_of_the_first_version_loads_and_is_printed_as_it_is() {
    let judged = &judged()[..1];
    let stored: serde_json::Value = serde_json::from_str(&fs::read_to_string(root().join(JUDGED)).unwrap()).unwrap();
    let printed = crate::place::json(&rendered("json", Kind::Comparison, judged));
    let lost = crate::compat::missing(&stored[0]["comparison"], &printed, "");
    assert!(lost.is_empty(), "{lost:#?}");
    let read: Comparison = serde_json::from_value(printed).unwrap();
    assert_eq!(Some(&read), judged[0].comparison.as_ref());
}

#[test]
fn every_format_renders_every_kind_and_names_differ() {
    for (index, format) in comparison::ALL.iter().enumerate() {
        for kind in [Kind::Comparison, Kind::Check] {
            assert!(!rendered(format.name, kind, &judged()).is_empty() && !format.about.is_empty(), "{}", format.name);
            // Nothing to judge is no reason to fall over.
            let _ = rendered(format.name, kind, &[]);
        }
        assert!(comparison::ALL[..index].iter().all(|other| other.name != format.name), "{}", format.name);
    }
}
