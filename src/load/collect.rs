//! Gathers the rows of all workers on a thread of its own: counts, latencies, a histogram, and the spill to disk.
//! Workers hand over whole batches and get empty ones back: nothing is allocated for an operation.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;

use hdrhistogram::Histogram;

use super::handover::Handover;
use crate::error::{Error, Result};
use crate::record::histogram;
use crate::record::operation::{Fate, Row};

/// Rows in a batch before it is handed over.
const BATCH: usize = 256;
/// Empty batches that are made before anything is measured.
const SPARE: usize = 768;
/// And where nothing of single operations is kept.
const FEW: usize = 8;
/// A batch is handed over after this time at the latest, so that the progress is alive.
const FLUSH_NS: u64 = 100_000_000;
/// Latencies that are kept without growing: growing would show in a heap profile.
const RESERVED: usize = 1 << 20;

/// The columns of the spilled rows, which are those of `ops.csv` behind pass and round.
pub const COLUMNS: &str = "seq,worker,due_ns,start_ns,end_ns,outcome,busy_ns,scheduled_ns,idle_ns";

/// Live counts, for progress lines.
#[derive(Debug, Default)]
pub struct Counts {
    /// Operations that ended.
    pub done: AtomicU64,
    /// Those of them that were good.
    pub ok: AtomicU64,
}

/// What was gathered in a round.
#[derive(Debug)]
pub struct Collected {
    /// Good operations.
    pub ok: u64,
    /// Their latencies, in nanoseconds, in the order they were handed over; none where no rows are kept.
    pub latencies_ns: Vec<u64>,
    /// Ages of operations that timed out or were dropped: their latency is at least that. None where no rows are kept.
    pub censored_ns: Vec<u64>,
    /// Latencies of good operations.
    pub histogram: Histogram<u64>,
    /// Start behind due, of operations that started.
    pub lateness: Histogram<u64>,
    /// Count, and sums in nanoseconds of busy, scheduled, idle, over operations that were watched.
    pub watched: (u64, [u64; 3]),
    /// Polls over the probe's threshold.
    pub slow_polls: u64,
    /// The sum of the latencies of good operations, in nanoseconds.
    pub latency_sum_ns: u128,
    /// The end of the last operation.
    pub last_end_ns: u64,
}

/// The collecting thread.
#[derive(Debug)]
pub struct Collector {
    handover: Arc<Handover>,
    thread: JoinHandle<(Collected, Result<()>)>,
    counts: Arc<Counts>,
}

impl Collector {
    /// Starts the thread; rows are spilled to `path`. Without one nothing of a single operation is kept, so that memory stays the
    /// same however many there are.
    ///
    /// # Errors
    /// The file or the thread cannot be made.
    pub fn start(path: Option<PathBuf>) -> Result<Self> {
        let spill = path.map(Spill::create).transpose()?;
        let handover = Arc::new(Handover::new());
        let counts = Arc::new(Counts::default());
        let live = Arc::clone(&counts);
        // Enough for a collector that falls behind: a batch made later would show in a heap profile. Memory that is not
        // touched is not taken.
        // Where memory is looked at, a batch that is touched for the first time would be growth: a few go round and round.
        for _ in 0..if spill.is_some() { SPARE } else { FEW } {
            handover.give_back(Vec::with_capacity(BATCH));
        }
        let taking = Arc::clone(&handover);
        let thread = std::thread::Builder::new()
            .name("perfkit-collect".into())
            .spawn(move || collect(spill, &taking, &live))
            .map_err(Error::internal)?;
        Ok(Self { handover, thread, counts })
    }

    /// The live counts.
    #[must_use]
    pub fn counts(&self) -> Arc<Counts> {
        Arc::clone(&self.counts)
    }

    /// An end for one worker.
    #[must_use]
    pub fn inlet(&self) -> Inlet {
        self.handover.open();
        Inlet { handover: Arc::clone(&self.handover), rows: Vec::with_capacity(BATCH), flushed_ns: 0 }
    }

    /// Ends the thread when all inlets are gone, and gives what it gathered.
    ///
    /// # Errors
    /// The spill could not be written.
    pub fn finish(self) -> Result<Collected> {
        self.handover.close();
        let (collected, spilled) = self.thread.join().map_err(|_| Error::internal("the collecting thread panicked"))?;
        spilled.map(|()| collected)
    }
}

/// One worker's end of the collector.
#[derive(Debug)]
pub struct Inlet {
    handover: Arc<Handover>,
    rows: Vec<Row>,
    flushed_ns: u64,
}

impl Inlet {
    /// Takes a row.
    pub fn push(&mut self, row: Row) {
        self.rows.push(row);
        if self.rows.len() >= BATCH || row.end_ns.saturating_sub(self.flushed_ns) > FLUSH_NS {
            self.flushed_ns = row.end_ns;
            self.flush();
        }
    }

    /// Hands the rows over. Where the collector is behind, they stay here and the batch grows: nothing is lost and
    /// nothing blocks.
    fn flush(&mut self) {
        if self.rows.is_empty() {
            return;
        }
        // Without an empty batch the rows wait here while there is room for them.
        let next = match self.handover.empty() {
            Some(batch) => batch,
            None if self.rows.len() < self.rows.capacity() => return,
            None => Vec::with_capacity(BATCH),
        };
        let batch = std::mem::replace(&mut self.rows, next);
        if let Err(batch) = self.handover.hand_over(batch) {
            self.rows = batch;
        }
    }
}

impl Drop for Inlet {
    fn drop(&mut self) {
        self.handover.hand_over_last(std::mem::take(&mut self.rows));
    }
}

