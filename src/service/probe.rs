//! Asks a service once, in bounded time, from any thread. Refuses to keep connections or to judge answers.

use std::future::Future;
use std::io;
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use url::{Host, Url};

/// How long a service may take to answer a question.
pub(super) const LIMIT: Duration = Duration::from_secs(5);
/// Largest answer that is read.
const LARGEST_BODY: usize = 1024 * 1024;

/// Runs `question` to its end or to `limit`, whichever comes first.
///
/// It has a thread and a runtime of its own: the caller may be inside a runtime, where blocking on another is refused.
/// The limit holds for everything, also for the reply of a server that accepts a connection and then says nothing.
pub(super) fn within<T: Send + 'static>(
    limit: Duration,
    question: impl Future<Output = Result<T, String>> + Send + 'static,
) -> Result<T, String> {
    let ask = move || -> io::Result<Result<T, String>> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let answer = runtime.block_on(async { tokio::time::timeout(limit, question).await });
        // A name look-up that hangs must not hold the caller.
        runtime.shutdown_background();
        Ok(answer.unwrap_or_else(|_| Err(format!("no answer within {limit:?}"))))
    };
    let asked = thread::Builder::new().name("service-check".to_owned()).spawn(ask);
    match asked.map(thread::JoinHandle::join) {
        Ok(Ok(Ok(answer))) => answer,
        Ok(Ok(Err(error))) | Err(error) => Err(error.to_string()),
        Ok(Err(_)) => Err("the check itself failed".to_owned()),
    }
}

/// One HTTP question. With a body it is a POST.
pub(super) struct Question {
    url: Url,
    path: String,
    body: Option<String>,
}

impl Question {
    /// Asks for `path` at the host of `url`; the path of the URL itself where it is `None`.
    pub(super) fn new(url: &str, path: Option<&str>, body: Option<String>) -> Result<Self, String> {
        let url = Url::parse(url).map_err(|_| "the url is not understood".to_owned())?;
        if url.scheme() != "http" {
            return Err("only http:// is spoken here".to_owned());
        }
        let path = path.unwrap_or(url.path()).to_owned();
        Ok(Self { url, path, body })
    }

    /// Status and body of the answer.
    pub(super) async fn ask(self) -> Result<(StatusCode, Bytes), String> {
        let text = |error: hyper::Error| error.to_string();
        let port = self.url.port_or_known_default().unwrap_or(80);
        let host = match self.url.host() {
            Some(Host::Domain(name)) => name.to_owned(),
            Some(Host::Ipv4(address)) => address.to_string(),
            Some(Host::Ipv6(address)) => address.to_string(),
            None => return Err("the url names no host".to_owned()),
        };
        let stream = TcpStream::connect((host.as_str(), port)).await.map_err(|error| error.to_string())?;
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(text)?;
        tokio::spawn(connection);
        let method = if self.body.is_some() { Method::POST } else { Method::GET };
        let request = Request::builder()
            .method(method)
            .uri(self.path)
            .header("host", self.url.authority().rsplit('@').next().unwrap_or_default())
            .header("content-type", "application/json")
            .body(Full::new(Bytes::from(self.body.unwrap_or_default())))
            .map_err(|error| error.to_string())?;
        let answer = sender.send_request(request).await.map_err(text)?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), LARGEST_BODY).collect().await.map_err(|error| error.to_string())?;
        Ok((status, body.to_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;
    use std::time::Instant;

    #[test]
    fn a_server_that_accepts_and_says_nothing_does_not_hold_the_caller() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let started = Instant::now();
        let question = Question::new(&url, None, None).unwrap();
        let error = within(Duration::from_millis(200), question.ask()).unwrap_err();
        assert_eq!(error, "no answer within 200ms");
        assert!(started.elapsed() < Duration::from_secs(2));
    }

    #[tokio::test]
    async fn it_can_be_asked_from_inside_a_runtime() {
        assert_eq!(within(LIMIT, async { Ok(7) }), Ok(7));
    }
}
