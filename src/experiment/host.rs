//! The parent's side of a round: starts the child, reads its lines, keeps its last words, and ends it when asked.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use super::order::{Line, Order, Refusal, RoundResult};
use super::{Event, Interrupt, patience};
use crate::error::{Error, Result};
use crate::load::clock;

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
    let last_words = keep_last_lines(child.stderr.take());
    let deadline = clock::now() + patience(order);
    let mut refused = None;
    let mut done = false;
    let mut hung = false;
    loop {
        match lines.recv_timeout(TICK) {
            Ok(Line::Progress { operations, ok, measuring }) => tell(Event::Progress { operations, ok, measuring }),
            Ok(Line::Done) => done = true,
            Ok(Line::Refused(refusal)) => refused = Some(refusal),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
        let signal = interrupt.load(Ordering::Acquire);
        hung = clock::now() > deadline;
        if signal != 0 || hung {
            let _ = child.kill();
        }
        if signal != 0 {
            let _ = child.wait();
            return Ok(Outcome::Interrupted(signal_name(signal as i32)));
        }
    }
    let status = child.wait().map_err(Error::internal)?;
    let last_lines = last_words.join().unwrap_or_default();
    if let Some(refusal) = refused {
        return Ok(Outcome::Refused(refusal));
    }
    if done && status.success() {
        return RoundResult::load(&order.folder).map(|result| Outcome::Done(Box::new(result)));
    }
    let reason = if hung { "it hung and was killed".to_owned() } else { how_it_ended(status) };
    Ok(Outcome::Crashed { reason, last_lines })
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

/// Reads the child's lines on a thread; what is no line of ours (a workload that prints) is passed over.
fn read_lines(stdout: Option<impl Read + Send + 'static>) -> Receiver<Line> {
    let (send, receive) = channel();
    std::thread::spawn(move || {
        let Some(stdout) = stdout else { return };
        for text in BufReader::new(stdout).split(b'\n').map_while(std::result::Result::ok) {
            if let Ok(line) = serde_json::from_slice(&text)
                && send.send(line).is_err()
            {
                return;
            }
        }
    });
    receive
}

fn keep_last_lines(stderr: Option<impl Read + Send + 'static>) -> std::thread::JoinHandle<Vec<String>> {
    std::thread::spawn(move || {
        let mut last = VecDeque::with_capacity(LAST_LINES);
        let Some(stderr) = stderr else { return Vec::new() };
        for line in BufReader::new(stderr).split(b'\n').map_while(std::result::Result::ok) {
            if last.len() == LAST_LINES {
                last.pop_front();
            }
            let text: String = String::from_utf8_lossy(&line).chars().filter(|c| !c.is_control()).take(300).collect();
            last.push_back(text);
        }
        last.into()
    })
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
