//! The plainest foreign input: CSV with the header `round,value`, a row for each operation or for each round. Refuses, with the
//! line, every row that is not a whole number and a finite value that is not negative.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use super::round::Derived;
use super::{Meaning, Reader, Values, metric, row, shown, stem, without_mark};
use crate::error::{Error, Result};
use crate::record::pass::Pass;
use crate::record::{Operations, Round, Run, round};
use crate::stats::quantile;
use crate::unit::Unit;

pub(super) static READER: Reader = Reader {
    name: "csv",
    about: "CSV with the header round,value",
    recognizes: |path, head| {
        let named = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("csv"));
        named || row::is_header(head.split(|byte| *byte == b'\n').next().unwrap_or_default())
    },
    read,
};

const HINT: &str = "below the header round,value each row is the whole number of a round and a value";

/// The longest line that is looked at.
const LONGEST: usize = 4096;

/// The most rounds that operations can be in. Nobody measures so many; who has as many labels gives a value for each round.
const MOST_ROUNDS: usize = 100_000;

fn read(path: &Path, meaning: &Meaning) -> Result<Run> {
    match meaning.values {
        Values::Operations => operations(path, meaning),
        Values::Rounds => rounds(path, meaning),
    }
}

/// Every row is an operation.
fn operations(path: &Path, meaning: &Meaning) -> Result<Run> {
    let mut labelled = Labelled::default();
    each_row(path, |_, label, value| labelled.add(label, value))?;
    let mut run = Run::foreign(READER.name, path.display().to_string(), stem(path));
    let mut derived = Derived::new(&meaning.metric, meaning.unit, meaning.better);
    let survive = labelled.places.keys().all(|label| u32::try_from(*label).is_ok());
    for (order, (label, place)) in labelled.places.into_iter().enumerate() {
        // Taken out, so that a round's memory is free again when the next is sorted.
        let mut values = std::mem::take(&mut labelled.rounds[place]);
        derived.add_round(&mut values);
        let latencies = match meaning.unit {
            Unit::Ns => round::places().filter_map(|share| quantile::sorted(&values, share)).collect(),
            _ => Vec::new(),
        };
        run.rounds.push(Round {
            pass: Pass::Time,
            round: if survive { label as u32 } else { order as u32 },
            planned: values.len() as u64,
            ok: values.len() as u64,
            latencies,
            stacks: None,
            cpu_ns: None,
        });
    }
    let planned = run.rounds.iter().map(|round| round.planned).sum();
    run.operations = Operations { planned, ok: planned, ..Operations::default() };
    run.metrics = derived.metrics();
    Ok(run)
}

/// The values of each round. Rounds come in blocks, so the last one is kept at hand.
#[derive(Default)]
struct Labelled {
    places: BTreeMap<i64, usize>,
    rounds: Vec<Vec<f64>>,
    last: Option<(i64, usize)>,
}

impl Labelled {
    fn add(&mut self, label: i64, value: f64) -> std::result::Result<(), String> {
        let place = match self.last {
            Some((last, place)) if last == label => place,
            _ => {
                let next = self.rounds.len();
                let place = *self.places.entry(label).or_insert(next);
                if place == next {
                    if next == MOST_ROUNDS {
                        return Err(format!(
                            "more than {MOST_ROUNDS} rounds; is a row a round? --values rounds says so"
                        ));
                    }
                    self.rounds.push(Vec::new());
                }
                self.last = Some((label, place));
                place
            }
        };
        self.rounds[place].push(value);
        Ok(())
    }
}

/// Every row is a round.
fn rounds(path: &Path, meaning: &Meaning) -> Result<Run> {
    let mut rows: Vec<(i64, f64)> = Vec::new();
    each_row(path, |_, label, value| {
        rows.push((label, value));
        Ok(())
    })?;
    rows.sort_unstable_by_key(|(label, _)| *label);
    let twice: BTreeSet<i64> = rows.windows(2).filter(|pair| pair[0].0 == pair[1].0).map(|pair| pair[0].0).collect();
    if !twice.is_empty() {
        return Err(given_twice(path, &twice));
    }
    let labels: Option<Vec<u32>> = rows.iter().map(|(label, _)| u32::try_from(*label).ok()).collect();
    let values = rows.into_iter().map(|(_, value)| value).collect();
    let mut run = Run::foreign(READER.name, path.display().to_string(), stem(path));
    // So that pairs are found by their labels. Of how many operations a round had nothing is known.
    if let Some(labels) = labels.filter(|labels| labels.len() <= MOST_ROUNDS) {
        let round = |round| Round {
            pass: Pass::Time,
            round,
            planned: 0,
            ok: 0,
            latencies: Vec::new(),
            stacks: None,
            cpu_ns: None,
        };
        run.rounds = labels.into_iter().map(round).collect();
    }
    run.metrics = vec![metric(&meaning.metric, (meaning.unit, meaning.better), values)];
    Ok(run)
}

