//! What the end-to-end tests talk to: a real redis-server on a unix socket, and an LLM that misbehaves on demand.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

use super::super::message::echo_mark;

/// A redis-server of the test's own.
pub(super) struct Redis {
    folder: tempfile::TempDir,
    server: Child,
}

impl Redis {
    pub(super) async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let server = spawn(folder.path());
        let redis = Self { folder, server };
        redis.wait().await;
        redis
    }

    pub(super) fn url(&self) -> String {
        format!("redis+unix://{}/redis.sock", self.folder.path().display())
    }

    pub(super) fn client(&self) -> redis::Client {
        redis::Client::open(self.url()).unwrap()
    }

    pub(super) fn ask<T: redis::FromRedisValue>(&self, command: &[&str]) -> T {
        redis::cmd(command[0]).arg(&command[1..]).query(&mut self.client().get_connection().unwrap()).unwrap()
    }

    pub(super) async fn restart(&mut self) {
        self.stop();
        self.server = spawn(self.folder.path());
        self.wait().await;
    }

    pub(super) fn stop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }

    async fn wait(&self) {
        for _ in 0..500 {
            if self.client().get_connection().is_ok() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("redis-server does not answer");
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.stop();
    }
}

fn spawn(folder: &Path) -> Child {
    Command::new("redis-server")
        .args(["--port", "0", "--save", "", "--appendonly", "no", "--unixsocket", "redis.sock"])
        .current_dir(folder)
        .stdout(Stdio::null())
        .spawn()
        .expect("redis-server is on the PATH: scripts/setup installs it")
}

/// How the LLM behaves.
#[derive(Clone, Copy)]
pub(super) enum Mood {
    /// As the stand-in: the reply begins with the mark of the message.
    Good,
    /// It replies to something else.
    Wrong,
    /// It replies nothing.
    Silent,
    /// It answers 500.
    Broken,
    /// It stops in the middle of the reply.
    Stuck,
    /// It ends the stream early.
    CutOff,
    /// It closes the connection after each reply.
    Closing,
}

const MOODS: [Mood; 7] =
    [Mood::Good, Mood::Wrong, Mood::Silent, Mood::Broken, Mood::Stuck, Mood::CutOff, Mood::Closing];

/// An LLM of the test's own.
pub(super) struct Llm {
    pub url: String,
    mood: Arc<AtomicU32>,
    calls: Arc<AtomicU64>,
}

impl Llm {
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (mood, calls) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU64::new(0)));
        let llm = Self { url, mood: Arc::clone(&mood), calls: Arc::clone(&calls) };
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&mood), Arc::clone(&calls)));
            }
        });
        llm
    }

    pub(super) fn set(&self, mood: Mood) {
        self.mood.store(mood as u32, Ordering::SeqCst);
    }

    pub(super) fn calls(&self) -> u64 {
        self.calls.load(Ordering::SeqCst)
    }
}

async fn serve(stream: TcpStream, mood: Arc<AtomicU32>, calls: Arc<AtomicU64>) -> Option<()> {
    stream.set_nodelay(true).ok()?;
    let mut stream = BufReader::new(stream);
    loop {
        let question = read_question(&mut stream).await?;
        calls.fetch_add(1, Ordering::SeqCst);
        let mood = MOODS[mood.load(Ordering::SeqCst) as usize];
        if matches!(mood, Mood::Broken) {
            stream.write_all(b"HTTP/1.1 500 no\r\ncontent-length: 9\r\n\r\nout of it").await.ok()?;
            continue;
        }
        let mark = if matches!(mood, Mood::Wrong) { "re:00000000".to_string() } else { echo_mark(&question) };
        let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
        stream.write_all(head.as_bytes()).await.ok()?;
        let words = if matches!(mood, Mood::Silent) { "" } else { " the weather is good for a cache" };
        let first = if matches!(mood, Mood::Silent) { "" } else { &mark };
        for content in [first].into_iter().chain(words.split_inclusive(' ')) {
            let event = serde_json::json!({"choices": [{"index": 0, "delta": {"content": content}}]});
            chunk(&mut stream, &format!("data: {event}\n\n")).await?;
        }
        match mood {
            Mood::Stuck => tokio::time::sleep(Duration::from_mins(1)).await,
            Mood::CutOff => {}
            _ => chunk(&mut stream, "data: [DONE]\n\n").await?,
        }
        stream.write_all(b"0\r\n\r\n").await.ok()?;
        if matches!(mood, Mood::Closing) {
            return None;
        }
    }
}

async fn chunk(stream: &mut BufReader<TcpStream>, text: &str) -> Option<()> {
    stream.write_all(format!("{:x}\r\n{text}\r\n", text.len()).as_bytes()).await.ok()
}

/// The last message of the next request; `None` when there is no more, or one that is not as it should be.
async fn read_question(stream: &mut BufReader<TcpStream>) -> Option<String> {
    let mut length = 0;
    let mut line = String::new();
    loop {
        line.clear();
        if stream.read_line(&mut line).await.ok()? == 0 {
            return None;
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
        if line == "\r\n" {
            break;
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    let body: serde_json::Value = serde_json::from_slice(&body).ok()?;
    let last = body["messages"].as_array()?.last()?;
    (body["stream"] == true && last["role"] == "user").then(|| last["content"].as_str().map(str::to_string))?
}
