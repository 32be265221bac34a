//! The services of `chat`, each in a process of its own, so that their work is no part of what a benchmark measures.

#![allow(unreachable_pub, reason = "each benchmark is a crate of its own")]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use perfkit::workload::Need;

/// A service, which ends with this program.
pub struct Service(Child);

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts a service behind perfkit's hidden verb.
fn service(what: &str, settings: &serde_json::Value) -> (Service, String) {
    // A server program talks to its log there; what perfkit itself serves says one line: where it is.
    let talks = settings["socket"].is_null();
    let settings = serde_json::json!({ "parent": std::process::id(), "settings": settings });
    let mut child = Command::new(env!("CARGO_BIN_EXE_perfkit"))
        .args(["__service", what, &settings.to_string()])
        .stdin(Stdio::null())
        .stdout(if talks { Stdio::piped() } else { Stdio::null() })
        .spawn()
        .expect("perfkit starts");
    let mut line = String::new();
    if let Some(stdout) = child.stdout.take() {
        BufReader::new(stdout).read_line(&mut line).expect("where the service is");
    }
    let said: serde_json::Value = serde_json::from_str(&line).unwrap_or_default();
    (Service(child), said["url"].as_str().unwrap_or_default().to_owned())
}

/// A real Redis on a socket where one is installed, else perfkit's stand-in.
fn redis(folder: &Path) -> (Service, String) {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let program = std::env::split_paths(&path).map(|folder| folder.join("redis-server")).find(|file| file.is_file());
    let Some(program) = program else { return service("redis-embedded", &serde_json::Value::Null) };
    let socket = folder.join("s");
    let (service, _) = service("redis-server", &serde_json::json!({ "program": program, "socket": socket }));
    for _ in 0..500 {
        if std::os::unix::net::UnixStream::connect(&socket).is_ok() {
            return (service, format!("redis+unix://{}", socket.display()));
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("redis-server does not answer");
}

/// Starts what `chat` talks to, and says where it is.
pub fn of_chat(folder: &Path) -> ([Service; 2], BTreeMap<Need, String>) {
    let (redis, redis_url) = redis(folder);
    let (llm, llm_url) = service("llm", &serde_json::json!({}));
    ([redis, llm], BTreeMap::from([(Need::Redis, redis_url), (Need::Llm, llm_url)]))
}
