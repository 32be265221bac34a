//! Columns of text, as wide as they need to be. Numbers stand right, words left; what does not fit into a column goes on a line
//! below its row.

use std::io::{self, Write};

use anstyle::Style;

use super::page::{Page, Tone, WIDTH, wrap};
use crate::record::name;
use crate::record::stacks::Frame;

/// Longest function and longest path that [`place`] shows whole: together they fit beside two columns of figures.
const FUNCTION: usize = 40;
const FILE: usize = 32;

/// Which side a column's text stands at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Left,
    Right,
}

/// What stands in a column.
pub(super) struct Cell {
    text: String,
    tone: Option<Tone>,
}

impl Cell {
    /// A cell that stands out, where the page has colours.
    pub(super) fn toned(tone: Tone, text: &str) -> Self {
        Self { text: text.to_owned(), tone: Some(tone) }
    }

    fn wide(&self) -> usize {
        self.text.chars().count()
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self { text, tone: None }
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}

enum Row {
    Cells(Vec<Cell>),
    /// A remark on the row above.
    Below(String),
}

/// Rows below a heading.
pub(super) struct Table {
    sides: Vec<Side>,
    rows: Vec<Row>,
}

impl Table {
    /// A table with the given headings; the first row.
    pub(super) fn new(columns: &[(&str, Side)]) -> Self {
        Self {
            sides: columns.iter().map(|(_, side)| *side).collect(),
            rows: vec![Row::Cells(columns.iter().map(|(name, _)| Cell::toned(Tone::Quiet, name)).collect())],
        }
    }

    pub(super) fn row<C: Into<Cell>>(&mut self, cells: impl IntoIterator<Item = C>) {
        let cells = cells.into_iter().map(|cell| {
            let cell: Cell = cell.into();
            Cell { text: visible(&cell.text), tone: cell.tone }
        });
        self.rows.push(Row::Cells(cells.collect()));
    }

    /// A remark on the last row: in the free space behind it where it fits there, else on a line of its own.
    pub(super) fn remark(&mut self, text: &str) {
        if !text.is_empty() {
            self.rows.push(Row::Below(visible(text)));
        }
    }

    /// Writes it, two spaces in and two between columns.
    pub(super) fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        self.write_styled(out, |_| Style::new())
    }

    /// Writes it with the page's colours.
    pub(super) fn show(&self, page: &mut Page<'_>) -> io::Result<()> {
        self.write_styled(page.out, page.style)
    }

    fn write_styled(&self, out: &mut dyn Write, style: fn(Tone) -> Style) -> io::Result<()> {
        let widths = self.widths();
        let behind = widths.iter().map(|width| width + 2).sum::<usize>();
        let mut rows = self.rows.iter().peekable();
        while let Some(row) = rows.next() {
            match row {
                Row::Cells(cells) => {
                    let mut line = line(cells, &widths, &self.sides, style);
                    if let Some(Row::Below(text)) = rows.peek()
                        && behind + 2 + text.chars().count() <= WIDTH
                    {
                        // The columns' own padding is still there: remarks stand below each other.
                        let quiet = style(Tone::Quiet);
                        line.push_str(&format!("  {quiet}{text}{quiet:#}"));
                        rows.next();
                    }
                    writeln!(out, "{}", line.trim_end())?;
                }
                Row::Below(text) => {
                    let quiet = style(Tone::Quiet);
                    for part in wrap(text, WIDTH - 6) {
                        writeln!(out, "      {quiet}{part}{quiet:#}")?;
                    }
                }
            }
        }
        Ok(())
    }

    fn widths(&self) -> Vec<usize> {
        let mut widths = vec![0; self.sides.len()];
        for row in &self.rows {
            if let Row::Cells(cells) = row {
                for (width, cell) in widths.iter_mut().zip(cells) {
                    *width = cell.wide().max(*width);
                }
            }
        }
        widths
    }
}

fn line(cells: &[Cell], widths: &[usize], sides: &[Side], style: fn(Tone) -> Style) -> String {
    let mut line = String::new();
    for ((cell, width), side) in cells.iter().zip(widths).zip(sides) {
        let space = " ".repeat(width - cell.wide());
        let style = cell.tone.map_or_else(Style::new, style);
        let text = format!("{style}{}{style:#}", cell.text);
        line.push_str("  ");
        match side {
            Side::Left => line.push_str(&format!("{text}{space}")),
            Side::Right => line.push_str(&format!("{space}{text}")),
        }
    }
    line
}

/// One line of text that cannot steer a terminal.
pub(super) fn visible(text: &str) -> String {
    name::visible(text).replace('\n', " ")
}

/// A long name keeps its end, which tells it from its neighbours.
pub(super) fn shorten(name: &str, most: usize) -> String {
    let length = name.chars().count();
    if length <= most {
        name.to_owned()
    } else {
        format!("…{}", name.chars().skip(length + 1 - most).collect::<String>())
    }
}

/// A function and where it stands: `shop::cart::load (src/cart.rs:12)`.
pub(super) fn place(frame: &Frame) -> String {
    let function = shorten(&name::readable(&frame.function), FUNCTION);
    match (&frame.file, frame.line) {
        (Some(file), Some(line)) => format!("{function} ({}:{line})", shorten(file, FILE)),
        (Some(file), None) => format!("{function} ({})", shorten(file, FILE)),
        (None, _) => function,
    }
}

/// A long text keeps its beginning, which says what it is about.
pub(super) fn clip(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        None => text.to_owned(),
        Some(_) => format!("{}…", text.chars().take(most.saturating_sub(1)).collect::<String>()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(table: &Table) -> String {
        let mut out = Vec::new();
        table.write(&mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn columns_line_up_and_escapes_do_not_reach_the_terminal() {
        let mut table = Table::new(&[("name", Side::Left), ("value", Side::Right)]);
        table.row(["a\u{1b}[31m".to_owned(), "1".to_owned()]);
        table.row(["longer name".to_owned(), "123456".to_owned()]);
        assert_eq!(written(&table), "  name          value\n  a\u{FFFD}[31m            1\n  longer name  123456\n");
    }

    #[test]
    fn a_short_remark_stands_behind_its_row_and_a_long_one_below() {
        let mut table = Table::new(&[("name", Side::Left), ("value", Side::Right)]);
        table.row(["a", "1"]);
        table.remark("short");
        table.row(["bcdef", "1"]);
        table.remark(&"long ".repeat(30));
        let text = written(&table);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[1], "  a          1  short");
        assert_eq!(lines[2], "  bcdef      1");
        assert!(lines[3].starts_with("      long long") && lines.len() == 5, "{text}");
    }

    #[test]
    fn names_keep_their_end_and_texts_their_beginning() {
        assert_eq!(shorten("abcdef", 4), "…def");
        assert_eq!(shorten("äöü", 3), "äöü");
        assert_eq!(clip("abcdef", 4), "abc…");
        assert_eq!(clip("äöü", 3), "äöü");
    }
}
