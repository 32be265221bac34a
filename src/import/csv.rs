//! The plainest foreign input: CSV with the header `round,value`, a row for each operation or for each round. Refuses, with the
//! line, every row that is not a whole number and a finite value that is not negative.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use super::round::Derived;
use super::{Meaning, Reader, Values, checked, metric, shown, stem, without_mark};
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
        named || is_header(head.split(|byte| *byte == b'\n').next().unwrap_or_default())
    },
    read,
};

const HINT: &str = "below the header round,value each row is the whole number of a round and a value";

/// The longest line that is looked at.
const LONGEST: u64 = 4096;

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
    fn add(&mut self, label: i64, value: f64) {
        let place = match self.last {
            Some((last, place)) if last == label => place,
            _ => {
                let next = self.rounds.len();
                let place = *self.places.entry(label).or_insert(next);
                if place == next {
                    self.rounds.push(Vec::new());
                }
                self.last = Some((label, place));
                place
            }
        };
        self.rounds[place].push(value);
    }
}

/// Every row is a round.
fn rounds(path: &Path, meaning: &Meaning) -> Result<Run> {
    let mut rows: Vec<(i64, u64, f64)> = Vec::new();
    each_row(path, |line, label, value| rows.push((label, line, value)))?;
    rows.sort_unstable_by_key(|(label, line, _)| (*label, *line));
    let twice = rows.windows(2).filter(|pair| pair[0].0 == pair[1].0).min_by_key(|pair| pair[1].1);
    if let Some([(label, first, _), (_, again, _)]) = twice {
        let message = format!("line {again}: round {label} is already given in line {first}, but a row is a round");
        return Err(Error::read(path, message, "leave out --values rounds where a row is an operation"));
    }
    let values = rows.into_iter().map(|(_, _, value)| value).collect();
    let mut run = Run::foreign(READER.name, path.display().to_string(), stem(path));
    run.metrics = vec![metric(&meaning.metric, (meaning.unit, meaning.better), values)];
    Ok(run)
}

/// Calls `row` with the line, the round and the value of every row; there is at least one.
fn each_row(path: &Path, mut row: impl FnMut(u64, i64, f64)) -> Result<()> {
    let wrap = |error| Error::read(path, error, HINT);
    let wrong = |line: u64, message: String| Error::read(path, format!("line {line}: {message}"), HINT);
    let mut file = BufReader::with_capacity(1 << 16, File::open(path).map_err(wrap)?);
    let mut text = Vec::new();
    let (mut line, mut rows) = (0, 0_u64);
    loop {
        text.clear();
        let length = file.by_ref().take(LONGEST).read_until(b'\n', &mut text).map_err(wrap)?;
        if length == 0 {
            break;
        }
        line += 1;
        if length as u64 == LONGEST && !text.ends_with(b"\n") {
            return Err(wrong(line, format!("longer than {LONGEST} bytes")));
        }
        if line == 1 {
            if !is_header(&text) {
                let found = String::from_utf8_lossy(without_mark(&text));
                return Err(wrong(line, format!("the header is {} instead of `round,value`", shown(found.trim()))));
            }
            continue;
        }
        match parse(&text) {
            Ok(Some((label, value))) => {
                rows += 1;
                row(line, label, value);
            }
            Ok(None) => {}
            Err(message) => return Err(wrong(line, message)),
        }
    }
    if rows == 0 {
        return Err(Error::read(path, "there is no row below the header", HINT));
    }
    Ok(())
}

fn is_header(line: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(without_mark(line)) else { return false };
    let columns: Vec<&str> = text.split(',').map(bare).collect();
    matches!(columns.as_slice(), [first, second] if first.eq_ignore_ascii_case("round") && second.eq_ignore_ascii_case("value"))
}

/// A row's round and value; `None` for a blank line.
fn parse(line: &[u8]) -> std::result::Result<Option<(i64, f64)>, String> {
    let text = std::str::from_utf8(line).map_err(|_| "this is not UTF-8".to_owned())?;
    let Some((round, value)) = text.split_once(',') else {
        return if text.trim().is_empty() { Ok(None) } else { Err("1 column instead of 2".to_owned()) };
    };
    let (round, value) = (bare(round), bare(value));
    let number: f64 = value.parse().map_err(|_| match value {
        "" => "there is no value".to_owned(),
        value if value.contains(',') => format!("{} columns instead of 2", value.split(',').count() + 1),
        value => format!("{} is no value", shown(value)),
    })?;
    let number =
        checked(number).map_err(|_| format!("{} is no value: it must be finite and not negative", shown(value)))?;
    let round = round.parse().map_err(|_| format!("{} is no whole number of a round", shown(round)))?;
    Ok(Some((round, number)))
}

/// A field without spaces and quotes around it.
fn bare(field: &str) -> &str {
    let field = field.trim();
    field.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).map_or(field, str::trim)
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
        assert_eq!((run.metrics.len(), run.rounds.len(), run.load.rounds), (1, 0, 3));
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
