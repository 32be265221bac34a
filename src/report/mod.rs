//! How a run is shown. A format renders what it is given: every figure comes from the run or its summary, none is
//! computed here.

pub mod baselines;
pub mod comparison;
mod csv;
pub mod flamegraph;
mod human;
mod json;
pub mod leaks;
mod page;
pub mod plot;
pub mod scale;
mod table;
mod text;
pub mod variance;

use std::io::{self, Write};

use crate::analysis::summary::Frames;
use crate::record::Run;

/// What is to be shown.
#[derive(Clone, Copy, Debug)]
pub struct Report<'a> {
    /// The run.
    pub run: &'a Run,
    /// Whether runtime plumbing is folded away.
    pub frames: Frames,
    /// Where the run's files are, to be named at the end; empty: they are not named.
    pub files: &'a [String],
}

/// A way to show a run.
pub struct Format {
    /// The name for `--format`.
    pub name: &'static str,
    /// What it is, in one line.
    pub about: &'static str,
    /// Renders.
    pub render: fn(&Report<'_>, &mut dyn Write) -> io::Result<()>,
}

/// Every format.
pub static ALL: &[&Format] = &[&human::FORMAT, &text::FORMAT, &json::FORMAT, &csv::FORMAT];

/// The format of that name.
#[must_use]
pub fn format(name: &str) -> Option<&'static Format> {
    ALL.iter().copied().find(|format| format.name == name)
}
