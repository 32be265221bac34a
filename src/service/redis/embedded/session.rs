//! One client's conversation: what it queued with MULTI and what it watches. Refuses to read or write bytes.

use super::command::{Call, Command, Commands};
use super::refusal::Refusal;
use super::reply::{self, Reply};
use super::store::{Revision, Store};

/// Bytes that one client may queue.
const LARGEST_QUEUE: usize = 64 * 1024 * 1024;
/// What a queued argument costs beside its bytes.
const OVERHEAD: usize = 64;

/// What commands may know and change of a connection.
#[derive(Debug)]
pub(super) struct Client {
    /// The number of the connection.
    pub(super) number: i64,
    /// The name the client gave itself.
    pub(super) name: Vec<u8>,
    /// Whether the conversation goes on.
    pub(super) state: State,
}

/// Whether a conversation goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// It does.
    Open,
    /// It ends after the reply.
    Closing,
}

/// Commands between MULTI and EXEC.
#[derive(Debug, Default)]
struct Queue {
    requests: Vec<(Command, Vec<Vec<u8>>)>,
    bytes: usize,
    broken: Option<Broken>,
}

/// A queued command was refused, so none of them will run.
#[derive(Debug)]
struct Broken;

/// A conversation.
#[derive(Debug)]
pub(super) struct Session {
    client: Client,
    queue: Option<Queue>,
    watched: Vec<(Vec<u8>, Revision)>,
}

impl Session {
    /// A new conversation.
    pub(super) fn new(number: i64) -> Self {
        Self { client: Client { number, name: Vec::new(), state: State::Open }, queue: None, watched: Vec::new() }
    }

    /// Ends it after the reply.
    pub(super) fn close(&mut self) {
        self.client.state = State::Closing;
    }

    /// Whether it is to end.
    pub(super) fn is_closed(&self) -> bool {
        self.client.state == State::Closing
    }

    /// Answers one request.
    pub(super) fn execute(&mut self, store: &mut Store, commands: &Commands, request: &[&[u8]]) -> Reply {
        let found = commands.find(request);
        let Ok(command) = found else {
            self.break_queue();
            return found.map_or_else(Reply::from, |_| Reply::Null);
        };
        let arguments = request.get(1..).unwrap_or_default();
        let reply = match command.name {
            "multi" => self.multi(),
            "exec" => self.exec(store),
            "discard" => self.discard(store),
            "watch" => self.watch(store, arguments),
            "unwatch" if self.queue.is_none() => {
                self.unwatch(store);
                Ok(reply::ok())
            }
            "quit" => {
                self.close();
                Ok(reply::ok())
            }
            _ if self.queue.is_some() => self.enqueue(command, arguments),
            _ => command.call(&mut Call { store, client: &mut self.client }, arguments),
        };
        reply.unwrap_or_else(Reply::from)
    }

    /// Forgets what is watched.
    pub(super) fn unwatch(&mut self, store: &mut Store) {
        for (key, _) in self.watched.drain(..) {
            store.unwatch(&key);
        }
    }

    fn break_queue(&mut self) {
        if let Some(queue) = &mut self.queue {
            queue.broken = Some(Broken);
            queue.requests = Vec::new();
        }
    }

    fn multi(&mut self) -> Result<Reply, Refusal> {
        if self.queue.is_some() {
            return Err(Refusal::Fixed("ERR MULTI calls can not be nested"));
        }
        self.queue = Some(Queue::default());
        Ok(reply::ok())
    }

    fn discard(&mut self, store: &mut Store) -> Result<Reply, Refusal> {
        self.queue.take().ok_or(Refusal::Fixed("ERR DISCARD without MULTI"))?;
        self.unwatch(store);
        Ok(reply::ok())
    }

