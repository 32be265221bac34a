//! A comparison as plain text: the verdict and why, then what decides, what else changed, and what must be known beside it. An arm
//! that is invalid is said first, and loudly.

use std::io::{self, Write};

use anstyle::Style;

use super::{Detail, Format, Judgement, Kind, tables, words};
use crate::compare::{Comparison, Control, Fitness, Judged, Kept};
use crate::record::Status;
use crate::report::page::{Page, Tone};
use crate::report::table::{clip, shorten, visible};

pub(super) static FORMAT: Format = Format {
    name: "text",
    about: "tables as plain text",
    render: |judgement, out| write(judgement, out, |_| Style::new()),
};

/// Writes it; `style` says how a tone looks.
pub(super) fn write(judgement: &Judgement<'_>, out: &mut dyn Write, style: fn(Tone) -> Style) -> io::Result<()> {
    let mut page = Page { out, style };
    for (index, judged) in judgement.judged.iter().enumerate() {
        if index > 0 {
            page.line("")?;
        }
        workload(&mut page, judged, judgement.detail)?;
    }
    end(&mut page, judgement)
}

fn workload(page: &mut Page<'_>, judged: &Judged, detail: Detail) -> io::Result<()> {
    head(page, judged)?;
    if let Some(comparison) = &judged.comparison {
        tables::metrics(page, comparison, detail)?;
        if let Some(spread) = &comparison.spread {
            page.line("")?;
            for line in words::spread(spread) {
                page.paragraph(2, None, &line)?;
            }
        }
        tables::functions(page, comparison, detail)?;
        tables::allocators(page, comparison, detail)?;
        tables::shape(page, comparison, detail)?;
    }
    tables::objectives(page, judged)?;
    if let Some(control) = &judged.control {
        self::control(page, control)?;
    }
    judged.comparison.as_ref().map_or(Ok(()), |comparison| warnings(page, comparison))
}

fn head(page: &mut Page<'_>, judged: &Judged) -> io::Result<()> {
    let name = shorten(&judged.workload, words::NAME);
    let title = match &judged.comparison {
        Some(comparison) => {
            let (base, head) = (words::side(&comparison.base), words::side(&comparison.head));
            // Of two files the names of the sides say more than that of one of them.
            let name = if comparison.base.workload == comparison.head.workload { name + ": " } else { String::new() };
            format!("{name}base ({base}) → head ({head})")
        }
        None => name,
    };
    let title = page.toned(Tone::Heading, &visible(&title));
    let verdict = format!("{} {}", words::word(judged.verdict).to_uppercase(), words::mark(judged.verdict));
    let verdict = page.toned(words::tone(judged.verdict), &verdict);
    let missed = judged.held_to().iter().filter(|objective| objective.kept == Kept::Missed).count();
    let missed = match missed {
        0 => String::new(),
        1 => format!("  {}", page.toned(Tone::Bad, "1 objective missed")),
        more => format!("  {}", page.toned(Tone::Bad, &format!("{more} objectives missed"))),
    };
    page.line(&format!("{title}  {verdict}{missed}"))?;
    for (name, side) in judged.comparison.iter().flat_map(|both| [("base", &both.base), ("head", &both.head)]) {
        if let Some(trouble) = words::trouble(side) {
            let tone = if side.status == Status::Invalid { Tone::Bad } else { Tone::Careful };
            page.paragraph(2, Some(tone), &format!("{name} is {trouble}"))?;
        }
    }
    for reason in words::reasons(judged) {
        page.paragraph(2, None, &clip(reason, 600))?;
    }
    let setting = judged.comparison.as_ref().map(words::setting).unwrap_or_default();
    page.paragraph(2, Some(Tone::Quiet), &setting)
}

