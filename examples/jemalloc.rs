//! A program with another allocator than the system's: perfkit stands over it. dhat cannot, so that perfkit's own recorder takes its
//! place. Its workloads are perfkit's own.

use std::process::ExitCode;

use tikv_jemallocator::Jemalloc;

perfkit::track_heap!(Jemalloc, Jemalloc);

fn main() -> ExitCode {
    perfkit::Suite::builtin().main()
}
