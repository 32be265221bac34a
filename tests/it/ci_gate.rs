//! `scripts/ci-gate` as CI starts it: in a checkout of its own, with a base that is built there.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::place::{Ended, PERFKIT, Place, tool};

/// A checkout with two commits, in which the base is built by copying the program.
pub(crate) fn checkout() -> Place {
    let place = Place::new();
    let config = format!("[check]\nworkloads = [\"noop\"]\nbuild = \"cp {PERFKIT} built\"\nprogram = \"built\"\n");
    fs::write(place.path().join("perfkit.toml"), config).unwrap();
    fs::write(place.path().join(".gitignore"), "target\nprofiles\nreports\n").unwrap();
    git(&place, &["init", "--quiet", "--initial-branch=main"]);
    for message in ["one", "two"] {
        fs::write(place.path().join("change"), message).unwrap();
        git(&place, &["add", "--all"]);
        let identity = ["-c", "user.name=a", "-c", "user.email=a@example.org"];
        git(&place, &[&identity[..], &["commit", "--quiet", "-m", message]].concat());
    }
    place
}

pub(crate) fn git(place: &Place, arguments: &[&str]) {
    let status = Command::new(tool("git")).args(arguments).current_dir(place.path()).status().unwrap();
    assert!(status.success(), "git {arguments:?}");
}

fn gate(place: &Place, arguments: &[&str], variables: &[(&str, &str)]) -> Ended {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/ci-gate");
    let mut command = Command::new(script);
    command.args(arguments).current_dir(place.path()).env("PERFKIT", PERFKIT);
    for name in ["GITHUB_ACTIONS", "GITHUB_BASE_REF", "GITHUB_STEP_SUMMARY", "CI_MERGE_REQUEST_DIFF_BASE_SHA"] {
        command.env_remove(name);
    }
    command.env("PERFKIT_DURATION", "100ms").env("PERFKIT_WARMUP", "20ms").env("PERFKIT_ROUNDS", "2");
    Place::finish(command.envs(variables.iter().copied()))
}

#[test]
fn the_gate_leaves_a_comment_a_report_and_a_summary_and_ends_as_the_check_does() {
    let place = checkout();
    let summary = place.path().join("summary.md");
    let variables = [("GITHUB_ACTIONS", "true"), ("GITHUB_STEP_SUMMARY", summary.to_str().unwrap())];
    let ended = gate(&place, &["--", "--until", "rounds"], &variables);
    // Whether two short runs of one program differ is up to the machine; that they are judged is not.
    let json = fs::read_to_string(place.path().join("target/perfkit-ci/comment.md")).unwrap();
    assert!(json.starts_with("<!-- perfkit -->\n## perfkit check: "), "{json}");
    assert_eq!(fs::read_to_string(&summary).unwrap(), json);
    let junit = fs::read_to_string(place.path().join("target/perfkit-ci/junit.xml")).unwrap();
    assert!(junit.contains("<testsuite") && junit.contains("latency.p50"), "{junit}");
    assert!(ended.code.is_some_and(|code| [0, 1, 4].contains(&code)), "{ended:?}");
    assert!(ended.stderr.contains("building with cp "), "{ended:?}");
}

#[test]
fn a_gate_without_a_base_does_not_pass() {
    let place = checkout();
    let ended = gate(&place, &["no-such-revision"], &[]);
    ended.must(2, &["no revision `no-such-revision`"]);
    assert!(!place.path().join("target/perfkit-ci/comment.md").exists());
}
