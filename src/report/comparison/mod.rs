//! How comparisons are shown. A format renders what it is given: every verdict and figure comes from the comparison, none is
//! computed here.

mod csv;
mod github;
mod human;
mod json;
mod junit;
mod markdown;
#[cfg(test)]
mod sample;
mod tables;
mod text;
mod words;

use std::io::{self, Write};

use crate::compare::{Judged, Verdict};

/// What is to be shown.
#[derive(Clone, Copy, Debug)]
pub struct Judgement<'a> {
    /// What was asked.
    pub kind: Kind,
    /// What asked it: `perfkit check`.
    pub title: &'a str,
    /// Every workload; of a comparison the one.
    pub judged: &'a [Judged],
    /// The worst of them.
    pub verdict: Verdict,
    /// The code that the process ends with.
    pub exit_code: u8,
    /// How to do it again; empty: it is not shown.
    pub command: &'a str,
    /// How much of it is listed.
    pub detail: Detail,
}

/// What was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Two runs: the document is the comparison itself.
    Comparison,
    /// A gate over workloads: the document is a check.
    Check,
}

/// How much is listed for people. Documents for programs always hold everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    /// What decides and what changed; the rest is counted.
    Changed,
    /// Every metric and every function.
    All,
}

/// A way to show a comparison.
pub struct Format {
    /// The name for `--format`.
    pub name: &'static str,
    /// What it is, in one line.
    pub about: &'static str,
    /// Renders.
    pub render: fn(&Judgement<'_>, &mut dyn Write) -> io::Result<()>,
}

/// Every format.
pub static ALL: &[&Format] =
    &[&human::FORMAT, &text::FORMAT, &json::FORMAT, &markdown::FORMAT, &junit::FORMAT, &github::FORMAT, &csv::FORMAT];

/// The format of that name.
#[must_use]
pub fn format(name: &str) -> Option<&'static Format> {
    ALL.iter().copied().find(|format| format.name == name)
}
