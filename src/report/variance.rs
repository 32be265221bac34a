//! Where the variance of a run comes from, as tables and as one JSON document. Computes nothing; of an invalid run it shows the
//! reason and no figure.

use std::io::{self, Write};

use anstyle::Style;

use super::comparison::Detail;
use super::human;
use super::page::{Page, Tone};
use super::table::{Side, Table, place, shorten, visible};
use crate::analysis::variance::{Drift, Share, Variance};
use crate::record::Status;
use crate::record::stall::culprit;
use crate::unit::Unit;

/// Components below this part are counted, not listed.
const SMALL: f64 = 0.005;
/// Less than this between rounds is not looked into.
const NOTABLE: f64 = 0.05;
/// Longest name that is shown whole.
const NAME: usize = 40;
/// A trend with a smaller p-value is said to be one.
const SHOWN: f64 = 0.05;

/// Writes the document.
///
/// # Errors
/// It could not be written.
pub fn json(variance: &Variance, out: &mut dyn Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, variance).map_err(io::Error::from)?;
    writeln!(out)
}

/// Writes tables for a terminal.
///
/// # Errors
/// They could not be written.
pub fn human(variance: &Variance, detail: Detail, out: &mut dyn Write) -> io::Result<()> {
    write(variance, detail, out, human::style)
}

fn write(variance: &Variance, detail: Detail, out: &mut dyn Write, style: fn(Tone) -> Style) -> io::Result<()> {
    let mut page = Page { out, style };
    head(&mut page, variance)?;
    if variance.status != Status::Invalid {
        let note = "covariance with the latency by its variance, within rounds";
        shares(&mut page, ("Where the variance comes from", note), &variance.shares, detail)?;
        nesting(&mut page, variance)?;
        let note = "the same variance by what the operation's own future did";
        shares(&mut page, ("Waiting and running", note), &variance.states, detail)?;
        modes(&mut page, variance)?;
        tail(&mut page, variance, detail)?;
        stalls(&mut page, variance)?;
        time(&mut page, variance)?;
    }
    warnings(&mut page, variance)
}

fn head(page: &mut Page<'_>, variance: &Variance) -> io::Result<()> {
    let variant = if variance.variant.is_empty() { String::new() } else { format!(" ({})", variance.variant) };
    let (tone, word) = match variance.status {
        Status::Complete => (Tone::Good, "complete"),
        Status::Partial => (Tone::Careful, "PARTIAL"),
        Status::Invalid => (Tone::Bad, "INVALID"),
    };
    let title = page.toned(Tone::Heading, &visible(&format!("{}{variant}", variance.workload)));
    let status = page.toned(tone, word);
    let reason = variance.status_reason.as_ref().map(|reason| format!(": {}", visible(reason))).unwrap_or_default();
    page.line(&format!("{title}  {status}{reason}"))?;
    if variance.status == Status::Invalid {
        return page.line("  an invalid run has no latencies, and no variance of them");
    }
    let show = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |ns| Unit::Ns.show(ns));
    page.safe(&format!(
        "  latency {} with a standard deviation of {}; {} operations in {} rounds, run {}",
        show(variance.mean_ns),
        show(variance.standard_deviation_ns),
        Unit::Count.show(variance.operations as f64),
        variance.rounds,
        variance.run
    ))
}

fn interval(unit: Unit, low: Option<f64>, high: Option<f64>) -> String {
    match (low, high) {
        (Some(low), Some(high)) => format!("[{}, {}]", unit.show(low), unit.show(high)),
        _ => "-".to_owned(),
    }
}

fn shares(page: &mut Page<'_>, (title, note): (&str, &str), shares: &[Share], detail: Detail) -> io::Result<()> {
    if shares.is_empty() {
        return Ok(());
    }
    page.heading(title, note)?;
    let right = Side::Right;
    let mut table =
        Table::new(&[("component", Side::Left), ("share", right), ("95 % interval", Side::Left), ("mean time", right)]);
    let (listed, small): (Vec<&Share>, Vec<&Share>) =
        shares.iter().partition(|share| detail == Detail::All || share.share.abs() >= SMALL);
    for share in listed {
        table.row([
            shorten(&share.component, NAME),
            Unit::Ratio.show(share.share),
            interval(Unit::Ratio, share.low, share.high),
            Unit::Ns.show(share.mean_ns),
        ]);
    }
    table.show(page)?;
    more(page, small.len())
}

/// How many components were too small to be listed.
fn more(page: &mut Page<'_>, count: usize) -> io::Result<()> {
    let components = if count == 1 { "component" } else { "components" };
    if count == 0 {
        return Ok(());
    }
    page.line(&format!("  … {count} more {components} below {} (-v lists them)", Unit::Ratio.show(SMALL)))
}

