//! Charts as SVG. They compute nothing: points and lines come from a run or from what an analysis made of it.

mod growth;
mod scale;

use plotters::coord::Shift;
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;

use crate::unit::Unit;

pub use growth::growth;
pub use scale::scale;

const COLOURS: [RGBColor; 6] = [
    RGBColor(31, 119, 180),
    RGBColor(214, 39, 40),
    RGBColor(44, 160, 44),
    RGBColor(255, 127, 14),
    RGBColor(148, 103, 189),
    RGBColor(127, 127, 127),
];

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

type Chart<'a, 'b> = ChartContext<'a, SVGBackend<'b>, Cartesian2d<RangedCoordf64, RangedCoordf64>>;

/// A chart with its axes: `over` is what lies to the right, up to `last`; values go up to `most`, with `ending` behind them.
fn axes<'a, 'b: 'a>(
    area: &'a Area<'b>,
    title: &str,
    (over, last): (&str, f64),
    (most, ending): (f64, &str),
) -> Result<Chart<'a, 'b>, String> {
    let mut chart = ChartBuilder::on(area)
        .margin(10)
        .caption(title, ("sans-serif", 15))
        .x_label_area_size(32)
        .y_label_area_size(84)
        .build_cartesian_2d(0.0..last, 0.0..most)
        .map_err(failed)?;
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .x_desc(over)
        .x_label_formatter(&|value| Unit::Count.show(*value))
        .y_labels(6)
        .y_label_formatter(&|value| format!("{}{ending}", Unit::Count.show(*value)))
        .draw()
        .map_err(failed)?;
    Ok(chart)
}

/// Says which line is which.
fn legend<'a, 'b: 'a>(chart: &mut Chart<'a, 'b>) -> Result<(), String> {
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .background_style(WHITE.mix(0.8))
        .draw()
        .map_err(failed)
}

/// An error of the library, which borrows from what is drawn.
fn failed(error: impl std::fmt::Display) -> String {
    error.to_string()
}

/// The factor by which values are divided and what is written behind them, so that ticks are at whole numbers of what is shown.
fn shown(unit: Unit, most: f64) -> (f64, &'static str) {
    match unit {
        Unit::Bytes if most >= 1024.0 * 1024.0 => (1024.0 * 1024.0, " MiB"),
        Unit::Bytes if most >= 1024.0 => (1024.0, " KiB"),
        Unit::Bytes => (1.0, " B"),
        Unit::Ns if most >= 1e9 => (1e9, " s"),
        Unit::Ns if most >= 1e6 => (1e6, " ms"),
        Unit::Ns if most >= 1e3 => (1e3, " µs"),
        Unit::Ns => (1.0, " ns"),
        Unit::PerS => (1.0, "/s"),
        Unit::Count | Unit::Ratio => (1.0, ""),
    }
}
