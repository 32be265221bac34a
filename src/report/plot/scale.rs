//! What a workload takes, drawn over the number of users: memory with its lines, throughput, latency. A point is a mean over rounds,
//! its bar the interval. Computes nothing.

use std::io::{self, Write};

use plotters::prelude::*;

use super::{Area, COLOURS, axes, failed, legend, shown};
use crate::analysis::scale::{Estimate, Fit, Scale};
use crate::record::name;
use crate::unit::Unit;

const SIZE: (u32, u32) = (960, 1200);
/// Room above the points, where the legend is.
const HEADROOM: f64 = 1.35;
/// The charts: what stands above, and the metrics.
const CHARTS: [(&str, &[&str]); 4] = [
    ("heap at its peak", &["memory.peak"]),
    ("resident memory", &["rss.max"]),
    ("throughput", &["throughput"]),
    ("latency", &["latency.p50", "latency.p95"]),
];

/// A metric over users.
struct Curve<'a> {
    name: &'a str,
    unit: Unit,
    points: Vec<(f64, Estimate)>,
    fit: Option<&'a Fit>,
}

/// Draws it as SVG.
///
/// # Errors
/// It could not be drawn or written.
pub fn scale(scale: &Scale, out: &mut dyn Write) -> io::Result<()> {
    let mut text = String::new();
    draw(scale, &mut text).map_err(io::Error::other)?;
    out.write_all(text.as_bytes())
}

fn draw(scale: &Scale, text: &mut String) -> Result<(), String> {
    let root = SVGBackend::with_string(text, SIZE).into_drawing_area();
    root.fill(&WHITE).map_err(failed)?;
    let variant = if scale.variant.is_empty() { String::new() } else { format!(" ({})", scale.variant) };
    let title = name::visible(&format!("{}{variant}: with more users", scale.workload));
    let area = root.titled(&title, ("sans-serif", 20)).map_err(failed)?;
    let curves = |names: &[&'static str]| names.iter().filter_map(|name| curve(scale, name)).collect::<Vec<_>>();
    let charts = CHARTS.map(|(title, names)| (title, curves(names)));
    let charts: Vec<(&str, Vec<Curve<'_>>)> = charts.into_iter().filter(|(_, curves)| !curves.is_empty()).collect();
    let last = scale.levels.last().map_or(1.0, |level| f64::from(level.users));
    for ((title, curves), area) in charts.iter().zip(area.split_evenly((charts.len().max(1), 1))) {
        chart(&area, title, last, curves)?;
    }
    root.present().map_err(failed)
}

/// A metric at each level that has it; `None` where none has.
fn curve<'a>(scale: &'a Scale, name: &'a str) -> Option<Curve<'a>> {
    let at = scale.levels.iter().flat_map(|level| level.metrics.iter().map(move |metric| (level.users, metric)));
    let own: Vec<_> = at.filter(|(_, metric)| metric.name == name).collect();
    let unit = own.first()?.1.unit;
    let points = own.into_iter().map(|(users, metric)| (f64::from(users), metric.value)).collect();
    Some(Curve { name, unit, points, fit: scale.fits.iter().find(|fit| fit.metric == name) })
}

fn chart(area: &Area<'_>, title: &str, last: f64, curves: &[Curve<'_>]) -> Result<(), String> {
    let ends = curves.iter().flat_map(|curve| &curve.points);
    let most = ends.map(|(_, value)| value.high.unwrap_or(value.estimate).max(value.estimate)).fold(0.0, f64::max);
    let (unit, ending) = shown(curves.first().map_or(Unit::Count, |curve| curve.unit), most);
    let highest = (most / unit * HEADROOM).max(f64::MIN_POSITIVE);
    let mut chart = axes(area, title, ("users", last * 1.02), (highest, ending))?;
    for (curve, colour) in curves.iter().zip(COLOURS.iter().cycle()) {
        let means = curve.points.iter().map(|(users, value)| (*users, value.estimate / unit));
        let path: Vec<(f64, f64)> = match curve.fit {
            Some(fit) => fit.line.iter().map(|(users, value)| (*users, value / unit)).collect(),
            None => means.clone().collect(),
        };
        let label = if curve.fit.is_some() { format!("{}, with its line", curve.name) } else { curve.name.to_owned() };
        chart
            .draw_series(LineSeries::new(path, colour.stroke_width(2)))
            .map_err(failed)?
            .label(label)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 16, y)], colour.stroke_width(2)));
        chart.draw_series(means.map(|at| Circle::new(at, 3, colour.filled()))).map_err(failed)?;
        let bars = curve.points.iter().filter_map(|(users, value)| {
            Some(PathElement::new([(*users, value.low? / unit), (*users, value.high? / unit)], colour.stroke_width(1)))
        });
        chart.draw_series(bars).map_err(failed)?;
    }
    legend(&mut chart)
}