/// Base against base: what the setup says where nothing has changed.
fn control(page: &mut Page<'_>, control: &Control) -> io::Result<()> {
    let rounds = control.rounds;
    page.heading("Control", &format!("base against base in the same job, {rounds} rounds each"))?;
    let (tone, word) = match control.fit {
        Fitness::Fit => (Tone::Good, "fit to judge"),
        Fitness::Unfit => (Tone::Bad, "NOT FIT to judge"),
        Fitness::Unknown => (Tone::Quiet, "unknown"),
    };
    let note = if control.note.is_empty() { String::new() } else { format!(": {}", clip(&control.note, 600)) };
    page.paragraph(2, Some(tone), &format!("{word}{note}"))?;
    tables::control(page, control)
}

fn warnings(page: &mut Page<'_>, comparison: &Comparison) -> io::Result<()> {
    if comparison.warnings.is_empty() {
        return Ok(());
    }
    page.heading("Warnings", "")?;
    for warning in &comparison.warnings {
        page.paragraph(2, None, &format!("[{}] {}", clip(&warning.code, words::NAME), clip(&warning.message, 600)))?;
    }
    Ok(())
}

/// The last lines: what a check says of all workloads together, and how to do it again.
fn end(page: &mut Page<'_>, judgement: &Judgement<'_>) -> io::Result<()> {
    let check = judgement.kind == Kind::Check;
    if check || !judgement.command.is_empty() {
        page.line("")?;
    }
    if check {
        let title = page.toned(Tone::Heading, &visible(judgement.title));
        let word = words::word(judgement.verdict).to_uppercase();
        let verdict = page.toned(words::tone(judgement.verdict), &format!("{word} {}", words::mark(judgement.verdict)));
        page.line(&format!("{title}: {verdict}  {}", summary(judgement)))?;
    }
    if judgement.command.is_empty() {
        return Ok(());
    }
    page.safe(&format!("  again: {}", judgement.command))
}

