//! A comparison as a comment on a pull request: the verdict and what changed first, the rest folded away. Never longer than a comment
//! may be: rows that do not fit are counted, and nothing is cut within a row, a block or a letter.

mod escape;
mod sheet;

use std::io::{self, Write};

use self::escape::{code, fenced, prose};
use self::sheet::{Block, Sheet};
use super::text::summary;
use super::{Detail, Format, Judgement, Kind, tables, words};
use crate::compare::{AllocatorChange, Comparison, FunctionChange, Judged, Kept, MetricChange, Objective, Verdict};
use crate::report::table::{clip, shorten};
use crate::unit::{Unit, factor};

pub(super) static FORMAT: Format = Format { name: "markdown", about: "a comment for a pull request", render };

/// The first line, by which a later comment finds the one to replace.
const MARKER: &str = "<!-- perfkit -->";

/// What a comment may hold; GitHub refuses more than 65,536 characters.
const MOST: usize = 60_000;

/// What a workload may take even where there are too many for all.
const LEAST: usize = 1500;

/// Rows of what changed in one workload; who wants more has the other formats.
const ROWS: usize = 50;

fn render(judgement: &Judgement<'_>, out: &mut dyn Write) -> io::Result<()> {
    let (head, again) = (head(judgement), again(judgement.command));
    let mut sheet = Sheet::new(MOST.saturating_sub(head.len() + again.len()), LEAST);
    // What matters most gets its room first, in every workload; then what is folded away.
    let mut standing = Vec::new();
    for (index, judged) in worst_first(judgement.judged).into_iter().enumerate() {
        let place = sheet.add(&important(judgement.kind, judged), judgement.judged.len() - index);
        standing.extend(place.map(|place| (place, judged)));
    }
    for (index, (place, judged)) in standing.iter().enumerate() {
        let blocks = folded(judged);
        for (number, block) in blocks.iter().enumerate() {
            sheet.add_to(*place, block, standing.len() - index + blocks.len() - number - 1);
        }
    }
    write!(out, "{head}{}{again}", sheet.finish())
}

/// Workloads that failed, then those that nothing can be said of, then the rest; each as they came.
fn worst_first(judged: &[Judged]) -> Vec<&Judged> {
    let missed = |judged: &Judged| judged.held_to().iter().any(|objective| objective.kept == Kept::Missed);
    let mut sorted: Vec<&Judged> = judged.iter().collect();
    sorted.sort_by_key(|judged| match judged.verdict {
        Verdict::Regressed => 0,
        _ if missed(judged) => 0,
        Verdict::NotCompared => 1,
        Verdict::Inconclusive => 2,
        Verdict::Improved | Verdict::Unchanged => 3,
    });
    sorted
}

fn head(judgement: &Judgement<'_>) -> String {
    let title = prose(&clip(judgement.title, 100));
    let verdict = format!("{} {}", words::word(judgement.verdict), words::mark(judgement.verdict));
    let mut head = format!("{MARKER}\n## {title}: {verdict}\n\n");
    if judgement.kind == Kind::Check {
        head.push_str(&format!("{}\n\n", summary(judgement)));
    }
    head
}

/// How to do it again. A command that is cut would do something else: such a one is left out.
fn again(command: &str) -> String {
    if command.is_empty() || command.len() > 2000 {
        return String::new();
    }
    format!("To do it again:\n\n{}\n", fenced(command))
}

/// The verdict of a workload, what led to it, and what a reader must see.
fn important(kind: Kind, judged: &Judged) -> Block {
    // A single comparison has said its verdict in the title.
    let verdict = match kind {
        Kind::Check => format!(": {} {}", words::word(judged.verdict), words::mark(judged.verdict)),
        Kind::Comparison => String::new(),
    };
    let mut open = format!("### {}{verdict}\n\n", code(&shorten(&judged.workload, words::NAME)));
    if let Some(comparison) = &judged.comparison {
        open.push_str(&sides(comparison));
    }
    for reason in words::reasons(judged) {
        open.push_str(&format!("{}\n\n", prose(&clip(reason, 600))));
    }
    for line in judged.comparison.iter().filter_map(|both| both.spread.as_ref()).flat_map(words::spread) {
        open.push_str(&format!("{}\n\n", prose(&line)));
    }
    let objectives = |kept: Kept| {
        let these = judged.held_to().iter().filter(move |objective| objective.kept == kept);
        these.map(objective_row)
    };
    let changes = judged.comparison.iter().flat_map(changed).map(row);
    let rows: Vec<String> = objectives(Kept::Missed).chain(changes).chain(objectives(Kept::NotShown)).collect();
    if !rows.is_empty() {
        open.push_str(&metrics_head(&words::interval_heading(judged.comparison.as_ref())));
    }
    Block { open, rows, most: ROWS, close: "\n".to_owned(), name: "workloads" }
}

