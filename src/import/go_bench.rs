//! What `go test -bench` prints: every repetition of a benchmark's line (`-count=N`) is a round. A line that says FAIL makes the
//! whole invalid; one that begins like a benchmark and is none is refused.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use super::{Meaning, Reader, checked, lines, shown, stem};
use crate::error::{Error, Result};
use crate::record::{Metric, Run, Status};
use crate::unit::{Better, Unit};

pub(super) static READER: Reader = Reader {
    name: "go",
    about: "text of go test -bench",
    recognizes: |_, head| {
        // Name, iterations, value and unit: a folded stack has two words.
        let whole = |line: &str| is_benchmark(line) && line.split_whitespace().count() > 3;
        String::from_utf8_lossy(head).lines().any(|line| whole(line) || is_preamble(line))
    },
    read,
};

const HINT: &str = "save what go test -bench=. -count=10 prints";

/// A benchmark's line.
struct Line<'a> {
    package: &'a str,
    /// As it is printed: with the number of processors, where that is not one.
    name: &'a str,
    values: Vec<(&'a str, f64)>,
}

fn read(path: &Path, _: &Meaning) -> Result<Run> {
    let bytes = fs::read(path).map_err(|error| Error::read(path, error, HINT))?;
    let mut run = Run::foreign(READER.name, path.display().to_string(), stem(path));
    let mut found = Vec::new();
    let mut package = "";
    for line in lines(path, &bytes, HINT) {
        let (number, text) = line?;
        if let Some(name) = text.strip_prefix("pkg: ") {
            package = name.trim();
        } else if is_benchmark(text) {
            let values = parse(text).map_err(|message| Error::read(path, format!("line {number}: {message}"), HINT))?;
            found.extend(values.map(|(name, values)| Line { package, name, values }));
        } else if is_failure(text) && run.status == Status::Complete {
            run.status = Status::Invalid;
            run.status_reason = Some(format!("line {number} says {}", shown(text.trim())));
        }
    }
    if found.is_empty() {
        let why = run.status_reason.map_or_else(String::new, |reason| format!(", and {reason}"));
        return Err(Error::read(path, format!("there is no line of a benchmark{why}"), HINT));
    }
    run.metrics = metrics(&found);
    Ok(run)
}

fn is_benchmark(line: &str) -> bool {
    line.strip_prefix("Benchmark").is_some_and(|rest| rest.split_whitespace().count() > 1 && !rest.starts_with(' '))
}

fn is_preamble(line: &str) -> bool {
    ["goos: ", "goarch: ", "pkg: ", "--- FAIL: Benchmark"].iter().any(|start| line.starts_with(start))
}

fn is_failure(line: &str) -> bool {
    let line = line.trim_start();
    line.starts_with("--- FAIL") || line == "FAIL" || line.starts_with("FAIL\t") || line.starts_with("FAIL ")
}

type Parsed<'a> = Option<(&'a str, Vec<(&'a str, f64)>)>;

/// The name and the values of `BenchmarkName-8   1000   123.4 ns/op   16 B/op`; `None` where the line only fails.
fn parse(text: &str) -> std::result::Result<Parsed<'_>, String> {
    let mut fields = text.split_whitespace();
    let (Some(name), Some(times)) = (fields.next(), fields.next()) else { return Ok(None) };
    if times.parse::<u64>().is_err() {
        return Err(format!("{} is no number of iterations", shown(times)));
    }
    let mut values: Vec<(&str, f64)> = Vec::new();
    while let Some(value) = fields.next() {
        let number: f64 = value.parse().map_err(|_| format!("{} is no value", shown(value)))?;
        let Some(unit) = fields.next() else { return Err(format!("{} has no unit", shown(value))) };
        let number = checked(number * scale(unit)).map_err(|error| format!("{error} ({unit})"))?;
        if values.iter().any(|(known, _)| *known == unit) {
            return Err(format!("{} is given twice", shown(unit)));
        }
        values.push((unit, number));
    }
    if values.is_empty() {
        return Err("there is no value".to_owned());
    }
    Ok(Some((name, values)))
}

