//! A comparison as annotations of GitHub Actions: what must be seen beside the code, the worst first. GitHub shows ten of a kind for
//! each step; what is beyond is counted, not listed.

use std::io::{self, Write};

use super::words::{self, control_line, held, sentence};
use super::{Format, Judgement};
use crate::compare::{Fitness, Judged, Kept, Verdict};
use crate::report::table::{clip, shorten, visible};

pub(super) static FORMAT: Format = Format { name: "github", about: "annotations of GitHub Actions", render };

/// Annotations that are listed; the last of ten says how many more there are.
const MOST: usize = 9;
/// Longest text of an annotation.
const LONGEST: usize = 1000;

/// How loud an annotation is, the loudest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Level {
    Error,
    Warning,
    Notice,
}

impl Level {
    fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Notice => "notice",
        }
    }
}

struct Annotation {
    level: Level,
    title: String,
    message: String,
}

fn render(judgement: &Judgement<'_>, out: &mut dyn Write) -> io::Result<()> {
    let mut all: Vec<Annotation> = judgement.judged.iter().flat_map(annotations).collect();
    all.sort_by_key(|annotation| annotation.level);
    for annotation in all.iter().take(MOST) {
        let title = property(&clip(&visible(&annotation.title), LONGEST));
        let message = data(&clip(&visible(&annotation.message), LONGEST));
        writeln!(out, "::{} title={title}::{message}", annotation.level.name())?;
    }
    match all.len().saturating_sub(MOST) {
        0 => Ok(()),
        more => writeln!(out, "::notice::and {more} more"),
    }
}

fn annotations(judged: &Judged) -> Vec<Annotation> {
    let workload = shorten(&judged.workload, words::NAME);
    let mut found = Vec::new();
    let mut add = |level, of: &str, message: String| {
        found.push(Annotation { level, title: format!("{workload}: {of}"), message });
    };
    let whole = judged.verdict == Verdict::NotCompared;
    if whole {
        add(Level::Error, "not compared", words::reasons(judged).join("; "));
    }
    if judged.verdict == Verdict::Inconclusive {
        add(Level::Notice, "inconclusive", words::reasons(judged).join("; "));
    }
    for change in judged.comparison.iter().flat_map(|comparison| &comparison.metrics).filter(|change| change.gated) {
        let level = match change.verdict {
            Verdict::Regressed if change.accepted => Level::Notice,
            Verdict::Regressed => Level::Error,
            Verdict::Inconclusive if change.is_likely() => Level::Warning,
            _ if change.warned => Level::Warning,
            // Where nothing was compared, one annotation says so.
            Verdict::NotCompared if !whole => Level::Warning,
            _ => continue,
        };
        let name = shorten(&change.name, words::NAME);
        add(level, &format!("{name} {}", words::outcome(change)), sentence(change));
    }
    for objective in judged.held_to() {
        let level = match objective.kept {
            Kept::Met => continue,
            Kept::Missed => Level::Error,
            Kept::NotShown => Level::Warning,
        };
        let text = clip(&objective.objective, words::NAME);
        add(level, &format!("objective {text} {}", words::kept(objective.kept)), held(objective));
    }
    if let Some(control) = judged.control.as_ref().filter(|control| control.fit == Fitness::Unfit) {
        add(Level::Warning, "control", control_line(control));
    }
    found
}

/// Text of a command, escaped as the runner decodes it.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// Text of a command's property.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::comparison::sample;

    fn lines(judged: &[Judged]) -> Vec<String> {
        sample::rendered(&FORMAT, &sample::check(judged)).lines().map(str::to_owned).collect()
    }

    #[test]
    fn failures_come_first_and_what_is_accepted_is_a_notice() {
        let lines = lines(&[sample::judged()]);
        assert_eq!(
            lines[0],
            "::error title=chat%3A latency.p50 regressed::regressed: 29.1 ms → 76.0 ms, ×2.61 [2.48, 2.75]"
        );
        assert!(
            lines.iter().any(|line| line.starts_with("::error title=chat%3A objective latency.p95 < 100ms missed::"))
        );
        assert!(lines.iter().any(|line| line.starts_with("::warning title=chat%3A latency.p99 inconclusive::")));
        assert!(lines.last().unwrap().starts_with("::notice title=chat%3A heap.bytes_per_op regressed (accepted)::"));
    }

    #[test]
    fn a_workload_that_was_not_compared_is_an_error() {
        assert_eq!(lines(&[sample::not_compared()])[0], "::error title=search%3A not compared::no baseline named main");
    }

    #[test]
    fn more_than_ten_are_counted() {
        let many = vec![sample::not_compared(); 30];
        let lines = lines(&many);
        assert_eq!(lines.len(), 10);
        // Each has its objective too.
        assert_eq!(lines[9], "::notice::and 51 more");
    }

    #[test]
    fn a_name_cannot_end_its_command_or_begin_another() {
        for line in lines(&[sample::hostile("a,file=x::b\r\n::stop-commands::x 100%")]) {
            let (head, _) = line.strip_prefix("::").and_then(|line| line.split_once("::")).unwrap();
            let (_, properties) = head.split_once(' ').unwrap_or((head, ""));
            assert!(!properties.contains([',', ':']) || properties.is_empty(), "{line}");
            assert!(!line.contains("100% ") && line.starts_with("::"), "{line}");
        }
    }
}
