//! The variant `blocking`: what handlers call when nobody noticed that it blocks the runtime's workers. Everything here
//! does, on purpose; none of it is inlined, so that profiles show it by name. Refuses nothing that `async` would take.

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use redis::{Client, Connection, RedisError};

use super::conversation::{self, Appended, Exchange, Message, Shelf};
use super::phase::Limit;
use super::problem::Problem;

/// The conversations, read and written with the sync client: one connection behind a lock, as first versions have it.
pub(super) struct BlockingHistory {
    client: Client,
    shelf: Shelf,
    connection: Mutex<Option<Open>>,
}

/// A connection, and the read timeout that it has been given.
struct Open {
    connection: Connection,
    time: Duration,
}

impl BlockingHistory {
    /// The conversations on `shelf`; connects when first used.
    pub(super) fn new(client: Client, shelf: Shelf) -> Self {
        Self { client, shelf, connection: Mutex::new(None) }
    }

    /// The history of a conversation. Blocks.
    ///
    /// # Errors
    /// Redis failed or was too slow.
    #[inline(never)]
    pub(super) fn load_history_blocking(&self, conversation: &str, limit: Limit) -> Result<Vec<Message>, Problem> {
        let command = self.shelf.read(conversation);
        let lines: Vec<Vec<u8>> = self.with_connection(limit, |connection| command.query(connection))?;
        conversation::decode(limit.phase, &lines)
    }

    /// Appends to a conversation. Blocks.
    ///
    /// # Errors
    /// Redis failed or was too slow.
    #[inline(never)]
    pub(super) fn store_history_blocking(
        &self,
        conversation: &str,
        exchange: &Exchange,
        limit: Limit,
    ) -> Result<(), Problem> {
        let pipeline = self.shelf.append(conversation, exchange);
        let appended: Appended = self.with_connection(limit, |connection| pipeline.query(connection))?;
        conversation::check_appended(limit.phase, appended)
    }

    /// Runs `query` on the one connection, under its lock.
    fn with_connection<T>(
        &self,
        limit: Limit,
        query: impl FnOnce(&mut Connection) -> Result<T, RedisError>,
    ) -> Result<T, Problem> {
        let mut slot = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        // Taken out, and put back only after a good answer: what a late answer leaves in the socket is not read later.
        let result = self.open(slot.take(), limit.time).and_then(|mut open| {
            let answer = query(&mut open.connection)?;
            *slot = Some(open);
            Ok(answer)
        });
        result.map_err(|error| Problem::redis(limit.phase, limit.time, &error))
    }

    /// The connection, made where there is none, with the timeout of the phase.
    fn open(&self, kept: Option<Open>, time: Duration) -> Result<Open, RedisError> {
        // The operating system takes no timeout of zero.
        let time = time.max(Duration::from_micros(1));
        let open = match kept {
            Some(open) if open.time == time => return Ok(open),
            Some(open) => Open { time, ..open },
            None => Open { connection: self.client.get_connection_with_timeout(time)?, time },
        };
        open.connection.set_read_timeout(Some(time))?;
        open.connection.set_write_timeout(Some(time))?;
        Ok(open)
    }
}

/// Appends to a transcript. Blocks.
///
/// # Errors
/// The file cannot be opened or written.
#[inline(never)]
pub(super) fn append_transcript_blocking(path: &Path, exchange: &Exchange) -> io::Result<()> {
    let mut file = OpenOptions::new().create(true).append(true).open(path)?;
    writeln!(file, "{}", exchange.question)?;
    writeln!(file, "{}", exchange.reply)
}
