//! The verdicts of a `leaks` session as tables and as one JSON document. Computes nothing; of an invalid run it shows the
//! reason and no figure.

use std::io::{self, Write};

use anstyle::Style;

use super::comparison::Detail;
use super::human;
use super::page::{Page, Tone};
use super::table::{Side, Table, place, shorten, visible};
use crate::analysis::leaks::{Judged, JudgedSite, Leaks, Rate, Verdict};
use crate::record::Status;
use crate::unit::Unit;

/// Call sites that are listed.
const TOP: usize = 10;
/// Frames of a stack that are listed.
const FRAMES: usize = 6;
/// Longest name that is shown whole.
const NAME: usize = 60;

/// Writes the document.
///
/// # Errors
/// It could not be written.
pub fn json(leaks: &Leaks, out: &mut dyn Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, leaks).map_err(io::Error::from)?;
    writeln!(out)
}

/// Writes tables for a terminal.
///
/// # Errors
/// They could not be written.
pub fn human(leaks: &Leaks, detail: Detail, out: &mut dyn Write) -> io::Result<()> {
    write(leaks, detail, out, human::style)
}

/// Writes tables without colour.
///
/// # Errors
/// They could not be written.
pub fn text(leaks: &Leaks, detail: Detail, out: &mut dyn Write) -> io::Result<()> {
    write(leaks, detail, out, |_| Style::new())
}

fn write(leaks: &Leaks, detail: Detail, out: &mut dyn Write, style: fn(Tone) -> Style) -> io::Result<()> {
    let mut page = Page { out, style };
    head(&mut page, leaks)?;
    if leaks.status != Status::Invalid {
        quantities(&mut page, leaks)?;
        sites(&mut page, leaks, detail)?;
        tasks(&mut page, leaks)?;
    }
    warnings(&mut page, leaks)
}

fn tone(verdict: Verdict) -> Tone {
    match verdict {
        Verdict::Ok | Verdict::WarmUp => Tone::Good,
        Verdict::Inconclusive | Verdict::Retention | Verdict::Growing => Tone::Careful,
        Verdict::Leak => Tone::Bad,
    }
}

/// What a verdict means, in words.
fn meaning(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Ok => "nothing grows",
        Verdict::WarmUp => "something rose and slowed down, as a cache that fills",
        Verdict::Inconclusive => "too few operations to tell",
        Verdict::Retention => "the process keeps memory that the program has freed",
        Verdict::Growing => "something grows; that it goes on for ever is not confirmed",
        Verdict::Leak => "something is made in operations that is never freed",
    }
}

fn head(page: &mut Page<'_>, leaks: &Leaks) -> io::Result<()> {
    let variant = if leaks.variant.is_empty() { String::new() } else { format!(" ({})", leaks.variant) };
    let title = page.toned(Tone::Heading, &visible(&format!("{}{variant}", leaks.workload)));
    let reason = leaks.status_reason.as_ref().map(|reason| format!(": {}", visible(reason))).unwrap_or_default();
    if leaks.status == Status::Invalid {
        let status = page.toned(Tone::Bad, "INVALID");
        page.line(&format!("{title}  {status}{reason}"))?;
        return page.line("  of operations that failed nothing is said");
    }
    let verdict = page.toned(tone(leaks.verdict), leaks.verdict.name());
    let partial = if leaks.status == Status::Partial { page.toned(Tone::Careful, "  PARTIAL") } else { String::new() };
    page.line(&format!("{title}  {verdict}: {}{partial}{reason}", meaning(leaks.verdict)))?;
    page.safe(&format!(
        "  {} operations in {} rounds of {}, the first {} as warm-up, run {}",
        Unit::Count.show(leaks.operations as f64),
        leaks.rounds,
        Unit::Count.show(leaks.operations_per_round as f64),
        leaks.warm_up_rounds,
        leaks.run
    ))?;
    match leaks.operations_needed {
        Some(needed) => page.safe(&format!(
            "  about {} operations would decide: --until decided, or --operations with more in each round",
            Unit::Count.show(needed as f64)
        )),
        None => Ok(()),
    }
}

