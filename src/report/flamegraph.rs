//! Flamegraphs as SVG, by inferno, from folded stacks that `record::folded` has made safe. No text of unknown origin goes
//! into inferno's `notes` or `name_type`, which it does not escape.

use std::io::{self, Write};

use inferno::differential;
use inferno::flamegraph::{self, Options};

use crate::record::folded::escape;

/// What the widths of the frames mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Width {
    /// Time: of processors, or of threads that were held.
    Nanoseconds,
    /// Allocated bytes.
    Bytes,
    /// Blocks of memory.
    Blocks,
}

/// What is drawn.
#[derive(Clone, Debug)]
pub struct Drawing<'a> {
    /// Shown on top.
    pub title: &'a str,
    /// Shown below the title.
    pub subtitle: &'a str,
    /// What the widths mean.
    pub width: Width,
}

fn options(drawing: &Drawing<'_>) -> Options<'static> {
    let mut options = Options::default();
    options.title = escape(drawing.title);
    options.subtitle = Some(escape(drawing.subtitle)).filter(|text| !text.is_empty());
    let (count_name, colors) = match drawing.width {
        Width::Nanoseconds => ("ns", flamegraph::color::BasicPalette::Hot),
        Width::Bytes => ("bytes", flamegraph::color::BasicPalette::Mem),
        Width::Blocks => ("blocks", flamegraph::color::BasicPalette::Mem),
    };
    count_name.clone_into(&mut options.count_name);
    options.colors = flamegraph::Palette::Basic(colors);
    // The root on top: a deep stack then needs scrolling only where it is deep.
    options.direction = flamegraph::Direction::Inverted;
    // The same input draws the same picture.
    options.deterministic = true;
    options.min_width = 0.05;
    options
}

/// Draws folded stacks.
///
/// # Errors
/// There is nothing to draw, or the writer failed.
pub fn draw(lines: &[String], drawing: &Drawing<'_>, out: &mut impl Write) -> io::Result<()> {
    flamegraph::from_lines(&mut options(drawing), lines.iter().map(String::as_str), out)
}

/// Draws what changed from `base` to `head`: red has grown, blue has shrunk; the widths are those of `head`.
///
/// # Errors
/// There is nothing to draw, or the writer failed.
pub fn draw_difference(
    base: &[String],
    head: &[String],
    drawing: &Drawing<'_>,
    out: &mut impl Write,
) -> io::Result<()> {
    let (base, head) = (base.join("\n"), head.join("\n"));
    let mut lines = Vec::new();
    // Runs of different length are brought to the same total, so that only the shape is compared.
    let settings = differential::Options { normalize: true, ..differential::Options::default() };
    differential::from_readers(settings, base.as_bytes(), head.as_bytes(), &mut lines)?;
    flamegraph::from_reader(&mut options(drawing), lines.as_slice(), out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_names_stay_inside_the_picture() {
        let lines = ["a;</script><script>x;]]> 5".to_owned(), "a;b--c&\"' 3".to_owned()];
        let drawing = Drawing { title: "<b>]]>", subtitle: "--", width: Width::Bytes };
        let mut svg = Vec::new();
        draw(&lines, &drawing, &mut svg).unwrap();
        let svg = String::from_utf8(svg).unwrap();
        assert_eq!(svg.matches("<script").count(), 1);
        assert!(!svg.contains("<b>"));
    }

    #[test]
    fn a_difference_is_drawn() {
        let drawing = Drawing { title: "t", subtitle: "", width: Width::Nanoseconds };
        let mut svg = Vec::new();
        draw_difference(&["a;b 10".into()], &["a;b 10".into(), "a;c 10".into()], &drawing, &mut svg).unwrap();
        assert!(String::from_utf8(svg).unwrap().contains("</svg>"));
    }
}
