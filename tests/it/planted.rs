//! The detector of stalls against faults that were planted: what is found, where, why, and for how long; and that nothing is
//! found where there is nothing. `examples/truth.rs` does the same for the CPU profile.

use std::fs;

use perfkit::record::Stall;
use perfkit::record::stall::{self, Cause};
use perfkit::workload::builtin::faulty::{PLANTED, Planted};

use crate::place::{Alone, Place, json};

/// Polls of which none may be missed.
const LONG_NS: f64 = 20e6;

/// A round of a faulty workload: operations that were busy for long, and the stalls.
struct Round {
    long: Vec<f64>,
    stalls: Vec<Stall>,
}

impl Round {
    fn of(planted: &Planted) -> Self {
        let place = Place::new();
        let variant: &[&str] = if planted.variant.is_empty() { &[] } else { &["--variant", planted.variant] };
        let burners: &[&str] = if planted.cause == Some("preempted") { &["--param", "burners=1"] } else { &[] };
        let driven = ["run", planted.workload, "--rounds", "1", "--duration", "1s", "--runtime", "multi:2", "-q"];
        let users = if planted.variant.is_empty() { &["--users", "2"][..] } else { &[] };
        place.ok(&[&driven, users, variant, burners].concat());
        let folder = place.run_folder();
        let mut rows = csv::Reader::from_path(folder.join("ops.csv")).unwrap();
        let busy = rows.headers().unwrap().iter().position(|column| column == "busy_ns").unwrap();
        let long = rows.records().map(|row| row.unwrap()[busy].parse().unwrap_or(0.0)).filter(|busy| *busy >= LONG_NS);
        Self { long: long.collect(), stalls: stall::read(&folder.join(stall::STALLS_FILE)).unwrap() }
    }

    /// Stalls that the program itself is the reason of.
    fn own(&self) -> impl Iterator<Item = &Stall> {
        self.stalls.iter().filter(|stall| stall.is_own())
    }
}

/// Whether the stall is in the planted function and its file.
fn is_right(planted: &Planted, stall: &Stall) -> bool {
    let found = stall.culprit().is_some_and(|frame| {
        let in_file = frame.file.as_deref().is_some_and(|file| file.ends_with(planted.file));
        in_file && frame.line.is_some() && frame.function.ends_with(planted.function)
    });
    let call = stall.syscall.as_deref();
    let has_call = planted.syscalls.is_empty() || call.is_some_and(|call| planted.syscalls.contains(&call));
    found && has_call && Some(stall.cause.name()) == planted.cause
}

#[test]
fn what_holds_a_worker_is_found_with_its_function_its_line_and_its_cause() {
    let _alone = Alone::begin();
    for planted in PLANTED.iter().filter(|planted| matches!(planted.cause, Some("blocked" | "cpu"))) {
        let round = Round::of(planted);
        let right = round.own().filter(|stall| is_right(planted, stall)).count();
        // A stall without a stack names nothing: it is not wrong, and not right either.
        let (named, long) = (round.own().filter(|stall| stall.culprit().is_some()).count(), round.long.len());
        assert!(long > 0, "{}: the fault was not there", planted.workload);
        // Other tests have the processors too: what they take of a computing poll can make it one of theirs.
        let least = if planted.cause == Some("cpu") { long * 7 / 10 } else { long };
        assert!(right >= least, "{}: {right} right of {long}: {:#?}", planted.workload, round.stalls.first());
        assert!(right * 10 >= named * 9, "{}: {right} right of {named} that were named", planted.workload);
    }
}

#[test]
fn the_length_of_a_stall_is_that_of_the_poll() {
    let _alone = Alone::begin();
    let planted = PLANTED.iter().find(|planted| planted.workload == "faulty-sleep").unwrap();
    let round = Round::of(planted);
    let sum = |values: &mut dyn Iterator<Item = f64>| values.sum::<f64>();
    let found = sum(&mut round.own().map(|stall| stall.duration_ns as f64));
    let true_length = sum(&mut round.long.iter().copied());
    // Some polls of other operations are in the same poll of the worker, never fewer.
    assert!((found / true_length - 1.0).abs() < 0.1, "{found} ns found, {true_length} ns measured");
}

#[test]
fn where_nothing_holds_a_worker_nothing_is_found() {
    for planted in PLANTED.iter().filter(|planted| !matches!(planted.cause, Some("blocked" | "cpu"))) {
        let round = Round::of(planted);
        let blamed: Vec<&Stall> = round.own().filter(|stall| stall.cause == Cause::Blocked).collect();
        assert!(blamed.is_empty(), "{}: {blamed:#?}", planted.workload);
    }
}

#[test]
fn a_run_that_blocks_fails_where_that_is_asked_for() {
    let place = Place::new();
    let driven = ["run", "faulty-sleep", "--rounds", "1", "--duration", "1s", "-q", "--format", "json"];
    let ended = place.run(&[&driven[..], &["--fail-on", "blocking"]].concat());
    ended.must(1, &[]);
    let finding = ended.json()["findings"].to_string();
    assert!(finding.contains("hold_in_sleep") && finding.contains("tokio::time::sleep"), "{finding}");
    let clean = ["run", "faulty-clean", "--rounds", "1", "--duration", "500ms", "-q", "--fail-on", "blocking"];
    place.run(&clean).must(0, &[]);
    let run = json(&fs::read_to_string(place.run_folders()[0].join("run.json")).unwrap());
    assert_eq!(run["schema"], "perfkit.run/1");
}
