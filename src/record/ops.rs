//! Reads the good operations of the time pass out of a run's `ops.csv`, row by row into columns. Refuses, with the line, every
//! row that is not what perfkit writes. Judges nothing.
//!
//! An operation takes 32 bytes and 4 for each column of phases, of which a phase with its states has four: a million with eight
//! phases fit into 170 MB. Single times are kept with 24 bits, which is one part in 16 million of each; latencies and places with 53.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Read};
use std::num::NonZeroU64;
use std::path::Path;

use csv::{ByteRecord, ReaderBuilder, StringRecord};

use super::pass::Pass;
use crate::error::{Error, Result};

/// The file in a run's folder.
pub const OPS_FILE: &str = "ops.csv";

const HINT: &str = "was the file changed by hand? make the run again with `perfkit run`";
/// The longest line that is looked at: a thousand phases with long names and their states fit into it.
const LONGEST: usize = 1 << 20;
/// The most columns of phases.
const MOST_CELLS: usize = 4_000;
/// The most rounds; nobody measures so many.
const MOST_ROUNDS: usize = 10_000;
/// What an operation's future, or a phase, is doing, in the order of the columns.
pub const STATES: [&str; 3] = ["busy", "scheduled", "idle"];

/// One phase and its columns: indices into the cells of an operation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PhaseColumns {
    /// The phase's name.
    pub name: String,
    /// The column `phase.<name>_ns`: all its time.
    pub whole: Option<usize>,
    /// The columns `phase.<name>/busy_ns`, `/scheduled_ns` and `/idle_ns`.
    pub states: [Option<usize>; 3],
}

/// One good operation; times in nanoseconds from the start of the round's measured part.
#[derive(Clone, Copy, Debug)]
pub struct Timed<'a> {
    /// When it was due.
    pub due_ns: u64,
    /// When it started; not before it was due.
    pub start_ns: u64,
    /// When it ended; not before it started.
    pub end_ns: u64,
    /// Its future's time in the three [`STATES`], if it was watched.
    pub states_ns: Option<[f32; 3]>,
    /// The cells of the phases' columns; 0 where it did not pass them.
    pub cells_ns: &'a [f32],
}

/// The good operations of one round, in the order of the file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RoundOps {
    /// The round's number.
    pub round: u32,
    /// When each was due.
    pub due_ns: Vec<f64>,
    /// From due to end.
    pub latency_ns: Vec<f64>,
    /// From due to start.
    pub lateness_ns: Vec<f32>,
    /// The time in the three [`STATES`]; zeros for operations that were not watched.
    pub states_ns: Vec<[f32; 3]>,
    cells_ns: Vec<f32>,
    width: usize,
}

impl RoundOps {
    /// The number of operations.
    #[must_use]
    pub fn len(&self) -> usize {
        self.latency_ns.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.latency_ns.is_empty()
    }

    /// The phases' cells of an operation; empty for an index that there is not.
    #[must_use]
    pub fn cells(&self, index: usize) -> &[f32] {
        self.cells_ns.get(index * self.width..(index + 1) * self.width).unwrap_or_default()
    }
}

/// The good operations of a run's time pass.
///
/// ```
/// use perfkit::record::ops::{Columns, Timed};
/// let mut columns = Columns::new(&["redis.get"]);
/// columns.push(0, Timed { due_ns: 0, start_ns: 5, end_ns: 25, states_ns: None, cells_ns: &[12.0] });
/// assert_eq!((columns.len(), columns.rounds()[0].latency_ns[0]), (1, 25.0));
/// assert_eq!(columns.rounds()[0].cells(0), [12.0]);
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Columns {
    phases: Vec<PhaseColumns>,
    rounds: Vec<RoundOps>,
    places: BTreeMap<u32, usize>,
    width: usize,
    unwatched: usize,
}

impl Columns {
    /// No operations yet, with one column for all the time of each phase.
    #[must_use]
    pub fn new(phases: &[&str]) -> Self {
        let column = |(index, name): (usize, &&str)| PhaseColumns {
            name: (*name).to_owned(),
            whole: Some(index),
            states: [None; 3],
        };
        Self { phases: phases.iter().enumerate().map(column).collect(), width: phases.len(), ..Self::default() }
    }

