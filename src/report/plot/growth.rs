//! What was alive after each round of a `leaks` session, drawn over the operations: live heap with the sites that hold most of it,
//! resident memory, and what is counted one by one. Computes nothing.

use std::io::{self, Write};

use plotters::prelude::*;

use super::{Area, COLOURS, axes, failed, legend, shown};
use crate::analysis::leaks::{self, Held};
use crate::record::growth::Growth;
use crate::record::{Run, name};
use crate::report::table::shorten;
use crate::unit::Unit;

const SIZE: (u32, u32) = (960, 900);
/// Functions that have a line of their own.
const SITES: usize = 4;
/// Room above the lines, where the legend is.
const HEADROOM: f64 = 1.5;
/// Longest name in the legend.
const NAME: usize = 48;

/// A line of a chart.
struct Line {
    name: String,
    values: Vec<f64>,
}

/// Draws a session as SVG.
///
/// # Errors
/// It could not be drawn or written.
pub fn growth(run: &Run, growth: &Growth, out: &mut dyn Write) -> io::Result<()> {
    let mut text = String::new();
    draw(run, growth, &mut text).map_err(io::Error::other)?;
    out.write_all(text.as_bytes())
}

fn draw(run: &Run, growth: &Growth, text: &mut String) -> Result<(), String> {
    let root = SVGBackend::with_string(text, SIZE).into_drawing_area();
    root.fill(&WHITE).map_err(failed)?;
    let variant = if run.variant.is_empty() { String::new() } else { format!(" ({})", run.variant) };
    let title = name::visible(&format!("{}{variant}: what is alive, over operations", run.workload));
    let area = root.titled(&title, ("sans-serif", 20)).map_err(failed)?;
    let quantity = |wanted: &str| {
        let found = growth.quantity(wanted);
        found.map(|quantity| Line { name: wanted.to_owned(), values: quantity.values.clone() })
    };
    let mut live: Vec<Line> = quantity("heap.live").into_iter().collect();
    let of_function = |held: Held| Line { name: shorten(&held.function, NAME), values: held.live_bytes };
    live.extend(leaks::by_function(run, SITES).into_iter().map(of_function));
    let counted = ["threads", "descriptors", "tasks"].into_iter().filter_map(quantity).collect();
    let charts = [
        ("live heap", Unit::Bytes, live),
        ("resident memory", Unit::Bytes, quantity("rss").into_iter().collect()),
        ("counted", Unit::Count, counted),
    ];
    let charts: Vec<(&str, Unit, Vec<Line>)> = charts.into_iter().filter(|(_, _, lines)| !lines.is_empty()).collect();
    for ((title, unit, lines), area) in charts.iter().zip(area.split_evenly((charts.len().max(1), 1))) {
        chart(&area, (title, *unit), &growth.operations, lines)?;
    }
    root.present().map_err(failed)
}

fn chart(area: &Area<'_>, (title, unit): (&str, Unit), operations: &[u64], lines: &[Line]) -> Result<(), String> {
    let most = lines.iter().flat_map(|line| &line.values).copied().fold(0.0, f64::max);
    let last = operations.last().copied().unwrap_or(1).max(1) as f64;
    let (scale, ending) = shown(unit, most);
    let mut chart = axes(area, title, ("operations", last), ((most / scale * HEADROOM).max(1.0), ending))?;
    for (line, colour) in lines.iter().zip(COLOURS.iter().cycle()) {
        let points =
            operations.iter().map(|operations| *operations as f64).zip(line.values.iter().map(|value| value / scale));
        chart
            .draw_series(LineSeries::new(points, colour.stroke_width(2)))
            .map_err(failed)?
            .label(line.name.clone())
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 16, y)], colour.stroke_width(2)));
    }
    legend(&mut chart)
}