fn sides(comparison: &Comparison) -> String {
    let mut text = format!(
        "base ({}) → head ({})\n\n",
        code(&words::side(&comparison.base)),
        code(&words::side(&comparison.head))
    );
    for (name, side) in [("base", &comparison.base), ("head", &comparison.head)] {
        if let Some(trouble) = words::trouble(side) {
            text.push_str(&format!("**{name} is {}**\n\n", prose(&trouble)));
        }
    }
    text
}

/// Whether a reader must see it: it decides, and it did not stay as it was.
fn is_shown(change: &MetricChange) -> bool {
    change.gated && (words::stands_out(change) || change.verdict == Verdict::Inconclusive)
}

/// What a reader must see, the worst first.
fn changed(comparison: &Comparison) -> Vec<&MetricChange> {
    let mut changed: Vec<&MetricChange> = comparison.metrics.iter().filter(|change| is_shown(change)).collect();
    changed.sort_by_key(|change| rank(change));
    changed
}

fn rank(change: &MetricChange) -> u8 {
    match change.verdict {
        Verdict::Regressed if change.accepted => 3,
        Verdict::Regressed => 0,
        Verdict::NotCompared => 1,
        Verdict::Inconclusive => 2,
        Verdict::Improved => 4,
        Verdict::Unchanged => 5,
    }
}

fn metrics_head(interval: &str) -> String {
    format!("| metric | base | head | change | {interval} | verdict |\n|:--|--:|--:|--:|:--|:--|\n")
}

fn row(change: &MetricChange) -> String {
    let verdict = match change.verdict {
        Verdict::Regressed | Verdict::Improved => format!("**{}**", words::outcome(change)),
        _ => words::outcome(change),
    };
    let gated = if change.gated { "" } else { " (not gated)" };
    let note = words::note(change);
    let note = if note.is_empty() { note } else { format!("; {}", prose(&note)) };
    format!(
        "| {} | {} | {} | {} | {} | {} {verdict}{gated}{note} |\n",
        code(&shorten(&change.name, words::NAME)),
        words::figure(change.unit, change.base),
        words::figure(change.unit, change.head),
        words::extent(change),
        words::interval(change),
        words::mark(change.verdict),
    )
}

fn objective_row(objective: &Objective) -> String {
    let unit = objective.unit;
    let note =
        if objective.note.is_empty() { String::new() } else { format!("; {}", prose(&clip(&objective.note, 300))) };
    let (mark, verdict) = (words::kept_mark(objective.kept), words::kept(objective.kept));
    let verdict = if objective.kept == Kept::Missed { format!("**{verdict}**") } else { verdict.to_owned() };
    format!(
        "| objective {} | | {} | | {} | {mark} {verdict}{note} |\n",
        code(&shorten(&objective.objective, words::NAME)),
        words::figure(unit, objective.value),
        words::range_or_dash(objective.low, objective.high, |end| unit.show(end)),
    )
}

/// What is folded away: the other metrics, functions, shape, warnings, how it was compared.
fn folded(judged: &Judged) -> Vec<Block> {
    let mut blocks = Vec::new();
    if let Some(comparison) = &judged.comparison {
        let mut rest: Vec<&MetricChange> = comparison.metrics.iter().filter(|change| !is_shown(change)).collect();
        rest.sort_by_key(|change| (!change.gated, rank(change)));
        if !rest.is_empty() {
            let counts = words::counts(rest.iter().map(|change| change.verdict));
            let head = metrics_head(&words::interval_heading(Some(comparison)));
            let rows = rest.into_iter().map(row).collect();
            blocks.push(details(&format!("Other metrics: {counts}"), &head, rows));
        }
        blocks.extend(functions(comparison));
        blocks.extend(allocators(comparison));
        blocks.extend(shape(comparison));
    }
    let met: Vec<String> =
        judged.held_to().iter().filter(|objective| objective.kept == Kept::Met).map(objective_row).collect();
    if !met.is_empty() {
        let head = metrics_head(&words::interval_heading(judged.comparison.as_ref()));
        blocks.push(details(&format!("Objectives that are met: {}", met.len()), &head, met));
    }
    blocks.extend(judged.comparison.as_ref().map(|comparison| setting(judged, comparison)));
    blocks
}

