//! Is the comparator calibrated? Simulates runs of which the truth is known, compares them, and holds how often each thing was said to
//! a bound. Fails where one is missed. Seeded: the same table every time, but for what the comparison costs.
//!
//! `cargo bench --bench calibration -- "suites"` measures the parts whose heading holds these words.

#![allow(clippy::print_stdout, reason = "a benchmark's result goes to the terminal")]
#![allow(unreachable_pub, reason = "a benchmark is a crate of its own")]

mod change;
mod draw;
mod functions;
mod location;
mod procedure;
#[path = "../ratio/mod.rs"]
mod ratio;
mod row;
mod speed;
mod success;
mod tally;

use std::process::ExitCode;

use row::Row;

/// A part of the table: its heading, and what measures its rows.
type Part = (&'static str, fn() -> Vec<Row>);

/// Every part. A further one is a module with a function that gives its rows, and a line here.
const PARTS: &[Part] = &[
    ("what a comparison costs", speed::once),
    ("equal runs, one figure a round", location::equal_figures),
    ("equal runs of operations", location::equal_operations),
    ("equal suites", location::suites),
    ("a change of exactly the margin", change::boundary),
    ("a change of 20 %", change::power),
    ("spikes: N(505, 3.9) -> .72 N(120, 5) + .28 N(1150, 120)", change::spikes),
    ("the smallest change that is seen with 80 %", change::detectable),
    ("check until decided, equal programs", procedure::adaptive),
    ("check's control, base against itself", procedure::fitness),
    ("drift, and measuring in turn", procedure::drift),
    ("success rate, equal programs", success::equal),
    ("functions, 200 in each of 1000 pairs of runs", functions::run),
];

fn main() -> ExitCode {
    let mut missed = 0;
    for (heading, rows) in PARTS.iter().filter(|(heading, _)| ratio::wanted(heading)) {
        println!("\n{heading}");
        for row in rows() {
            println!("{}", row.line());
            missed += usize::from(!row.holds());
        }
    }
    println!("\n{missed} bounds are missed; {} s of CPU", (ratio::process_cpu() / 1e9).round());
    if missed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