/// Says where a round is first given again: the lines are looked for only now, not kept of every row.
fn given_twice(path: &Path, twice: &BTreeSet<i64>) -> Error {
    let mut seen = BTreeMap::new();
    let found = each_row(path, |line, label, _| match seen.get(&label) {
        Some(first) => Err(format!("round {label} is already given in line {first}, but a row is a round")),
        None if twice.contains(&label) => {
            seen.insert(label, line);
            Ok(())
        }
        None => Ok(()),
    });
    let all = || Error::read(path, "a round is given twice, but a row is a round", HINT);
    found.err().unwrap_or_else(all)
}

/// Calls `row` with the line, the round and the value of every row; there is at least one.
fn each_row(path: &Path, row: impl FnMut(u64, i64, f64) -> std::result::Result<(), String>) -> Result<()> {
    let wrap = |error| Error::read(path, error, HINT);
    let mut file = BufReader::with_capacity(1 << 16, File::open(path).map_err(wrap)?);
    let mut lines = Lines { path, line: 0, rows: 0, row };
    // The start of a line whose end is not in the buffer yet.
    let mut begun = Vec::new();
    loop {
        let buffer = file.fill_buf().map_err(wrap)?;
        if buffer.is_empty() {
            break;
        }
        let (length, mut rest) = (buffer.len(), buffer);
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let (whole, behind) = rest.split_at(end + 1);
            rest = behind;
            if begun.is_empty() {
                lines.take(whole)?;
            } else {
                begun.extend_from_slice(whole);
                lines.take(&begun)?;
                begun.clear();
            }
        }
        begun.extend_from_slice(rest);
        if begun.len() > LONGEST {
            let message = format!("line {}: longer than {LONGEST} bytes", lines.line + 1);
            return Err(Error::read(path, message, HINT));
        }
        file.consume(length);
    }
    if !begun.is_empty() {
        lines.take(&begun)?;
    }
    if lines.rows == 0 {
        return Err(Error::read(path, "there is no row below the header", HINT));
    }
    Ok(())
}

/// The lines that were seen, and what is done with each row.
struct Lines<'a, F> {
    path: &'a Path,
    line: u64,
    rows: u64,
    row: F,
}

