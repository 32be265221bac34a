//! The summary for a terminal: the text report with headings that stand out. Whether colour is wanted is decided by who
//! opens the stream.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};

use super::page::Tone;
use super::text;
use super::{Format, Report};

pub(super) static FORMAT: Format = Format { name: "human", about: "the summary for a terminal", render };

fn render(report: &Report<'_>, out: &mut dyn Write) -> io::Result<()> {
    text::write(report, out, style)
}

/// Words carry the meaning; colour only helps to find them.
pub(super) fn style(tone: Tone) -> Style {
    let colored = |color: AnsiColor| Style::new().bold().fg_color(Some(color.into()));
    match tone {
        Tone::Heading => Style::new().bold(),
        Tone::Good => colored(AnsiColor::Green),
        Tone::Bad => colored(AnsiColor::Red),
        Tone::Careful => colored(AnsiColor::Yellow),
        Tone::Quiet => Style::new().dimmed(),
    }
}
