//! The tables of a comparison on a page of text: metrics, functions, shape, objectives. What did not change is counted, not listed,
//! unless it decides or everything is asked for.

use std::io;

use super::{Detail, words};
use crate::compare::{
    AllocatorChange, Comparison, Control, FunctionChange, Judged, Kept, Method, MetricChange, Shape, Verdict,
};
use crate::report::page::{Page, Tone};
use crate::report::table::{Cell, Side, Table, clip, shorten};
use crate::unit::{Unit, percent};

/// Functions that are listed.
pub(super) const TOP: usize = 10;
/// Longest function name that is shown whole.
pub(super) const FUNCTION: usize = 56;

/// The metrics that decide; then what else changed, and how much did not.
pub(super) fn metrics(page: &mut Page<'_>, comparison: &Comparison, detail: Detail) -> io::Result<()> {
    let (gated, other): (Vec<&MetricChange>, Vec<&MetricChange>) =
        comparison.metrics.iter().partition(|change| change.gated);
    page.line("")?;
    if gated.is_empty() {
        page.line("  no metric decides: none is gated")?;
    } else if gated.iter().all(|change| change.note == comparison.reason) {
        // One reason for all of them stands above; a table of dashes would only repeat it.
        return page.line(&format!("  none of the {} metrics was compared", comparison.metrics.len()));
    } else {
        changes(page, &words::interval_heading(Some(comparison)), &gated)?;
    }
    let rounds: Vec<String> =
        [words::sensitivity(comparison), words::more_rounds(comparison)].into_iter().flatten().collect();
    if !rounds.is_empty() {
        page.line("")?;
    }
    for text in rounds {
        page.paragraph(2, Some(Tone::Quiet), &text)?;
    }
    let (shown, rest): (Vec<&MetricChange>, Vec<&MetricChange>) =
        other.into_iter().partition(|change| detail == Detail::All || words::stands_out(change));
    if !shown.is_empty() {
        page.heading("Also measured", "these do not decide")?;
        changes(page, &words::interval_heading(Some(comparison)), &shown)?;
    }
    if rest.is_empty() {
        return Ok(());
    }
    if shown.is_empty() {
        page.line("")?;
    }
    let more = if shown.is_empty() { "other" } else { "more" };
    let counts = words::counts(rest.iter().map(|change| change.verdict));
    page.paragraph(2, Some(Tone::Quiet), &format!("… {} {more} metrics: {counts} (-v lists them)", rest.len()))
}

fn changes(page: &mut Page<'_>, interval: &str, metrics: &[&MetricChange]) -> io::Result<()> {
    let right = Side::Right;
    let mut table = Table::new(&[
        ("metric", Side::Left),
        ("base", right),
        ("head", right),
        ("change", right),
        (interval, Side::Left),
        ("verdict", Side::Left),
    ]);
    for change in metrics {
        let verdict = format!("{} {}", words::mark(change.verdict), words::outcome(change));
        table.row([
            Cell::from(shorten(&change.name, words::NAME)),
            words::figure(change.unit, change.base).into(),
            words::figure(change.unit, change.head).into(),
            words::extent(change).into(),
            words::interval(change).into(),
            Cell::toned(words::outcome_tone(change), &verdict),
        ]);
        table.remark(&words::note(change));
    }
    table.show(page)
}

/// The functions that changed, and how many were compared.
pub(super) fn functions(page: &mut Page<'_>, comparison: &Comparison, detail: Detail) -> io::Result<()> {
    if comparison.functions.is_empty() {
        return Ok(());
    }
    page.heading("Functions", "CPU time per operation in the function itself; total: with all that it calls")?;
    let shown = changed_functions(comparison, detail);
    if !shown.is_empty() {
        let mut table = of_functions(comparison, &[("total", Side::Right)]);
        for function in &shown {
            let verdict = format!("{} {}", words::mark(function.verdict), words::word(function.verdict));
            table.row([
                Cell::from(words::figure(Unit::Ns, Some(function.base_ns_per_op))),
                words::figure(Unit::Ns, Some(function.head_ns_per_op)).into(),
                function_change(function).into(),
                words::range_or_dash(function.low, function.high, crate::unit::factor).into(),
                words::times(function.total.ratio).into(),
                Cell::toned(words::tone(function.verdict), &verdict),
                shorten(&function.name, FUNCTION).into(),
            ]);
            table.remark(&clip(&function.note, 300));
        }
        table.show(page)?;
    }
    page.paragraph(2, Some(Tone::Quiet), &format!("… {}", words::functions(comparison)))
}

