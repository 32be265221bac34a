//! The jittered sampler beside the program that it watches: interrupts nothing, kills nothing, and leaves the stacks to pprof where it
//! cannot work.

use std::process::Command;

use serde_json::Value;

use crate::place::{Ended, Place, items};

/// The facts of the probe `cpu`.
#[track_caller]
fn cpu(run: &Value) -> &Value {
    let probe = items(&run["probes"]).iter().find(|probe| probe["name"] == "cpu");
    &probe.unwrap_or_else(|| panic!("no cpu probe in {}", run["probes"]))["detail"]
}

fn samplers(run: &Value) -> Vec<&str> {
    items(&cpu(run)["rounds"]).iter().filter_map(|round| round["sampler"].as_str()).collect()
}

#[test]
fn a_wait_that_signals_end_for_good_is_not_ended_by_the_samplers() {
    let place = Place::of_example("truth");
    let flags = ["--passes", "cpu", "--sampler", "jittered", "--frequency", "4999", "--rounds", "2", "-q"];
    // One user more than there are processors: others wake while one is asked.
    place.ok(&[&["profile", "waiting", "--users", "3", "--duration", "1s"][..], &flags].concat());
    let run = place.run_json();
    assert_eq!(run["operations"]["failed"], 0, "{}", run["operations"]);
    for round in items(&cpu(&run)["rounds"]) {
        assert!(round["stacks"].as_u64() > Some(1000), "{round}");
    }
}

#[test]
fn both_samplers_take_turns_where_nobody_says_otherwise() {
    let place = Place::of_example("truth");
    place.short("profile", "split", &["--passes", "cpu", "--rounds", "3", "-q"]).must(0, &[]);
    assert_eq!(samplers(&place.run_json()), ["jittered", "pprof", "jittered"]);
}

/// The program with SIGTRAP ignored, which programs inherit: as if it handled that signal itself.
fn with_sigtrap_taken(place: &Place, arguments: &[&str]) -> Ended {
    let direct = place.command(arguments);
    let mut shell = Command::new("sh");
    shell.args(["-c", "trap '' TRAP; exec \"$0\" \"$@\""]).arg(direct.get_program()).args(arguments);
    shell.current_dir(place.path());
    for (name, value) in direct.get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    Place::finish(&mut shell)
}

#[test]
fn where_the_jittered_sampler_cannot_work_pprof_takes_the_stacks_and_the_report_says_why() {
    let place = Place::of_example("truth");
    let short = ["profile", "split", "--passes", "cpu", "--rounds", "2", "--duration", "500ms", "-q"];
    let reason = "the program handles SIGTRAP itself";
    let ended = with_sigtrap_taken(&place, &short);
    ended.must(0, &[]);
    assert!(ended.stdout.contains("pprof alone took the stacks: ") && ended.stdout.contains(reason), "{ended:?}");
    let run = place.run_json();
    assert_eq!(samplers(&run), ["pprof", "pprof"]);
    assert!(cpu(&run)["pprof_alone"].as_str().is_some_and(|text| text.contains(reason)), "{}", cpu(&run));
    // It is a note, no warning: nothing of the run is worse than it was asked to be.
    assert!(!run["warnings"].to_string().contains("SIGTRAP"), "{}", run["warnings"]);
    with_sigtrap_taken(&place, &[&short[..], &["--sampler", "jittered"]].concat()).must(2, &[reason, "hint:", "pprof"]);
    let doctor = with_sigtrap_taken(&place, &["doctor"]).stdout;
    assert!(doctor.lines().any(|line| line.contains("CPU samplers") && line.contains(reason)), "{doctor}");
    let asked_for_pprof = Place::of_example("truth");
    with_sigtrap_taken(&asked_for_pprof, &[&short[..], &["--sampler", "pprof"]].concat()).must(0, &[]);
    assert_eq!(cpu(&asked_for_pprof.run_json())["pprof_alone"], Value::Null);
}
