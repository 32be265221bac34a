//! `compare` in its formats: on stdout, in files, and where neither can be written.

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::process::Stdio;

use crate::place::{Ended, Place, entries, file_name, json, wait};
use crate::rows::{Rows, measured, measured_rounds};

const FORMATS: [&str; 7] = ["human", "text", "json", "markdown", "junit", "github", "csv"];

fn read(place: &Place, name: &str) -> String {
    fs::read_to_string(place.path().join(name)).unwrap()
}

fn slow(place: &Place, arguments: &[&str]) -> Ended {
    let ended = place.run(&[&["compare", "base.csv", "slow.csv"], arguments].concat());
    assert_eq!(ended.code, Some(1), "{ended:?}");
    ended
}

#[test]
fn a_file_holds_what_stdout_would() {
    let place = measured();
    for format in FORMATS {
        let ended = slow(&place, &["--format", format, "--write", &format!("{format}=out")]);
        assert!(ended.stdout == read(&place, "out") && !ended.stdout.is_empty(), "{format}: {}", ended.stdout);
    }
    // One comparison in all of them, and what was there before is replaced.
    let files = FORMATS.map(|format| format!("{format}=out.{format}"));
    let arguments: Vec<&str> = files.iter().flat_map(|file| ["--write", file.as_str()]).collect();
    fs::write(place.path().join("out.json"), "old".repeat(10_000)).unwrap();
    let ended = slow(&place, &[&["--format", "json"], &arguments[..]].concat());
    assert_eq!(json(&read(&place, "out.json")), ended.json());
    let left: Vec<String> = entries(place.path()).iter().map(|path| file_name(path)).collect();
    assert!(left.iter().all(|name| !name.starts_with('.')), "{left:?}");
    assert!(FORMATS.iter().all(|format| left.contains(&format!("out.{format}"))), "{left:?}");
}

#[test]
fn every_format_tells_what_regressed_in_its_own_way() {
    let place = measured();
    let shown = |format: &str| slow(&place, &["--format", format]).stdout;
    let comparison = json(&shown("json"));
    let metrics = comparison["metrics"].as_array().unwrap();
    let regressed = metrics.iter().filter(|metric| metric["verdict"] == "regressed").count();
    assert!((4..7).contains(&regressed), "{comparison}");

    let junit = shown("junit");
    assert!(junit.starts_with("<?xml") && junit.contains(&format!("failures=\"{regressed}\"")), "{junit}");
    assert_eq!((junit.matches("<failure ").count(), junit.matches("<testcase ").count()), (regressed, metrics.len()));

    let github = shown("github");
    assert_eq!(github.lines().filter(|line| line.starts_with("::error ")).count(), regressed, "{github}");

    let csv = shown("csv");
    let header: Vec<&str> = csv.lines().next().unwrap().split(',').collect();
    assert_eq!(&header[..3], ["workload", "name", "unit"]);
    let column = header.iter().position(|name| *name == "head").unwrap();
    let p50 = csv.lines().find(|line| line.starts_with("slow,latency.p50,")).unwrap();
    assert_eq!(p50.split(',').nth(column).unwrap().parse().ok(), metrics[1]["head"].as_f64());
    assert_eq!(csv.lines().count(), metrics.len() + 1);

    let markdown = shown("markdown");
    assert!(markdown.starts_with("<!-- perfkit -->\n## "), "{markdown}");
    assert!(markdown.contains("| `latency.p50` | 1.00 ms |") && markdown.contains("**regressed**"), "{markdown}");
}

#[test]
fn what_does_not_fail_makes_no_annotation_of_an_error_and_no_failure() {
    let place = measured();
    for head in ["same.csv", "fast.csv"] {
        assert!(!place.ok(&["compare", "base.csv", head, "--format", "github"]).stdout.contains("::error"));
        let junit = place.ok(&["compare", "base.csv", head, "--format", "junit"]).stdout;
        assert!(junit.contains("failures=\"0\"") && !junit.contains("<failure"), "{junit}");
    }
}