/// A block that is folded; its parts stand and fall together.
fn details(summary: &str, head: &str, rows: Vec<String>) -> Block {
    Block {
        open: format!("<details><summary>{summary}</summary>\n\n{head}"),
        rows,
        most: usize::MAX,
        close: "\n</details>\n\n".to_owned(),
        name: "sections",
    }
}

fn functions(comparison: &Comparison) -> Option<Block> {
    if comparison.functions.is_empty() {
        return None;
    }
    let summary = format!("CPU time per operation: {}", words::functions(comparison));
    let shown = tables::changed_functions(comparison, Detail::Changed);
    let head = function_head(comparison, shown.len());
    Some(details(&summary, &head, shown.into_iter().map(function_row).collect()))
}

fn function_head(comparison: &Comparison, rows: usize) -> String {
    if rows == 0 {
        return "No function changed.\n".to_owned();
    }
    let interval = words::interval_heading(Some(comparison));
    format!("| function | base | head | change | {interval} | verdict |\n|:--|--:|--:|--:|:--|:--|\n")
}

fn function_row(function: &FunctionChange) -> String {
    let note =
        if function.note.is_empty() { String::new() } else { format!("; {}", prose(&clip(&function.note, 300))) };
    format!(
        "| {} | {} | {} | {} | {} | {} {}{note} |\n",
        code(&shorten(&function.name, tables::FUNCTION)),
        words::figure(Unit::Ns, Some(function.base_ns_per_op)),
        words::figure(Unit::Ns, Some(function.head_ns_per_op)),
        tables::function_change(function),
        words::range_or_dash(function.low, function.high, factor),
        words::mark(function.verdict),
        words::word(function.verdict),
    )
}

fn allocators(comparison: &Comparison) -> Option<Block> {
    if comparison.allocators.is_empty() {
        return None;
    }
    let summary = format!("Bytes allocated per operation: {}", words::allocators(comparison));
    let shown = tables::changed_allocators(comparison, Detail::Changed);
    let row = |change: &AllocatorChange| {
        format!(
            "| {} | {} | {} | {} | {} | {} {} |\n",
            code(&shorten(&change.name, tables::FUNCTION)),
            words::figure(Unit::Bytes, Some(change.base_bytes_per_op)),
            words::figure(Unit::Bytes, Some(change.head_bytes_per_op)),
            tables::allocator_change(change),
            tables::allocator_range(change),
            words::mark(change.verdict),
            words::word(change.verdict),
        )
    };
    let head = function_head(comparison, shown.len());
    Some(details(&summary, &head, shown.into_iter().map(row).collect()))
}

fn shape(comparison: &Comparison) -> Option<Block> {
    let shape = comparison.shape.as_ref()?;
    let mut head =
        if shape.note.is_empty() { String::new() } else { format!("{}\n\n", prose(&clip(&shape.note, 600))) };
    head.push_str("| decile | base | head | change | band |\n|:--|--:|--:|--:|:--|\n");
    let row = |decile: &crate::compare::DecileChange| {
        format!(
            "| p{:.0} | {} | {} | {} | {} |\n",
            decile.share * 100.0,
            words::figure(Unit::Ns, Some(decile.base)),
            words::figure(Unit::Ns, Some(decile.head)),
            words::times(Some(decile.ratio)),
            words::range_or_dash(Some(decile.low), Some(decile.high), factor),
        )
    };
    Some(details("Shape of the latencies", &head, shape.deciles.iter().map(row).collect()))
}

/// How it was compared, what it can see, and what must be known beside it.
fn setting(judged: &Judged, comparison: &Comparison) -> Block {
    let said = [
        Some(words::setting(comparison)),
        words::sensitivity(comparison),
        words::more_rounds(comparison),
        judged.control.as_ref().map(|control| format!("control: {}", words::control_line(control))),
    ];
    let warnings = comparison
        .warnings
        .iter()
        .map(|warning| format!("{}: {}", clip(&warning.code, words::NAME), clip(&warning.message, 600)));
    let rows = said.into_iter().flatten().chain(warnings).map(|text| format!("* {}\n", prose(&text))).collect();
    let summary = match comparison.warnings.len() {
        0 => "How it was compared".to_owned(),
        1 => "How it was compared, 1 warning".to_owned(),
        count => format!("How it was compared, {count} warnings"),
    };
    details(&summary, "", rows)
}

#[cfg(test)]
mod tests;
