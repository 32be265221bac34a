//! A text of limited size, made of blocks. A block stands whole or not at all; of its rows those stand that fit, and the others are
//! counted. Who asks first gets room first, and may stand behind who asks later.

/// A part of the text.
pub(super) struct Block {
    /// What comes before the rows.
    pub(super) open: String,
    /// Rows, each with its line break; the first ones count most.
    pub(super) rows: Vec<String>,
    /// The most rows that stand, whatever the room.
    pub(super) most: usize,
    /// What comes after the rows; begins with an empty line where the rows are a table.
    pub(super) close: String,
    /// What blocks of this kind are called where they are counted.
    pub(super) name: &'static str,
}

/// Room for a line that counts what was left out.
const COUNT: usize = 64;
/// Kinds of blocks that can be counted at the end.
const KINDS: usize = 2;

/// Where a block stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place(usize);

/// The text while it is made.
pub(super) struct Sheet {
    /// Blocks that stand, each with those that follow it.
    parts: Vec<String>,
    room: usize,
    least: usize,
    lost: Vec<(&'static str, usize)>,
}

impl Sheet {
    /// A text of at most `size` bytes, in which no block has to be shorter than `least` for the sake of others.
    pub(super) fn new(size: usize, least: usize) -> Self {
        Self { parts: Vec::new(), room: size.saturating_sub(KINDS * COUNT), least, lost: Vec::new() }
    }

    /// A block behind all others, if there is room; `waiting` blocks, itself among them, are to share what is left.
    pub(super) fn add(&mut self, block: &Block, waiting: usize) -> Option<Place> {
        let text = self.fit(block, waiting)?;
        self.parts.push(text);
        Some(Place(self.parts.len() - 1))
    }

    /// The same, behind all that already follow the block at that place.
    pub(super) fn add_to(&mut self, place: Place, block: &Block, waiting: usize) {
        if let Some(text) = self.fit(block, waiting)
            && let Some(part) = self.parts.get_mut(place.0)
        {
            part.push_str(&text);
        }
    }

    fn fit(&mut self, block: &Block, waiting: usize) -> Option<String> {
        let fixed = block.open.len() + block.close.len() + COUNT;
        if fixed > self.room {
            match self.lost.iter_mut().find(|(name, _)| *name == block.name) {
                Some((_, count)) => *count += 1,
                None => self.lost.push((block.name, 1)),
            }
            return None;
        }
        let share = (self.room / waiting.max(1)).max(self.least).min(self.room);
        let mut text = block.open.clone();
        let mut shown = 0;
        for row in block.rows.iter().take(block.most) {
            if text.len() + row.len() + block.close.len() + COUNT > share {
                break;
            }
            text.push_str(row);
            shown += 1;
        }
        match block.rows.len() - shown {
            0 => {}
            1 => text.push_str("\n… and 1 more row\n"),
            more => text.push_str(&format!("\n… and {more} more rows\n")),
        }
        text.push_str(&block.close);
        self.room = self.room.saturating_sub(text.len());
        Some(text)
    }

    /// The text, with the count of what found no room.
    pub(super) fn finish(self) -> String {
        let mut text = self.parts.concat();
        for (name, count) in self.lost.iter().take(KINDS) {
            text.push_str(&format!("… and {count} more {name}\n\n"));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(rows: usize) -> Block {
        let rows = (0..rows).map(|row| format!("| {row:>6} |\n")).collect();
        Block { open: "<a>\n".to_owned(), rows, most: usize::MAX, close: "\n</a>\n".to_owned(), name: "parts" }
    }

    #[test]
    fn rows_without_room_are_counted() {
        let mut sheet = Sheet::new(500, 100);
        sheet.add(&block(1000), 1).unwrap();
        let text = sheet.finish();
        assert!(text.len() <= 500 && text.ends_with(" more rows\n\n</a>\n"), "{text}");
        let rows = text.matches("| ").count();
        assert!(rows > 10 && text.contains(&format!("\n… and {} more rows\n", 1000 - rows)), "{text}");
    }

    #[test]
    fn blocks_without_room_are_counted_and_room_is_shared() {
        let mut sheet = Sheet::new(2000, 100);
        let places: Vec<Option<Place>> = (0..40).map(|index| sheet.add(&block(1000), 40 - index)).collect();
        let text = sheet.finish();
        assert!(text.len() <= 2000, "{}", text.len());
        assert_eq!(text.matches("<a>").count(), text.matches("</a>").count());
        let standing = places.iter().flatten().count();
        assert!(standing > 10 && text.contains(&format!("… and {} more parts", 40 - standing)), "{text}");
    }

    #[test]
    fn a_block_that_came_later_may_stand_before() {
        let mut sheet = Sheet::new(1000, 100);
        let first = sheet.add(&block(0), 2).unwrap();
        sheet.add(&Block { open: "<b>".to_owned(), ..block(0) }, 1);
        sheet.add_to(first, &Block { open: "<c>".to_owned(), ..block(0) }, 1);
        let text = sheet.finish();
        let at = |part: &str| text.find(part).unwrap();
        assert!(at("<a>") < at("<c>") && at("<c>") < at("<b>"), "{text}");
    }
}
