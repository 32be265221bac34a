//! The result files of the hand-made scripts that perfkit takes the place of (`async_baseline_*.json`). They hold one summary per
//! test: one round, from which no verdict can come. Where requests failed they are no result, and a latency of 0.0 stands
//! where nothing was measured: it is left out.

use std::path::Path;

use serde::Deserialize;

use super::{Meaning, Outcome, Reader, checked, count, has_key, json, metric, shown, stem};
use crate::error::{Error, Result};
use crate::record::{Metric, Run};
use crate::unit::{Better, Unit};

pub(super) static READER: Reader = Reader {
    name: "async_baseline",
    about: "async_baseline_*.json",
    recognizes: |_, head| has_key(head, "test_results"),
    read,
};

const HINT: &str = "is it the file that the test script wrote?";

#[derive(Deserialize)]
struct File {
    test_results: Vec<Test>,
}

#[derive(Deserialize)]
struct Test {
    #[serde(rename = "test_name")]
    name: String,
    total_requests: u64,
    successful_requests: u64,
    failed_requests: u64,
    requests_per_second: f64,
    mean_latency_ms: f64,
    median_latency_ms: f64,
    p95_latency_ms: f64,
    p99_latency_ms: f64,
    max_latency_ms: f64,
    std_dev_latency_ms: f64,
}

fn read(path: &Path, _: &Meaning) -> Result<Run> {
    let file: File = json(path, HINT)?;
    let mut run = Run::foreign(READER.name, path.display().to_string(), stem(path));
    let mut outcomes = Vec::new();
    for test in &file.test_results {
        let wrong = |message: String| Error::read(path, format!("{}: {message}", shown(&test.name)), HINT);
        run.metrics.extend(test.metrics().map_err(wrong)?);
        outcomes.push(Outcome { planned: test.total_requests, failed: test.failed_requests });
    }
    count(&mut run, &outcomes, "requests");
    Ok(run)
}

impl Test {
    fn metrics(&self) -> std::result::Result<Vec<Metric>, String> {
        let (good, failed, all) = (self.successful_requests, self.failed_requests, self.total_requests);
        if good.checked_add(failed) != Some(all) {
            return Err(format!("{good} good and {failed} failed requests are not {all} in all"));
        }
        let latencies = [
            ("mean", self.mean_latency_ms),
            ("p50", self.median_latency_ms),
            ("p95", self.p95_latency_ms),
            ("p99", self.p99_latency_ms),
            ("max", self.max_latency_ms),
            ("sd", self.std_dev_latency_ms),
        ];
        let mut metrics = Vec::new();
        for (place, ms) in latencies {
            let ns = checked(ms * 1e6).map_err(|error| format!("latency.{place}: {error}"))?;
            // No request takes no time: 0.0 says that none was measured. Only a deviation can be 0.
            let measured = self.mean_latency_ms > 0.0 && (ns > 0.0 || place == "sd");
            let value = if measured { ns } else { f64::NAN };
            metrics.push(self.metric(&format!("latency.{place}"), (Unit::Ns, Better::Lower), value));
        }
        let rate = checked(self.requests_per_second).map_err(|error| format!("throughput: {error}"))?;
        metrics.push(self.metric("throughput", (Unit::PerS, Better::Higher), rate));
        let success = if all == 0 { f64::NAN } else { good as f64 / all as f64 };
        metrics.push(self.metric("success_rate", (Unit::Ratio, Better::Higher), success));
        Ok(metrics)
    }

    fn metric(&self, name: &str, kind: (Unit, Better), value: f64) -> Metric {
        metric(format!("{}.{name}", self.name), kind, vec![value])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::import;
    use crate::record::Status;

    /// As the scripts write a test.
    fn test(name: &str, good: u64, failed: u64, mean: f64) -> String {
        format!(
            r#"{{ "test_name": "{name}", "total_requests": {}, "successful_requests": {good}, "failed_requests": {failed},
                 "duration_seconds": 1.4, "requests_per_second": 35.5, "mean_latency_ms": {mean}, "median_latency_ms": {mean},
                 "p95_latency_ms": {mean}, "p99_latency_ms": {mean}, "min_latency_ms": {mean}, "max_latency_ms": {mean},
                 "std_dev_latency_ms": 0.0, "timestamp": "2025-10-09T21:43:54", "metadata": {{ "concurrent_users": 50 }} }}"#,
            good + failed
        )
    }

    fn import(tests: &[String]) -> Result<Run> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("async_baseline_20251009.json");
        let head = r#""timestamp": "2025-10-09T21:44:00", "test_phase": "BASELINE", "total_tests": 4"#;
        std::fs::write(&path, format!("{{ {head}, \"test_results\": [{}] }}", tests.join(","))).unwrap();
        import::read(&path, &Meaning::default())
    }

    #[test]
    fn a_file_of_failed_requests_is_no_result() {
        let tests = [
            test("chat", 0, 50, 1396.5),
            test("redis", 0, 100, 0.0),
            test("vms", 40, 40, 30.0),
            test("io", 0, 50, 0.0),
        ];
        let run = import(&tests).unwrap();
        assert_eq!((run.status, run.status_reason.as_deref()), (Status::Invalid, Some("240 of 280 requests failed")));
        assert_eq!((run.operations.planned, run.operations.ok, run.operations.failed), (280, 40, 240));
        assert_eq!(run.metric("vms.success_rate").unwrap().values, [0.5]);
        assert_eq!(run.metric("chat.latency.p95").unwrap().values, [1_396_500_000.0]);
        assert_eq!((run.load.rounds, run.foreign.as_deref()), (1, Some("async_baseline")));
    }

    #[test]
    fn a_latency_of_zero_is_one_that_was_not_measured() {
        let run = import(&[test("redis", 100, 0, 0.0), test("chat", 50, 0, 2.0)]).unwrap();
        assert_eq!(run.status, Status::Complete);
        for place in ["mean", "p50", "p95", "p99", "max", "sd"] {
            assert!(run.metric(&format!("redis.latency.{place}")).unwrap().values[0].is_nan(), "{place}");
        }
        assert_eq!(run.metric("chat.latency.sd").unwrap().values, [0.0]);
        assert_eq!(run.metric("redis.throughput").unwrap().values, [35.5]);
    }

    #[test]
    fn one_bad_test_among_good_ones_makes_the_whole_invalid() {
        let run = import(&[test("good", 10_000, 0, 1.0), test("bad", 9, 1, 1.0)]).unwrap();
        assert_eq!((run.status, run.status_reason.as_deref()), (Status::Invalid, Some("1 of 10010 requests failed")));
        assert_eq!(import(&[test("good", 95, 5, 1.0)]).unwrap().status, Status::Complete);
    }

    #[test]
    fn counts_that_do_not_add_up_and_times_that_are_none_are_refused() {
        let broken = test("chat", 1, 1, 1.0).replace("\"total_requests\": 2", "\"total_requests\": 7");
        let error = import(&[broken]).unwrap_err().to_string();
        assert!(error.contains("`chat`: 1 good and 1 failed requests are not 7 in all"), "{error}");
        let error = import(&[test("chat", 1, 0, -1.0)]).unwrap_err().to_string();
        assert!(error.contains("`chat`: latency.mean: `-1000000` is negative"), "{error}");
        let error = import(&[test("chat", 1, 0, 1.0).replace("35.5", "\"fast\"")]).unwrap_err().to_string();
        assert!(error.contains("line 2 column"), "{error}");
        assert!(import(&[]).unwrap_err().to_string().contains("there is no result in it"));
    }
}
