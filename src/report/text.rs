//! The bottleneck report as plain text: verdict, latencies, stalls, phases, functions, call sites, tasks, resources, findings.
//! An invalid run shows its failures and no latency.

mod samplers;
mod stalls;

use std::io::{self, Write};

use anstyle::Style;

use super::page::{Page, Tone};
use super::table::{Side, Table, shorten, visible};
use super::{Format, Report};
use crate::analysis::summary::{self, Figure, HotFunction, SiteOrder};
use crate::record::{Run, Severity, Status};
use crate::unit::Unit;

pub(super) static FORMAT: Format = Format {
    name: "text",
    about: "the bottleneck report as plain text",
    render: |report, out| write(report, out, |_| Style::new()),
};

/// Functions and call sites that are listed.
const TOP: usize = 10;
/// Longest function name that is shown whole.
const NAME: usize = 68;

/// Writes the report; `style` says how a tone looks.
pub(super) fn write(report: &Report<'_>, out: &mut dyn Write, style: fn(Tone) -> Style) -> io::Result<()> {
    let mut page = Page { out, style };
    let run = report.run;
    head(&mut page, run)?;
    if run.status == Status::Invalid {
        failures(&mut page, run)?;
    } else {
        if run.foreign.is_some() {
            // Its metrics have names of their own.
            let names: Vec<&str> = run.metrics.iter().map(|metric| metric.name.as_str()).collect();
            figures(&mut page, "Metrics", run, &names)?;
        } else {
            latencies(&mut page, run)?;
            stalls::write(&mut page, run)?;
        }
        phases(&mut page, run)?;
        functions(&mut page, report)?;
        samplers::write(&mut page, run)?;
        sites(&mut page, report)?;
        foreign(&mut page, run)?;
        figures(&mut page, "Tasks and runtime", run, TASKS)?;
        figures(&mut page, "Resources", run, RESOURCES)?;
        failures(&mut page, run)?;
    }
    findings(&mut page, run)?;
    warnings(&mut page, run)?;
    files(&mut page, report.files)
}

const TASKS: &[&str] = &[
    "operation.busy",
    "operation.scheduled",
    "operation.idle",
    "worker.polls_per_op",
    "poll.count_per_op",
    "poll.p99",
    "poll.max",
    "poll.slow",
    "schedule_delay.p99",
    "schedule_delay.max",
    "runtime.busy_ratio",
    "runtime.queue_depth.max",
    "runtime.blocking_queue.max",
    "runtime.tasks.max",
];

const RESOURCES: &[&str] = &[
    "cpu.per_op",
    "cpu.cores",
    "cpu.cores.max",
    "rss.max",
    "rss.growth",
    "vms.max",
    "threads.max",
    "descriptors.max",
    "io.read_per_op",
    "io.written_per_op",
    "switches.per_op",
];

fn head(page: &mut Page<'_>, run: &Run) -> io::Result<()> {
    let variant = if run.variant.is_empty() { String::new() } else { format!(" ({})", visible(&run.variant)) };
    let (tone, word) = match run.status {
        Status::Complete => (Tone::Good, "complete"),
        Status::Partial => (Tone::Careful, "PARTIAL"),
        Status::Invalid => (Tone::Bad, "INVALID"),
    };
    let title = page.toned(Tone::Heading, &format!("{}{variant}", visible(&run.workload)));
    let status = page.toned(tone, word);
    let reason = run.status_reason.as_ref().map(|reason| format!(": {}", visible(reason))).unwrap_or_default();
    page.line(&format!("{title}  {status}{reason}"))?;
    page.line(&format!("  {}", summary::outcome(run)))?;
    if let Some(foreign) = &run.foreign {
        let rounds = if run.load.rounds == 1 { "one round".to_owned() } else { format!("{} rounds", run.load.rounds) };
        return page.safe(&format!("  measured by another program ({foreign}), {rounds}, run {}", run.id));
    }
    page.safe(&format!("  {}", load_line(run)))?;
    let environment = &run.environment;
    let commit = environment.git_sha.as_ref().map(|sha| {
        let dirty = if environment.git_dirty == Some(true) { " with changes" } else { "" };
        format!(", commit {}{dirty}", sha.chars().take(8).collect::<String>())
    });
    page.safe(&format!(
        "  {}, {} cores, {} build{}, run {}",
        visible(environment.cpu_model.as_deref().unwrap_or("unknown processor")),
        environment.cores,
        environment.profile,
        commit.unwrap_or_default(),
        run.id
    ))
}

