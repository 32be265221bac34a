//! The services as other programs see them: the embedded Redis beside a real one, and what happens to both when their
//! parent ends. Uses the hidden verb of the executable and nothing of the library.

#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]
#![allow(clippy::disallowed_methods, reason = "a test waits in real time for other processes")]

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use redis::{Connection, Value};

mod expectations;

use expectations::EXPECTATIONS;

const EXECUTABLE: &str = env!("CARGO_BIN_EXE_perfkit");

/// A process that is killed and reaped at the end of its test.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn settings_of_this_process() -> String {
    format!("{{\"parent\":{}}}", std::process::id())
}

fn first_line(child: &mut Child) -> String {
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    line
}

fn announced_url(line: &str) -> String {
    let line: serde_json::Value = serde_json::from_str(line).expect("the service announces itself in JSON");
    line["url"].as_str().unwrap().to_owned()
}

fn embedded() -> (Killed, String) {
    let mut command = Command::new(EXECUTABLE);
    command.args(["__service", "redis-embedded", &settings_of_this_process()]).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let url = announced_url(&first_line(&mut child));
    (Killed(child), url)
}

/// A real server, if one is installed.
fn real(folder: &Path) -> Option<(Killed, String)> {
    let socket = folder.join("s");
    let mut command = Command::new("redis-server");
    command.args(["--port", "0", "--save", "", "--appendonly", "no", "--databases", "1", "--unixsocket"]).arg(&socket);
    let child = Killed(command.stdout(Stdio::null()).spawn().ok()?);
    Some((child, format!("redis+unix://{}", socket.display())))
}

fn connect(url: &str) -> Connection {
    let client = redis::Client::open(url).unwrap();
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        match client.get_connection_with_timeout(Duration::from_secs(5)) {
            Ok(connection) => {
                connection.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
                return connection;
            }
            Err(error) if Instant::now() > deadline => panic!("{error}"),
            Err(_) => sleep(Duration::from_millis(20)),
        }
    }
}

/// What a reply looks like in the list below.
fn shown(reply: &Value) -> String {
    match reply {
        Value::Nil => "nil".to_owned(),
        Value::Okay => "+OK".to_owned(),
        Value::Int(number) => number.to_string(),
        Value::BulkString(bytes) => format!("'{}'", String::from_utf8_lossy(bytes)),
        Value::SimpleString(text) => format!("+{text}"),
        Value::Array(values) => format!("[{}]", values.iter().map(shown).collect::<Vec<_>>().join(" ")),
        Value::ServerError(error) => format!("-{} {}", error.code(), error.details().unwrap_or_default()),
        other => format!("{other:?}"),
    }
}

fn ask(connection: &mut Connection, words: &str) -> String {
    let mut words = words.split(' ');
    let mut command = redis::cmd(words.next().unwrap_or_default());
    words.for_each(|word| {
        command.arg(word);
    });
    match command.query::<Value>(connection) {
        Ok(reply) => shown(&reply),
        Err(error) => format!("-{} {}", error.code().unwrap_or("?"), error.detail().unwrap_or_default()),
    }
}

fn answers_as_expected(name: &str, connection: &mut Connection) {
    let wrong: Vec<String> = EXPECTATIONS
        .iter()
        .filter_map(|(request, expected)| {
            let reply = ask(connection, request);
            (reply != *expected).then(|| format!("{request}\n    expected {expected}\n    got      {reply}"))
        })
        .collect();
    assert!(wrong.is_empty(), "{name}, {} of {}:\n{}", wrong.len(), EXPECTATIONS.len(), wrong.join("\n"));
}

#[test]
fn the_embedded_redis_answers_as_expected() {
    let (_server, url) = embedded();
    answers_as_expected("embedded", &mut connect(&url));
}

#[test]
fn a_real_redis_answers_as_the_embedded_one() {
    let folder = tempfile::tempdir().unwrap();
    let (_server, url) = real(folder.path()).expect("no redis-server: run scripts/setup");
    let mut connection = connect(&url);
    let info: redis::InfoDict = redis::cmd("INFO").arg("server").query(&mut connection).unwrap();
    let version: String = info.get("redis_version").unwrap();
    assert!(version.starts_with("7."), "the expectations are those of Redis 7, this is {version}: run scripts/setup");
    answers_as_expected("redis-server", &mut connection);
}

#[test]
fn a_key_of_the_embedded_redis_expires() {
    let (_server, url) = embedded();
    let mut connection = connect(&url);
    assert_eq!(ask(&mut connection, "SET k v PX 60"), "+OK");
    assert_eq!(ask(&mut connection, "GET k"), "'v'");
    sleep(Duration::from_millis(80));
    assert_eq!(ask(&mut connection, "GET k"), "nil");
    assert_eq!(ask(&mut connection, "DBSIZE"), "0");
}

