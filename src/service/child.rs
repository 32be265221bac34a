//! One child process of this same executable: started, heard, killed and reaped. Refuses to know what it serves.

use std::collections::VecDeque;
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child as Process, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use serde::Serialize;

use super::serve::{Settings, VERB};

/// How many of a child's last lines an error quotes.
const LAST_LINES: usize = 5;
/// Longest line that is kept: a child that never ends its line must not fill the memory of the parent.
const LONGEST_LINE: u64 = 8 * 1024;

/// How long the last lines of a process that ended may take to arrive.
const LISTENING: Duration = Duration::from_millis(200);

type LastLines = Arc<Mutex<VecDeque<String>>>;

/// A running child. Dropping it kills and reaps it.
#[derive(Debug)]
pub(super) struct Child {
    process: Process,
    last_lines: LastLines,
    first_line: Receiver<String>,
    listeners: Vec<JoinHandle<()>>,
}

impl Child {
    /// Starts `executable __service <what> <settings>`. The settings are visible to every user of the machine (argv),
    /// so they never hold a secret.
    pub(super) fn spawn(executable: &Path, what: &str, settings: &impl Serialize) -> io::Result<Self> {
        let settings = serde_json::to_string(&Settings { parent: std::process::id(), settings })?;
        let mut process = Command::new(executable)
            .args([VERB, what, &settings])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // Ctrl-C goes to the terminal's whole process group: the service outlives it until perfkit is done.
            .process_group(0)
            .spawn()?;
        let (sender, first_line) = sync_channel(1);
        let last_lines = LastLines::default();
        let (stdout, stderr) = (process.stdout.take(), process.stderr.take());
        // From here on the child is in a `Child`, so that a failing thread start kills it too.
        let mut child = Self { process, last_lines, first_line, listeners: Vec::new() };
        if let Some(stdout) = stdout {
            child.listen("service-stdout", stdout, Some(sender))?;
        }
        if let Some(stderr) = stderr {
            child.listen("service-stderr", stderr, None)?;
        }
        Ok(child)
    }

    /// How it ended, if it did, with its last words.
    pub(super) fn ended(&mut self) -> Option<String> {
        match self.process.try_wait() {
            Ok(None) => None,
            Ok(Some(status)) => Some(self.obituary(&status.to_string())),
            Err(error) => Some(format!("its process cannot be asked: {error}")),
        }
    }

    /// The line with which an embedded service says that it is ready.
    pub(super) fn first_line(&mut self, deadline: Instant) -> Result<String, String> {
        match self.first_line.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(line) => Ok(line),
            Err(RecvTimeoutError::Timeout) => Err(format!("it did not say that it is ready{}", self.last_words())),
            Err(RecvTimeoutError::Disconnected) => {
                // Its output is closed, so it is about to end, if it has not yet: reaping it gives the reason.
                let _ = self.process.kill();
                let status = self.process.wait().map_or_else(|error| error.to_string(), |status| status.to_string());
                Err(self.obituary(&status))
            }
        }
    }

    /// `: ` and the last lines it wrote, or nothing.
    pub(super) fn last_words(&self) -> String {
        let lines = self.last_lines.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.is_empty() { String::new() } else { format!(": {}", Vec::from(lines.clone()).join("; ")) }
    }

    /// How it ended and what it said, once all of that was read: the pipes are closed by now, but a grandchild may hold
    /// them open, so the wait has an end.
    fn obituary(&self, status: &str) -> String {
        let deadline = Instant::now() + LISTENING;
        while !self.listeners.iter().all(JoinHandle::is_finished) && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(1));
        }
        format!("its process ended ({status}){}", self.last_words())
    }

    /// Reads a pipe to its end: a full pipe would stop the child.
    fn listen(
        &mut self,
        name: &str,
        pipe: impl Read + Send + 'static,
        first: Option<SyncSender<String>>,
    ) -> io::Result<()> {
        let last_lines = Arc::clone(&self.last_lines);
        let listen = move || keep_last(pipe, first, &last_lines);
        self.listeners.push(thread::Builder::new().name(name.to_owned()).spawn(listen)?);
        Ok(())
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // Neither can fail in a way that leaves something to do: a process that is gone was reaped already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn keep_last(pipe: impl Read, mut first: Option<SyncSender<String>>, last_lines: &LastLines) {
    let mut pipe = BufReader::new(pipe);
    let mut line = Vec::new();
    loop {
        line.clear();
        match pipe.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut line) {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
        let text = String::from_utf8_lossy(&line).trim().to_owned();
        if let Some(first) = first.take() {
            // Nobody waits for it where the service is asked over its socket instead.
            let _ = first.try_send(text.clone());
        }
        if text.is_empty() {
            continue;
        }
        let mut lines = last_lines.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() == LAST_LINES {
            lines.pop_front();
        }
        lines.push_back(text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_lines_of_a_talkative_child_are_kept() {
        let text = ["line 0\n", &"line\n".repeat(99), &"x".repeat(100_000)].concat();
        let lines = LastLines::default();
        let (sender, receiver) = sync_channel(1);
        keep_last(text.as_bytes(), Some(sender), &lines);
        assert_eq!(receiver.recv().as_deref(), Ok("line 0"));
        let lines = lines.lock().unwrap();
        assert_eq!(lines.len(), LAST_LINES);
        assert!(lines.iter().all(|line| line.len() as u64 <= LONGEST_LINE));
    }

    #[test]
    fn a_child_that_ends_at_once_is_reported_with_its_status() {
        let mut child = Child::spawn(Path::new("/bin/false"), "nothing", &()).unwrap();
        let error = child.first_line(Instant::now() + Duration::from_secs(5)).unwrap_err();
        assert!(error.starts_with("its process ended ("), "{error}");
    }
}
