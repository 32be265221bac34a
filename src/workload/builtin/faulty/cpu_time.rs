//! The CPU time of this thread: how long a fault that computes has lasted. It goes on only while the thread runs, so such a
//! fault is as much work on a busy machine as on an idle one. Refuses to tell the time of day.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// The CPU time that this thread has used. Call it rarely: while it is asked, it is the innermost function.
pub(super) fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec.unsigned_abs() as u32)
}