fn load_line(run: &Run) -> String {
    let load = &run.load;
    let driven = match load.rate_per_s {
        Some(rate) => format!("open load at {}", Unit::PerS.show(rate)),
        None if load.users == 1 => "closed load of one user".to_owned(),
        None => format!("closed load of {} users", load.users),
    };
    let length = match (load.operations, load.duration_s) {
        (Some(operations), _) => format!("{operations} operations"),
        (None, Some(seconds)) => format!("{seconds} s"),
        (None, None) => "one go".to_owned(),
    };
    let services: Vec<String> = run
        .services
        .iter()
        .map(|(name, service)| format!("{name} {} {}", service.kind, visible(&service.version)))
        .collect();
    let services = if services.is_empty() { String::new() } else { format!("; {}", services.join(", ")) };
    format!(
        "{driven}, {} rounds of {length} for each pass ({}), {}{services}",
        load.rounds,
        load.passes.join(", "),
        load.runtime
    )
}

fn latencies(page: &mut Page<'_>, run: &Run) -> io::Result<()> {
    let figures = summary::figures(run, "latency.");
    if figures.is_empty() {
        return Ok(());
    }
    let from = if run.load.model == "open" { "from due to end" } else { "from start to end, closed load" };
    let from = if run.foreign.is_some() { String::new() } else { format!("{from}; ") };
    page.heading("Latency", &format!("{from}{}", over(figures[0].rounds)))?;
    let mut table = figure_table();
    for figure in &figures {
        table.row(figure_row(figure, "latency."));
    }
    for name in ["throughput", "success_rate", "lateness.p99"] {
        if let Some(figure) = summary::figure(run, name) {
            table.row(figure_row(&figure, ""));
        }
    }
    table.write(page.out)
}

/// What another program measured, under the names that it has there.
fn foreign(page: &mut Page<'_>, run: &Run) -> io::Result<()> {
    let is_latency = |name: &str| name.starts_with("latency.") && name.matches('.').count() == 1;
    let has_latencies = run.metrics.iter().any(|metric| is_latency(&metric.name));
    let shown = |name: &str| is_latency(name) || has_latencies && ["throughput", "success_rate"].contains(&name);
    let names = run.metrics.iter().map(|metric| metric.name.as_str()).filter(|name| !shown(name));
    let names: Vec<&str> = names.filter(|_| run.foreign.is_some()).collect();
    figures(page, "Figures", run, &names)
}

/// What the figures are means of.
fn over(rounds: usize) -> String {
    if rounds == 1 {
        "one round: no interval".to_owned()
    } else {
        format!("mean of {rounds} rounds with 95 % interval")
    }
}

fn figure_table() -> Table {
    Table::new(&[("", Side::Left), ("mean", Side::Right), ("95 % interval", Side::Left)])
}

fn figure_row(figure: &Figure, prefix: &str) -> Vec<String> {
    let name = figure.name.strip_prefix(prefix).unwrap_or(&figure.name);
    let bound = if figure.lower_bound { "≥ " } else { "" };
    let interval = match figure.interval {
        Some((low, high)) => format!("[{}, {}]", figure.unit.show(low), figure.unit.show(high)),
        None => "-".to_owned(),
    };
    vec![name.to_owned(), format!("{bound}{}", figure.unit.show(figure.mean)), interval]
}

fn figures(page: &mut Page<'_>, title: &str, run: &Run, names: &[&str]) -> io::Result<()> {
    let found: Vec<Figure> = names.iter().filter_map(|name| summary::figure(run, name)).collect();
    if found.is_empty() {
        return Ok(());
    }
    page.heading(title, &over(found[0].rounds))?;
    let mut table = figure_table();
    for figure in &found {
        table.row(figure_row(figure, ""));
    }
    table.write(page.out)
}

fn phases(page: &mut Page<'_>, run: &Run) -> io::Result<()> {
    if run.phases.is_empty() {
        return Ok(());
    }
    page.heading(
        "Phases",
        "mean of each passage; busy: holding its thread; share: of all latency, nested ones overlap",
    )?;
    let right = Side::Right;
    let mut table = Table::new(&[
        ("phase", Side::Left),
        ("count", right),
        ("mean", right),
        ("busy", right),
        ("scheduled", right),
        ("idle", right),
        ("max", right),
        ("share", right),
    ]);
    for phase in &run.phases {
        table.row([
            phase.name.clone(),
            Unit::Count.show(phase.count as f64),
            Unit::Ns.show(phase.mean_ns),
            Unit::Ns.show(phase.busy_ns),
            phase.scheduled_ns.map_or_else(|| "-".to_owned(), |ns| Unit::Ns.show(ns)),
            Unit::Ns.show(phase.idle_ns),
            Unit::Ns.show(phase.max_ns),
            phase.share.map_or_else(|| "-".to_owned(), |share| Unit::Ratio.show(share)),
        ]);
    }
    table.write(page.out)?;
    if let Some((name, share)) = summary::outside_phases(run) {
        let share = Unit::Ratio.show(share);
        page.safe(&format!(
            "  {share} of the latency lies outside `{name}`: on the way to it, or waiting for a thread"
        ))?;
    }
    Ok(())
}