fn nesting(page: &mut Page<'_>, variance: &Variance) -> io::Result<()> {
    let mut around: Vec<&str> = variance.nesting.iter().map(|nested| nested.within.as_str()).collect();
    around.dedup();
    let mut said: Vec<&str> = Vec::new();
    for outer in around {
        if said.contains(&outer) {
            continue;
        }
        said.push(outer);
        let inside: Vec<&str> = variance
            .nesting
            .iter()
            .filter(|nested| nested.within == outer)
            .map(|nested| nested.phase.as_str())
            .collect();
        let text = format!("{outer} counts without what lies in it, by its times: {}", inside.join(", "));
        page.paragraph(2, Some(Tone::Quiet), &text)?;
    }
    Ok(())
}

fn modes(page: &mut Page<'_>, variance: &Variance) -> io::Result<()> {
    if variance.modes.is_empty() {
        return Ok(());
    }
    page.heading("Modes", "where latencies are densest, and what sets a mode apart from the one before")?;
    let right = Side::Right;
    let mut table = Table::new(&[
        ("center", right),
        ("weight", right),
        ("95 % interval", Side::Left),
        ("mean", right),
        ("set apart by", Side::Left),
    ]);
    for mode in &variance.modes {
        let apart = mode.separated_by.as_ref().map_or_else(String::new, |by| {
            let (difference, share) = (Unit::Ns.show_difference(by.difference_ns), Unit::Ratio.show(by.share));
            format!("{} ({difference}, {share} of the difference)", shorten(&by.component, NAME))
        });
        table.row([
            Unit::Ns.show(mode.center_ns),
            Unit::Ratio.show(mode.weight),
            interval(Unit::Ratio, mode.low, mode.high),
            Unit::Ns.show(mode.mean_ns),
            apart,
        ]);
    }
    table.show(page)
}

fn tail(page: &mut Page<'_>, variance: &Variance, detail: Detail) -> io::Result<()> {
    let Some(slow) = &variance.slow else { return Ok(()) };
    let note = format!(
        "{} slowest, from {} on, against the others: {}",
        Unit::Count.show(slow.operations as f64),
        Unit::Ns.show(slow.from_ns),
        Unit::Ns.show_difference(slow.excess_ns)
    );
    page.heading("The slow 5 %", &note)?;
    let right = Side::Right;
    let mut table =
        Table::new(&[("component", Side::Left), ("longer by", right), ("95 % interval", Side::Left), ("share", right)]);
    let mut small = 0;
    for excess in &variance.tail {
        if detail == Detail::Changed && excess.share.abs() < SMALL {
            small += 1;
            continue;
        }
        table.row([
            shorten(&excess.component, NAME),
            Unit::Ns.show_difference(excess.excess_ns),
            interval(Unit::Ns, excess.low, excess.high),
            Unit::Ratio.show(excess.share),
        ]);
    }
    table.show(page)?;
    more(page, small)
}

fn stalls(page: &mut Page<'_>, variance: &Variance) -> io::Result<()> {
    if variance.stalls.is_empty() {
        return Ok(());
    }
    page.heading("Stalls", "workers held in the time of an operation; those of other threads count too")?;
    let right = Side::Right;
    let mut table = Table::new(&[("operations", right), ("share of the tail", right), ("where", Side::Left)]);
    for stall in &variance.stalls {
        table.row([
            Unit::Count.show(stall.operations_hit as f64),
            Unit::Ratio.show(stall.share_of_tail),
            culprit(&stall.stack).map_or_else(|| "unknown: no stack was taken".to_owned(), place),
        ]);
    }
    table.show(page)
}

/// Within rounds, and from one to the next.
fn time(page: &mut Page<'_>, variance: &Variance) -> io::Result<()> {
    if variance.drift.is_none() && variance.between_rounds.is_none() {
        return Ok(());
    }
    page.heading("Over time", "")?;
    if let Some(drift) = &variance.drift {
        page.paragraph(2, None, &drift_line(drift))?;
    }
    let Some(between) = &variance.between_rounds else { return Ok(()) };
    // What makes up next to nothing is noise.
    let worth = between.components.first().filter(|_| between.share_of_total >= NOTABLE);
    let most = worth.map_or_else(String::new, |part| {
        format!(", {} of it in {}", Unit::Ratio.show(part.share), shorten(&part.component, NAME))
    });
    let trend = match between.trend_p {
        Some(p) if p < SHOWN => format!("; from round to round they have a trend (p {p:.3})"),
        _ => String::new(),
    };
    let share = Unit::Ratio.show(between.share_of_total);
    page.paragraph(2, None, &format!("between rounds: {share} of the variance{most}{trend}"))
}

fn drift_line(drift: &Drift) -> String {
    let slope = format!(
        "{} a second {}, p {:.3}",
        Unit::Ns.show_difference(drift.slope_ns_per_s),
        interval(Unit::Ns, drift.low, drift.high),
        drift.p
    );
    if drift.p >= SHOWN {
        return format!("within rounds: no drift is shown ({slope})");
    }
    let word = if drift.slope_ns_per_s > 0.0 { "rise" } else { "fall" };
    let most = drift.component.as_ref().map_or_else(String::new, |name| format!(", most in {}", shorten(name, NAME)));
    let change = Unit::Ns.show_difference(drift.change_ns);
    format!("within rounds: latencies {word}{most}: {change} over a round ({slope})")
}

