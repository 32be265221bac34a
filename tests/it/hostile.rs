//! Names are data: paths, markup and commands to a terminal in them stay text.

use std::fs;

use crate::place::Place;

/// As in `examples/failing.rs`.
const HOSTILE: &str = "../../<b>&\"'`$(id)|;\u{1b}[35m\r\u{202e}x 5";

/// Fails where a terminal would take a part of the text for a command; line ends are perfkit's own.
#[track_caller]
fn is_harmless(text: &str) {
    let commands = |letter: char| letter.is_control() && letter != '\n' || ('\u{202a}'..='\u{202e}').contains(&letter);
    // perfkit's own colours, where it is told to use them.
    let plain: String = text
        .split("\u{1b}[")
        .enumerate()
        .map(|(index, part)| if index == 0 { part } else { after_color(part) })
        .collect();
    let bad: Vec<char> = plain.chars().filter(|letter| commands(*letter)).collect();
    assert!(bad.is_empty(), "{bad:?} in {text:?}");
}

/// What follows the numbers of a colour; bold, dim, red, green and yellow are perfkit's.
fn after_color(part: &str) -> &str {
    let known = ["0m", "1m", "2m", "31m", "32m", "33m"];
    known.iter().find_map(|color| part.strip_prefix(color)).unwrap_or("\u{1b}")
}

#[test]
fn names_that_are_refused_do_not_reach_the_terminal_as_commands() {
    let place = Place::new();
    for name in
        ["../../etc/passwd", "", "-", "\u{1b}[2J", "a\rb", "\u{9b}2J", "latest:", "latest:../x", "/dev/null", "/", "."]
    {
        for verb in ["report", "run"] {
            let ended = place.run(&[verb, "--color", "always", "--", name]);
            ended.must(2, &["error"]);
            is_harmless(&ended.stderr);
        }
    }
    assert!(place.files().is_empty());
}

#[test]
fn a_workloads_name_stays_text_wherever_it_is_shown() {
    let place = Place::of_example("failing");
    for color in ["always", "never"] {
        is_harmless(&place.ok(&["list", "--color", color]).stdout);
        is_harmless(&place.run(&["run", "nosuch", "--color", color]).stderr);
    }
    let name = place.ok(&["list", "--format", "json"]).json();
    assert!(name["workloads"].as_array().unwrap().iter().any(|workload| workload["name"] == HOSTILE), "{name}");
}

#[test]
fn a_workloads_name_leads_out_of_no_folder_and_into_no_markup() {
    let place = Place::of_example("failing");
    let ended = place.short("profile", HOSTILE, &["--passes", "time,cpu", "--rounds", "1"]);
    ended.must(0, &[]);
    is_harmless(&ended.stdout);
    is_harmless(&ended.stderr);
    // Two folders deep, below profiles/ and reports/ alone.
    let files = place.files();
    let paths: Vec<_> = files.iter().map(|(path, _)| path).collect();
    assert!(paths.len() > 5 && paths.iter().all(|path| path.iter().count() == 4), "{paths:?}");
    assert_eq!(place.run_json()["workload"], HOSTILE);
    for run in ["latest", &format!("latest:{HOSTILE}")] {
        is_harmless(&place.ok(&["report", run]).stdout);
    }
    let svg = place.ok(&["flamegraph", "-o", "-"]).stdout;
    assert!(svg.contains("&lt;b&gt;&amp;") && !svg.contains("<b>") && !svg.contains(['\u{1b}', '\r', '\u{202e}']));
}

#[test]
fn text_of_a_stored_run_cannot_reach_the_terminal_as_commands() {
    let place = Place::new();
    place.short("profile", "noop", &["-q", "--rounds", "1"]).must(0, &[]);
    let file = place.run_folder().join("run.json");
    let mut run = place.run_json();
    let hostile = "\u{1b}]0;pwned\u{7}\u{1b}[2J\u{9b}31m\r\nnext";
    for key in ["id", "workload", "variant", "status_reason"] {
        run[key] = hostile.into();
    }
    for (place, key) in [
        ("environment", "cpu_model"),
        ("environment", "git_sha"),
        ("environment", "profile"),
        ("load", "runtime"),
        ("load", "model"),
    ] {
        run[place][key] = hostile.into();
    }
    run["load"]["passes"] = serde_json::json!([hostile]);
    run["services"] = serde_json::json!({ hostile: { "kind": hostile, "version": hostile, "address": hostile } });
    for (list, key) in [
        ("functions", "name"),
        ("functions", "file"),
        ("metrics", "name"),
        ("warnings", "message"),
        ("warnings", "code"),
    ] {
        run[list][0][key] = hostile.into();
    }
    run["metrics"].as_array_mut().unwrap().push(
        serde_json::json!({ "name": format!("latency.{hostile}"), "unit": "ns", "better": "lower", "values": [1.0] }),
    );
    run["phases"] = serde_json::json!([{ "name": hostile, "count": 1, "mean_ns": 1.0, "busy_ns": 1.0, "scheduled_ns": 1.0, "idle_ns": 1.0, "share": 0.4 }]);
    run["findings"] = serde_json::json!([{ "rule": hostile, "severity": "info", "title": hostile, "detail": hostile, "next_step": hostile }]);
    run["operations"]["by_error"] = serde_json::json!([{ "kind": hostile, "count": 1, "example": hostile }]);
    fs::write(&file, run.to_string()).unwrap();
    // `never` takes escape sequences out of everything; what it lets through, and what a file gets, is `text`'s work.
    for (format, color) in [("human", "never"), ("human", "always"), ("text", "always")] {
        let shown = place.ok(&["report", "--format", format, "--color", color]).stdout;
        is_harmless(&shown);
    }
}