impl<F: FnMut(u64, i64, f64) -> std::result::Result<(), String>> Lines<'_, F> {
    fn take(&mut self, line: &[u8]) -> Result<()> {
        self.line += 1;
        self.understand(line).map_err(|message| Error::read(self.path, format!("line {}: {message}", self.line), HINT))
    }

    fn understand(&mut self, line: &[u8]) -> std::result::Result<(), String> {
        if self.line == 1 && !row::is_header(line) {
            let found = String::from_utf8_lossy(without_mark(line));
            return Err(format!("the header is {} instead of `round,value`", shown(found.trim())));
        }
        if self.line == 1 {
            return Ok(());
        }
        let Some((label, value)) = row::read(line)? else { return Ok(()) };
        self.rows += 1;
        (self.row)(self.line, label, value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::import::read;

    fn import(text: &str, values: Values) -> Result<Run> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("parse.csv");
        std::fs::write(&path, text).unwrap();
        read(&path, &Meaning { values, ..Meaning::default() })
    }

    fn values(run: &Run, name: &str) -> Vec<f64> {
        run.metric(name).unwrap_or_else(|| panic!("no {name}")).values.clone()
    }

    #[test]
    fn rounds_are_in_the_order_of_their_labels_and_may_be_interleaved() {
        let run = import("round,value\n7,70\n2,20\n7,90\n2,40\n-1,5\n", Values::Operations).unwrap();
        assert_eq!(values(&run, "latency.mean"), [5.0, 30.0, 80.0]);
        assert_eq!(values(&run, "latency.mad"), [0.0, 10.0, 10.0]);
        // -1 is no u32: then none of the labels is kept.
        assert_eq!(run.rounds.iter().map(|round| round.round).collect::<Vec<_>>(), [0, 1, 2]);
        assert_eq!((run.load.rounds, run.operations.planned, run.operations.ok), (3, 5, 5));
        assert_eq!((run.workload.as_str(), run.foreign.as_deref()), ("parse", Some("csv")));
    }

    #[test]
    fn the_labels_and_the_distribution_of_each_round_survive() {
        let rows: Vec<String> = (0..100).map(|index| format!("{},{index}", 5 + index % 2)).collect();
        let run = import(&format!("round,value\n{}", rows.join("\n")), Values::Operations).unwrap();
        let round = &run.rounds[1];
        assert_eq!((round.round, round.planned, round.ok, round.latencies.len()), (6, 50, 50, round::PLACES));
        assert!(round.latencies.is_sorted() && round.latencies[0] >= 1.0 && round.latencies[99] <= 99.0);
    }

    #[test]
    fn a_row_can_be_a_round() {
        let run = import("round,value\n3,30\n1,10\n2,20\n", Values::Rounds).unwrap();
        assert_eq!(values(&run, "latency"), [10.0, 20.0, 30.0]);
        assert_eq!((run.metrics.len(), run.rounds.len(), run.load.rounds), (1, 3, 3));
    }

    #[test]
    fn a_byte_order_mark_line_ends_spaces_quotes_and_blank_lines_do_not_matter() {
        let plain = import("round,value\n0,1.5\n0,2e3\n", Values::Operations).unwrap();
        let odd = import("\u{feff} Round , \"value\" \r\n\r\n 0 , 1.5 \r\n\"0\",\"2e3\"", Values::Operations).unwrap();
        assert_eq!(plain.rounds, odd.rounds);
    }

    #[test]
    fn values_that_are_no_times_have_no_distribution_of_latencies() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.csv");
        std::fs::write(&path, "round,value\n0,1\n").unwrap();
        let meaning = Meaning { metric: "size".to_owned(), unit: Unit::Bytes, ..Meaning::default() };
        let run = read(&path, &meaning).unwrap();
        assert!(run.rounds[0].latencies.is_empty() && run.metric("size.p50").is_some_and(|it| it.unit == Unit::Bytes));
    }

    #[test]
    fn more_labels_than_anybody_measures_are_rounds_and_not_operations() {
        let rows: Vec<String> = (0..=MOST_ROUNDS).map(|index| format!("{index},1")).collect();
        let text = format!("round,value\n{}\n", rows.join("\n"));
        let error = import(&text, Values::Operations).unwrap_err().to_string();
        assert!(error.contains("line 100002: more than 100000 rounds"), "{error}");
        assert_eq!(import(&text, Values::Rounds).unwrap().load.rounds as usize, MOST_ROUNDS + 1);
    }

    #[test]
    fn a_round_given_twice_is_refused_with_its_line() {
        let error = import("round,value\n1,10\n0,7\n1,11\n0,8\n", Values::Rounds).unwrap_err().to_string();
        assert!(error.contains("line 4: round 1 is already given in line 2"), "{error}");
    }

    #[test]
    fn every_row_that_is_no_round_and_value_is_refused_with_its_line() {
        let rows = [
            ("0,NaN", "`NaN` is no value"),
            ("0,inf", "`inf` is no value"),
            ("0,1e999", "`1e999` is no value"),
            ("0,-1", "`-1` is no value"),
            ("0,", "there is no value"),
            ("0", "1 column"),
            ("0,1,2", "3 columns"),
            ("0,fast", "`fast` is no value"),
            ("0.5,1", "`0.5` is no whole number"),
            (",1", "`` is no whole number"),
            ("99999999999999999999,1", "is no whole number"),
            ("0,1_000", "`1_000` is no value"),
            ("0,1\0", "is no value"),
        ];
        for (row, want) in rows {
            for values in [Values::Operations, Values::Rounds] {
                let error = import(&format!("round,value\n5,1\n{row}\n"), values).unwrap_err().to_string();
                assert!(error.contains("parse.csv: line 3: ") && error.contains(want), "{row}: {error}");
            }
        }
    }

    #[test]
    fn a_file_without_the_header_or_without_a_row_is_refused() {
        for (text, want) in [
            ("round,value\n", "no row below the header"),
            ("round,value\n\n \n", "no row below the header"),
            ("value,round\n1,2\n", "the header is `value,round` instead of"),
            ("0,12.5\n", "the header is `0,12.5` instead of"),
            ("round;value\n0;1\n", "the header is `round;value` instead of"),
            ("round,value,unit\n0,1,ns\n", "the header is"),
            ("\n", "the header is `` instead of"),
        ] {
            let error = import(text, Values::Operations).unwrap_err().to_string();
            assert!(error.contains(want), "{text:?}: {error}");
        }
        let error = import(&format!("round,value\n0,{}", "1".repeat(9000)), Values::Rounds).unwrap_err().to_string();
        assert!(error.contains("line 2: longer than"), "{error}");
    }
}
