//! The stalls of all rounds: the worst of them for `run.json`, all of them for `stalls.jsonl`.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use super::recording::Rounds;
use crate::error::{Error, Result};
use crate::record::Stall;
use crate::record::pass::Pass;

/// Stalls that `run.json` keeps: a worker held for 10 ms again and again makes a hundred in a second.
const MOST: usize = 200;

/// Every stall with its round.
fn all(rounds: &Rounds) -> impl Iterator<Item = Stall> + '_ {
    rounds.of(Pass::Time).flat_map(|result| {
        let stalls = result.readings.iter().flat_map(|reading| &reading.stalls);
        stalls.map(move |stall| Stall { round: result.round, ..stall.clone() })
    })
}

/// The stalls that a run keeps, those that delayed others most first.
pub(super) fn worst(rounds: &Rounds) -> Vec<Stall> {
    let mut stalls: Vec<Stall> = all(rounds).collect();
    // Of those that delayed nobody, the longest first.
    stalls.sort_by_key(|stall| {
        let delay = stall.delay_ns.saturating_add(stall.timer_delay_ns);
        std::cmp::Reverse((stall.is_own(), delay, stall.duration_ns))
    });
    stalls.truncate(MOST);
    stalls
}

/// Writes all of them, in the order in which they happened.
pub(super) fn write(path: &Path, rounds: &Rounds) -> Result<()> {
    let failed = |error: std::io::Error| Error::write(path, error);
    let mut out = BufWriter::new(File::create(path).map_err(failed)?);
    for stall in all(rounds) {
        serde_json::to_writer(&mut out, &stall).map_err(|error| failed(error.into()))?;
        out.write_all(b"\n").map_err(failed)?;
    }
    out.flush().map_err(failed)
}
