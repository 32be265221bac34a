//! A comparison as `JUnit` XML: a suite for each workload, a case for each gated metric and each objective. Not compared is an error,
//! never a pass; inconclusive is skipped, which says that nothing was shown.

use std::io::{self, Write};

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use super::words::{self, control_line, held, sentence};
use super::{Format, Judgement};
use crate::compare::{Comparison, Judged, Kept, MetricChange, Objective, Verdict};
use crate::report::table::{clip, shorten, visible};
use crate::unit::percent;

pub(super) static FORMAT: Format =
    Format { name: "junit", about: "JUnit XML, a case for each metric and objective", render };

fn render(judgement: &Judgement<'_>, out: &mut dyn Write) -> io::Result<()> {
    let mut report = Report::new(text(judgement.title));
    for judged in judgement.judged {
        report.add_test_suite(suite(judged));
    }
    // By way of a string: the serializer's error would hide that the reader of a pipe has gone away.
    out.write_all(report.to_string().map_err(io::Error::other)?.as_bytes())
}

fn suite(judged: &Judged) -> TestSuite {
    let mut suite = TestSuite::new(text(&judged.workload));
    let class = text(&format!("perfkit.{}", judged.workload));
    let mut add = |name: String, status: TestCaseStatus, said: &str| {
        let passes = matches!(status, TestCaseStatus::Success { .. });
        let mut case = TestCase::new(text(&name), status);
        case.set_classname(class.as_str());
        // Of those that do not pass the message says it.
        if passes {
            case.set_system_out(text(said));
        }
        suite.add_test_case(case);
    };
    if judged.verdict == Verdict::NotCompared {
        add("comparison".to_owned(), not_compared(judged), "");
    }
    for change in judged.comparison.iter().flat_map(gated) {
        add(shorten(&change.name, LONGEST), metric(change, judged.verdict), &sentence(change));
    }
    for objective in judged.held_to() {
        add(format!("objective {}", clip(&objective.objective, LONGEST)), kept(objective), &held(objective));
    }
    if let Some(control) = &judged.control {
        suite.set_system_out(text(&control_line(control)));
    }
    suite
}

/// Longest name of a case.
const LONGEST: usize = 200;

fn gated(comparison: &Comparison) -> impl Iterator<Item = &MetricChange> {
    comparison.metrics.iter().filter(|change| change.gated)
}

/// Why a whole workload was not compared.
fn not_compared(judged: &Judged) -> TestCaseStatus {
    let mut lines: Vec<String> = words::reasons(judged).into_iter().map(str::to_owned).collect();
    if let Some(comparison) = &judged.comparison {
        for (name, side) in [("base", &comparison.base), ("head", &comparison.head)] {
            lines.extend(words::trouble(side).map(|trouble| format!("{name} is {trouble}")));
        }
    }
    let message = lines.first().cloned().unwrap_or_else(|| "not compared".to_owned());
    unsuccessful(NonSuccessKind::Error, "not-compared", &message, &lines.join("\n"))
}

fn metric(change: &MetricChange, workload: Verdict) -> TestCaseStatus {
    let sentence = sentence(change);
    match change.verdict {
        Verdict::Regressed if !change.accepted => {
            unsuccessful(NonSuccessKind::Failure, "regressed", &sentence, &details(change))
        }
        // What does not keep the workload from passing must not look like a failure beside a passing job.
        Verdict::NotCompared if workload != Verdict::NotCompared => skipped(&sentence),
        Verdict::NotCompared => unsuccessful(NonSuccessKind::Error, "not-compared", &sentence, &details(change)),
        Verdict::Inconclusive => skipped(&sentence),
        Verdict::Regressed | Verdict::Improved | Verdict::Unchanged => TestCaseStatus::success(),
    }
}

fn kept(objective: &Objective) -> TestCaseStatus {
    let held = held(objective);
    match (objective.kept, objective.value) {
        (Kept::Met, _) => TestCaseStatus::success(),
        (Kept::Missed, _) => unsuccessful(NonSuccessKind::Failure, "missed", &held, &held),
        (Kept::NotShown, None) => unsuccessful(NonSuccessKind::Error, "not-measured", &held, &held),
        (Kept::NotShown, Some(_)) => skipped(&held),
    }
}

