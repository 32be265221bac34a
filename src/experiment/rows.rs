//! `ops.csv`: in the child, the spilled rows get their phases; in the parent, the rounds become one file with the union of
//! their columns. Row by row: a million operations need no more memory than one.

use std::fs::File;
use std::path::Path;

use csv::{Reader, ReaderBuilder, StringRecord, Writer, WriterBuilder};

use super::order::RoundResult;
use crate::error::{Error, Result};
use crate::load::collect::COLUMNS;
use crate::record::ops::STATES;
use crate::record::pass::Pass;
use crate::record::reading::{SpanTime, Spans};

/// The rows of a round as the load spilled them.
pub(super) const SPILLED: &str = "rows.csv";
/// The rows of a round with their phases.
const JOINED: &str = "ops.csv";

/// Adds columns for each phase to the spilled rows of a round: all its time, and each state that is known.
pub(super) fn join(folder: &Path, mut spans: Spans) -> Result<()> {
    let (source, target) = (folder.join(SPILLED), folder.join(JOINED));
    if spans.times.is_empty() {
        return std::fs::rename(&source, &target).map_err(|error| Error::write(&target, error));
    }
    // Sorted in place: a map from operations to their times would take more memory than the times.
    spans.times.sort_unstable_by_key(|time| time.operation);
    let layout = Layout::of(&spans);
    let mut reader = open(&source)?;
    let mut writer = create(&target)?;
    let wrap = |error: csv::Error| Error::write(&target, std::io::Error::other(error));
    writer.write_record(COLUMNS.split(',').chain(layout.header.iter().map(String::as_str))).map_err(wrap)?;
    let mut record = StringRecord::new();
    let mut cells: Vec<Option<u64>> = Vec::new();
    while reader.read_record(&mut record).map_err(wrap)? {
        let own = record.get(0).and_then(|seq| seq.parse().ok()).map_or(&[][..], |seq| of_operation(&spans.times, seq));
        layout.fill(own, &mut cells);
        for cell in &cells {
            record.push_field(&cell.map_or_else(String::new, |ns| ns.to_string()));
        }
        writer.write_record(&record).map_err(wrap)?;
    }
    writer.flush().map_err(|error| Error::write(&target, error))
}

/// The spans of an operation, out of all that are sorted by it.
fn of_operation(times: &[SpanTime], operation: u64) -> &[SpanTime] {
    let first = times.partition_point(|time| time.operation < operation);
    let count = times[first..].partition_point(|time| time.operation == operation);
    &times[first..first + count]
}

/// Where the times of the phases stand in a row.
struct Layout {
    /// The names of the columns.
    header: Vec<String>,
    /// For each phase the place of all its time, and of each state.
    places: Vec<(usize, [Option<usize>; 3])>,
}

impl Layout {
    fn of(spans: &Spans) -> Self {
        let (mut header, mut places) = (Vec::new(), Vec::new());
        for name in &spans.names {
            let whole = header.len();
            header.push(format!("phase.{name}_ns"));
            let states = STATES.map(|state| {
                let part = format!("{name}/{state}");
                // A phase of that very name has the column already.
                let known = (state != "scheduled" || spans.knows_scheduled) && !spans.names.contains(&part);
                known.then(|| {
                    header.push(format!("phase.{part}_ns"));
                    header.len() - 1
                })
            });
            places.push((whole, states));
        }
        Self { header, places }
    }

    /// The cells of a row; `None` for phases that the operation did not pass. One that it passed twice counts twice.
    fn fill(&self, spans: &[SpanTime], cells: &mut Vec<Option<u64>>) {
        cells.clear();
        cells.resize(self.header.len(), None);
        for time in spans {
            let Some((whole, states)) = self.places.get(usize::from(time.phase)) else { continue };
            // Of what nobody knows to be scheduled it is only known that the span was not entered.
            let scheduled_ns = if states[1].is_some() { time.scheduled_ns } else { 0 };
            let idle_ns = time.total_ns.saturating_sub(time.busy_ns).saturating_sub(scheduled_ns);
            let parts = states.iter().copied().zip([time.busy_ns, scheduled_ns, idle_ns]);
            for (place, ns) in std::iter::once((Some(*whole), time.total_ns)).chain(parts) {
                if let Some(cell) = place.and_then(|place| cells.get_mut(place)) {
                    *cell = Some(cell.unwrap_or(0) + ns);
                }
            }
        }
    }
}

/// Puts the rows of all rounds into one file.
pub(super) fn merge(draft: &Path, results: &[RoundResult], target: &Path) -> Result<()> {
    let kept = || results.iter().filter(|result| result.pass.keeps_rows());
    let wrap = |error: csv::Error| Error::write(target, std::io::Error::other(error));
    let mut phases: Vec<String> = Vec::new();
    let fixed = COLUMNS.split(',').count();
    for result in kept() {
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
    for result in kept() {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn time(operation: u64, phase: u16, [total_ns, busy_ns, scheduled_ns]: [u64; 3]) -> SpanTime {
        SpanTime { operation, phase, total_ns, busy_ns, scheduled_ns }
    }

    /// The rows of three operations, the last of which passed `get` twice and the first nothing.
    fn joined(names: &[&str], knows_scheduled: bool) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        let commas = ",".repeat(COLUMNS.split(',').count() - 1);
        let rows = format!("{COLUMNS}\n9{commas}\n4{commas}\n7{commas}\n");
        std::fs::write(folder.path().join(SPILLED), rows).unwrap();
        let times = vec![time(7, 0, [50, 20, 10]), time(4, 1, [5, 5, 0]), time(7, 0, [30, 1, 0])];
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        join(folder.path(), Spans { names, times, knows_scheduled }).unwrap();
        let text = std::fs::read_to_string(folder.path().join(JOINED)).unwrap();
        text.lines().map(|line| line.split(',').skip(commas.len() + 1).collect::<Vec<_>>().join(",")).collect()
    }

    #[test]
    fn a_phase_has_all_its_time_and_its_states_and_they_add_up() {
        let lines = joined(&["get", "set"], true);
        let columns: Vec<String> = ["get", "set"]
            .iter()
            .flat_map(|name| ["", "/busy", "/scheduled", "/idle"].map(|state| format!("phase.{name}{state}_ns")))
            .collect();
        assert_eq!(lines, [&columns.join(","), ",,,,,,,", ",,,,5,5,0,0", "80,21,10,49,,,,"]);
    }

    #[test]
    fn where_nobody_knows_what_was_scheduled_there_is_no_column_of_zeros() {
        let lines = joined(&["get", "set"], false);
        assert_eq!(lines[0].matches("scheduled").count(), 0);
        assert_eq!(lines[3], "80,21,59,,,");
    }

    #[test]
    fn a_phase_that_is_called_like_a_state_of_another_takes_no_column_twice() {
        let lines = joined(&["get", "get/busy"], true);
        let columns: Vec<&str> = lines[0].split(',').collect();
        let known: std::collections::BTreeSet<&str> = columns.iter().copied().collect();
        assert!(known.len() == columns.len() && known.contains("phase.get/busy_ns"), "{columns:?}");
    }
}
