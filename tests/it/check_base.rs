//! `check` against another program: rounds in turn, the control, and where the program of a revision comes from.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use crate::checked::{QUICK, check, only};
use crate::ci_gate::{checkout, git};
use crate::place::{Ended, PERFKIT, Place, items, tool};
use crate::rows::write;

#[test]
fn rounds_of_base_and_head_are_run_in_turn_with_base_beside_itself_as_the_control() {
    let place = Place::new();
    let arguments = ["check", "noop", "--base-bin", PERFKIT, "--format", "json"];
    let ended = place.run(&[&arguments, &QUICK[..6], &["--rounds", "4"]].concat());
    let done = ended.stderr.lines().filter_map(|line| line.split_once(": done"));
    let order: Vec<String> = done.map(|(round, _)| round.replace(" time ", "")).collect();
    let wanted = "base1 head1 head2 base2 control2 head3 base3 control4 base4 head4";
    assert_eq!(order.join(" "), wanted, "{}", ended.stderr);

    let workload = only(&ended);
    let comparison = &workload["comparison"];
    assert_eq!((&comparison["paired"], &workload["control"]["rounds"]), (&true.into(), &2.into()));
    for metric in items(&comparison["metrics"]).iter().filter(|metric| metric["name"] == "latency.p50") {
        assert_eq!((&metric["rounds_base"], &metric["rounds_head"]), (&4.into(), &4.into()));
        assert!(["paired-t", "hodges-lehmann"].contains(&metric["method"].as_str().unwrap()), "{metric}");
    }
    let fit = workload["control"]["fit"].as_str().unwrap();
    assert!(
        ["fit", "unknown"].contains(&fit) || (fit == "unfit" && workload["verdict"] == "not_compared"),
        "{workload}"
    );
    items(&workload["control"]["metrics"]);

    // Both are kept, and the latest is that of the program that was asked.
    assert_eq!(place.run_folders().len(), 2);
    assert_eq!(place.ok(&["report", "latest", "--format", "json"]).json()["id"], comparison["head"]["id"]);
    assert_eq!(place.ok(&["report", "latest~1", "--format", "json"]).json()["id"], comparison["base"]["id"]);
}

#[test]
fn what_is_no_program_with_perfkit_in_it_is_refused_before_anything_is_measured() {
    let place = Place::new();
    write(&place, "text", "no program");
    fs::create_dir(place.path().join("folder")).unwrap();
    for (path, parts) in [
        (tool("true").to_str().unwrap(), &["does not list its workloads"][..]),
        ("nowhere/perfkit", &["nowhere/perfkit"]),
        ("folder", &["folder"]),
        ("text", &["text"]),
        ("", &["--base-bin"]),
    ] {
        let ended = place.run(&["check", "noop", "--duration", "1h", "--base-bin", path]);
        ended.must(2, parts);
        assert!(path.is_empty() || ended.stderr.contains("hint: name a program that has perfkit in it"), "{ended:?}");
        assert_eq!(ended.stdout, "");
    }
    for other in [&["--slo-only"][..], &["--baseline", "main"], &["--base-rev", "HEAD"]] {
        place.run(&[&["check", "noop", "--base-bin", PERFKIT], other].concat()).must(2, &["--base-bin", other[0]]);
    }
    assert!(!place.path().join("profiles").exists());
}

#[test]
fn a_base_without_the_workload_or_that_fails_is_nothing_to_compare_with() {
    let place = Place::new();
    let other = place.path().join("other");
    let script = |rounds: &str| {
        fs::write(&other, format!("#!/bin/sh\ncase \"$1\" in __round) {rounds};; esac\nexec {PERFKIT} \"$@\"\n"))
            .unwrap();
        fs::set_permissions(&other, fs::Permissions::from_mode(0o755)).unwrap();
    };
    let shop = Place::of_example("own_suite").command(&[]).get_program().to_str().unwrap().to_owned();
    let ended = check(&place, &["noop", "--base-bin", &shop]);
    assert_eq!((ended.code, &only(&ended)["reason"]), (Some(4), &"base has no workload noop".into()));
    assert!(place.run_folders().is_empty());

    script("echo the floor is gone >&2; exit 7");
    let ended = check(&place, &["noop", "--base-bin", "other"]);
    let workload = only(&ended);
    assert_eq!((ended.code, &workload["verdict"]), (Some(4), &"not_compared".into()), "{ended:?}");
    assert!(workload["reason"].as_str().unwrap().contains("base could not be run"), "{workload}");

    script("true");
    let ended = check(&place, &["noop", "--base-bin", "other"]);
    assert_eq!(only(&ended)["comparison"]["paired"], true, "{ended:?}");
}

