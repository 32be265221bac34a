//! Stalls: times in which one poll held a worker thread of the runtime. Says what was seen; whom to blame for the effect
//! is for an analysis. Refuses, with the line, a `stalls.jsonl` that is not what perfkit writes.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::name;
use super::stacks::Frame;
use crate::error::{Error, Result};

/// The file of a run's folder that has every stall, one a line, also those that `run.json` has no room for.
pub const STALLS_FILE: &str = "stalls.jsonl";

const HINT: &str = "was the file changed by hand? make the run again with `perfkit run`";
/// The longest line that is looked at: a stack of a thousand frames with long names fits into it.
const LONGEST: u64 = 1 << 20;
/// The most stalls that are read: two workers that are held all the time make so many in an hour and a half.
const MOST: usize = 1_000_000;

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
    let own = stack.iter().find(|frame| is_own(frame));
    own.or_else(|| stack.iter().find(|frame| is_code(frame))).or_else(|| stack.first())
}

/// Whether a frame is of the program's own code: no plumbing, and of no crate from a registry.
#[must_use]
pub fn is_own(frame: &Frame) -> bool {
    is_code(frame) && !frame.file.as_deref().is_some_and(name::is_library_file)
}

fn is_code(frame: &Frame) -> bool {
    let in_program = frame.file.is_some() || frame.function.contains("::");
    !name::is_plumbing(&frame.function, in_program)
}

/// Reads the `stalls.jsonl` at `path`, in the order of the file. A run without the file has no stalls.
///
/// # Errors
/// It cannot be read, or a line is not what perfkit writes; the message has the line.
pub fn read(path: &Path) -> Result<Vec<Stall>> {
    match File::open(path) {
        Ok(file) => read_from(path, file),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(Error::read(path, error, HINT)),
    }
}

/// The same from an open file; `path` is for messages.
fn read_from(path: &Path, file: impl Read) -> Result<Vec<Stall>> {
    let mut reader = BufReader::new(file);
    let (mut stalls, mut text) = (Vec::new(), Vec::new());
    for line in 1_u64.. {
        let damaged = |what: String| Error::read(path, format!("line {line}: {what}"), HINT);
        text.clear();
        // One byte more than there may be tells a long line from one that just fits.
        let read = reader.by_ref().take(LONGEST + 1).read_until(b'\n', &mut text);
        if read.map_err(|error| Error::read(path, error, HINT))? == 0 {
            break;
        }
        if text.len() as u64 > LONGEST {
            return Err(damaged(format!("longer than {LONGEST} bytes")));
        }
        if text.trim_ascii().is_empty() {
            continue;
        }
        if stalls.len() == MOST {
            return Err(damaged(format!("more than {MOST} stalls")));
        }
        stalls.push(serde_json::from_slice(&text).map_err(|error| damaged(error.to_string()))?);
    }
    Ok(stalls)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: impl AsRef<[u8]>) -> Result<Vec<Stall>, String> {
        read_from(Path::new("stalls.jsonl"), text.as_ref()).map_err(|error| error.to_string())
    }

    const LINE: &str =
        r#"{"round":0,"start_ns":1,"duration_ns":2,"cause":"blocked","thread":"w","stack":[{"function":"a"}]}"#;

    #[test]
    fn every_line_is_a_stall_and_blank_ones_are_none() {
        let stalls = parse(format!("{LINE}\n\n{LINE}\r\n{LINE}")).unwrap();
        assert_eq!(stalls.len(), 3);
        assert!(stalls.iter().all(|stall| *stall == stalls[0] && stall.is_own()));
        assert_eq!(parse("").unwrap(), []);
    }

    #[test]
    fn a_run_without_the_file_has_no_stalls() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(read(&folder.path().join(STALLS_FILE)).unwrap(), []);
        assert!(read(folder.path()).is_err(), "a folder is no file");
    }

    #[test]
    fn a_damaged_line_is_refused_with_its_number() {
        let half = &LINE[..40];
        let negative = LINE.replace("\"start_ns\":1", "\"start_ns\":-1");
        let unknown = LINE.replace("blocked", "bored");
        let deep = "[".repeat(100_000);
        for damaged in [half, "null", "7", "[]", "\u{FEFF}{}", &negative, &unknown, &deep] {
            let error = parse(format!("{LINE}\n{damaged}\n{LINE}\n")).unwrap_err();
            assert!(error.contains("line 2: "), "{damaged:.40}: {error}");
        }
        assert!(parse([LINE.as_bytes(), b"\n\xff\xfe\0\n"].concat()).unwrap_err().contains("line 2: "));
    }

    #[test]
    fn a_line_without_end_is_refused_before_it_fills_the_memory() {
        let endless = io::repeat(b' ').take(1 << 40);
        let error = read_from(Path::new("stalls.jsonl"), endless).unwrap_err().to_string();
        assert!(error.contains("line 1: longer than"), "{error}");
    }

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
