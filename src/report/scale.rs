//! What users cost, as tables and as one JSON document. Computes nothing; of a level whose operations failed it shows the reason and
//! no figure.

use std::io::{self, Write};

use anstyle::Style;

use super::human;
use super::page::{Page, Tone};
use super::table::{Side, Table, shorten, visible};
use crate::analysis::scale::{Estimate, Fit, Level, Scale};
use crate::record::Status;
use crate::unit::{Unit, percent};

/// Longest name that is shown whole.
const NAME: usize = 60;
/// The columns of a level: the metric and its heading.
const COLUMNS: [(&str, &str); 7] = [
    ("success_rate", "good"),
    ("throughput", "throughput"),
    ("latency.p50", "p50"),
    ("latency.p95", "p95"),
    ("cpu.per_op", "CPU/op"),
    ("memory.peak", "heap at its peak"),
    ("rss.max", "resident"),
];

/// Writes the document.
///
/// # Errors
/// It could not be written.
pub fn json(scale: &Scale, out: &mut dyn Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, scale).map_err(io::Error::from)?;
    writeln!(out)
}

/// Writes tables for a terminal.
///
/// # Errors
/// They could not be written.
pub fn human(scale: &Scale, out: &mut dyn Write) -> io::Result<()> {
    write(scale, out, human::style)
}

/// Writes tables without colour.
///
/// # Errors
/// They could not be written.
pub fn text(scale: &Scale, out: &mut dyn Write) -> io::Result<()> {
    write(scale, out, |_| Style::new())
}

fn write(scale: &Scale, out: &mut dyn Write, style: fn(Tone) -> Style) -> io::Result<()> {
    let mut page = Page { out, style };
    let variant = if scale.variant.is_empty() { String::new() } else { format!(" ({})", scale.variant) };
    let title = page.toned(Tone::Heading, &visible(&format!("{}{variant}", scale.workload)));
    page.line(&title)?;
    for fit in &scale.fits {
        fitted(&mut page, fit)?;
    }
    levels(&mut page, scale)?;
    functions(&mut page, scale)?;
    if scale.warnings.is_empty() {
        return Ok(());
    }
    page.heading("Warnings", "of any of the runs")?;
    scale.warnings.iter().try_for_each(|warning| page.paragraph(2, Some(Tone::Careful), &warning.message))
}

/// What a metric is called in a sentence.
fn spoken(metric: &str) -> &str {
    match metric {
        "memory.peak" => "heap at its peak",
        "rss.max" => "resident memory",
        other => other,
    }
}

fn shown(unit: Unit, value: Estimate) -> String {
    let interval = value.low.zip(value.high).map(|(low, high)| format!(" [{}, {}]", unit.show(low), unit.show(high)));
    format!("{}{}", unit.show(value.estimate), interval.unwrap_or_default())
}

fn fitted(page: &mut Page<'_>, fit: &Fit) -> io::Result<()> {
    let name = spoken(&fit.metric);
    let text = match (fit.bend, fit.per_user, fit.at_zero) {
        (Some(bend), ..) => {
            let (before, after) = (shown(fit.unit, bend.before), shown(fit.unit, bend.after));
            format!("{name}: {before} per user up to about {} users, {after} from there on", bend.users)
        }
        (None, Some(per_user), Some(at_zero)) => {
            format!("{name}: {} per user, and {} without any", shown(fit.unit, per_user), shown(fit.unit, at_zero))
        }
        _ => format!("{name}: {}", fit.note),
    };
    page.safe(&format!("  {text}"))?;
    if fit.per_user.is_some() && !fit.note.is_empty() {
        return page.safe(&format!("      {}", fit.note));
    }
    Ok(())
}

fn levels(page: &mut Page<'_>, scale: &Scale) -> io::Result<()> {
    page.heading("With more users", "means over rounds")?;
    let has = |name: &str| scale.levels.iter().any(|level| level.metrics.iter().any(|metric| metric.name == name));
    let columns: Vec<(&str, &str)> = COLUMNS.into_iter().filter(|(name, _)| has(name)).collect();
    let mut headings = vec![("users", Side::Right)];
    headings.extend(columns.iter().map(|(_, heading)| (*heading, Side::Right)));
    headings.push(("run", Side::Left));
    let mut table = Table::new(&headings);
    for level in &scale.levels {
        let mut cells = vec![Unit::Count.show(f64::from(level.users))];
        cells.extend(columns.iter().map(|(name, _)| cell(level, name)));
        cells.push(level.run.clone());
        table.row(cells);
        match (level.status, &level.status_reason) {
            (Status::Complete, _) => {}
            (Status::Partial, reason) => table.remark(&format!("partial: {}", reason.as_deref().unwrap_or(""))),
            (Status::Invalid, reason) => {
                table.remark(&format!("INVALID, not part of the lines: {}", reason.as_deref().unwrap_or("")));
            }
        }
    }
    table.show(page)
}

fn cell(level: &Level, name: &str) -> String {
    let metric = level.metrics.iter().find(|metric| metric.name == name);
    metric.map_or_else(|| "-".to_owned(), |metric| metric.unit.show(metric.value.estimate))
}

fn functions(page: &mut Page<'_>, scale: &Scale) -> io::Result<()> {
    if scale.functions.is_empty() {
        return Ok(());
    }
    page.heading(
        "What holds it",
        "bytes alive at the heap's peak that each user adds, by the function that allocated",
    )?;
    let right = Side::Right;
    let mut table = Table::new(&[
        ("per user", right),
        ("95 % interval", Side::Left),
        ("share", right),
        ("function", Side::Left),
        ("at", Side::Left),
    ]);
    for function in &scale.functions {
        let value = function.per_user;
        let interval = value.low.zip(value.high);
        let interval = interval.map(|(low, high)| format!("[{}, {}]", Unit::Bytes.show(low), Unit::Bytes.show(high)));
        table.row([
            Unit::Bytes.show(value.estimate),
            interval.unwrap_or_default(),
            function.share.map_or_else(|| "-".to_owned(), |share| Unit::Ratio.show(share)),
            shorten(&function.function, NAME),
            function.place.clone(),
        ]);
    }
    table.show(page)?;
    page.line(&format!(
        "  shares of the heap's rise; functions whose {} interval begins above zero",
        percent(scale.confidence)
    ))
}