/// A check of the commit before, in a checkout whose base is built by copying the program.
fn revision(place: &Place, revision: &str) -> Ended {
    place.run(&[&["check", "noop", "--base-rev", revision, "--format", "json"], &QUICK[..]].concat())
}

fn worktrees(place: &Place) -> usize {
    let mut command = Command::new(tool("git"));
    let output = command.args(["worktree", "list", "--porcelain"]).current_dir(place.path()).output().unwrap();
    String::from_utf8(output.stdout).unwrap().lines().filter(|line| line.starts_with("worktree ")).count()
}

#[test]
fn the_program_of_a_revision_is_built_once_and_its_checkout_is_gone_afterwards() {
    let place = checkout();
    let ended = revision(&place, "HEAD~1");
    assert!(ended.stderr.contains("building with cp "), "{ended:?}");
    let workload = only(&ended);
    let sha = workload["comparison"]["base"]["git_sha"].as_str().unwrap().to_owned();
    assert_ne!(workload["comparison"]["head"]["git_sha"], sha.as_str());
    assert!(ended.stderr.contains(&sha[..12]), "{ended:?}");
    assert_eq!(worktrees(&place), 1);

    // The same commit under another name.
    git(&place, &["tag", "before", "HEAD~1"]);
    let again = revision(&place, "before");
    assert!(again.stderr.contains("built before") && !again.stderr.contains("building"), "{again:?}");
    assert_eq!(only(&again)["comparison"]["base"]["git_sha"], sha.as_str());

    // Another commit, and another recipe, are other programs.
    assert!(revision(&place, "HEAD").stderr.contains("building with"));
    let config = fs::read_to_string(place.path().join("perfkit.toml")).unwrap();
    write(&place, "perfkit.toml", config.replace("program = \"built\"", "program = \"./built\""));
    assert!(revision(&place, "HEAD").stderr.contains("building with"));
    assert_eq!(worktrees(&place), 1);
}

#[test]
fn a_revision_that_cannot_be_built_is_told_and_leaves_no_checkout() {
    let place = checkout();
    let recipe = |build: &str, program: &str| {
        write(&place, "perfkit.toml", format!("[check]\nbuild = '{build}'\nprogram = '{program}'\n"));
    };
    for (build, program, parts) in [
        (
            "echo no compiler; exit 3",
            "built",
            &["no compiler", "could not be built", "exit status: 3", "[check] build"][..],
        ),
        ("true", "built", &["built", "the build must leave the program there"]),
        ("mkdir built", "built", &["hint:"]),
        ("cp /bin/true built", "built", &["does not list its workloads"]),
    ] {
        recipe(build, program);
        let ended = revision(&place, "HEAD");
        ended.must(2, parts);
        assert!(ended.stdout.is_empty(), "{ended:?}");
        assert_eq!(worktrees(&place), 1, "{build}");
    }
    for unknown in ["no-such-branch", "0123456789abcdef0123456789abcdef01234567", "HEAD:perfkit.toml", "-x", "HEAD~9"] {
        let ended = place.run(&["check", "noop", &format!("--base-rev={unknown}"), "--duration", "1h"]);
        ended.must(2, &[&format!("no revision `{unknown}`"), "git fetch"]);
    }
    let elsewhere = Place::new();
    revision(&elsewhere, "HEAD").must(2, &["--base-rev needs a git checkout", "--base-bin"]);
    assert!(!place.path().join("profiles").exists() && !elsewhere.path().join("profiles").exists());
}
