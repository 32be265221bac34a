//! The parent's side of a round: starts the child, reads its lines, keeps its last words, and ends it when asked.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::order::{Line, Order, Refusal, RoundResult};
use super::{Event, Interrupt, patience};
use crate::error::{Error, Result};
use crate::load::clock;
use crate::record::pass::Pass;

/// How a round ended.
pub(super) enum Outcome {
    Done(Box<RoundResult>),
    Refused(Refusal),
    Crashed { reason: String, last_lines: Vec<String> },
    Interrupted(&'static str),
}

/// The hidden verb.
pub(super) const VERB: &str = "__round";
/// Lines of the child's stderr that are shown when it crashes.
const LAST_LINES: usize = 5;
/// The longest line that is taken for one.
const LONGEST_LINE: u64 = 1 << 20;
/// How long a child that has said all may take to end.
const GRACE: Duration = Duration::from_secs(1);
/// How long a session that was stopped may take to say what it has seen, once its operations have ended.
const LAST_WORDS: Duration = Duration::from_secs(20);
/// How often it is looked whether to stop.
const TICK: Duration = Duration::from_millis(50);

/// Runs one round in a child process of the same program.
pub(super) fn run_round(order: &Order, interrupt: &Interrupt, tell: &mut dyn FnMut(Event)) -> Result<Outcome> {
    let mut child = start(order)?;
    let text = serde_json::to_vec(order).map_err(Error::internal)?;
    if let Some(mut stdin) = child.stdin.take() {
        // A child that dies at once closes the pipe; how it ended is told below.
        let _ = stdin.write_all(&text);
    }
    let lines = read_lines(child.stdout.take());
    let last_words = LastLines::keep(child.stderr.take());
    let mut deadline = clock::now() + patience(order);
    let mut said = None;
    let mut hung = false;
    let mut signal = 0;
    // A session that is stopped says what it has seen; anything else is lost with its child.
    let keeps = order.pass == Pass::Leaks;
    while said.is_none() && (signal == 0 || keeps) && !hung {
        match lines.recv_timeout(TICK) {
            Ok(Line::Progress { operations, ok, measuring }) => tell(Event::Progress { operations, ok, measuring }),
            Ok(line) => said = Some(line),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
        let asked = interrupt.load(Ordering::Acquire);
        if asked != 0 && signal == 0 && keeps {
            // An error says that it has ended.
            let _ =
                rustix::process::kill_process(rustix::process::Pid::from_child(&child), rustix::process::Signal::TERM);
            deadline = clock::now() + order.timeout + LAST_WORDS;
        }
        signal = asked;
        hung = clock::now() > deadline;
    }
    let status = end(&mut child, if signal != 0 || hung { Duration::ZERO } else { GRACE })?;
    match said {
        _ if signal != 0 && !(keeps && matches!(said, Some(Line::Done))) => {
            Ok(Outcome::Interrupted(signal_name(signal as i32)))
        }
        Some(Line::Refused(refusal)) => Ok(Outcome::Refused(refusal)),
        // The result is complete when it is announced, however the process then ends.
        Some(_) => RoundResult::load(&order.folder).map(|result| Outcome::Done(Box::new(result))),
        None => {
            let reason = if hung { "it hung and was killed".to_owned() } else { how_it_ended(status) };
            Ok(Outcome::Crashed { reason, last_lines: last_words.take() })
        }
    }
}

/// Lets the child end by itself for a while, then ends it; and with it whatever it started and left behind.
fn end(child: &mut Child, grace: Duration) -> Result<ExitStatus> {
    let deadline = clock::now() + grace;
    let group = rustix::process::Pid::from_child(child);
    let mut status = child.try_wait().map_err(Error::internal)?;
    while status.is_none() && clock::now() < deadline {
        std::thread::sleep(Duration::from_millis(2));
        status = child.try_wait().map_err(Error::internal)?;
    }
    // The child leads a group of its own. An error says that nobody is left in it.
    let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
    match status {
        Some(status) => Ok(status),
        None => child.wait().map_err(Error::internal),
    }
}

fn start(order: &Order) -> Result<Child> {
    let executable = match &order.executable {
        Some(path) => path.clone(),
        None => std::env::current_exe().map_err(Error::internal)?,
    };
    Command::new(&executable)
        .arg(VERB)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        // Ctrl-C in a terminal reaches the parent alone, which decides what is kept.
        .process_group(0)
        .spawn()
        .map_err(|error| Error::read(executable, error, "the program must be executable to run its rounds"))
}

/// Reads the child's lines on a thread.
fn read_lines(stdout: Option<impl Read + Send + 'static>) -> Receiver<Line> {
    let (send, receive) = channel();
    std::thread::spawn(move || {
        let Some(stdout) = stdout else { return };
        let mut reader = BufReader::new(stdout);
        let mut text = Vec::new();
        while (&mut reader).take(LONGEST_LINE).read_until(b'\n', &mut text).is_ok_and(|read| read > 0) {
            if let Ok(line) = serde_json::from_slice(&text)
                && send.send(line).is_err()
            {
                return;
            }
            text.clear();
        }
    });
    receive
}

/// The last lines of the child's stderr, read on a thread: a process that the child left behind may keep it open for ever.
struct LastLines {
    lines: Arc<Mutex<VecDeque<String>>>,
    thread: std::thread::JoinHandle<()>,
}

impl LastLines {
    fn keep(stderr: Option<impl Read + Send + 'static>) -> Self {
        let lines: Arc<Mutex<VecDeque<String>>> = Arc::default();
        let kept = Arc::clone(&lines);
        let thread = std::thread::spawn(move || {
            let Some(stderr) = stderr else { return };
            let mut reader = BufReader::new(stderr);
            let mut line = Vec::new();
            while (&mut reader).take(LONGEST_LINE).read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
                let text: String =
                    String::from_utf8_lossy(&line).chars().filter(|c| !c.is_control()).take(300).collect();
                let mut last = kept.lock().unwrap_or_else(PoisonError::into_inner);
                if last.len() == LAST_LINES {
                    last.pop_front();
                }
                last.push_back(text);
                line.clear();
            }
        });
        Self { lines, thread }
    }

    /// What was read, once the pipe is at its end or a moment has passed.
    fn take(self) -> Vec<String> {
        let deadline = clock::now() + GRACE;
        while !self.thread.is_finished() && clock::now() < deadline {
            std::thread::sleep(Duration::from_millis(5));
        }
        std::mem::take(&mut *self.lines.lock().unwrap_or_else(PoisonError::into_inner)).into()
    }
}

fn how_it_ended(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(0), _) => "its process ended without a result".to_owned(),
        (Some(code), _) => format!("its process ended with exit code {code}"),
        (None, Some(signal)) => format!("its process was killed by {}", signal_name(signal)),
        (None, None) => "its process ended in an unknown way".to_owned(),
    }
}

/// The name of a signal.
pub(super) fn signal_name(signal: i32) -> &'static str {
    signal_hook::low_level::signal_name(signal).unwrap_or("a signal")
}