#[test]
fn a_pipeline_of_the_embedded_redis_is_answered_in_order() {
    let (_server, url) = embedded();
    let mut pipeline = redis::pipe();
    (0..10_000).for_each(|_| {
        pipeline.cmd("INCR").arg("n");
    });
    let replies: Vec<i64> = pipeline.query(&mut connect(&url)).unwrap();
    assert!(replies.iter().copied().eq(1..=10_000));
}

#[test]
fn another_clients_write_fails_the_transaction_that_watches() {
    let (_server, url) = embedded();
    let (mut first, mut second) = (connect(&url), connect(&url));
    assert_eq!(ask(&mut first, "WATCH k"), "+OK");
    assert_eq!(ask(&mut second, "MSET j 1 k 2"), "+OK");
    assert_eq!(ask(&mut first, "MULTI"), "+OK");
    assert_eq!(ask(&mut first, "GET k"), "+QUEUED");
    assert_eq!(ask(&mut first, "EXEC"), "nil");
}

#[test]
fn the_embedded_redis_closes_on_a_hostile_client_and_serves_the_others() {
    use std::io::{Read, Write};
    let (_server, url) = embedded();
    for input in [
        b"*1\r\n".repeat(100_000),
        b"*1\r\n$99999999999\r\n".to_vec(),
        b"*2147483647\r\n".to_vec(),
        vec![b'x'; 1024 * 1024],
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\n".repeat(10_000),
    ] {
        let mut stream = std::net::TcpStream::connect(url.trim_start_matches("redis://")).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        let _ = stream.write_all(&input);
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let mut answer = Vec::new();
        let end = stream.read_to_end(&mut answer);
        assert!(
            end.is_ok()
                || answer.starts_with(b"-ERR")
                || end.is_err_and(|error| error.kind() == std::io::ErrorKind::ConnectionReset)
        );
    }
    assert_eq!(ask(&mut connect(&url), "PING"), "+PONG");
}

fn is_running(process: u32) -> bool {
    // A zombie is dead; whether somebody reaps it is not the service's business.
    let status = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    status.rsplit(')').next().is_some_and(|rest| !rest.is_empty() && !rest.trim_start().starts_with(['Z', 'X']))
}

fn ends_soon(process: u32) -> bool {
    let deadline = Instant::now() + Duration::from_secs(5);
    while is_running(process) && Instant::now() < deadline {
        sleep(Duration::from_millis(10));
    }
    !is_running(process)
}

/// A shell that starts the service, tells its process number, and waits: the parent that is killed.
fn shell_with(service: &str, settings: &str) -> (Killed, u32) {
    let script =
        format!("\"$0\" __service {service} \"{{\\\"parent\\\":$$,\\\"settings\\\":$1}}\" >&2 & echo $!; wait");
    let mut command = Command::new("sh");
    command.args(["-c", &script, EXECUTABLE, settings]).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut shell = command.spawn().unwrap();
    let service = first_line(&mut shell).trim().parse().unwrap();
    (Killed(shell), service)
}

fn dies_with_its_parent(service: &str, settings: &str, is_up: impl Fn(u32) -> bool) {
    let (mut shell, process) = shell_with(service, settings);
    let deadline = Instant::now() + Duration::from_secs(10);
    while !is_up(process) {
        assert!(is_running(process) && Instant::now() < deadline, "{service} does not come up");
        sleep(Duration::from_millis(10));
    }
    shell.0.kill().unwrap();
    assert!(ends_soon(process), "{service} outlives its parent");
}

/// Whether the process has a socket: it is past its start then.
fn is_serving(process: u32) -> bool {
    let files = std::fs::read_dir(format!("/proc/{process}/fd")).into_iter().flatten().flatten();
    files
        .filter_map(|file| std::fs::read_link(file.path()).ok())
        .any(|target| target.to_string_lossy().starts_with("socket:"))
}

#[test]
fn embedded_services_die_with_a_parent_that_is_killed() {
    dies_with_its_parent("redis-embedded", "null", is_serving);
    dies_with_its_parent("llm", "{}", is_serving);
}

#[test]
fn a_spawned_redis_server_dies_with_a_parent_that_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let program = crate::place::tool("redis-server");
    let socket = folder.path().join("s");
    let settings = format!("{{\"program\":\"{}\",\"socket\":\"{}\"}}", program.display(), socket.display());
    dies_with_its_parent("redis-server", &settings, |_| std::os::unix::net::UnixStream::connect(&socket).is_ok());
    // Its first thread can be gone a moment before the last one that holds the socket.
    let deadline = Instant::now() + Duration::from_secs(5);
    while std::os::unix::net::UnixStream::connect(&socket).is_ok() {
        assert!(Instant::now() < deadline, "the socket still answers");
        sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_service_whose_parent_is_gone_already_does_not_serve() {
    let mut command = Command::new(EXECUTABLE);
    let output = command.args(["__service", "redis-embedded", "{\"parent\":1}"]).output().unwrap();
    assert!(!output.status.success() && output.stdout.is_empty(), "{output:?}");
}
