//! stdout and stderr: results, errors with their hints, colour.

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use anstream::{AutoStream, ColorChoice};
use anstyle::{AnsiColor, Style};

use super::{Color, Exit, Global, exit};
use crate::error::{Error, Result, STDOUT};
use crate::record::name::visible;
use crate::report::{self, comparison};

/// What a verb shows: it decides which formats there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shows {
    /// A run.
    Run,
    /// Comparisons.
    Verdicts,
    /// Anything else.
    Other,
}

/// Where a verb's words go.
#[derive(Clone, Debug)]
pub(super) struct Output {
    format: String,
    quiet: bool,
    color: ColorChoice,
}

impl Output {
    pub(super) fn new(global: &Global) -> Self {
        let color = match global.color {
            Color::Auto => ColorChoice::Auto,
            Color::Always => ColorChoice::Always,
            Color::Never => ColorChoice::Never,
        };
        Self { format: global.format.clone(), quiet: global.quiet, color }
    }

    /// Whether results are wanted as JSON.
    pub(super) fn json(&self) -> bool {
        self.format == "json"
    }

    /// The format as it was given.
    pub(super) fn format(&self) -> &str {
        &self.format
    }

    /// Refuses formats that the verb does not know.
    pub(super) fn check_format(&self, shows: Shows) -> Result<()> {
        let known: Vec<&str> = match shows {
            Shows::Run => report::ALL.iter().map(|format| format.name).collect(),
            Shows::Verdicts => comparison::ALL.iter().map(|format| format.name).collect(),
            Shows::Other => vec!["human", "json"],
        };
        if known.contains(&self.format.as_str()) {
            return Ok(());
        }
        let hint = format!("the formats here are {}", known.join(", "));
        Err(Error::usage(format!("no format `{}`", self.format), hint))
    }

    /// Writes a result to stdout. A reader that has gone away is no error.
    pub(super) fn result(&self, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<()> {
        let mut out = AutoStream::new(io::stdout().lock(), self.color);
        match write(&mut out).and_then(|()| out.flush()) {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Error::write(STDOUT, error)),
            _ => Ok(()),
        }
    }

    /// Writes text to stdout.
    pub(super) fn text(&self, text: &str) -> Result<()> {
        self.result(|out| out.write_all(text.as_bytes()))
    }

    /// Says something on stderr, unless quiet.
    pub(super) fn say(&self, text: &str) {
        if !self.quiet {
            let _ = writeln!(AutoStream::new(io::stderr().lock(), self.color), "{}", visible(text));
        }
    }

    /// Whether progress may be drawn: on a terminal, unless quiet or in CI.
    pub(super) fn draws_progress(&self) -> bool {
        !self.quiet && io::stderr().is_terminal() && std::env::var_os("CI").is_none()
    }

    /// Whether plain lines may tell the progress.
    pub(super) fn talks(&self) -> bool {
        !self.quiet
    }

    /// Prints the error, if there is one, and gives the process its exit code.
    pub(super) fn finish(&self, result: Result<Exit>) -> ExitCode {
        match result {
            Ok(exit) => ExitCode::from(exit.code()),
            Err(error) => {
                let red = Style::new().bold().fg_color(Some(AnsiColor::Red.into()));
                let mut err = AutoStream::new(io::stderr().lock(), self.color);
                let (text, hint) = (visible(&error.to_string()), visible(error.hint()));
                let _ = writeln!(err, "{red}error{red:#}: {text}\n\nhint: {hint}");
                ExitCode::from(exit::of_error(&error))
            }
        }
    }
}