/// The functions whose allocation changed, and how many were compared.
pub(super) fn allocators(page: &mut Page<'_>, comparison: &Comparison, detail: Detail) -> io::Result<()> {
    if comparison.allocators.is_empty() {
        return Ok(());
    }
    page.heading(
        "Allocation by function",
        "bytes and blocks per operation, charged to the program's nearest function",
    )?;
    let shown = changed_allocators(comparison, detail);
    if !shown.is_empty() {
        let mut table = of_functions(comparison, &[("blocks", Side::Right), ("", Side::Left)]);
        for allocator in &shown {
            let verdict = format!("{} {}", words::mark(allocator.verdict), words::word(allocator.verdict));
            table.row([
                Cell::from(words::figure(Unit::Bytes, Some(allocator.base_bytes_per_op))),
                words::figure(Unit::Bytes, Some(allocator.head_bytes_per_op)).into(),
                allocator_change(allocator).into(),
                allocator_range(allocator).into(),
                words::figure(Unit::Count, Some(allocator.base_blocks_per_op)).into(),
                format!("→ {}", words::figure(Unit::Count, Some(allocator.head_blocks_per_op))).into(),
                Cell::toned(words::tone(allocator.verdict), &verdict),
                shorten(&allocator.name, FUNCTION).into(),
            ]);
            // A function without a ratio is new or gone, as it says.
            table.remark(if allocator.ratio.is_some() { &allocator.note } else { "" });
        }
        table.show(page)?;
    }
    page.paragraph(2, Some(Tone::Quiet), &format!("… {}", words::allocators(comparison)))
}

/// A table of functions in both runs; `more` stands between the interval and the verdict.
fn of_functions(comparison: &Comparison, more: &[(&str, Side)]) -> Table {
    let interval = words::interval_heading(Some(comparison));
    let right = Side::Right;
    let mut headings = vec![("base", right), ("head", right), ("change", right), (interval.as_str(), Side::Left)];
    headings.extend(more);
    headings.extend([("verdict", Side::Left), ("function", Side::Left)]);
    Table::new(&headings)
}

/// The functions whose allocation is worth a row.
pub(super) fn changed_allocators(comparison: &Comparison, detail: Detail) -> Vec<&AllocatorChange> {
    let changed = |change: &&AllocatorChange| matches!(change.verdict, Verdict::Regressed | Verdict::Improved);
    match detail {
        Detail::Changed => comparison.allocators.iter().filter(changed).take(TOP).collect(),
        Detail::All => comparison.allocators.iter().collect(),
    }
}

/// The change of what a function allocates: without base or head there is no ratio.
pub(super) fn allocator_change(change: &AllocatorChange) -> String {
    match change.ratio {
        None if change.base_bytes_per_op == 0.0 => "new".to_owned(),
        None if change.head_bytes_per_op == 0.0 => "gone".to_owned(),
        ratio => words::times(ratio),
    }
}

/// Its interval: of the ratio, or of the difference in bytes; what does not vary has none to show.
pub(super) fn allocator_range(change: &AllocatorChange) -> String {
    match (change.method, change.ratio) {
        (Some(Method::Exact), _) => "exact".to_owned(),
        (_, Some(_)) => words::range_or_dash(change.low, change.high, crate::unit::factor),
        (_, None) => words::range_or_dash(change.low, change.high, |end| Unit::Bytes.show_difference(end)),
    }
}

/// The functions that are worth a row.
pub(super) fn changed_functions(comparison: &Comparison, detail: Detail) -> Vec<&FunctionChange> {
    let changed = |function: &&FunctionChange| matches!(function.verdict, Verdict::Regressed | Verdict::Improved);
    match detail {
        Detail::Changed => comparison.functions.iter().filter(changed).take(TOP).collect(),
        Detail::All => comparison.functions.iter().collect(),
    }
}

/// The change of a function: one that was never seen in base has no ratio.
pub(super) fn function_change(function: &FunctionChange) -> String {
    match function.ratio {
        None if function.head_ns_per_op > 0.0 => "new".to_owned(),
        Some(_) if function.head_ns_per_op == 0.0 => "gone".to_owned(),
        ratio => words::times(ratio),
    }
}