/// How the workloads did, and the exit code.
pub(super) fn summary(judgement: &Judgement<'_>) -> String {
    let verdicts = judgement.judged.iter().map(|judged| judged.verdict);
    let workloads = match judgement.judged.len() {
        0 => "no workload was judged".to_owned(),
        1 => "1 workload".to_owned(),
        count => format!("{count} workloads: {}", words::counts(verdicts)),
    };
    let missed = judgement.judged.iter().flat_map(Judged::held_to).filter(|objective| objective.kept == Kept::Missed);
    let missed = match missed.count() {
        0 => String::new(),
        1 => "; 1 objective missed".to_owned(),
        more => format!("; {more} objectives missed"),
    };
    format!("{workloads}{missed}; exit code {}", judgement.exit_code)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::Verdict;
    use crate::report::comparison::{human, sample};

    fn rendered(judged: Judged) -> String {
        sample::rendered(&FORMAT, &sample::check(&[judged]))
    }

    #[test]
    fn the_first_line_says_who_and_what() {
        let text = rendered(sample::judged());
        let first = text.lines().next().unwrap();
        assert_eq!(first, "chat: base (async, 1a2b3c4d) → head (blocking, 5e6f7a8b)  REGRESSED ▲  1 objective missed");
    }

    #[test]
    fn nothing_is_wider_than_a_screen() {
        for line in rendered(sample::judged()).lines() {
            assert!(line.chars().count() <= 120, "{line}");
        }
    }

    #[test]
    fn an_invalid_arm_is_loud_and_has_no_latency() {
        let mut judged = sample::judged();
        judged.verdict = Verdict::NotCompared;
        let comparison = judged.comparison.as_mut().unwrap();
        comparison.head.status = Status::Invalid;
        comparison.head.status_reason = Some("success rate 14.3 % is below the floor of 99 %".to_owned());
        (comparison.head.planned, comparison.head.ok) = (280, 40);
        for change in &mut comparison.metrics {
            change.verdict = Verdict::NotCompared;
            (change.head, change.ratio, change.low, change.high, change.method) = (None, None, None, None, None);
        }
        let text = rendered(judged);
        let second = text.lines().nth(1).unwrap();
        assert!(second.starts_with("  head is INVALID: 240 of 280 operations failed; success rate"), "{text}");
        let row = text.lines().find(|line| line.starts_with("  latency.p50  ")).unwrap();
        let cells: Vec<&str> = row.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect();
        assert_eq!(cells, ["latency.p50", "29.1 ms", "-", "-", "-", "· not compared"]);
    }

    #[test]
    fn a_workload_without_a_base_says_why() {
        let text = rendered(sample::not_compared());
        assert!(text.starts_with("search  NOT COMPARED ·\n  no baseline named main\n"), "{text}");
    }

    #[test]
    fn what_does_not_decide_is_counted_unless_everything_is_asked_for() {
        let judged = [sample::judged()];
        let brief = sample::rendered(&FORMAT, &sample::check(&judged));
        assert!(
            brief.contains("… 4 more metrics: 1 not compared, 1 inconclusive, 2 unchanged (-v lists them)"),
            "{brief}"
        );
        assert!(!brief.contains("rss.max") && !brief.contains("want::Taker"));
        let all = sample::rendered(&FORMAT, &Judgement { detail: Detail::All, ..sample::check(&judged) });
        assert!(all.contains("rss.max") && all.contains("want::Taker::signal") && !all.contains("-v lists"), "{all}");
    }

    #[test]
    fn a_spread_that_changed_names_its_component_and_who_held_a_worker() {
        let mut judged = sample::judged();
        judged.comparison.as_mut().unwrap().spread = Some(sample::spread());
        let text = rendered(judged);
        let line = "\n  spread: sd 3.90 ms → 466 ms; 93 % of the change is in archive.read/busy [90 %, 96 %]\n";
        assert!(text.contains(line), "{text}");
        let held = "\n  held by shop::naive_tokenize (src/tokens.rs:12), 34 stalls of 2.00 s together, none in base\n";
        assert!(text.contains(held) && !text.contains("llm.call/idle"), "{text}");
    }

    #[test]
    fn a_shape_that_did_not_change_is_one_line() {
        let mut judged = sample::judged();
        let shape = judged.comparison.as_mut().unwrap().shape.as_mut().unwrap();
        shape.modes.clear();
        for decile in &mut shape.deciles {
            (decile.ratio, decile.low, decile.high) = (1.0, 0.9, 1.1);
        }
        let text = rendered(judged);
        assert!(
            text.contains("\n  … no decile is shown to differ (-v lists them)\n") && !text.contains("p10"),
            "{text}"
        );
    }

    #[test]
    fn two_files_are_named_by_their_sides() {
        let mut judged = sample::judged();
        judged.comparison.as_mut().unwrap().base.workload = "before".to_owned();
        assert!(rendered(judged).starts_with("base (async, 1a2b3c4d) → head ("));
    }

    #[test]
    fn a_control_that_sees_what_is_not_there_says_so() {
        let mut judged = sample::judged();
        let control = judged.control.as_mut().unwrap();
        control.fit = Fitness::Unfit;
        control.note = "base differs from itself".to_owned();
        control.metrics.push(sample::slower("throughput.twice"));
        let text = rendered(judged);
        assert!(text.contains("  NOT FIT to judge: base differs from itself\n"), "{text}");
        assert!(text.contains("\n  throughput.twice  29.1 ms  76.0 ms   ×2.61  [2.48, 2.75]  ▲ regressed\n"), "{text}");
    }

    #[test]
    fn colours_add_nothing_but_colour() {
        let judged = [sample::judged()];
        let judgement = sample::check(&judged);
        let colored = sample::rendered(&human::FORMAT, &judgement);
        assert_ne!(colored, sample::rendered(&FORMAT, &judgement));
        assert_eq!(anstream::adapter::strip_str(&colored).to_string(), sample::rendered(&FORMAT, &judgement));
    }

    #[test]
    fn hostile_names_do_not_steer_the_terminal() {
        let text = rendered(sample::hostile("\u{1b}[2J\r\n::error::x\u{202E}"));
        assert!(!text.contains(['\u{1b}', '\r', '\u{202E}']) && !text.contains("\n::error"), "{text}");
    }
}
