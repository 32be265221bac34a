//! HTTP/1.1 connections as hyper gives them, with nothing around. Refuses to pool, to retry and to follow.

use bytes::Bytes;
use http_body_util::Full;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpStream, ToSocketAddrs};

use crate::error::BoxError;

/// The sending end of a connection; dropping it closes the connection.
pub(super) type Sender = SendRequest<Full<Bytes>>;

/// Connects, and leaves the connection to a task of its own.
///
/// # Errors
/// Nobody listens there.
pub(super) async fn connect(address: impl ToSocketAddrs) -> Result<Sender, BoxError> {
    let stream = TcpStream::connect(address).await?;
    // Small requests and answers take turns here, so Nagle's algorithm would wait for acknowledgements.
    stream.set_nodelay(true)?;
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(async move {
        // What goes wrong here is told to the one who waits for the answer.
        let _ = connection.await;
    });
    Ok(sender)
}

/// The first 200 characters of a body, for a message.
pub(super) fn excerpt(body: &[u8]) -> String {
    String::from_utf8_lossy(body).chars().take(200).collect()
}