fn functions(page: &mut Page<'_>, report: &Report<'_>) -> io::Result<()> {
    let lists = [
        ("Top functions by self CPU time", summary::hot_functions(report.run, report.frames, TOP)),
        ("Top functions of the program by total CPU time", summary::heavy_functions(report.run, report.frames, TOP)),
    ];
    for (title, functions) in lists {
        if functions.is_empty() {
            continue;
        }
        let title =
            if report.frames == summary::Frames::All { title.replace(" of the program", "") } else { title.to_owned() };
        let note = match report.frames {
            summary::Frames::Program => "per operation; tokio, std and libc charged to their callers (-v shows them)",
            summary::Frames::All => "per operation, all frames",
        };
        page.heading(&title, note)?;
        let mut table = Table::new(&[
            ("self", Side::Right),
            ("", Side::Right),
            ("total", Side::Right),
            ("", Side::Right),
            ("function", Side::Left),
            ("where", Side::Left),
        ]);
        for function in &functions {
            table.row(function_row(function));
        }
        table.write(page.out)?;
    }
    Ok(())
}

fn function_row(function: &HotFunction) -> Vec<String> {
    vec![
        Unit::Ns.show(function.self_ns),
        Unit::Ratio.show(function.self_share),
        Unit::Ns.show(function.total_ns),
        Unit::Ratio.show(function.total_share),
        shorten(&function.name, NAME),
        function.place.clone(),
    ]
}

fn sites(page: &mut Page<'_>, report: &Report<'_>) -> io::Result<()> {
    let run = report.run;
    let Some(bytes) = summary::figure(run, "heap.bytes_per_op") else { return Ok(()) };
    let show =
        |name: &str| summary::figure(run, name).map_or_else(|| "-".to_owned(), |figure| figure.unit.show(figure.mean));
    let note = format!(
        "{} in {} blocks per operation, peak {}, {} per operation still alive at the end",
        bytes.unit.show(bytes.mean),
        show("heap.blocks_per_op"),
        show("heap.peak"),
        show("heap.growth_per_op")
    );
    page.heading("Heap", &note)?;
    for (title, order) in [("bytes", SiteOrder::Bytes), ("blocks", SiteOrder::Blocks)] {
        let sites = summary::hot_sites(run, report.frames, order, TOP);
        if sites.is_empty() {
            continue;
        }
        page.line(&format!("  top call sites by {title} per operation"))?;
        let mut table = Table::new(&[
            ("bytes", Side::Right),
            ("blocks", Side::Right),
            ("share", Side::Right),
            ("function", Side::Left),
            ("where", Side::Left),
        ]);
        for site in sites {
            table.row([
                Unit::Bytes.show(site.bytes),
                Unit::Count.show(site.blocks),
                Unit::Ratio.show(site.share),
                shorten(&site.name, NAME),
                site.place,
            ]);
        }
        table.write(page.out)?;
    }
    Ok(())
}

fn failures(page: &mut Page<'_>, run: &Run) -> io::Result<()> {
    if run.operations.by_error.is_empty() {
        return Ok(());
    }
    page.heading("Failures", "by kind, with the first example of each")?;
    let mut table = Table::new(&[("count", Side::Right), ("kind", Side::Left), ("example", Side::Left)]);
    for error in run.operations.by_error.iter().take(TOP) {
        let example: String = error.example.chars().take(160).collect();
        table.row([Unit::Count.show(error.count as f64), error.kind.clone(), example]);
    }
    table.write(page.out)
}

fn findings(page: &mut Page<'_>, run: &Run) -> io::Result<()> {
    page.heading("Findings", "")?;
    if run.findings.is_empty() {
        return page.line("  none");
    }
    for finding in &run.findings {
        let tone = match finding.severity {
            Severity::Error => Tone::Bad,
            Severity::Warning => Tone::Careful,
            Severity::Info => Tone::Quiet,
        };
        let severity = page.toned(tone, finding.severity.name());
        page.line(&format!("  {severity} [{}] {}", visible(&finding.rule), visible(&finding.title)))?;
        page.line(&format!("    {}", visible(&finding.detail)))?;
        page.line(&format!("    next: {}", visible(&finding.next_step)))?;
    }
    Ok(())
}

fn warnings(page: &mut Page<'_>, run: &Run) -> io::Result<()> {
    if run.warnings.is_empty() {
        return Ok(());
    }
    page.heading("Warnings", "")?;
    for warning in &run.warnings {
        page.line(&format!("  [{}] {}", visible(&warning.code), visible(&warning.message)))?;
    }
    Ok(())
}

fn files(page: &mut Page<'_>, files: &[String]) -> io::Result<()> {
    if files.is_empty() {
        return Ok(());
    }
    page.heading("Files", "")?;
    files.iter().try_for_each(|file| page.line(&format!("  {}", visible(file))))
}