    /// No operations yet; `names` are what stands between `phase.` and `_ns` in the header: `redis.get`, `redis.get/idle`.
    ///
    /// # Errors
    /// A name is empty or stands there twice, or there are too many; the message says which.
    pub fn of_columns(names: &[&str]) -> Result<Self, String> {
        if names.len() > MOST_CELLS {
            return Err(format!("{} columns of phases, at most {MOST_CELLS} are read", names.len()));
        }
        let mut known = BTreeSet::new();
        let mut phases: Vec<PhaseColumns> = Vec::new();
        for (cell, name) in names.iter().enumerate() {
            if name.is_empty() || !known.insert(*name) {
                return Err(format!("the phase `{name}` has no name, or two columns"));
            }
            let state = name.rsplit_once('/').and_then(|(phase, state)| {
                let state = STATES.iter().position(|known| *known == state)?;
                (!phase.is_empty()).then_some((phase, state))
            });
            let phase = state.map_or(*name, |(phase, _)| phase);
            let place = phases.iter().position(|known| known.name == phase).unwrap_or_else(|| {
                phases.push(PhaseColumns { name: phase.to_owned(), ..PhaseColumns::default() });
                phases.len() - 1
            });
            match state {
                Some((_, state)) => phases[place].states[state] = Some(cell),
                None => phases[place].whole = Some(cell),
            }
        }
        Ok(Self { phases, width: names.len(), ..Self::default() })
    }

    /// Adds an operation. Cells beyond the columns are left out, missing ones are 0, and times that run backwards count as 0.
    pub fn push(&mut self, round: u32, timed: Timed<'_>) {
        let next = self.rounds.len();
        let place = *self.places.entry(round).or_insert(next);
        if place == next {
            self.rounds.push(RoundOps { round, width: self.width, ..RoundOps::default() });
        }
        let latency = timed.end_ns.saturating_sub(timed.due_ns) as f64;
        let lateness = timed.start_ns.saturating_sub(timed.due_ns) as f64;
        let ops = &mut self.rounds[place];
        ops.due_ns.push(timed.due_ns as f64);
        ops.latency_ns.push(latency);
        ops.lateness_ns.push(lateness.min(latency) as f32);
        ops.states_ns.push(timed.states_ns.unwrap_or_default());
        let cells = timed.cells_ns.iter().copied().chain(std::iter::repeat(0.0));
        ops.cells_ns.extend(cells.take(self.width));
        self.unwatched += usize::from(timed.states_ns.is_none());
    }

    /// The phases, in the order of their columns.
    #[must_use]
    pub fn phases(&self) -> &[PhaseColumns] {
        &self.phases
    }

    /// The rounds, in the order of the file; each has an operation.
    #[must_use]
    pub fn rounds(&self) -> &[RoundOps] {
        &self.rounds
    }

    /// The number of operations.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rounds.iter().map(RoundOps::len).sum()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rounds.is_empty()
    }

    /// Whether it is known of every operation what its future did.
    #[must_use]
    pub fn all_watched(&self) -> bool {
        self.unwatched == 0
    }
}

/// Reads the `ops.csv` at `path`. Cost: O(rows), about 0.5 s for a million.
///
/// # Errors
/// It cannot be read, its header lacks a column, or a row is not what perfkit writes; the message has the line.
pub fn read(path: &Path) -> Result<Columns> {
    read_every(path, NonZeroU64::MIN)
}

/// Reads every `step`-th row alone, from the first on: means and variances of many millions of operations need no more. What is
/// left out is not looked at.
///
/// # Errors
/// As [`read`].
pub fn read_every(path: &Path, step: NonZeroU64) -> Result<Columns> {
    let file = File::open(path).map_err(|error| Error::read(path, error, HINT))?;
    read_from(path, file, step)
}

/// The same from an open file; `path` is for messages.
fn read_from(path: &Path, file: impl Read, step: NonZeroU64) -> Result<Columns> {
    let wrap = |error: csv::Error| Error::read(path, error, HINT);
    let damaged = |line: u64, what: String| Error::read(path, format!("line {line}: {what}"), HINT);
    let lines = Lines { inner: file, run: 0 };
    let mut reader = ReaderBuilder::new().buffer_capacity(1 << 16).from_reader(lines);
    let header = Header::of(reader.headers().map_err(wrap)?).map_err(|what| damaged(1, what))?;
    let names: Vec<&str> = header.cells.iter().map(|(name, _)| name.as_str()).collect();
    let mut columns = Columns::of_columns(&names).map_err(|what| damaged(1, what))?;
    let mut record = ByteRecord::new();
    let mut cells = vec![0.0; names.len()];
    let mut rows = 0_u64;
    while reader.read_byte_record(&mut record).map_err(wrap)? {
        rows += 1;
        if (rows - 1) % step != 0 {
            continue;
        }
        let line = record.position().map_or(0, csv::Position::line);
        header.row(&record, &mut cells, &mut columns).map_err(|what| damaged(line, what))?;
    }
    columns.rounds.iter_mut().for_each(|round| round.cells_ns.shrink_to_fit());
    Ok(columns)
}

