//! Asks a Redis whether it answers and what it is. Refuses to let an error through that names a credential.

use std::time::Duration;

use redis::{AsyncConnectionConfig, Client, InfoDict};

use super::NAME;
use crate::error::Result;
use crate::service::{failure, probe};

/// Connects, pings, and returns the version. Never takes longer than `limit`.
pub(in crate::service) fn ask(url: &str, limit: Duration) -> Result<String> {
    answer(url, limit).map_err(|source| failure(NAME, url, source, hint(url)))
}

/// Like [`ask`], with the bare reason, which may name a credential.
pub(super) fn answer(url: &str, limit: Duration) -> Result<String, String> {
    let text = |error: redis::RedisError| error.to_string();
    // The redis crate's own limits (500 ms for a reply) are for its users' commands, not for this question.
    let config = AsyncConnectionConfig::new().set_connection_timeout(Some(limit)).set_response_timeout(Some(limit));
    let client = Client::open(url).map_err(text)?;
    probe::within(limit, async move {
        let mut connection = client.get_multiplexed_async_connection_with_config(&config).await.map_err(text)?;
        redis::cmd("PING").query_async::<()>(&mut connection).await.map_err(text)?;
        // A server may refuse INFO to this user; it is usable all the same.
        let info = redis::cmd("INFO").arg("server").query_async::<InfoDict>(&mut connection).await;
        Ok(info.map_or_else(|_| "unknown".to_owned(), |info| version(&info)))
    })
}

/// Valkey reports the Redis version it is compatible with, and its own one beside it.
fn version(info: &InfoDict) -> String {
    let valkey = info.get::<String>("valkey_version").map(|version| format!("valkey {version}"));
    valkey.or_else(|| info.get("redis_version")).unwrap_or_else(|| "unknown".to_owned())
}

fn hint(url: &str) -> &'static str {
    match url.split_once("://") {
        Some(("rediss" | "valkeys", _)) => "perfkit has no TLS: use redis:// through a local TLS proxy such as stunnel",
        Some(("redis" | "valkey" | "unix" | "redis+unix" | "valkey+unix", _)) => {
            "check that the server runs and the credentials fit, or leave the url out and perfkit starts a server"
        }
        _ => {
            "write redis://host:port or redis+unix:///path/to/socket, with special characters of a password percent-encoded"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::TcpListener;

    const CANARY: &str = "can4ry";

    fn error_of(url: &str) -> String {
        let error = ask(url, Duration::from_millis(500)).unwrap_err();
        format!("{error} {error:?} {}", error.hint())
    }

    #[test]
    fn no_error_of_the_redis_crate_shows_the_password() {
        for url in [
            format!("redis://:{CANARY}@127.0.0.1:1"),
            format!("redis://user:{CANARY}@127.0.0.1:1/x"),
            format!("redis://:{CANARY}/more@127.0.0.1:1"),
            format!("rediss://:{CANARY}@127.0.0.1:1"),
            format!("http://:{CANARY}@127.0.0.1:1"),
            format!("redis+unix:///nowhere/s?pass={CANARY}"),
            format!("redis+unix:///nowhere/s?db=x&pass={CANARY}"),
            format!("{CANARY}@127.0.0.1"),
            CANARY.to_owned(),
        ] {
            let text = error_of(&url);
            assert!(!text.contains(CANARY), "{url}: {text}");
        }
    }

    #[test]
    fn a_server_that_echoes_the_password_does_not_bring_it_into_the_error() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut buffer = [0; 1024];
            while let Ok(1..) = stream.read(&mut buffer) {
                if stream.write_all(format!("-WRONGPASS user `{CANARY}` unknown\r\n").as_bytes()).is_err() {
                    return;
                }
            }
        });
        let text = error_of(&format!("redis://:{CANARY}@{address}"));
        assert!(text.contains("redis://:***@127.0.0.1"), "{text}");
        assert!(!text.contains(CANARY), "{text}");
    }

    #[test]
    fn a_server_that_never_answers_is_given_up_in_time() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let started = std::time::Instant::now();
        error_of(&format!("redis://:pw@{}", listener.local_addr().unwrap()));
        assert!(started.elapsed() < Duration::from_secs(3));
    }
}
