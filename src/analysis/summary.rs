//! The figures that every report shows, computed once: means over rounds with their 95 % intervals, shares, rankings.

#[cfg(test)]
pub(crate) mod sample;
pub mod samplers;
pub mod stalls;

use crate::record::{Function, Metric, Run, Site, name};
use crate::stats::{describe, interval};
use crate::unit::Unit;

/// The confidence of every interval that is shown.
pub const CONFIDENCE: f64 = 0.95;

/// A metric over its rounds.
#[derive(Clone, Debug, PartialEq)]
pub struct Figure {
    /// The metric's name.
    pub name: String,
    /// Its unit.
    pub unit: Unit,
    /// The mean of the rounds.
    pub mean: f64,
    /// The 95 % interval of the mean, where there are at least two rounds.
    pub interval: Option<(f64, f64)>,
    /// Rounds it was measured in.
    pub rounds: usize,
    /// Whether it is only a lower bound.
    pub lower_bound: bool,
}

/// A function with its part of the CPU time.
#[derive(Clone, Debug, PartialEq)]
pub struct HotFunction {
    /// Readable name.
    pub name: String,
    /// `file:line`, where known.
    pub place: String,
    /// CPU time in it per operation, plumbing it calls included unless all frames are shown.
    pub self_ns: f64,
    /// CPU time in it and all it calls, per operation.
    pub total_ns: f64,
    /// `self_ns` as a part of all.
    pub self_share: f64,
    /// `total_ns` as a part of all.
    pub total_share: f64,
}

/// A call site with its part of the bytes.
#[derive(Clone, Debug, PartialEq)]
pub struct HotSite {
    /// The nearest function of the program, and the call path above it.
    pub name: String,
    /// `file:line`, where known.
    pub place: String,
    /// Who called it, nearest first.
    pub callers: Vec<String>,
    /// Bytes per operation.
    pub bytes: f64,
    /// Blocks per operation.
    pub blocks: f64,
    /// `bytes` as a part of all.
    pub share: f64,
}

/// Whether runtime plumbing is charged to its callers or shown for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Frames {
    /// Charged to the program's functions.
    Program,
    /// Shown as it is.
    All,
}

/// A metric's figure, if it was measured in any round.
#[must_use]
pub fn figure(run: &Run, metric: &str) -> Option<Figure> {
    run.metric(metric).and_then(|found| of_metric(run, found))
}

/// All metrics with the given beginning of the name.
#[must_use]
pub fn figures(run: &Run, prefix: &str) -> Vec<Figure> {
    let wanted = run.metrics.iter().filter(|metric| metric.name.starts_with(prefix));
    wanted.filter_map(|metric| of_metric(run, metric)).collect()
}

fn of_metric(run: &Run, metric: &Metric) -> Option<Figure> {
    let values = metric.finite();
    let mean = describe::mean(&values)?;
    // A t-interval knows no bounds; the quantity does.
    let (least, most) = (if values.iter().all(|v| *v >= 0.0) { 0.0 } else { f64::NEG_INFINITY }, largest(metric));
    let interval = interval::mean(&values, CONFIDENCE).map(|i| (i.low.max(least), i.high.min(most)));
    let bound = |warning: &crate::warning::Warning| {
        warning.code == "censored" && warning.message.split(' ').next() == Some(metric.name.as_str())
    };
    Some(Figure {
        name: metric.name.clone(),
        unit: metric.unit,
        mean,
        interval,
        rounds: values.len(),
        lower_bound: run.warnings.iter().any(bound),
    })
}

/// The largest value the metric can have.
fn largest(metric: &Metric) -> f64 {
    if metric.name == "success_rate" || metric.name.ends_with("busy_ratio") { 1.0 } else { f64::INFINITY }
}

/// The functions with the most CPU time of their own.
#[must_use]
pub fn hot_functions(run: &Run, frames: Frames, most: usize) -> Vec<HotFunction> {
    ranked(run, frames, most, |_| true, |function| function.self_ns)
}

/// The functions with the most CPU time in them and in all they call. Unless all frames are wanted, those of libraries are
/// left out: the layers of a server around a handler all have its total, and say nothing.
#[must_use]
pub fn heavy_functions(run: &Run, frames: Frames, most: usize) -> Vec<HotFunction> {
    let own =
        |function: &Function| frames == Frames::All || !function.file.as_deref().is_some_and(name::is_library_file);
    ranked(run, frames, most, own, |function| function.total_ns)
}

fn ranked(
    run: &Run,
    frames: Frames,
    most: usize,
    wanted: impl Fn(&Function) -> bool,
    by: fn(&HotFunction) -> f64,
) -> Vec<HotFunction> {
    let mean = |values: &[f64]| describe::mean(values).unwrap_or(0.0);
    let whole: f64 = run.functions.iter().map(|function| mean(&function.self_ns_per_op)).sum();
    let shown = |function: &&Function| (frames == Frames::All || !function.plumbing) && wanted(function);
    let mut functions: Vec<HotFunction> = run
        .functions
        .iter()
        .filter(shown)
        .map(|function| {
            let own = match frames {
                Frames::Program => mean(&function.folded_self_ns_per_op),
                Frames::All => mean(&function.self_ns_per_op),
            };
            let total = mean(&function.total_ns_per_op);
            HotFunction {
                name: function.name.clone(),
                place: place(function.file.as_deref(), function.line),
                self_ns: own,
                total_ns: total,
                self_share: own / whole,
                total_share: total / whole,
            }
        })
        .filter(|function| by(function) > 0.0)
        .collect();
    functions.sort_by(|a, b| by(b).total_cmp(&by(a)).then_with(|| a.name.cmp(&b.name)));
    functions.truncate(most);
    functions
}