/// Where rows go.
struct Spill {
    path: PathBuf,
    out: BufWriter<File>,
    written: std::io::Result<()>,
}

impl Spill {
    fn create(path: PathBuf) -> Result<Self> {
        let file = File::create(&path).map_err(|error| Error::write(&path, error))?;
        let mut out = BufWriter::with_capacity(1 << 16, file);
        let written = writeln!(out, "{COLUMNS}");
        Ok(Self { path, out, written })
    }

    fn row(&mut self, row: &Row) {
        if self.written.is_ok() {
            self.written = write_row(&mut self.out, row);
        }
    }

    fn finish(mut self) -> Result<()> {
        self.written.and_then(|()| self.out.flush()).map_err(|error| Error::write(&self.path, error))
    }
}

/// The thread's loop.
fn collect(mut spill: Option<Spill>, handover: &Handover, live: &Counts) -> (Collected, Result<()>) {
    let mut collected = Collected {
        ok: 0,
        latencies_ns: Vec::with_capacity(if spill.is_some() { RESERVED } else { 0 }),
        censored_ns: Vec::new(),
        histogram: histogram::latencies(),
        lateness: histogram::latencies(),
        watched: (0, [0; 3]),
        slow_polls: 0,
        latency_sum_ns: 0,
        last_end_ns: 0,
    };
    let taking = handover.take();
    while let Some(mut batch) = taking.next() {
        let mut ok = 0;
        for row in &batch {
            ok += u64::from(row.fate == Fate::Ok);
            collected.add(row);
            if let Some(spill) = &mut spill {
                collected.keep(row);
                spill.row(row);
            }
        }
        live.done.fetch_add(batch.len() as u64, Ordering::Relaxed);
        live.ok.fetch_add(ok, Ordering::Relaxed);
        batch.clear();
        handover.give_back(batch);
    }
    (collected, spill.map_or(Ok(()), Spill::finish))
}

impl Collected {
    /// Keeps the latency of an operation.
    fn keep(&mut self, row: &Row) {
        match row.fate {
            Fate::Ok => self.latencies_ns.push(row.latency_ns()),
            Fate::TimedOut | Fate::Dropped => self.censored_ns.push(row.latency_ns()),
            Fate::Failed => {}
        }
    }

    fn add(&mut self, row: &Row) {
        let latency = row.latency_ns();
        self.last_end_ns = self.last_end_ns.max(row.end_ns);
        if row.fate == Fate::Ok {
            self.ok += 1;
            self.latency_sum_ns += u128::from(latency);
            self.histogram.saturating_record(latency);
        }
        if row.fate != Fate::Dropped {
            self.lateness.saturating_record(row.lateness_ns());
        }
        if let Some(parts) = row.parts {
            self.watched.0 += 1;
            for (sum, part) in self.watched.1.iter_mut().zip([parts.busy_ns, parts.scheduled_ns, parts.idle_ns]) {
                *sum += part;
            }
            self.slow_polls += u64::from(parts.slow_polls);
        }
    }
}

/// Writes a row without the formatting machinery, which would take three quarters of the collecting thread's time.
fn write_row(out: &mut impl Write, row: &Row) -> std::io::Result<()> {
    let mut line = Line { bytes: [0; Line::LONGEST], length: 0 };
    for number in [row.seq, u64::from(row.worker), row.due_ns, row.start_ns, row.end_ns] {
        line.number(number);
        line.text(b",");
    }
    line.text(row.fate.name().as_bytes());
    match row.parts {
        Some(parts) => {
            for number in [parts.busy_ns, parts.scheduled_ns, parts.idle_ns] {
                line.text(b",");
                line.number(number);
            }
        }
        None => line.text(b",,,"),
    }
    line.text(b"\n");
    out.write_all(&line.bytes[..line.length])
}

/// A row's text.
struct Line {
    bytes: [u8; Line::LONGEST],
    length: usize,
}

impl Line {
    /// Eight numbers of at most twenty digits, an outcome, and what is between them.
    const LONGEST: usize = 8 * 20 + 32;

    fn text(&mut self, text: &[u8]) {
        self.bytes[self.length..self.length + text.len()].copy_from_slice(text);
        self.length += text.len();
    }

    fn number(&mut self, mut number: u64) {
        let (mut digits, mut first) = ([0; 20], 20);
        loop {
            first -= 1;
            digits[first] = b'0' + (number % 10) as u8;
            number /= 10;
            if number == 0 {
                break;
            }
        }
        self.text(&digits[first..]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::operation::Parts;

    #[test]
    fn rows_are_written_as_the_columns_say() {
        let row =
            Row { seq: 0, worker: 7, due_ns: 10, start_ns: 99, end_ns: u64::MAX, fate: Fate::TimedOut, parts: None };
        let longest = Row {
            seq: u64::MAX,
            worker: u32::MAX,
            due_ns: u64::MAX,
            start_ns: u64::MAX,
            parts: Some(Parts { busy_ns: u64::MAX, scheduled_ns: u64::MAX, idle_ns: u64::MAX, slow_polls: 0 }),
            ..row
        };
        let mut out = Vec::new();
        write_row(&mut out, &row).unwrap();
        write_row(&mut out, &longest).unwrap();
        let (max, worker) = (u64::MAX, u32::MAX);
        let expected = format!("{max},{worker},{max},{max},{max},timed_out,{max},{max},{max}\n");
        assert_eq!(String::from_utf8(out).unwrap(), format!("0,7,10,99,{max},timed_out,,,\n{expected}"));
    }
}
