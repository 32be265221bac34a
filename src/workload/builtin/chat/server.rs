//! The chat service: started in this process on a loopback port. Refuses to start when Redis or the LLM is not there.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use axum::Router;
use axum::routing::post;
use axum::serve::ListenerExt as _;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::blocking::BlockingHistory;
use super::cache::ReplyCache;
use super::conversation::Shelf;
use super::handler::{self, App, Store};
use super::history::History;
use super::llm::Llm;
use super::settings::{ServiceSettings, Style};
use super::wire::PATH;
use crate::workload::Failure;

/// A service that answers; dropping it ends it.
pub(super) struct Service {
    address: SocketAddr,
    settings: ServiceSettings,
    accepting: JoinHandle<()>,
}

impl Service {
    /// Starts a service on the current runtime.
    ///
    /// # Errors
    /// Redis or the LLM is not there, or the transcripts' folder cannot be made.
    pub(super) async fn start(settings: ServiceSettings, seed: u64) -> Result<Self, Failure> {
        let app = Arc::new(app(&settings, seed).await?);
        let failed = |error: std::io::Error| Failure::new("io", format!("cannot start the chat service: {error}"));
        tokio::fs::create_dir_all(&settings.transcripts).await.map_err(failed)?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let listener = listener.tap_io(|stream| {
            // Without it an answer may wait for an acknowledgement; a failure costs time only.
            let _ = stream.set_nodelay(true);
        });
        let router = Router::new().route(PATH, post(handler::chat)).with_state(app);
        let accepting = tokio::spawn(async move {
            // It ends with the runtime only, and what fails on one connection ends that one alone.
            let _ = axum::serve(listener, router).await;
        });
        Ok(Self { address, settings, accepting })
    }

    /// Where it listens.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Whether it still answers and is what these settings ask for.
    pub(super) fn serves(&self, settings: &ServiceSettings) -> bool {
        !self.accepting.is_finished() && self.settings == *settings
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn app(settings: &ServiceSettings, seed: u64) -> Result<App, Failure> {
    // The URL may hold a password, so no message shows it.
    let client = redis::Client::open(settings.redis_url.as_str())
        .map_err(|error| Failure::new("service", format!("the URL of Redis is not valid: {error}")))?;
    let shelf = Shelf::new(seed, settings.history);
    let history = History::new(client.clone(), shelf.clone(), &settings.limits);
    history.ping().await.map_err(|error| Failure::new("connect", format!("Redis is not there: {error}")))?;
    let store = match settings.style {
        Style::Async => Store::Async(history),
        Style::Blocking => Store::Blocking(BlockingHistory::new(client, shelf)),
    };
    let llm = Llm::new(&settings.llm_url, settings.model.clone())
        .map_err(|error| Failure::new("service", error.to_string()))?;
    llm.connect().await.map_err(|error| Failure::new("connect", format!("{}: {error}", llm.authority())))?;
    Ok(App {
        limits: settings.limits,
        store,
        cache: ReplyCache::new(settings.cache_capacity, settings.cache_lifetime),
        llm,
        transcripts: settings.transcripts.clone(),
    })
}
