//! A program without `track_heap!`: perfkit cannot see its heap, and says so. Its workloads are perfkit's own.

use std::process::ExitCode;

fn main() -> ExitCode {
    perfkit::Suite::builtin().main()
}
