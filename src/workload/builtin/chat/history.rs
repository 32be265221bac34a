//! Conversations in Redis over one multiplexed connection that all requests share. Never blocks a worker.

use std::sync::{Mutex, PoisonError};

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, RedisError};

use super::conversation::{self, Appended, Exchange, Message, Shelf};
use super::phase::{Limit, Limits};
use super::problem::Problem;

/// The conversations, read and written without blocking.
pub(super) struct History {
    client: Client,
    config: AsyncConnectionConfig,
    shelf: Shelf,
    /// Locked only to clone the handle, never across an await.
    connection: Mutex<Option<MultiplexedConnection>>,
}

impl History {
    /// The conversations on `shelf`; connects when first used.
    pub(super) fn new(client: Client, shelf: Shelf, limits: &Limits) -> Self {
        // The client's own defaults (500 ms) are shorter than a phase may take; the phase decides.
        let longest = limits.redis_get.time.max(limits.redis_set.time);
        let config =
            AsyncConnectionConfig::new().set_response_timeout(Some(longest)).set_connection_timeout(Some(longest));
        Self { client, config, shelf, connection: Mutex::new(None) }
    }

    /// Asks Redis for a sign of life.
    ///
    /// # Errors
    /// It gives none.
    pub(super) async fn ping(&self) -> Result<(), RedisError> {
        redis::cmd("PING").exec_async(&mut self.connection().await?).await
    }

    /// The history of a conversation.
    ///
    /// # Errors
    /// Redis failed or was too slow.
    pub(super) async fn load(&self, conversation: &str, limit: Limit) -> Result<Vec<Message>, Problem> {
        let command = self.shelf.read(conversation);
        let lines: Result<Vec<Vec<u8>>, RedisError> = async {
            let mut connection = self.connection().await?;
            command.query_async(&mut connection).await
        }
        .await;
        conversation::decode(limit.phase, &lines.map_err(|error| self.problem(limit, &error))?)
    }

    /// Appends to a conversation.
    ///
    /// # Errors
    /// Redis failed or was too slow.
    pub(super) async fn store(&self, conversation: &str, exchange: &Exchange, limit: Limit) -> Result<(), Problem> {
        let pipeline = self.shelf.append(conversation, exchange);
        let appended: Result<Appended, RedisError> = async {
            let mut connection = self.connection().await?;
            pipeline.query_async(&mut connection).await
        }
        .await;
        conversation::check_appended(limit.phase, appended.map_err(|error| self.problem(limit, &error))?)
    }

    /// The shared connection, made anew after it broke.
    async fn connection(&self) -> Result<MultiplexedConnection, RedisError> {
        let open = self.connection.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(connection) = open {
            return Ok(connection);
        }
        let connection = self.client.get_multiplexed_async_connection_with_config(&self.config).await?;
        *self.connection.lock().unwrap_or_else(PoisonError::into_inner) = Some(connection.clone());
        Ok(connection)
    }

    /// What to answer; a broken connection is forgotten, so that the next request makes a new one.
    fn problem(&self, limit: Limit, error: &RedisError) -> Problem {
        if error.is_unrecoverable_error() {
            *self.connection.lock().unwrap_or_else(PoisonError::into_inner) = None;
        }
        Problem::redis(limit.phase, limit.time, error)
    }
}
