//! The program: the built-in workloads, with all the verbs.

use std::process::ExitCode;

perfkit::track_heap!();

fn main() -> ExitCode {
    perfkit::Suite::builtin().main()
}
