//! The folders: what is read from them when it is damaged, and what is left where nothing can be written.

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::process::Stdio;

use crate::place::{Place, SHORT, wait};

#[test]
fn a_damaged_run_is_refused_with_its_path_and_place_and_never_a_panic() {
    let place = Place::new();
    place.short("profile", "noop", &["-q", "--rounds", "1"]).must(0, &[]);
    let file = place.run_folder().join("run.json");
    let whole = fs::read_to_string(&file).unwrap();
    let path = file.to_str().unwrap();
    for part in 0..12 {
        let cut = whole.len() * part / 12;
        fs::write(&file, &whole.as_bytes()[..cut]).unwrap();
        for verb in ["report", "flamegraph"] {
            place.run(&[verb, path]).must(2, &[path, "line", "column", "hint:"]);
        }
    }
    for (from, to, text) in [
        ("perfkit.run/1", "perfkit.run/2", "update perfkit"),
        ("perfkit.run/1", "perfkit.run/01x", "perfkit.run/01x"),
        ("perfkit.run/1", "hyperfine", "hyperfine"),
        ("\"users\": 1", "\"users\": -1", "line"),
        ("\"status\": \"complete\"", "\"status\": \"splendid\"", "line"),
        ("\"cores\":", "\"hearts\":", "cores"),
        ("\"metrics\": [", "\"metrics\": [[],", "line"),
    ] {
        assert!(whole.contains(from), "the run has no {from}");
        fs::write(&file, whole.replacen(from, to, 1)).unwrap();
        place.run(&["report", path]).must(2, &[path, text]);
    }
    let deep = "[".repeat(200_000);
    for garbage in [&b""[..], b"null", b"[]", b"{}", b"\xff\xfe\0", b"\x1f\x8b\x08", b"1e999", deep.as_bytes()] {
        fs::write(&file, garbage).unwrap();
        place.run(&["report", path]).must(2, &[path]);
    }
    fs::write(&file, &whole).unwrap();
    place.ok(&["report", path]);
}

#[test]
fn keys_of_a_newer_perfkit_are_kept() {
    let place = Place::new();
    place.short("run", "noop", &["-q"]).must(0, &[]);
    let file = place.run_folder().join("run.json");
    let text = fs::read_to_string(&file).unwrap().replacen('{', "{ \"mood\": [1, { \"a\": null }],", 1);
    fs::write(&file, text).unwrap();
    assert_eq!(place.ok(&["report", "--format", "json"]).json()["mood"], serde_json::json!([1, { "a": null }]));
}

#[test]
fn runs_made_at_the_same_time_do_not_meet() {
    let place = Place::new();
    let start = |_| place.command(&["run", "noop", "-q"]).envs(SHORT).stdout(Stdio::null()).spawn().unwrap();
    let mut children = [0, 1, 2].map(start);
    assert!(children.iter_mut().all(|child| wait(child) == Some(0)));
    let runs = place.run_folders();
    assert_eq!(runs.len(), 3);
    for run in runs {
        place.ok(&["report", run.to_str().unwrap()]);
    }
}

#[test]
fn a_profiles_folder_that_cannot_be_written_ends_with_code_6_at_once() {
    let place = Place::new();
    fs::write(place.path().join("file"), "mine").unwrap();
    symlink("/dev/full", place.path().join("device")).unwrap();
    // As root no mode forbids writing: what is no folder does.
    for folder in ["file", "file/below", "device", "/proc/nowhere"] {
        let ended = place.short("profile", "noop", &["--profiles-dir", folder]);
        ended.must(6, &["could not write", folder, "hint:"]);
        assert!(ended.stdout.is_empty() && !ended.stderr.contains("time 1"), "it measured before it looked: {ended:?}");
    }
    assert_eq!(place.files(), [("file".into(), b"mine".to_vec())]);
}

#[test]
fn a_reports_folder_that_cannot_be_written_ends_with_code_6_and_keeps_the_run() {
    let place = Place::new();
    fs::write(place.path().join("reports"), "mine").unwrap();
    place.short("run", "noop", &[]).must(6, &["could not write", "reports"]);
    assert_eq!(fs::read(place.path().join("reports")).unwrap(), b"mine");
    // What was measured is whole or absent, never half there.
    for folder in place.run_folders() {
        place.ok(&["report", folder.to_str().unwrap()]);
    }
    let files: Vec<_> = place.files().into_iter().map(|(path, _)| path).collect();
    assert!(!files.iter().any(|path| path.to_string_lossy().contains("/.")), "{files:?}");
}

#[test]
fn a_flamegraph_that_cannot_be_written_ends_with_code_6() {
    let place = Place::new();
    place.short("profile", "noop", &["-q", "--passes", "cpu", "--rounds", "1"]).must(0, &[]);
    for file in ["/dev/full", "nowhere/x.svg", "profiles"] {
        place.run(&["flamegraph", "--output", file]).must(6, &["could not write", file]);
    }
    assert!(!place.path().join("nowhere").exists() && place.path().join("profiles").is_dir());
}

#[test]
fn a_full_standard_output_ends_with_code_6() {
    let place = Place::new();
    place.short("profile", "noop", &["-q", "--rounds", "1"]).must(0, &[]);
    for arguments in [
        &["list"][..],
        &["report"],
        &["report", "--format", "json"],
        &["report", "--format", "csv"],
        &["flamegraph", "-o", "-"],
        &["doctor"],
        &["schema"],
        &["completions", "bash"],
        &["man"],
        &["--help"],
        &["--version"],
    ] {
        let mut command = place.command(arguments);
        let mut child = command.stdout(File::create("/dev/full").unwrap()).stderr(Stdio::piped()).spawn().unwrap();
        assert_eq!(wait(&mut child), Some(6), "{arguments:?}");
        let stderr = std::io::read_to_string(child.stderr.take().unwrap()).unwrap();
        assert!(!stderr.contains("panicked"), "{arguments:?}: {stderr}");
    }
}

#[test]
fn a_reader_that_has_gone_away_is_no_error() {
    let place = Place::new();
    place.short("profile", "noop", &["-q", "--rounds", "1"]).must(0, &[]);
    for arguments in [
        &["list"][..],
        &["report"],
        &["report", "--format", "json"],
        &["report", "--format", "csv"],
        &["flamegraph", "-o", "-"],
        &["schema"],
        &["completions", "bash"],
        &["man"],
        &["--help"],
        &["run", "noop", "--rounds", "1", "--duration", "50ms"],
    ] {
        let mut command = place.command(arguments);
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut child = command.stdout(writer).stderr(Stdio::piped()).spawn().unwrap();
        drop(command);
        let code = wait(&mut child);
        let stderr = std::io::read_to_string(child.stderr.take().unwrap()).unwrap();
        assert!(code == Some(0) && !stderr.contains("panicked"), "{arguments:?}: {code:?} {stderr}");
    }
}
