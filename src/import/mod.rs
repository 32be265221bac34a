//! Foreign result files as runs, so that they can be compared: one reader a file, one [`Run`] a file or folder. A reader never
//! makes up what is not there: rounds, operations and machines that a file does not tell stay unknown. What cannot be
//! understood is refused with its line, never passed over.

mod async_baseline;
mod criterion;
mod csv;
mod dhat;
mod folded;
mod go_bench;
#[cfg(test)]
mod hostile_tests;
mod hyperfine;
pub(crate) mod pprof;
mod round;
mod row;

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

use serde::de::DeserializeOwned;

use crate::error::{Error, Result};
use crate::record::{Metric, Operations, Run, Status, name};
use crate::unit::{Better, Unit};

/// What a plain CSV does not say of itself; other formats do, and leave it aside.
#[derive(Clone, Debug, PartialEq)]
pub struct Meaning {
    /// The metric's name.
    pub metric: String,
    /// The unit of the values.
    pub unit: Unit,
    /// Which way is better.
    pub better: Better,
    /// What a row is.
    pub values: Values,
}

impl Default for Meaning {
    fn default() -> Self {
        Self { metric: "latency".to_owned(), unit: Unit::Ns, better: Better::Lower, values: Values::Operations }
    }
}

/// What a row of a plain CSV is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Values {
    /// One operation; the metrics of each round are derived.
    Operations,
    /// One round's value of the metric.
    Rounds,
}

/// A reader of one format.
pub struct Reader {
    /// Its name: what [`Run::foreign`] says.
    pub name: &'static str,
    /// What it reads, in one line.
    pub about: &'static str,
    /// Whether a file, by its path and its first bytes, is of its format; a folder has no bytes.
    pub recognizes: fn(&Path, &[u8]) -> bool,
    /// Reads it.
    pub read: fn(&Path, &Meaning) -> Result<Run>,
}

/// Every reader; the first that recognizes a file reads it.
pub static ALL: &[&Reader] = &[
    &criterion::READER,
    &pprof::READER,
    &async_baseline::READER,
    &dhat::READER,
    &hyperfine::READER,
    &go_bench::READER,
    &csv::READER,
    &folded::READER,
];

/// The first bytes that readers recognize a file by.
const HEAD: u64 = 64 * 1024;

/// Reads a foreign file or folder.
///
/// ```
/// use perfkit::import::{Meaning, read};
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("parse.csv");
/// std::fs::write(&path, "round,value\n0,100\n0,300\n1,500\n")?;
/// let run = read(&path, &Meaning::default())?;
/// assert_eq!(run.foreign.as_deref(), Some("csv"));
/// assert_eq!(run.metric("latency.mean").map(|metric| metric.values.clone()), Some(vec![200.0, 500.0]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// No reader knows it, it is damaged, or there is no result in it; the message has the path, and the line where there are lines.
pub fn read(path: &Path, meaning: &Meaning) -> Result<Run> {
    let head = head(path)?;
    let Some(reader) = ALL.iter().find(|reader| (reader.recognizes)(path, &head)) else {
        let known: Vec<&str> = ALL.iter().map(|reader| reader.about).collect();
        return Err(Error::read(path, "no reader knows this format", format!("these are read: {}", known.join("; "))));
    };
    let mut run = (reader.read)(path, meaning)?;
    let again = format!("measure and export anew; {} is what was looked for", reader.about);
    if run.metrics.is_empty() && run.functions.is_empty() && run.sites.is_empty() {
        return Err(Error::read(path, "there is no result in it", again));
    }
    let mut names = HashSet::new();
    if let Some(twice) = run.metrics.iter().find(|metric| !names.insert(metric.name.as_str())) {
        let message = format!("{} is given twice", shown(&twice.name));
        return Err(Error::read(path, message, "give every benchmark a name of its own and measure anew"));
    }
    let profiled = usize::from(!run.functions.is_empty() || !run.sites.is_empty());
    let rounds = run.metrics.iter().map(|metric| metric.values.len()).max().unwrap_or(0).max(profiled);
    run.load.rounds = u32::try_from(rounds).unwrap_or(u32::MAX);
    Ok(run)
}