fn unsuccessful(kind: NonSuccessKind, of: &str, message: &str, details: &str) -> TestCaseStatus {
    let mut status = TestCaseStatus::non_success(kind);
    status.set_message(text(message)).set_type(of).set_description(text(details));
    status
}

fn skipped(message: &str) -> TestCaseStatus {
    let mut status = TestCaseStatus::skipped();
    status.set_message(text(message));
    status
}

/// What stands below the message of a case.
fn details(change: &MetricChange) -> String {
    let text = format!(
        "base {}\nhead {}\nchange {}\ninterval {}\nmargin {}\nrounds {} and {}\n{}",
        words::figure(change.unit, change.base),
        words::figure(change.unit, change.head),
        words::extent(change),
        words::interval(change),
        percent(change.margin),
        change.rounds_base,
        change.rounds_head,
        words::note(change),
    );
    text.trim_end().to_owned()
}

/// Text that XML can hold: no control characters, and none of the two code points that it has no place for.
fn text(raw: &str) -> String {
    let lines = raw.split('\n').map(visible).collect::<Vec<_>>().join("\n");
    lines.replace(['\u{FFFE}', '\u{FFFF}'], "\u{FFFD}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::comparison::sample;

    fn parsed(judged: Judged) -> (String, Report) {
        let text = sample::rendered(&FORMAT, &sample::check(&[judged]));
        let report = Report::deserialize_from_str(&text).unwrap_or_else(|error| panic!("{error:?}\n{text}"));
        (text, report)
    }

    fn case<'a>(report: &'a Report, name: &str) -> &'a TestCase {
        report.test_suites[0].test_cases.iter().find(|case| case.name.as_str() == name).unwrap()
    }

    fn kind(report: &Report, name: &str) -> &'static str {
        match &case(report, name).status {
            TestCaseStatus::Success { .. } => "passes",
            TestCaseStatus::NonSuccess { kind: NonSuccessKind::Failure, .. } => "fails",
            TestCaseStatus::NonSuccess { kind: NonSuccessKind::Error, .. } => "errs",
            TestCaseStatus::Skipped { .. } => "is skipped",
        }
    }

    #[test]
    fn each_verdict_has_its_outcome() {
        let (_, report) = parsed(sample::judged());
        let want = [
            ("latency.p50", "fails"),
            ("latency.p99", "is skipped"),
            ("latency.max", "is skipped"),
            ("heap.bytes_per_op", "passes"),
            ("cpu.per_op", "passes"),
            ("objective latency.p95 < 100ms", "fails"),
            ("objective success_rate >= 99%", "is skipped"),
            ("objective throughput > 500/s", "passes"),
        ];
        for (name, outcome) in want {
            assert_eq!(kind(&report, name), outcome, "{name}");
        }
        assert!(report.test_suites[0].test_cases.iter().all(|case| case.name.as_str() != "poll.max"), "not gated");
        assert_eq!((report.failures, report.errors, report.skipped), (5, 0, 4));
    }

    #[test]
    fn a_workload_that_was_not_compared_is_an_error() {
        let (_, report) = parsed(sample::not_compared());
        assert_eq!(kind(&report, "comparison"), "errs");
        assert_eq!(kind(&report, "objective latency.p99 < 2s"), "errs");
    }

    #[test]
    fn hostile_names_leave_the_xml_well_formed() {
        for hostile in
            ["\u{0}\u{1}\u{b}\u{1b}[31m]]>", "\"'<&>--><![CDATA[", "\u{FFFE}\u{FFFF}\u{85}\u{7f}", "a\r\nb\tc"]
        {
            let (text, report) = parsed(sample::hostile(hostile));
            assert_eq!(report.test_suites.len(), 1);
            let bad = |c: char| (c.is_control() && c != '\n') || matches!(c, '\u{FFFE}' | '\u{FFFF}');
            assert!(!text.contains(bad), "{text}");
        }
    }
}