/// How the distribution of latencies changed: deciles side by side, and modes where there are several; one line where no band says
/// that it did.
pub(super) fn shape(page: &mut Page<'_>, comparison: &Comparison, detail: Detail) -> io::Result<()> {
    let Some(shape) = &comparison.shape else { return Ok(()) };
    page.heading("Shape of the latencies", &shape_note(comparison, shape))?;
    page.paragraph(2, None, &clip(&shape.note, 600))?;
    let moved = shape.deciles.iter().any(|decile| decile.low > 1.0 || decile.high < 1.0)
        || shape
            .modes
            .iter()
            .any(|mode| mode.low.is_some_and(|low| low > 0.0) || mode.high.is_some_and(|high| high < 0.0));
    if !moved && detail == Detail::Changed {
        return page.paragraph(2, Some(Tone::Quiet), "… no decile is shown to differ (-v lists them)");
    }
    if !shape.deciles.is_empty() {
        let names: Vec<String> = shape.deciles.iter().map(|decile| format!("p{:.0}", decile.share * 100.0)).collect();
        let mut columns = vec![("", Side::Left)];
        columns.extend(names.iter().map(|name| (name.as_str(), Side::Right)));
        let mut table = Table::new(&columns);
        let mut row = |name: &str, show: fn(&crate::compare::DecileChange) -> String| {
            table.row(std::iter::once(name.to_owned()).chain(shape.deciles.iter().map(show)));
        };
        row("base", |decile| words::figure(Unit::Ns, Some(decile.base)));
        row("head", |decile| words::figure(Unit::Ns, Some(decile.head)));
        row("change", |decile| words::times(Some(decile.ratio)));
        row("from", |decile| crate::unit::factor(decile.low));
        row("to", |decile| crate::unit::factor(decile.high));
        table.show(page)?;
    }
    if shape.modes.len() > 1 {
        page.line("")?;
        modes(page, comparison, shape)?;
    }
    Ok(())
}

/// What the figures of the shape are.
pub(super) fn shape_note(comparison: &Comparison, shape: &Shape) -> String {
    let band = format!("from, to: {} band over all deciles together", percent(comparison.confidence));
    let (distance, p) = (words::figure(Unit::Ns, Some(shape.distance)), crate::unit::factor(shape.p));
    format!("{band}; energy distance {distance}, p {p}")
}

fn modes(page: &mut Page<'_>, comparison: &Comparison, shape: &Shape) -> io::Result<()> {
    let interval = format!("{} of the difference", words::interval_heading(Some(comparison)));
    let right = Side::Right;
    let mut table =
        Table::new(&[("mode around", right), ("share of base", right), ("of head", right), (&interval, Side::Left)]);
    for mode in &shape.modes {
        table.row([
            words::figure(Unit::Ns, Some(mode.center)),
            words::figure(Unit::Ratio, Some(mode.base_weight)),
            words::figure(Unit::Ratio, Some(mode.head_weight)),
            words::range_or_dash(mode.low, mode.high, |end| Unit::Ratio.show_difference(end)),
        ]);
    }
    table.show(page)
}

/// The objectives that head was held to.
pub(super) fn objectives(page: &mut Page<'_>, judged: &Judged) -> io::Result<()> {
    let held = judged.held_to();
    if held.is_empty() {
        return Ok(());
    }
    page.heading("Objectives", "of head, by the whole interval; margin: what is left to the target")?;
    let (interval, right) = (words::interval_heading(judged.comparison.as_ref()), Side::Right);
    let mut table = Table::new(&[
        ("objective", Side::Left),
        ("value", right),
        (&interval, Side::Left),
        ("margin", right),
        ("verdict", Side::Left),
    ]);
    for objective in held {
        let tone = match objective.kept {
            Kept::Met => Tone::Good,
            Kept::Missed => Tone::Bad,
            Kept::NotShown => Tone::Careful,
        };
        let unit = objective.unit;
        table.row([
            Cell::from(shorten(&objective.objective, words::NAME)),
            words::figure(unit, objective.value).into(),
            words::range_or_dash(objective.low, objective.high, |end| unit.show(end)).into(),
            words::margin(objective).into(),
            Cell::toned(tone, &format!("{} {}", words::kept_mark(objective.kept), words::kept(objective.kept))),
        ]);
        table.remark(&clip(&objective.note, 300));
    }
    table.show(page)
}

/// What a control saw that is not there.
pub(super) fn control(page: &mut Page<'_>, control: &Control) -> io::Result<()> {
    let seen: Vec<&MetricChange> = control.metrics.iter().filter(|change| words::stands_out(change)).collect();
    if seen.is_empty() { Ok(()) } else { changes(page, "interval", &seen) }
}
