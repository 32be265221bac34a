//! `ops.csv`: in the child, the spilled rows get their phases; in the parent, the rounds become one file with the union of
//! their columns. Row by row: a million operations need no more memory than one.

use std::collections::HashMap;
use std::fs::File;
use std::path::Path;

use csv::{Reader, ReaderBuilder, StringRecord, Writer, WriterBuilder};

use super::order::RoundResult;
use crate::error::{Error, Result};
use crate::load::collect::COLUMNS;
use crate::record::pass::Pass;
use crate::record::reading::Spans;

/// The rows of a round as the load spilled them.
pub(super) const SPILLED: &str = "rows.csv";
/// The rows of a round with their phases.
const JOINED: &str = "ops.csv";

/// Adds a column for each phase to the spilled rows of a round.
pub(super) fn join(folder: &Path, spans: &Spans) -> Result<()> {
    let (source, target) = (folder.join(SPILLED), folder.join(JOINED));
    if spans.times.is_empty() {
        return std::fs::rename(&source, &target).map_err(|error| Error::write(&target, error));
    }
    // A phase that an operation passed twice counts twice.
    let mut times: HashMap<u64, Vec<u64>> = HashMap::new();
    for (operation, phase, ns) in &spans.times {
        let row = times.entry(*operation).or_insert_with(|| vec![0; spans.names.len()]);
        if let Some(sum) = row.get_mut(usize::from(*phase)) {
            *sum += ns;
        }
    }
    let mut reader = open(&source)?;
    let mut writer = create(&target)?;
    let wrap = |error: csv::Error| Error::write(&target, std::io::Error::other(error));
    let mut header: Vec<String> = COLUMNS.split(',').map(str::to_owned).collect();
    header.extend(spans.names.iter().map(|name| format!("phase.{name}_ns")));
    writer.write_record(&header).map_err(wrap)?;
    let mut record = StringRecord::new();
    while reader.read_record(&mut record).map_err(wrap)? {
        let row = record.get(0).and_then(|seq| seq.parse().ok()).and_then(|seq: u64| times.get(&seq));
        for index in 0..spans.names.len() {
            match row.map(|row| row[index]) {
                Some(ns) if ns > 0 => record.push_field(&ns.to_string()),
                _ => record.push_field(""),
            }
        }
        writer.write_record(&record).map_err(wrap)?;
    }
    writer.flush().map_err(|error| Error::write(&target, error))
}

/// Puts the rows of all rounds into one file.
pub(super) fn merge(draft: &Path, results: &[RoundResult], target: &Path) -> Result<()> {
    let wrap = |error: csv::Error| Error::write(target, std::io::Error::other(error));
    let mut phases: Vec<String> = Vec::new();
    let fixed = COLUMNS.split(',').count();
    for result in results {
        let mut reader = open(&folder(draft, result.pass, result.round).join(JOINED))?;
        for column in reader.headers().map_err(wrap)?.iter().skip(fixed) {
            if !phases.iter().any(|known| known == column) {
                phases.push(column.to_owned());
            }
        }
    }
    phases.sort();
    let mut writer = create(target)?;
    let header = ["pass", "round"].into_iter().chain(COLUMNS.split(',')).chain(phases.iter().map(String::as_str));
    writer.write_record(header).map_err(wrap)?;
    for result in results {
        let mut reader = open(&folder(draft, result.pass, result.round).join(JOINED))?;
        let columns = reader.headers().map_err(wrap)?.clone();
        let places: Vec<Option<usize>> =
            phases.iter().map(|phase| columns.iter().position(|column| column == phase)).collect();
        let round = result.round.to_string();
        let mut record = StringRecord::new();
        while reader.read_record(&mut record).map_err(wrap)? {
            let start = [result.pass.name(), &round].into_iter().chain(record.iter().take(fixed));
            let rest = places.iter().map(|place| place.and_then(|place| record.get(place)).unwrap_or(""));
            writer.write_record(start.chain(rest)).map_err(wrap)?;
        }
    }
    writer.flush().map_err(|error| Error::write(target, error))
}

/// The folder of a round.
pub(super) fn folder(draft: &Path, pass: Pass, round: u32) -> std::path::PathBuf {
    draft.join(".rounds").join(format!("{pass}-{round}"))
}

fn open(path: &Path) -> Result<Reader<File>> {
    let file = File::open(path).map_err(|error| Error::read(path, error, "the round's process was killed"))?;
    Ok(ReaderBuilder::new().buffer_capacity(1 << 16).from_reader(file))
}

fn create(path: &Path) -> Result<Writer<File>> {
    let file = File::create(path).map_err(|error| Error::write(path, error))?;
    Ok(WriterBuilder::new().buffer_capacity(1 << 16).from_writer(file))
}
