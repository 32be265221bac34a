//! perfkit's own RESP2 server: the commands its workloads use, with Redis' replies, on one thread. Refuses RESP3,
//! scripts, persistence, replication and more than one database, each with an error instead of a wrong answer.

#![expect(clippy::unnecessary_wraps, reason = "all commands have one signature, also those that refuse nothing")]

mod argument;
mod command;
mod connection;
mod hashes;
mod keys;
mod lists;
mod refusal;
mod reply;
mod request;
mod server;
mod session;
mod sorted_sets;
mod store;
mod strings;

use std::cell::RefCell;
use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant};

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::LocalSet;

use crate::service::serve::announce;
use command::Commands;
use request::Reader;
use session::Session;
use store::Store;

/// What `INFO` and `HELLO` give as the version: nobody shall take this for a Redis.
const VERSION: &str = concat!("perfkit-", env!("CARGO_PKG_VERSION"));
/// Connections at a time; each may hold a whole request in memory.
const MOST_CONNECTIONS: usize = 1024;
/// Replies are sent when they reach this size, also in the middle of a pipeline: a client that does not read is not
/// answered into memory.
const SEND_AT: usize = 64 * 1024;
/// Bytes that are read at a time.
const READ_SIZE: usize = 16 * 1024;

/// Serves on a free port of the loopback interface until the process is killed.
pub(in crate::service) fn serve() -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        announce(&format!("redis://{}", listener.local_addr()?))?;
        accept(listener).await
    })
}

async fn accept(listener: TcpListener) -> io::Result<()> {
    let shared = Rc::new(Shared { store: RefCell::new(Store::new()), commands: Commands::new() });
    let mut number = 0;
    loop {
        let Ok((mut stream, _)) = listener.accept().await else {
            // Out of file descriptors, or the client is gone again: neither is a reason to stop.
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        // Every connection holds a reference to what is shared, and the loop itself one more.
        if Rc::strong_count(&shared) > MOST_CONNECTIONS {
            let _ = stream.try_write(b"-ERR max number of clients reached\r\n");
            let _ = stream.shutdown().await;
            continue;
        }
        number += 1;
        let shared = Rc::clone(&shared);
        tokio::task::spawn_local(async move {
            let mut session = Session::new(number);
            // A broken connection concerns nobody but its client.
            let _ = converse(stream, &shared, &mut session).await;
            session.unwatch(&mut shared.store.borrow_mut());
        });
    }
}

/// What all connections share. One thread runs them all, so a command borrows the store without waiting.
struct Shared {
    store: RefCell<Store>,
    commands: Commands,
}

async fn converse(mut stream: TcpStream, shared: &Shared, session: &mut Session) -> io::Result<()> {
    // Without it, the reply to every second small request waits for the client's delayed acknowledgement.
    stream.set_nodelay(true)?;
    let mut input = BytesMut::with_capacity(READ_SIZE);
    let mut output = Vec::new();
    let mut reader = Reader::default();
    loop {
        let mut start = 0;
        loop {
            let rest = input.get(start..).unwrap_or_default();
            match reader.next(rest) {
                Ok(Some(length)) => {
                    answer(shared, session, &reader.arguments(rest), &mut output);
                    reader.reset();
                    start += length;
                }
                Ok(None) => break,
                Err(refusal) => {
                    reply::write(&refusal.into(), &mut output);
                    session.close();
                }
            }
            if output.len() >= SEND_AT {
                stream.write_all(&output).await?;
                output.clear();
            }
            if session.is_closed() {
                stream.write_all(&output).await?;
                return stream.shutdown().await;
            }
        }
        input.advance(start);
        if !output.is_empty() {
            stream.write_all(&output).await?;
            output.clear();
            output.shrink_to(SEND_AT);
        }
        input.reserve(READ_SIZE);
        if stream.read_buf(&mut input).await? == 0 {
            return Ok(());
        }
    }
}

fn answer(shared: &Shared, session: &mut Session, arguments: &[&[u8]], output: &mut Vec<u8>) {
    if arguments.is_empty() {
        return; // an empty line or array: Redis does not answer it either
    }
    let mut store = shared.store.borrow_mut();
    store.advance_to(Instant::now());
    reply::write(&session.execute(&mut store, &shared.commands, arguments), output);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::{Kind, redis};

    fn server() -> String {
        let (sender, receiver) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            LocalSet::new().block_on(&runtime, async {
                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                sender.send(listener.local_addr().unwrap().to_string()).unwrap();
                accept(listener).await
            })
        });
        receiver.recv().unwrap()
    }

    #[test]
    fn the_redis_crate_takes_it_for_an_external_server_that_names_itself() {
        let address = server();
        let mut service = redis::external(format!("redis://default:can4ry@{address}")).unwrap();
        assert_eq!((service.kind(), service.version()), (Kind::External, VERSION));
        assert_eq!(service.redacted_url(), format!("redis://***:***@{address}"));
        service.check().unwrap();
    }

    #[test]
    fn credentials_and_databases_it_does_not_have_are_errors_that_do_not_show_them() {
        let address = server();
        for url in [
            format!("redis://:can4ry@{address}"),
            format!("redis://u:can4ry@{address}"),
            format!("redis://default:can4ry@{address}/5"),
        ] {
            let error = redis::external(url).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("can4ry"), "{error:?}");
        }
    }
}