/// The metrics of all benchmarks, in the order they were first seen.
fn metrics(found: &[Line<'_>]) -> Vec<Metric> {
    let suffix = common_suffix(found);
    let packages = found.iter().any(|line| line.package != found[0].package);
    let mut rounds: HashMap<String, usize> = HashMap::new();
    let mut places: HashMap<String, usize> = HashMap::new();
    let mut metrics: Vec<Metric> = Vec::new();
    for line in found {
        let plain = line.name.strip_suffix(suffix).unwrap_or(line.name);
        // Two packages may have a benchmark of one name each.
        let name = if packages { format!("{}.{plain}", line.package) } else { plain.to_owned() };
        let round = rounds.entry(name.clone()).or_insert(0);
        for (unit, value) in &line.values {
            let (name, (kind, better)) = meaning(&name, unit);
            let place = *places.entry(name.clone()).or_insert_with(|| {
                metrics.push(Metric::new(name, kind, better));
                metrics.len() - 1
            });
            let values = &mut metrics[place].values;
            // A round that did not tell this unit could not say.
            values.resize(values.len().max(*round), f64::NAN);
            values.push(*value);
        }
        *round += 1;
    }
    metrics
}

/// The `-8` that go puts behind every name, for the number of processors. Where not all lines have the same it is a part of
/// the names: lines of `-cpu=1,2` are different benchmarks, and on one processor there is none.
fn common_suffix<'a>(found: &[Line<'a>]) -> &'a str {
    let suffix = |name: &'a str| match name.rfind('-') {
        Some(at) if at + 1 < name.len() && name[at + 1..].bytes().all(|byte| byte.is_ascii_digit()) => &name[at..],
        _ => "",
    };
    let first = found.first().map_or("", |line| suffix(line.name));
    if found.iter().all(|line| suffix(line.name) == first) { first } else { "" }
}

/// What values of a unit are multiplied by: go counts megabytes of a million bytes.
fn scale(unit: &str) -> f64 {
    if unit == "MB/s" { 1e6 } else { 1.0 }
}