/// The crates that the program's own code is in: those with functions whose source is not a library's.
#[must_use]
pub fn own_crates(run: &Run) -> std::collections::BTreeSet<String> {
    let functions = run.functions.iter().map(|function| (function.name.as_str(), function.file.as_deref()));
    let stacks = run.sites.iter().map(|site| &site.stack).chain(run.stalls.iter().map(|stall| &stall.stack));
    let frames = stacks.flatten().map(|frame| (frame.function.as_str(), frame.file.as_deref()));
    let own = functions.chain(frames).filter(|(function, file)| {
        file.is_some_and(|file| !name::is_library_file(file)) && !name::is_plumbing(function, true)
    });
    own.map(|(function, _)| name::crate_of(function).to_owned()).filter(|of| !of.is_empty()).collect()
}

/// How the call sites are ranked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SiteOrder {
    /// By bytes per operation.
    Bytes,
    /// By blocks per operation.
    Blocks,
}

/// The call sites that allocate most.
#[must_use]
pub fn hot_sites(run: &Run, frames: Frames, order: SiteOrder, most: usize) -> Vec<HotSite> {
    let metric = if order == SiteOrder::Bytes { "heap.bytes_per_op" } else { "heap.blocks_per_op" };
    let whole = figure(run, metric).map_or(f64::NAN, |figure| figure.mean);
    let mut sums: Vec<HotSite> = Vec::new();
    for site in &run.sites {
        let hot = hot_site(site, frames);
        match sums.iter_mut().find(|known| known.name == hot.name && known.place == hot.place) {
            Some(known) => {
                known.bytes += hot.bytes;
                known.blocks += hot.blocks;
            }
            None => sums.push(hot),
        }
    }
    let by = |site: &HotSite| if order == SiteOrder::Bytes { site.bytes } else { site.blocks };
    for site in &mut sums {
        site.share = by(site) / whole;
    }
    sums.sort_by(|a, b| by(b).total_cmp(&by(a)).then_with(|| a.name.cmp(&b.name)));
    sums.retain(|site| by(site) > 0.0);
    sums.truncate(most);
    sums
}

fn hot_site(site: &Site, frames: Frames) -> HotSite {
    let program = |function: &str| frames == Frames::All || !name::is_plumbing(function, true);
    let start = site.stack.iter().position(|frame| program(&frame.function)).unwrap_or(0);
    let frame = site.stack.get(start);
    let mut callers: Vec<String> = Vec::new();
    for caller in site.stack.iter().skip(start + 1).filter(|frame| program(&frame.function)) {
        let readable = name::readable(&caller.function);
        if callers.last() != Some(&readable) {
            callers.push(readable);
        }
    }
    HotSite {
        name: frame.map_or_else(|| "[unknown]".to_owned(), |frame| name::readable(&frame.function)),
        place: frame.map_or_else(String::new, |frame| place(frame.file.as_deref(), frame.line)),
        callers,
        bytes: site.bytes_per_op,
        blocks: site.blocks_per_op,
        share: 0.0,
    }
}

pub(super) fn place(file: Option<&str>, line: Option<u32>) -> String {
    match (file, line) {
        (Some(file), Some(line)) => format!("{file}:{line}"),
        (Some(file), None) => file.to_owned(),
        _ => String::new(),
    }
}

/// The part of the latency that lies outside the phase that spans most of an operation; `None` where that spans nearly
/// all of it, or where there are no phases.
#[must_use]
pub fn outside_phases(run: &Run) -> Option<(&str, f64)> {
    let widest = run.phases.iter().filter(|phase| phase.share.is_some());
    let widest = widest.max_by(|a, b| a.share.unwrap_or(0.0).total_cmp(&b.share.unwrap_or(0.0)))?;
    let outside = 1.0 - widest.share?;
    (outside >= 0.05).then_some((widest.name.as_str(), outside))
}

/// Good operations of all, and what became of the rest, in one sentence.
#[must_use]
pub fn outcome(run: &Run) -> String {
    let operations = &run.operations;
    if run.foreign.is_some() && operations.planned == 0 {
        return "its operations were not counted".to_owned();
    }
    let count = |number: u64| Unit::Count.show(number as f64);
    let rate = operations.success_rate().map_or_else(|| "none measured".to_owned(), |rate| Unit::Ratio.show(rate));
    let mut text = format!("{} of {} operations succeeded ({rate})", count(operations.ok), count(operations.planned));
    for (number, word) in
        [(operations.failed, "failed"), (operations.timed_out, "timed out"), (operations.dropped, "were dropped")]
    {
        if number > 0 {
            text.push_str(&format!(", {} {word}", count(number)));
        }
    }
    text
}
