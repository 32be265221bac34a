//! Stalls: times in which one poll held a worker thread of the runtime. Says what was seen; whom to blame for the effect
//! is for an analysis.

use serde::{Deserialize, Serialize};

use super::name;
use super::stacks::Frame;

/// The file of a run's folder that has every stall, one a line, also those that `run.json` has no room for.
pub const STALLS_FILE: &str = "stalls.jsonl";

/// One poll that held its thread for longer than the threshold.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Stall {
    /// The round of the time pass.
    pub round: u32,
    /// When it began, from the start of the round's measured part.
    pub start_ns: u64,
    /// How long it lasted; known to a millisecond, the watchdog's tick.
    pub duration_ns: u64,
    /// What the thread did meanwhile.
    pub cause: Cause,
    /// The system call that it was blocked in: `clock_nanosleep`, `futex`; `null` where it was in none.
    #[serde(default)]
    pub syscall: Option<String>,
    /// The thread's name.
    pub thread: String,
    /// The task that was polled, where the runtime tells.
    #[serde(default)]
    pub task: Option<Task>,
    /// Where it was, the innermost function first; empty where no stack could be taken.
    #[serde(default)]
    pub stack: Vec<Frame>,
    /// CPU time that the thread used meanwhile.
    #[serde(default)]
    pub cpu_ns: u64,
    /// Time that it was ready to run but did not get a processor.
    #[serde(default)]
    pub preempted_ns: u64,
    /// Tasks that were ready but not polled while it lasted; an upper bound of those that waited for it alone.
    #[serde(default)]
    pub delayed_tasks: u64,
    /// How long they waited within it, all together.
    #[serde(default)]
    pub delay_ns: u64,
    /// By how much a timer of the runtime fired too late because of it: such a thread also held the runtime's driver, and no
    /// task could be woken by a timer or a socket.
    #[serde(default)]
    pub timer_delay_ns: u64,
}

/// What the thread did during a stall.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// It waited in the kernel: a system call, a lock, a page of a file.
    Blocked,
    /// It computed.
    Cpu,
    /// It was ready, but other threads or programs had the processors: without them it would not have been a stall.
    Preempted,
}

impl Cause {
    /// The word in files and reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Blocked => "blocked",
            Self::Cpu => "cpu",
            Self::Preempted => "preempted",
        }
    }
}

/// The task that was polled.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Task {
    /// Its number in the runtime.
    pub id: u64,
    /// Where it was spawned: `src/x.rs:10:5`.
    #[serde(default)]
    pub spawned_at: Option<String>,
}

impl Stall {
    /// Whether the program's own code is the reason, and not the machine.
    #[must_use]
    pub fn is_own(&self) -> bool {
        self.cause != Cause::Preempted
    }

    /// The frame to look at: the innermost function that is neither the runtime, the standard library, the C library nor a
    /// crate from a registry; without one the innermost that is no plumbing, then the innermost.
    #[must_use]
    pub fn culprit(&self) -> Option<&Frame> {
        culprit(&self.stack)
    }
}

/// The frame of a stack that has to be looked at; see [`Stall::culprit`].
///
/// ```
/// use perfkit::record::stacks::Frame;
/// use perfkit::record::stall::culprit;
/// let frame = |function: &str, file: &str| Frame { function: function.into(), file: Some(file.into()), line: Some(1) };
/// let stack = [frame("std::thread::sleep", "library/std/src/thread/mod.rs"), frame("shop::cart::load", "src/cart.rs")];
/// assert_eq!(culprit(&stack).map(|frame| frame.function.as_str()), Some("shop::cart::load"));
/// ```
#[must_use]
pub fn culprit(stack: &[Frame]) -> Option<&Frame> {
    let in_program = |frame: &Frame| frame.file.is_some() || frame.function.contains("::");
    let is_code = |frame: &&Frame| !name::is_plumbing(&frame.function, in_program(frame));
    let of_library = |frame: &Frame| frame.file.as_deref().is_some_and(name::is_library_file);
    let own = stack.iter().find(|frame| is_code(frame) && !of_library(frame));
    own.or_else(|| stack.iter().find(is_code)).or_else(|| stack.first())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stall_survives_its_file() {
        let stall = Stall {
            round: 1,
            start_ns: 2,
            duration_ns: 3,
            cause: Cause::Cpu,
            syscall: None,
            thread: "worker".into(),
            task: Some(Task { id: 7, spawned_at: Some("src/x.rs:1:2".into()) }),
            stack: vec![Frame { function: "shop::spin".into(), file: None, line: None }],
            cpu_ns: 3,
            preempted_ns: 0,
            delayed_tasks: 4,
            delay_ns: 5,
            timer_delay_ns: 0,
        };
        let text = serde_json::to_string(&stall).unwrap();
        assert!(text.contains(r#""cause":"cpu""#));
        assert_eq!(serde_json::from_str::<Stall>(&text).unwrap(), stall);
    }

    #[test]
    fn a_stack_without_code_of_the_program_still_has_a_frame_to_look_at() {
        let frame = |function: &str| Frame { function: function.into(), ..Frame::default() };
        assert_eq!(culprit(&[frame("tokio::x"), frame("std::y")]), Some(&frame("tokio::x")));
        assert_eq!(culprit(&[]), None);
    }
}