/// Where the columns are.
struct Header {
    pass: usize,
    round: usize,
    times: [usize; 3],
    outcome: usize,
    states: Option<[usize; 3]>,
    cells: Vec<(String, usize)>,
}

impl Header {
    fn of(header: &StringRecord) -> Result<Self, String> {
        let find = |name: &str| header.iter().position(|column| column == name);
        let need = |name: &str| find(name).ok_or_else(|| format!("no column `{name}`"));
        let phase = |(place, column): (usize, &str)| {
            let name = column.strip_prefix("phase.")?.strip_suffix("_ns")?;
            Some((name.to_owned(), place))
        };
        let states = match STATES.map(|state| find(&format!("{state}_ns"))) {
            [Some(busy), Some(scheduled), Some(idle)] => Some([busy, scheduled, idle]),
            _ => None,
        };
        Ok(Self {
            pass: need("pass")?,
            round: need("round")?,
            times: [need("due_ns")?, need("start_ns")?, need("end_ns")?],
            outcome: need("outcome")?,
            states,
            cells: header.iter().enumerate().filter_map(phase).collect(),
        })
    }

    /// Adds a row to the columns, if it is a good operation of the time pass.
    fn row(&self, record: &ByteRecord, cells: &mut [f32], columns: &mut Columns) -> Result<(), String> {
        let field = |place: usize| record.get(place).unwrap_or_default();
        let pass = field(self.pass);
        if pass != Pass::Time.name().as_bytes() {
            let known = Pass::ALL.iter().any(|known| known.name().as_bytes() == pass);
            return if known { Ok(()) } else { Err(format!("no pass `{}`", shown(pass))) };
        }
        match field(self.outcome) {
            b"ok" => {}
            b"failed" | b"timed_out" | b"dropped" => return Ok(()),
            other => return Err(format!("no outcome `{}`", shown(other))),
        }
        let number = |place: usize| whole(field(place));
        let round = number(self.round)?;
        let round = u32::try_from(round).map_err(|_| format!("{round} is no round"))?;
        if columns.rounds.len() == MOST_ROUNDS && !columns.places.contains_key(&round) {
            return Err(format!("more than {MOST_ROUNDS} rounds"));
        }
        let [due_ns, start_ns, end_ns] = [number(self.times[0])?, number(self.times[1])?, number(self.times[2])?];
        if due_ns > start_ns || start_ns > end_ns {
            return Err(format!("due at {due_ns}, started at {start_ns}, ended at {end_ns}: time runs backwards"));
        }
        for (cell, (_, place)) in cells.iter_mut().zip(&self.cells) {
            *cell = optional(field(*place))?.unwrap_or(0.0);
        }
        let states_ns = match self.states.map(|places| places.map(|place| optional(field(place)))) {
            None => None,
            Some([busy, scheduled, idle]) => match (busy?, scheduled?, idle?) {
                (Some(busy), Some(scheduled), Some(idle)) => Some([busy, scheduled, idle]),
                _ => None,
            },
        };
        columns.push(round, Timed { due_ns, start_ns, end_ns, states_ns, cells_ns: cells });
        Ok(())
    }
}

/// A time that may be missing.
fn optional(field: &[u8]) -> Result<Option<f32>, String> {
    if field.is_empty() { Ok(None) } else { whole(field).map(|number| Some(number as f32)) }
}

/// A whole number, in digits alone.
fn whole(field: &[u8]) -> Result<u64, String> {
    let wrong = || format!("`{}` is no whole number below 2^64", shown(field));
    if field.is_empty() {
        return Err(wrong());
    }
    field.iter().try_fold(0_u64, |sum, byte| {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return Err(wrong());
        }
        sum.checked_mul(10).and_then(|sum| sum.checked_add(u64::from(digit))).ok_or_else(wrong)
    })
}

/// The beginning of a field that may hold anything.
fn shown(field: &[u8]) -> String {
    String::from_utf8_lossy(&field[..field.len().min(40)]).into_owned()
}

/// A file whose lines end: one without line breaks would be taken into memory whole.
struct Lines<R> {
    inner: R,
    /// Bytes since the last line break.
    run: usize,
}

impl<R: Read> Read for Lines<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.run = match buffer[..count].iter().rposition(|byte| *byte == b'\n') {
            Some(place) => count - 1 - place,
            None => self.run + count,
        };
        if self.run > LONGEST {
            return Err(io::Error::other(format!("a line is longer than {LONGEST} bytes")));
        }
        Ok(count)
    }
}

#[cfg(test)]
#[path = "ops_tests.rs"]
mod tests;
