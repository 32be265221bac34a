//! The page that a text report is written on: lines, headings, tones. Whoever opens it says how a tone looks.

use std::io::{self, Write};

use anstyle::Style;

use super::table::visible;

/// What a piece of text is, for whoever colours it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tone {
    Heading,
    Good,
    Bad,
    Careful,
    Quiet,
}

/// Where the report goes.
pub(super) struct Page<'a> {
    pub(super) out: &'a mut dyn Write,
    pub(super) style: fn(Tone) -> Style,
}

impl Page<'_> {
    pub(super) fn line(&mut self, text: &str) -> io::Result<()> {
        writeln!(self.out, "{text}")
    }

    /// A line of text that may hold anything.
    pub(super) fn safe(&mut self, text: &str) -> io::Result<()> {
        self.line(&visible(text))
    }

    pub(super) fn toned(&self, tone: Tone, text: &str) -> String {
        let style = (self.style)(tone);
        format!("{style}{text}{style:#}")
    }

    pub(super) fn heading(&mut self, text: &str, note: &str) -> io::Result<()> {
        let text = self.toned(Tone::Heading, text);
        writeln!(self.out)?;
        if note.is_empty() {
            return writeln!(self.out, "{text}");
        }
        let note = self.toned(Tone::Quiet, note);
        writeln!(self.out, "{text}  {note}")
    }
}
