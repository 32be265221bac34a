//! Signals: what is kept, what is told, and that nothing is left running.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::place::{Place, entries, file_name, json, tool, until, wait};

/// A program that measures, with its talk in a file.
struct Measuring {
    place: Place,
    child: Child,
}

impl Measuring {
    fn start(place: Place, arguments: &[&str]) -> Self {
        let mut command = place.command(arguments);
        Self::of(place, &mut command)
    }

    fn of(place: Place, command: &mut Command) -> Self {
        command.stdout(File::create(place.path().join("out")).unwrap());
        command.stderr(File::create(place.path().join("err")).unwrap());
        let child = command.spawn().unwrap();
        Self { place, child }
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.place.path().join(name)).unwrap()
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// The processes it started, theirs too, as long as they live.
    fn descendants(&self) -> Vec<u32> {
        let mut found = vec![self.child.id()];
        let mut next = 0;
        while let Some(parent) = found.get(next).copied() {
            found.extend(processes().into_iter().filter(|(_, of)| *of == parent).map(|(process, _)| process));
            next += 1;
        }
        found.split_off(1)
    }
}

impl Drop for Measuring {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Living processes with their parents.
fn processes() -> Vec<(u32, u32)> {
    let numbers = entries("/proc".as_ref()).into_iter().filter_map(|path| file_name(&path).parse().ok());
    numbers.filter_map(|number| state(number).map(|parent| (number, parent))).collect()
}

/// The parent of a living process; a zombie is dead.
fn state(process: u32) -> Option<u32> {
    let text = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    let mut fields = text.rsplit(')').next()?.split_whitespace();
    let state = fields.next()?;
    (!matches!(state, "Z" | "X")).then(|| fields.next()?.parse().ok()).flatten()
}

/// Whether a process does a round; others are asked for facts about the machine and end at once.
fn is_round(process: u32) -> bool {
    fs::read(format!("/proc/{process}/cmdline"))
        .is_ok_and(|line| line.split(|byte| *byte == 0).any(|word| word == b"__round"))
}

fn all_end(processes: &[u32]) {
    assert!(!processes.is_empty(), "there was nothing to end");
    until("all processes are gone", || processes.iter().all(|process| state(*process).is_none()));
}

/// Rounds that never end, after a first pass of which rounds are done.
const LONG: [&str; 6] = ["--duration", "300ms", "--warmup", "20ms", "--rounds", "1000"];

fn in_its_third_round() -> Measuring {
    let measuring = Measuring::start(Place::of_example("failing"), &[&["run", "waits"], &LONG[..]].concat());
    until("two rounds are done", || measuring.read("err").contains("time 2: done"));
    until("the third runs", || measuring.descendants().into_iter().any(is_round));
    measuring
}

fn is_kept(signals: &[Signal], name: &str, code: i32) {
    let mut measuring = in_its_third_round();
    let children = measuring.descendants();
    let begin = Instant::now();
    for signal in signals {
        measuring.signal(*signal);
        until("the signal is taken", || !has_pending_signals(measuring.child.id()));
    }
    assert_eq!(wait(&mut measuring.child), Some(code), "{}", measuring.read("err"));
    assert!(begin.elapsed() < Duration::from_secs(10), "it took {:?} to stop", begin.elapsed());
    all_end(&children);
    let run = measuring.place.run_json();
    assert_eq!((run["status"].as_str(), &run["schema"]), (Some("partial"), &"perfkit.run/1".into()));
    assert_eq!(run["status_reason"], format!("interrupted by {name}"));
    let rounds = run["metrics"][0]["values"].as_array().map_or(0, Vec::len);
    assert!((2..20).contains(&rounds), "{rounds} rounds were kept");
    let out = measuring.read("out");
    assert!(out.contains("PARTIAL") && out.contains("p95") && out.contains(name), "{out}");
    let names: Vec<_> = measuring.place.files().into_iter().map(|(path, _)| path.display().to_string()).collect();
    assert!(!names.iter().any(|name| name.contains("/.")), "hidden files are left: {names:?}");
}

#[test]
fn an_interrupted_run_keeps_what_was_measured_and_ends_with_130() {
    is_kept(&[Signal::INT], "SIGINT", 130);
}

#[test]
fn a_terminated_run_keeps_what_was_measured_and_ends_with_143() {
    is_kept(&[Signal::TERM], "SIGTERM", 143);
}

#[test]
fn signals_that_come_together_are_one() {
    // As `timeout` sends them: to the program, and again to its group.
    is_kept(&[Signal::TERM, Signal::TERM], "SIGTERM", 143);
}

#[test]
fn a_run_that_is_interrupted_before_its_first_round_is_done_leaves_nothing() {
    let mut measuring = Measuring::start(Place::of_example("failing"), &["run", "waits", "--duration", "1h"]);
    until("the round runs", || measuring.descendants().into_iter().any(is_round));
    let children = measuring.descendants();
    measuring.signal(Signal::INT);
    assert_eq!(wait(&mut measuring.child), Some(130), "{}", measuring.read("err"));
    all_end(&children);
    assert!(measuring.read("err").contains("nothing was kept") && measuring.read("out").is_empty());
    let left: Vec<_> = measuring.place.files().into_iter().filter(|(path, _)| path.iter().count() > 1).collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn the_json_of_an_interrupted_run_is_one_whole_document() {
    let arguments = [&["run", "waits", "--format", "json"], &LONG[..]].concat();
    let mut measuring = Measuring::start(Place::of_example("failing"), &arguments);
    until("a round is done", || measuring.read("err").contains("time 1: done"));
    measuring.signal(Signal::INT);
    assert_eq!(wait(&mut measuring.child), Some(130));
    assert_eq!(json(&measuring.read("out"))["status"], "partial");
}

/// Whether a signal was sent that the process has not taken yet.
fn has_pending_signals(process: u32) -> bool {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let masks = status.lines().filter(|line| line.starts_with("SigPnd") || line.starts_with("ShdPnd"));
    masks.filter_map(|line| line.split_whitespace().nth(1)).any(|mask| !mask.trim_start_matches('0').is_empty())
}

#[test]
fn a_second_interrupt_ends_the_program_and_its_children_at_once() {
    let place = Place::new();
    // A server that never answers is waited for five seconds: in them the first interrupt has to wait its turn.
    let server = place.path().join("server");
    fs::write(&server, "#!/bin/sh\nexec sleep 600\n").unwrap();
    fs::set_permissions(&server, fs::Permissions::from_mode(0o755)).unwrap();
    let mut command = place.command(&["run", "chat"]);
    let mut measuring = Measuring::of(place, command.env("PERFKIT_REDIS_SERVER", &server));
    // Before it, git is asked for the commit: that is a child too, and soon gone.
    let is_server =
        |process: &u32| fs::read_to_string(format!("/proc/{process}/comm")).is_ok_and(|name| name == "sleep\n");
    until("the server runs", || measuring.descendants().iter().any(is_server));
    let children: Vec<u32> = measuring.descendants().into_iter().filter(is_server).collect();
    measuring.signal(Signal::INT);
    let first = Instant::now();
    until("nobody takes the next for the same", || first.elapsed() > Duration::from_secs(1));
    let begin = Instant::now();
    measuring.signal(Signal::INT);
    assert_eq!(wait(&mut measuring.child), Some(130), "{}", measuring.read("err"));
    assert!(begin.elapsed() < Duration::from_secs(3), "it took {:?}", begin.elapsed());
    all_end(&children);
    assert!(measuring.place.run_folders().is_empty() && measuring.read("out").is_empty());
}

#[test]
fn nothing_outlives_a_program_that_is_killed() {
    tool("redis-server");
    let arguments = ["profile", "chat", "--users", "2", "--duration", "1h", "--warmup", "10ms"];
    let mut measuring = Measuring::start(Place::new(), &arguments);
    let name = |process: &u32| fs::read_to_string(format!("/proc/{process}/comm")).unwrap_or_default();
    // Redis, the LLM, and the round.
    until("three children run", || {
        let children = measuring.descendants();
        children.len() >= 3 && children.iter().any(|process| name(process).starts_with("redis-server"))
    });
    let children = measuring.descendants();
    measuring.signal(Signal::KILL);
    assert_eq!(wait(&mut measuring.child), None);
    all_end(&children);
    assert!(measuring.place.run_folders().is_empty(), "a run that was never finished is taken for one");
    measuring.place.run(&["report", "latest"]).must(2, &["no run `latest`"]);
}

#[test]
fn a_child_whose_parent_is_killed_in_the_middle_of_a_round_ends() {
    let mut measuring = in_its_third_round();
    let children = measuring.descendants();
    measuring.signal(Signal::KILL);
    assert_eq!(wait(&mut measuring.child), None);
    all_end(&children);
}
