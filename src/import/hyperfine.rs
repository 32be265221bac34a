//! hyperfine's JSON: each run of a command is a process of its own, so each of its times is a round. A run that failed has no
//! time; too many failures make the whole invalid.

use std::path::Path;

use serde::Deserialize;

use super::{Meaning, Outcome, Reader, checked, count, has_key, json, metric, shown, stem};
use crate::error::{Error, Result};
use crate::record::Run;
use crate::unit::{Better, Unit};

pub(super) static READER: Reader = Reader {
    name: "hyperfine",
    about: "JSON of hyperfine --export-json",
    recognizes: |_, head| has_key(head, "results"),
    read,
};

const HINT: &str = "export it with hyperfine --export-json";

#[derive(Deserialize)]
struct File {
    results: Vec<Timed>,
}

#[derive(Deserialize)]
struct Timed {
    command: String,
    /// Seconds, one for each run; absent where only a summary was kept.
    times: Option<Vec<f64>>,
    mean: Option<f64>,
    /// One for each run, `null` where a signal ended it; absent in files of early versions.
    #[serde(default)]
    exit_codes: Vec<Option<i32>>,
}

fn read(path: &Path, _: &Meaning) -> Result<Run> {
    let file: File = json(path, HINT)?;
    let mut run = Run::foreign(READER.name, path.display().to_string(), stem(path));
    let mut outcomes = Vec::new();
    let single = file.results.len() == 1;
    for timed in file.results {
        let wrong = |message: String| Error::read(path, format!("{}: {message}", shown(&timed.command)), HINT);
        let values = timed.values().map_err(wrong)?;
        let failed = timed.exit_codes.iter().filter(|code| **code != Some(0)).count() as u64;
        outcomes.push(Outcome { planned: timed.exit_codes.len() as u64, failed });
        // One name for whatever was measured alone: two commands are compared by two files.
        let name = if single { "latency".to_owned() } else { timed.command };
        run.metrics.push(metric(name, (Unit::Ns, Better::Lower), values));
    }
    count(&mut run, &outcomes, "runs");
    Ok(run)
}

impl Timed {
    /// Nanoseconds of every run; NaN where it failed.
    fn values(&self) -> std::result::Result<Vec<f64>, String> {
        let times = match (&self.times, self.mean) {
            (Some(times), _) => times.clone(),
            (None, Some(mean)) => vec![mean],
            (None, None) => Vec::new(),
        };
        if times.is_empty() {
            return Err("there are no times".to_owned());
        }
        let codes = self.exit_codes.len();
        if self.times.is_some() && codes > 0 && codes != times.len() {
            return Err(format!("{} times but {codes} exit codes", times.len()));
        }
        let value = |(index, seconds): (usize, &f64)| {
            let ns = checked(seconds * 1e9).map_err(|error| format!("time {}: {error}", index + 1))?;
            let failed = self.times.is_some() && self.exit_codes.get(index).is_some_and(|code| *code != Some(0));
            Ok(if failed { f64::NAN } else { ns })
        };
        times.iter().enumerate().map(value).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::import;
    use crate::record::Status;

    fn import(text: &str) -> Result<Run> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sleep.json");
        std::fs::write(&path, text).unwrap();
        import::read(&path, &Meaning::default())
    }

    fn result(command: &str, times: &str, codes: &str) -> String {
        format!(
            r#"{{ "command": "{command}", "mean": 0.0125, "stddev": 0.0005, "median": 0.0125, "user": 0.001, "system": 0.002,
                 "min": 0.012, "max": 0.013, "times": [{times}], "memory_usage_byte": [1,2], "exit_codes": [{codes}] }}"#
        )
    }

    #[test]
    fn one_command_gives_the_latency_that_another_file_has_too() {
        let run = import(&format!("{{\n \"results\": [{}] }}", result("sleep 0.01", "0.012, 0.013", "0, 0"))).unwrap();
        assert_eq!(run.metrics.len(), 1);
        assert_eq!(run.metric("latency").unwrap().values, [12e6, 13e6]);
        assert_eq!((run.workload.as_str(), run.status, run.load.rounds), ("sleep", Status::Complete, 2));
        assert_eq!((run.operations.planned, run.operations.ok), (2, 2));
    }

    #[test]
    fn several_commands_are_metrics_of_their_names_and_two_of_one_name_are_refused() {
        let (one, two) = (result("sort a", "0.5, 0.6, 0.7", "0,0,0"), result("sort b", "0.25", "0"));
        let run = import(&format!(r#"{{"results":[{one},{two}]}}"#)).unwrap();
        assert_eq!(run.metric("sort a").unwrap().values.len(), 3);
        assert_eq!((run.metric("sort b").unwrap().values.as_slice(), run.load.rounds), (&[25e7][..], 3));
        let error = import(&format!(r#"{{"results":[{one},{one}]}}"#)).unwrap_err().to_string();
        assert!(error.contains("`sort a` is given twice"), "{error}");
    }

    #[test]
    fn runs_that_failed_have_no_time_and_more_than_one_in_twenty_is_no_result() {
        let run = import(&format!("{{\"results\":[{}]}}", result("x", "0.5, 0.1", "0, null"))).unwrap();
        assert!(run.metrics[0].values[0].is_finite() && run.metrics[0].values[1].is_nan());
        assert_eq!((run.status, run.status_reason.as_deref()), (Status::Invalid, Some("1 of 2 runs failed")));
        let codes = format!("1{}", ", 0".repeat(19));
        let run = import(&format!("{{\"results\":[{}]}}", result("x", &["0.5"; 20].join(","), &codes))).unwrap();
        assert_eq!((run.status, run.operations.failed), (Status::Complete, 1));
    }

    #[test]
    fn a_summary_alone_is_one_round() {
        let run = import(r#"{"results":[{"command":"x","mean":0.5}]}"#).unwrap();
        assert_eq!(run.metrics[0].values, [5e8]);
    }

    #[test]
    fn what_is_not_there_or_of_another_kind_is_told_with_its_place() {
        for (text, want) in [
            (r#"{"results":[]}"#.to_owned(), "there is no result in it"),
            (r#"{"results":[{"command":"x"}]}"#.to_owned(), "`x`: there are no times"),
            (format!("{{\"results\":[{}]}}", result("x", "", "")), "`x`: there are no times"),
            (format!("{{\"results\":[{}]}}", result("x", "1,2", "0")), "2 times but 1 exit codes"),
            (format!("{{\"results\":[{}]}}", result("x", "1,-2", "0,0")), "time 2: `-2000000000` is negative"),
            ("{\"results\":[\n{\"command\":\"x\",\"times\":[\"1\"]}]}".to_owned(), "line 2 column"),
            ("{\"results\":[{\"command\":\"x\",\"times\":[1e999]}]}".to_owned(), "line 1 column"),
            ("{\"results\":[{\"command\":\"x\",\"times\":[NaN]}]}".to_owned(), "line 1 column"),
            ("{\"results\":[{\"command\":\"x\",".to_owned(), "EOF while parsing"),
        ] {
            let error = import(&text).unwrap_err().to_string();
            assert!(error.contains(want), "{text}: {error}");
        }
    }
}
