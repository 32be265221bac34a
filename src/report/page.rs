//! The page that a text report is written on: lines, headings, tones. Whoever opens it says how a tone looks.

use std::io::{self, Write};

use anstyle::Style;

use super::table::visible;

/// Columns that a line of prose may take.
pub(super) const WIDTH: usize = 120;

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

    /// A paragraph of text that may hold anything, indented, as many lines as it needs.
    pub(super) fn paragraph(&mut self, indent: usize, tone: Option<Tone>, text: &str) -> io::Result<()> {
        for line in wrap(&visible(text), WIDTH - indent) {
            let line = tone.map_or_else(|| line.clone(), |tone| self.toned(tone, &line));
            writeln!(self.out, "{:indent$}{line}", "")?;
        }
        Ok(())
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

/// Breaks text between words. A word that is longer than a line stays whole.
pub(super) fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}
