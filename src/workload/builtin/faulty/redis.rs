//! `faulty-redis`: the synchronous Redis client in an async function. The server is a plain thread that understands just
//! enough to answer late; no service is needed.

use std::hint::black_box;
use std::io::{self, BufReader, ErrorKind, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::thread::sleep;
use std::time::Duration;

use redis::{Client, RedisResult};

use super::Planted;
use super::peer::{Peer, failed};
use super::periodic::{PARAMS, Periodic};
use crate::workload::Failure;

/// What has to be found.
pub(super) const PLANTED: Planted = Planted {
    workload: "faulty-redis",
    variant: "",
    function: "faulty::redis::query_redis",
    file: "src/workload/builtin/faulty/redis.rs",
    cause: Some("blocked"),
    syscalls: &["recvfrom", "read"],
};

/// The workload.
pub(super) const REDIS: Periodic =
    Periodic { fault: "the synchronous Redis client in an async function", users: 4, params: &PARAMS, strike };

/// How long either side waits beyond the fault before it gives up.
const PATIENCE: Duration = Duration::from_secs(1);

fn strike(hold: Duration) -> Result<u64, Failure> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(|error| failed("listen", &error))?;
    let address = listener.local_addr().map_err(|error| failed("listen", &error))?;
    let client = Client::open(format!("redis://{address}/")).map_err(|error| failed("name the server", &error))?;
    let server = Peer::start(move || serve(&listener.accept()?.0, hold))?;
    let value = query_redis(&client, hold + PATIENCE).map_err(|error| failed("query the server", &error))?;
    server.join()?;
    Ok(value)
}

#[inline(never)]
fn query_redis(client: &Client, timeout: Duration) -> RedisResult<u64> {
    let mut connection = client.get_connection_with_timeout(timeout)?;
    connection.set_read_timeout(Some(timeout))?;
    let value: u64 = redis::cmd("GET").arg("faulty").query(&mut connection)?;
    Ok(black_box(value))
}

/// Answers `GET` with 1 after `hold`, and everything else with `OK` at once, until the client hangs up.
fn serve(stream: &TcpStream, hold: Duration) -> io::Result<()> {
    stream.set_read_timeout(Some(hold + PATIENCE))?;
    let (mut requests, mut replies) = (BufReader::new(stream), stream);
    while let Some(command) = next_command(&mut requests)? {
        if command.eq_ignore_ascii_case("GET") {
            sleep(hold);
            replies.write_all(b":1\r\n")?;
        } else {
            replies.write_all(b"+OK\r\n")?;
        }
    }
    Ok(())
}

/// The name of the next command; `None` where there is no other.
fn next_command(requests: &mut impl io::BufRead) -> io::Result<Option<String>> {
    let Some(head) = next_line(requests)? else { return Ok(None) };
    let broken = || io::Error::new(ErrorKind::InvalidData, format!("`{head}` begins no command"));
    let parts: usize = head.strip_prefix('*').and_then(|count| count.parse().ok()).ok_or_else(broken)?;
    let mut words = Vec::new();
    // Of each part a line with its length comes first. What the client sends has no line ends within.
    for _ in 0..parts {
        next_line(requests)?;
        words.extend(next_line(requests)?);
    }
    words.into_iter().next().map(Some).ok_or_else(broken)
}

fn next_line(requests: &mut impl io::BufRead) -> io::Result<Option<String>> {
    let mut line = String::new();
    let read = requests.read_line(&mut line)?;
    Ok((read > 0).then(|| line.trim_end().to_owned()))
}
