//! What perfkit refuses to do, with exit code 2 and a text that says what would be right.

use std::fs;

use crate::place::Place;

#[test]
fn what_cannot_be_meant_is_refused_with_code_2_before_anything_is_written() {
    let place = Place::new();
    for (arguments, texts) in [
        (&["run", "chta"][..], &["no workload `chta`", "did you mean `chat`?", "noop"][..]),
        (&["run", "nothing-like-it"], &["no workload", "chat, noop"]),
        (&["run", "noop", "--operations", "0"], &["--operations 0", "at least 1"]),
        (&["run", "noop", "--users", "0"], &["--users 0"]),
        (&["run", "noop", "--duration", "0s"], &["--duration 0s"]),
        (&["run", "noop", "--duration", "10"], &["`10` is no duration"]),
        (&["run", "noop", "--rate=-5/s"], &["`-5/s` is no rate"]),
        (&["run", "noop", "--rate", "5/s", "--users", "5"], &["--users"]),
        (&["run", "noop", "--rounds", "0"], &["--rounds 0"]),
        (&["run", "noop", "--variant", "fast"], &["no variant `fast`"]),
        (&["run", "noop", "--param", "depth=3"], &["no parameter `depth`"]),
        (&["run", "noop", "--runtime", "multi:0"], &["no runtime `multi:0`"]),
        (&["run", "noop", "--min-success", "200%"], &["`200%` is no ratio"]),
        (&["profile", "noop", "--passes", "time,disk"], &["no pass `disk`"]),
        (&["run", "noop", "--fail-on", "hot-paths"], &["no rule `hot-paths`", "hot-path"]),
        (&["list", "--format", "yaml"], &["no format `yaml`", "human, json"]),
        (&["report", "latest"], &["no run `latest`", "perfkit profile"]),
        (&["report", "latest:chat"], &["no run `latest:chat`"]),
        (&["run", "noop", "--config", "nowhere.toml"], &["nowhere.toml"]),
        (&["frobnicate"], &["frobnicate"]),
        (&["run"], &["<WORKLOAD>"]),
        (&[], &["Usage"]),
    ] {
        let ended = place.run(arguments);
        ended.must(2, texts);
        assert_eq!(ended.stdout, "", "{arguments:?} wrote to stdout");
    }
    assert!(place.files().is_empty() && place.run_folders().is_empty());
}

#[test]
fn a_mistake_in_perfkit_toml_is_told_with_its_place() {
    let place = Place::new();
    for (text, texts) in [
        ("[run]\nrounds = 2\nuzers = 3\n", &["perfkit.toml", "line 3", "uzers"][..]),
        ("[run\n", &["perfkit.toml", "line 1"]),
        ("[run]\nusers = \"many\"\n", &["perfkit.toml", "line 2"]),
        ("[run]\nduration = \"soon\"\n", &["`soon` is no duration", "perfkit.toml"]),
        ("[workload.noop]\nruntime = \"multi:0\"\n", &["no runtime `multi:0`", "perfkit.toml"]),
    ] {
        fs::write(place.path().join("perfkit.toml"), text).unwrap();
        place.run(&["run", "noop"]).must(2, texts);
    }
    fs::write(place.path().join("perfkit.toml"), b"[run]\n\xff\xfe").unwrap();
    place.run(&["run", "noop"]).must(2, &["perfkit.toml"]);
}