    fn watch(&mut self, store: &mut Store, keys: &[&[u8]]) -> Result<Reply, Refusal> {
        if self.queue.is_some() {
            return Err(Refusal::Fixed("ERR WATCH inside MULTI is not allowed"));
        }
        for key in keys {
            if self.watched.iter().any(|(watched, _)| watched == key) {
                continue;
            }
            if self.watched.len() >= 1024 {
                return Err(Refusal::Fixed("ERR perfkit's embedded server watches at most 1024 keys for a client"));
            }
            self.watched.push((key.to_vec(), store.watch(key)));
        }
        Ok(reply::ok())
    }

    fn enqueue(&mut self, command: Command, arguments: &[&[u8]]) -> Result<Reply, Refusal> {
        if let Some(queue) = &mut self.queue {
            queue.bytes += arguments.iter().map(|argument| argument.len() + OVERHEAD).sum::<usize>() + OVERHEAD;
            if queue.bytes > LARGEST_QUEUE {
                self.break_queue();
                return Err(Refusal::OutOfMemory);
            }
            if queue.broken.is_none() {
                queue.requests.push((command, arguments.iter().map(|argument| argument.to_vec()).collect()));
            }
        }
        Ok(reply::simple("QUEUED"))
    }

    fn exec(&mut self, store: &mut Store) -> Result<Reply, Refusal> {
        let queue = self.queue.take().ok_or(Refusal::Fixed("ERR EXEC without MULTI"))?;
        let changed = self.watched.iter().any(|(key, revision)| store.revision(key) != *revision);
        self.unwatch(store);
        if queue.broken.is_some() {
            return Err(Refusal::Fixed("EXECABORT Transaction discarded because of previous errors."));
        }
        if changed {
            return Ok(Reply::Null);
        }
        let mut size = 0;
        let mut replies = Vec::with_capacity(queue.requests.len());
        for (command, arguments) in queue.requests {
            let arguments: Vec<&[u8]> = arguments.iter().map(Vec::as_slice).collect();
            let reply = command.call(&mut Call { store, client: &mut self.client }, &arguments);
            let reply = reply.unwrap_or_else(Reply::from);
            size += reply::size(&reply);
            // All commands run, as they must; but a few kilobytes of request do not make gigabytes of reply.
            replies.push(if size > reply::LARGEST { Refusal::ReplyTooLarge.into() } else { reply });
        }
        Ok(Reply::Array(replies))
    }
}

#[cfg(test)]
mod tests {
    use super::super::store::Expiry;
    use super::*;

    fn asks(session: &mut Session, store: &mut Store, request: &[&[u8]]) -> String {
        match session.execute(store, &Commands::new(), request) {
            Reply::Error(text) => text,
            Reply::SimpleString(text) => String::from_utf8(text).unwrap(),
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn a_client_cannot_queue_more_than_its_share() {
        let (mut session, mut store) = (Session::new(1), Store::new());
        let value = vec![0; LARGEST_QUEUE / 4];
        asks(&mut session, &mut store, &[b"MULTI"]);
        for expected in ["QUEUED", "QUEUED", "QUEUED", "OOM command", "OOM command"] {
            let answer = asks(&mut session, &mut store, &[b"SET", b"k", &value]);
            assert!(answer.starts_with(expected), "{answer}");
        }
        assert!(asks(&mut session, &mut store, &[b"EXEC"]).starts_with("EXECABORT"));
        assert_eq!(store.len(), 0);
    }

    #[test]
    fn a_small_request_cannot_make_a_huge_reply() {
        let (mut session, mut store) = (Session::new(1), Store::new());
        store.set(b"k", vec![0; reply::LARGEST / 4], Expiry::Never);
        let answer = asks(&mut session, &mut store, &[b"MGET", b"k", b"k", b"k", b"k", b"k"]);
        assert!(answer.contains("larger than"), "{answer}");
    }

    #[test]
    fn a_client_that_leaves_stops_watching() {
        let (mut session, mut store) = (Session::new(1), Store::new());
        asks(&mut session, &mut store, &[b"WATCH", b"k"]);
        store.touch(b"k");
        assert_eq!(store.revision(b"k"), 1);
        session.unwatch(&mut store);
        assert_eq!(store.revision(b"k"), 0);
    }
}
