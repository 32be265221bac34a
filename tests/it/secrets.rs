//! A password in a URL: it reaches the server, and nothing else.

use std::fs;
use std::net::TcpListener;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::place::{Ended, Place, SHORT, entries, tool, until};

/// Stands for the password; looked for everywhere.
const CANARY: &str = "c4narY-hunter2";

#[track_caller]
fn is_told_to_nobody(place: &Place, ended: &Ended) {
    for (name, text) in [("stdout", &ended.stdout), ("stderr", &ended.stderr)] {
        assert!(!text.contains(CANARY), "the password is on {name}: {text}");
    }
    for (path, content) in place.files() {
        let found = content.windows(CANARY.len()).any(|part| part == CANARY.as_bytes());
        assert!(!found, "the password is in {}", path.display());
    }
}

#[test]
fn a_redis_that_does_not_answer_ends_the_run_with_code_5_and_its_url_without_the_password() {
    for url in [
        format!("redis://user:{CANARY}@127.0.0.1:1/0"),
        format!("redis://:{CANARY}@127.0.0.1:1"),
        format!("redis+unix:///nowhere/s?pass={CANARY}"),
        format!("unix:/nowhere/s?pass={CANARY}"),
        // Not escaped as they must be.
        format!("redis://:{CANARY}/x@127.0.0.1:1"),
        format!("redis://:x@{CANARY}@127.0.0.1:1"),
        format!("{CANARY}@127.0.0.1"),
    ] {
        let place = Place::new();
        let by_flag = place.run(&["run", "chat", "--redis-url", &url]);
        by_flag.must(5, &["service redis", "hint:"]);
        is_told_to_nobody(&place, &by_flag);
        let by_variable = Place::finish(place.command(&["run", "chat"]).env("PERFKIT_REDIS_URL", &url));
        by_variable.must(5, &["service redis"]);
        is_told_to_nobody(&place, &by_variable);
        assert!(place.files().is_empty(), "{url}: files were left behind");
        let help = Place::finish(place.command(&["run", "--help"]).env("PERFKIT_REDIS_URL", &url));
        is_told_to_nobody(&place, &help);
    }
}

#[test]
fn an_llm_that_does_not_answer_ends_the_run_with_code_5_and_its_url_without_the_key() {
    let place = Place::new();
    let url = format!("http://user:{CANARY}@127.0.0.1:1/v1?key={CANARY}");
    let ended = place.run(&["run", "chat", "--llm-url", &url]);
    ended.must(5, &["service llm", "127.0.0.1:1"]);
    is_told_to_nobody(&place, &ended);
}

/// A Redis that wants the password, at a socket and a port.
struct Server {
    child: Child,
    port: u16,
}

impl Server {
    fn start(socket: &Path, password: &str) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut command = Command::new(tool("redis-server"));
        command.args(["--save", "", "--appendonly", "no", "--requirepass", password, "--port", &port.to_string()]);
        let child = command.arg("--unixsocket").arg(socket).stdout(Stdio::null()).spawn().unwrap();
        let server = Self { child, port };
        until("redis-server listens", || UnixStream::connect(socket).is_ok());
        server
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_run_against_a_redis_with_a_password_keeps_nothing_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("s");
    let server = Server::start(&socket, CANARY);
    let socket = socket.display();
    for (flag, url) in [
        ("--redis-url", format!("redis://:{CANARY}@127.0.0.1:{}", server.port)),
        ("--redis-url", format!("redis+unix://{socket}?pass={CANARY}")),
        ("--redis-url", format!("unix:{socket}?pass={CANARY}")),
    ] {
        let place = Place::new();
        let ended = place.short("run", "chat", &[flag, &url, "--users", "2", "--rounds", "1", "--timeout", "20s"]);
        ended.must(0, &["redis: external"]);
        assert_eq!(place.run_json()["services"]["redis"]["kind"], "external");
        is_told_to_nobody(&place, &ended);
        for format in ["json", "text", "csv"] {
            is_told_to_nobody(&place, &place.ok(&["report", "--format", format]));
        }
    }
    let place = Place::new();
    let ended = place.run(&["run", "chat", "--redis-url", &format!("redis://:not-{CANARY}@127.0.0.1:{}", server.port)]);
    ended.must(5, &["service redis"]);
    is_told_to_nobody(&place, &ended);
}

#[test]
fn no_child_process_is_told_the_password_in_its_arguments() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("s");
    // Not the other tests' password, which stands in the arguments of the perfkit that they start.
    let password = "n0t-in-argv";
    let server = Server::start(&socket, password);
    let place = Place::new();
    let url = format!("redis://:{password}@127.0.0.1:{}", server.port);
    let mut command = place.command(&["run", "chat", "-q", "--users", "2", "--duration", "1h"]);
    command.envs(SHORT).env("PERFKIT_REDIS_URL", &url).stdout(Stdio::null());
    let mut child = command.spawn().unwrap();
    let arguments = || -> Vec<String> {
        let processes = entries("/proc".as_ref()).into_iter();
        let read = processes.filter_map(|path| fs::read(path.join("cmdline")).ok());
        read.map(|text| String::from_utf8_lossy(&text).replace('\0', " ")).collect()
    };
    let executable = crate::place::PERFKIT;
    until("a round runs", || arguments().iter().any(|line| line.starts_with(&format!("{executable} __round"))));
    let told: Vec<String> =
        arguments().into_iter().filter(|line| line.contains(password) && line.contains("perfkit")).collect();
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(told.is_empty(), "{told:?}");
}
