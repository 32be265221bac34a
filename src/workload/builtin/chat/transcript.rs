//! Transcripts: one file for each conversation, JSON lines, appended to off the runtime's workers. Never blocks one.

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::path::PathBuf;

use super::conversation::Exchange;

/// Appends to a transcript, on a thread that may block.
///
/// # Errors
/// The file cannot be opened or written.
pub(super) async fn append(path: PathBuf, exchange: &Exchange) -> io::Result<()> {
    let mut lines = String::with_capacity(exchange.question.len() + exchange.reply.len() + 2);
    for line in [&exchange.question, &exchange.reply] {
        lines.push_str(line);
        lines.push('\n');
    }
    // One hop for open, write and close; tokio::fs makes one for each.
    let written = tokio::task::spawn_blocking(move || {
        OpenOptions::new().create(true).append(true).open(path)?.write_all(lines.as_bytes())
    });
    written.await.map_err(io::Error::other)?
}
