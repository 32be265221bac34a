//! Columns of text, as wide as they need to be. Numbers stand right, words left.

use std::io::{self, Write};

use crate::record::name;

/// Which side a column's text stands at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Left,
    Right,
}

/// Rows below a heading.
pub(super) struct Table {
    sides: Vec<Side>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with the given headings; the first row.
    pub(super) fn new(columns: &[(&str, Side)]) -> Self {
        Self {
            sides: columns.iter().map(|(_, side)| *side).collect(),
            rows: vec![columns.iter().map(|(name, _)| (*name).to_owned()).collect()],
        }
    }

    pub(super) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().map(|cell| visible(&cell)).collect());
    }

    /// Writes it, two spaces in and two between columns.
    pub(super) fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let width = |column: usize| {
            self.rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..self.sides.len()).map(width).collect();
        for row in &self.rows {
            let mut line = String::new();
            for ((cell, width), side) in row.iter().zip(&widths).zip(&self.sides) {
                let space = " ".repeat(width - cell.chars().count());
                line.push_str("  ");
                match side {
                    Side::Left => line.push_str(&format!("{cell}{space}")),
                    Side::Right => line.push_str(&format!("{space}{cell}")),
                }
            }
            writeln!(out, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

/// One line of text that cannot steer a terminal.
pub(super) fn visible(text: &str) -> String {
    name::visible(text).replace('\n', " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_escapes_do_not_reach_the_terminal() {
        let mut table = Table::new(&[("name", Side::Left), ("value", Side::Right)]);
        table.row(["a\u{1b}[31m".to_owned(), "1".to_owned()]);
        table.row(["longer name".to_owned(), "123456".to_owned()]);
        let mut out = Vec::new();
        table.write(&mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert_eq!(text, "  name          value\n  a\u{FFFD}[31m            1\n  longer name  123456\n");
    }
}