#[test]
fn names_of_files_stay_text_in_every_format() {
    let place = measured();
    let name = "x\"<b>|`&%0A::error::\u{1b}[31m\r.csv";
    Rows::around(1.3e6, 2).write(&place, name);
    for format in FORMATS {
        let shown = place.run(&["compare", "base.csv", name, "--format", format]).stdout;
        assert!(!shown.contains('\u{1b}') && (format == "csv" || !shown.contains('\r')), "{format}: {shown:?}");
        match format {
            "junit" => assert!(!shown.contains("<b>") && shown.contains("&lt;b&gt;"), "{shown}"),
            "markdown" => {
                // A row of the table has as many cells as its header, whatever the workload is called.
                let cells = |line: &str| line.replace("\\|", "").matches('|').count();
                let rows: Vec<&str> = shown.lines().filter(|line| line.starts_with("| ")).collect();
                assert!(rows.len() > 3 && rows.iter().all(|row| [6, 7].contains(&cells(row))), "{rows:#?}");
            }
            "github" => assert!(shown.lines().all(|line| line.starts_with("::") && !line.starts_with("::error::"))),
            "json" => assert_eq!(json(&shown)["head"]["id"], name),
            _ => {}
        }
    }
}

#[test]
fn verbose_lists_what_is_counted_else() {
    let place = Place::new();
    let run = include_str!("../data/runs/v1/run.json");
    fs::write(place.path().join("base.json"), run).unwrap();
    let mut other = json(run);
    other["id"] = "20260101T000000000Z-nogit-aaaa".into();
    fs::write(place.path().join("head.json"), other.to_string()).unwrap();
    let (short, long) =
        (place.ok(&["compare", "base.json", "head.json"]), place.ok(&["compare", "base.json", "head.json", "-v"]));
    assert!(long.stdout.contains("poll.p99") && !short.stdout.contains("poll.p99"), "{}", short.stdout);
    assert!(short.stdout.contains("(-v lists them)"), "{}", short.stdout);
}

#[test]
fn color_is_for_those_who_ask_and_never_in_a_file() {
    let place = measured_rounds();
    let shown = |color: &str| slow(&place, &["--values", "rounds", "--color", color, "--write", "human=out"]).stdout;
    assert!(shown("always").contains("\u{1b}["));
    assert!(!read(&place, "out").contains('\u{1b}'), "{}", read(&place, "out"));
    assert!(!shown("never").contains('\u{1b}') && !shown("auto").contains('\u{1b}'));
}

#[test]
fn a_file_that_cannot_be_written_ends_with_code_6_and_leaves_nothing() {
    let place = measured_rounds();
    symlink("/dev/full", place.path().join("full")).unwrap();
    fs::create_dir(place.path().join("folder")).unwrap();
    let before = entries(place.path());
    for file in ["nowhere/x.md", "folder", "full", "/proc/nowhere/x.md", "base.csv/x.md"] {
        let ended = place.run(&[
            "compare",
            "base.csv",
            "slow.csv",
            "--values",
            "rounds",
            "--write",
            &format!("markdown={file}"),
        ]);
        ended.must(6, &["could not write", file, "hint:"]);
        assert_eq!(ended.stdout, "", "{file}");
    }
    assert_eq!(entries(place.path()), before);
}

#[test]
fn a_full_standard_output_ends_with_code_6_whatever_the_verdict() {
    let place = measured_rounds();
    for (head, format) in [("slow.csv", "human"), ("same.csv", "json"), ("slow.csv", "junit"), ("same.csv", "markdown")]
    {
        let mut command = place.command(&["compare", "base.csv", head, "--values", "rounds", "--format", format]);
        let mut child = command.stdout(File::create("/dev/full").unwrap()).stderr(Stdio::piped()).spawn().unwrap();
        let code = wait(&mut child);
        let stderr = std::io::read_to_string(child.stderr.take().unwrap()).unwrap();
        assert!(code == Some(6) && stderr.contains("could not write"), "{head} {format}: {code:?} {stderr}");
    }
}

#[test]
fn a_reader_that_has_gone_away_does_not_hide_the_verdict() {
    let place = measured_rounds();
    for (head, wanted) in [("slow.csv", 1), ("same.csv", 0)] {
        let mut command = place.command(&["compare", "base.csv", head, "--values", "rounds"]);
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut child = command.stdout(writer).stderr(Stdio::null()).spawn().unwrap();
        assert_eq!(wait(&mut child), Some(wanted), "{head}");
    }
}
