//! A comparison for a terminal: the text with headings and verdicts that stand out. Whether colour is wanted is decided by who opens
//! the stream.

use super::{Format, text};
use crate::report::human::style;

pub(super) static FORMAT: Format = Format {
    name: "human",
    about: "tables for a terminal",
    render: |judgement, out| text::write(judgement, out, style),
};