/// The first bytes of a file; none of a folder. What is neither is refused before it is opened: a pipe could wait for ever.
fn head(path: &Path) -> Result<Vec<u8>> {
    let wrap = |error| Error::read(path, error, "name a run, a result file or a folder of results");
    let kind = fs::metadata(path).map_err(wrap)?;
    if kind.is_dir() {
        return Ok(Vec::new());
    }
    if !kind.is_file() {
        return Err(Error::read(path, "neither a file nor a folder", "save what it gives to a file and name that"));
    }
    let mut head = Vec::new();
    File::open(path).map_err(wrap)?.take(HEAD).read_to_end(&mut head).map_err(wrap)?;
    if head.is_empty() {
        return Err(Error::read(path, "the file is empty", "measure and export anew"));
    }
    Ok(head)
}

/// Whether the first bytes are those of a JSON object that has this key.
fn has_key(head: &[u8], key: &str) -> bool {
    let text = String::from_utf8_lossy(without_mark(head));
    text.trim_start().starts_with('{') && text.contains(&format!("\"{key}\""))
}

/// Without the byte order mark that some editors put before UTF-8.
fn without_mark(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes)
}

/// The content of a JSON file; what does not fit is told with its line and column.
fn json<T: DeserializeOwned>(path: &Path, hint: &str) -> Result<T> {
    let bytes = fs::read(path).map_err(|error| Error::read(path, error, hint))?;
    serde_json::from_slice(without_mark(&bytes)).map_err(|error| Error::read(path, error, hint))
}

/// The lines of a text file with their numbers, without their ends; one that is not UTF-8 is refused.
fn lines<'a>(path: &'a Path, bytes: &'a [u8], hint: &'a str) -> impl Iterator<Item = Result<(usize, &'a str)>> {
    without_mark(bytes).split(|byte| *byte == b'\n').enumerate().map(move |(index, line)| {
        let number = index + 1;
        let text = std::str::from_utf8(line);
        let text = text.map_err(|_| Error::read(path, format!("line {number}: this is not UTF-8"), hint))?;
        Ok((number, text.trim_end()))
    })
}

/// A value that can be compared: finite and, whatever it measures, not negative.
fn checked(value: f64) -> std::result::Result<f64, String> {
    match value {
        value if !value.is_finite() => Err(format!("`{value}` is no number that can be compared")),
        value if value < 0.0 => Err(format!("`{value}` is negative")),
        // So that a negative zero is no second zero.
        value => Ok(value + 0.0),
    }
}

/// A part of a foreign text for a message: short, and nothing in it that moves a terminal's cursor.
fn shown(text: &str) -> String {
    const MOST: usize = 60;
    let start: String = text.chars().take(MOST).collect();
    let more = if text.chars().nth(MOST).is_some() { "…" } else { "" };
    format!("`{}{more}`", name::visible(&start).replace('\n', " "))
}

/// The name of a file without its last extension.
fn stem(path: &Path) -> String {
    path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default()
}

/// A metric with its values.
fn metric(name: impl Into<String>, (unit, better): (Unit, Better), values: Vec<f64>) -> Metric {
    Metric { values, ..Metric::new(name, unit, better) }
}

/// What became of the operations of one benchmark.
#[derive(Clone, Copy)]
struct Outcome {
    planned: u64,
    failed: u64,
}

/// Takes over what became of the operations of every benchmark. Where more than one in twenty failed, over all or in any of
/// them, the figures are no result.
fn count(run: &mut Run, outcomes: &[Outcome], what: &str) {
    let sum = |of: fn(&Outcome) -> u64| outcomes.iter().map(of).fold(0, u64::saturating_add);
    let all = Outcome { planned: sum(|outcome| outcome.planned), failed: sum(|outcome| outcome.failed) };
    let ok = all.planned.saturating_sub(all.failed);
    run.operations = Operations { planned: all.planned, ok, failed: all.failed, ..Operations::default() };
    let too_many = |outcome: &Outcome| outcome.failed.saturating_mul(20) > outcome.planned;
    if outcomes.iter().chain([&all]).any(too_many) {
        run.status = Status::Invalid;
        run.status_reason = Some(format!("{} of {} {what} failed", all.failed, all.planned));
    }
}