fn warnings(page: &mut Page<'_>, variance: &Variance) -> io::Result<()> {
    if variance.warnings.is_empty() {
        return Ok(());
    }
    page.heading("Warnings", "")?;
    for warning in &variance.warnings {
        page.paragraph(2, None, &format!("[{}] {}", warning.code, warning.message))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::variance::{StallShare, analyze};
    use crate::record::Run;
    use crate::record::ops::{Columns, Timed};
    use crate::record::stacks::Frame;

    /// A run in which a phase of that name is long in every fourth operation.
    fn variance(phase: &str, status: Status) -> Variance {
        let mut run = Run::foreign("simulation", "1", "shop");
        run.status = status;
        run.status_reason = (status != Status::Complete).then(|| "most operations failed".to_owned());
        let mut columns = Columns::new(&["llm.call", phase]);
        for index in 0..400_u64 {
            let (llm, long) = (9_000_000 + 10_000 * (index % 7), if index % 4 == 3 { 80_000_000 } else { 1_000_000 });
            let due_ns = index * 1_000_000;
            let end_ns = due_ns + llm + long;
            let cells_ns = &[llm as f32, long as f32];
            columns.push((index % 5) as u32, Timed { due_ns, start_ns: due_ns, end_ns, states_ns: None, cells_ns });
        }
        analyze(&run, &columns, &[])
    }

    fn rendered(variance: &Variance, style: fn(Tone) -> Style) -> String {
        let mut out = Vec::new();
        write(variance, Detail::Changed, &mut out, style).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_component_with_the_variance_stands_first_and_sets_the_modes_apart() {
        let text = rendered(&variance("history.load", Status::Complete), |_| Style::new());
        assert!(text.starts_with("shop  complete\n  latency 29.8 ms with a standard deviation of 34."), "{text}");
        assert!(text.contains("\n  history.load  100 %  [100 %, 100 %]"), "{text}");
        assert!(text.contains("history.load (+79.0 ms, 100 % of the difference)"), "{text}");
        assert!(text.contains("\n  … 1 more component below 0.50 % (-v lists them)"), "{text}");
        assert!(text.lines().all(|line| line.chars().count() <= 120), "{text}");
    }

    #[test]
    fn an_invalid_run_shows_its_reason_and_no_figure() {
        let text = rendered(&variance("history.load", Status::Invalid), |_| Style::new());
        assert!(text.starts_with("shop  INVALID: most operations failed\n") && text.lines().count() == 2, "{text}");
        assert!(!text.contains(" ms") && !text.contains("Modes"), "{text}");
    }

    #[test]
    fn a_stall_is_named_by_the_function_to_look_at_with_its_place() {
        let frame = |function: &str, file: &str, line: u32| Frame {
            function: function.to_owned(),
            file: Some(file.to_owned()),
            line: Some(line),
        };
        let mut variance = variance("history.load", Status::Complete);
        let own = frame("shop::cart::load::{closure#0}", "src/cart.rs", 12);
        let stack = vec![frame("std::thread::sleep", "library/std/src/thread/mod.rs", 9), own];
        variance.stalls = vec![
            StallShare { stack, operations_hit: 12, share_of_tail: 0.8 },
            StallShare { stack: Vec::new(), operations_hit: 1, share_of_tail: 0.0 },
        ];
        let text = rendered(&variance, |_| Style::new());
        assert!(text.contains("  80.0 %  shop::cart::load (src/cart.rs:12)\n"), "{text}");
        assert!(text.contains("  unknown: no stack was taken\n"), "{text}");
        variance.stalls[0].stack[1].file = Some("\u{1b}]0;long/".repeat(40));
        let text = rendered(&variance, |_| Style::new());
        assert!(!text.contains('\u{1b}') && text.lines().all(|line| line.chars().count() <= 120), "{text}");
    }

    #[test]
    fn the_document_has_the_keys_of_the_contract() {
        let mut out = Vec::new();
        json(&variance("history.load", Status::Complete), &mut out).unwrap();
        let document: serde_json::Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(document["schema"], "perfkit.variance/1");
        assert!(document["total_variance_ns2"].as_f64().is_some_and(|variance| variance > 1e15));
        for (list, keys) in [
            ("shares", &["component", "share", "low", "high"][..]),
            ("modes", &["center_ns", "weight"]),
            ("tail", &["component", "excess_ns"]),
        ] {
            let first = &document[list][0];
            assert!(keys.iter().all(|key| !first[key].is_null()), "{list}: {first}");
        }
        assert!(document["stalls"].as_array().is_some_and(Vec::is_empty));
    }

    #[test]
    fn hostile_names_do_not_steer_the_terminal_and_colours_add_nothing_else() {
        let variance = variance("\u{1b}[2J\r\n::error::x\u{202E}", Status::Complete);
        let text = rendered(&variance, |_| Style::new());
        assert!(!text.contains(['\u{1b}', '\r', '\u{202E}']) && !text.contains("\n::error"), "{text}");
        let colored = rendered(&variance, human::style);
        assert_eq!(anstream::adapter::strip_str(&colored).to_string(), text);
    }
}