/// `1.03 kB`, `[1.02 kB, 1.04 kB]`.
fn cells(rate: Option<Rate>, unit: Unit) -> [String; 2] {
    match rate {
        Some(rate) => {
            [unit.show_whole(rate.estimate), format!("[{}, {}]", unit.show_whole(rate.low), unit.show_whole(rate.high))]
        }
        None => ["-".to_owned(), "-".to_owned()],
    }
}

fn quantities(page: &mut Page<'_>, leaks: &Leaks) -> io::Result<()> {
    page.heading("What the process has", "after the first round and after the last; growth per operation")?;
    let right = Side::Right;
    let mut table = Table::new(&[
        ("quantity", Side::Left),
        ("verdict", Side::Left),
        ("per operation", right),
        ("95 % interval", Side::Left),
        ("first", right),
        ("last", right),
    ]);
    for judged in &leaks.quantities {
        table.row(row(judged));
    }
    table.show(page)
}

fn row(judged: &Judged) -> [String; 6] {
    let [rate, interval] = cells(judged.rate, judged.unit);
    [
        shorten(&judged.name, NAME),
        judged.verdict.name().to_owned(),
        rate,
        interval,
        judged.unit.show(judged.first),
        judged.unit.show(judged.last),
    ]
}

fn sites(page: &mut Page<'_>, leaks: &Leaks, detail: Detail) -> io::Result<()> {
    if leaks.sites.is_empty() {
        return Ok(());
    }
    page.heading("Call sites that are not flat", "what they allocated and is still alive, per operation")?;
    let right = Side::Right;
    let mut table = Table::new(&[
        ("call site", Side::Left),
        ("verdict", Side::Left),
        ("bytes", right),
        ("95 % interval", Side::Left),
        ("blocks", right),
        ("alive", right),
        ("at", Side::Left),
    ]);
    let most = if detail == Detail::All { leaks.sites.len() } else { TOP };
    for site in leaks.sites.iter().take(most) {
        let [bytes, interval] = cells(site.rate, Unit::Bytes);
        table.row([
            shorten(&site.function, NAME),
            site.verdict.name().to_owned(),
            bytes,
            interval,
            cells(site.blocks, Unit::Count)[0].clone(),
            Unit::Bytes.show(site.live_bytes),
            site.place.clone(),
        ]);
    }
    table.show(page)?;
    if leaks.sites.len() > most {
        page.line(&format!("  … {} more (-v lists them)", leaks.sites.len() - most))?;
    }
    leaks.sites.iter().filter(|site| site.verdict == Verdict::Leak).take(most).try_for_each(|site| stack(page, site))
}

fn stack(page: &mut Page<'_>, site: &JudgedSite) -> io::Result<()> {
    page.line("")?;
    page.safe(&format!(
        "  `{}`: first seen after {} operations, last grown after {}",
        shorten(&site.function, NAME),
        Unit::Count.show(site.first_seen as f64),
        Unit::Count.show(site.last_grown as f64)
    ))?;
    // From the function that is blamed on: what lies between it and the allocation is the standard library's.
    let from = site.stack.iter().position(|frame| crate::record::name::readable(&frame.function) == site.function);
    for frame in site.stack.iter().skip(from.unwrap_or(0)).take(FRAMES) {
        page.safe(&format!("      {}", place(frame)))?;
    }
    if site.task.is_empty() || site.task == crate::record::stacks::OUTSIDE_TASKS {
        return Ok(());
    }
    page.safe(&format!("      in a task spawned at {}", site.task))
}

fn tasks(page: &mut Page<'_>, leaks: &Leaks) -> io::Result<()> {
    if leaks.tasks.is_empty() {
        return Ok(());
    }
    page.heading("Tasks that do not end", "by the place where they were spawned")?;
    let right = Side::Right;
    let mut table = Table::new(&[
        ("spawned at", Side::Left),
        ("verdict", Side::Left),
        ("per operation", right),
        ("95 % interval", Side::Left),
        ("first", right),
        ("last", right),
    ]);
    for judged in &leaks.tasks {
        table.row(row(judged));
    }
    table.show(page)
}

fn warnings(page: &mut Page<'_>, leaks: &Leaks) -> io::Result<()> {
    if leaks.warnings.is_empty() {
        return Ok(());
    }
    page.heading("Warnings", "")?;
    leaks.warnings.iter().try_for_each(|warning| page.paragraph(2, Some(Tone::Careful), &warning.message))
}