/// The metric of a unit: its name, unit and direction.
fn meaning(name: &str, unit: &str) -> (String, (Unit, Better)) {
    match unit {
        "ns/op" => (name.to_owned(), (Unit::Ns, Better::Lower)),
        "B/op" => (format!("{name}.bytes_per_op"), (Unit::Bytes, Better::Lower)),
        "allocs/op" => (format!("{name}.allocs_per_op"), (Unit::Count, Better::Lower)),
        "MB/s" => (format!("{name}.throughput"), (Unit::PerS, Better::Higher)),
        other => {
            let plain: String =
                other.chars().map(|letter| if letter.is_alphanumeric() { letter } else { '_' }).collect();
            // What a program counts for itself says no direction, but of a rate more is better.
            let kind = if other.ends_with("/s") { (Unit::PerS, Better::Higher) } else { (Unit::Count, Better::Lower) };
            (format!("{name}.{plain}"), kind)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::import;

    fn import(text: &str) -> Result<Run> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new.txt");
        fs::write(&path, text).unwrap();
        import::read(&path, &Meaning::default())
    }

    fn values(run: &Run, name: &str) -> Vec<f64> {
        run.metric(name).unwrap_or_else(|| panic!("no {name} in {:?}", run.metrics)).values.clone()
    }

    const TEXT: &str = "goos: linux\ngoarch: amd64\npkg: compress/flate\ncpu: AMD EPYC\n\
        BenchmarkDecode/Digits/1e4-8   \t     100\t    154125 ns/op\t  64.88 MB/s\t   40418 B/op\t       7 allocs/op\n\
        BenchmarkDecode/Digits/1e4-8   \t     100\t    150000 ns/op\t  66.00 MB/s\t   40418 B/op\t       7 allocs/op\n\
        BenchmarkEncode-8\t  10\t 1.5 ns/op\t 12.50 queue-depth\t 99 req/s\n\
        PASS\nok  \tcompress/flate\t3.2s\n";

    #[test]
    fn every_repetition_is_a_round_and_the_processors_are_no_part_of_the_name() {
        let run = import(TEXT).unwrap();
        assert_eq!(values(&run, "BenchmarkDecode/Digits/1e4"), [154_125.0, 150_000.0]);
        assert_eq!(values(&run, "BenchmarkDecode/Digits/1e4.throughput"), [64.88 * 1e6, 66e6]);
        assert_eq!(values(&run, "BenchmarkDecode/Digits/1e4.bytes_per_op"), [40418.0; 2]);
        assert_eq!(values(&run, "BenchmarkDecode/Digits/1e4.allocs_per_op"), [7.0; 2]);
        assert_eq!(values(&run, "BenchmarkEncode.queue_depth"), [12.5]);
        let rate = run.metric("BenchmarkEncode.req_s").unwrap();
        assert_eq!((rate.unit, rate.better), (Unit::PerS, Better::Higher));
        assert_eq!((run.status, run.load.rounds, run.load.model.as_str()), (Status::Complete, 2, "go"));
    }

    #[test]
    fn numbers_at_the_end_of_a_name_stay_where_they_are_not_the_processors() {
        let run = import("BenchmarkX 1 5 ns/op\nBenchmarkX-2 1 3 ns/op\nBenchmarkN/n-10 1 7 ns/op\n").unwrap();
        assert_eq!(run.metrics.len(), 3);
        assert_eq!((values(&run, "BenchmarkX-2"), values(&run, "BenchmarkN/n-10")), (vec![3.0], vec![7.0]));
    }

    #[test]
    fn benchmarks_of_one_name_in_two_packages_are_two() {
        let run = import("pkg: a\nBenchmarkX-8 1 5 ns/op\npkg: b/c\r\nBenchmarkX-8 1 6 ns/op\r\n").unwrap();
        assert_eq!((values(&run, "a.BenchmarkX"), values(&run, "b/c.BenchmarkX")), (vec![5.0], vec![6.0]));
    }

    #[test]
    fn a_unit_that_a_round_does_not_tell_is_missing_there() {
        let run = import("BenchmarkX 1 5 ns/op\nBenchmarkX 1 6 ns/op 7 B/op\n").unwrap();
        let bytes = values(&run, "BenchmarkX.bytes_per_op");
        assert!(bytes[0].is_nan() && bytes.len() == 2, "{bytes:?}");
    }

    #[test]
    fn a_failure_makes_the_run_invalid_with_the_reason() {
        let run =
            import("BenchmarkX-8 1 5 ns/op\n--- FAIL: BenchmarkY-8\n    y_test.go:9: wrong\nFAIL\nexit status 1\n")
                .unwrap();
        assert_eq!(run.status, Status::Invalid);
        assert_eq!(run.status_reason.as_deref(), Some("line 2 says `--- FAIL: BenchmarkY-8`"));
        let error = import("goos: linux\nFAIL\tshop [build failed]\n").unwrap_err().to_string();
        assert!(error.contains("there is no line of a benchmark, and line 2 says `FAIL"), "{error}");
    }

    #[test]
    fn a_line_that_begins_like_a_benchmark_and_is_none_is_refused() {
        for (line, want) in [
            ("BenchmarkX-8 many 5 ns/op", "`many` is no number of iterations"),
            ("BenchmarkX-8 100", "there is no value"),
            ("BenchmarkX-8 100 5", "`5` has no unit"),
            ("BenchmarkX-8 100 fast ns/op", "`fast` is no value"),
            ("BenchmarkX-8 100 NaN ns/op", "`NaN` is no number"),
            ("BenchmarkX-8 100 +Inf ns/op", "`inf` is no number"),
            ("BenchmarkX-8 100 1e999 ns/op", "`inf` is no number"),
            ("BenchmarkX-8 100 1e308 MB/s", "`inf` is no number"),
            ("BenchmarkX-8 100 -5 ns/op", "`-5` is negative (ns/op)"),
            ("BenchmarkX-8 100 5 ns/op 6 ns/op", "`ns/op` is given twice"),
        ] {
            let error = import(&format!("goos: linux\n{line}\n")).unwrap_err().to_string();
            assert!(error.contains("new.txt: line 2: ") && error.contains(want), "{line}: {error}");
        }
    }
}
