//! The workload `chat`: users talk over HTTP to a chat service in this process, which uses Redis, an LLM, a cache and
//! files. Variants show the same service without and with blocking calls. Refuses answers that do not fit their message.

mod blocking;
mod cache;
mod client;
mod connection;
mod conversation;
#[cfg(test)]
mod e2e;
mod handler;
mod history;
mod llm;
mod message;
mod phase;
mod problem;
mod server;
mod settings;
mod sse;
mod tokenizer;
mod transcript;
mod wire;
mod words;

use std::net::SocketAddr;

use tokio::sync::Mutex;

use self::client::User;
use self::phase::PHASES;
use self::server::Service;
use self::settings::{PARAMS, ServiceSettings, UserSettings, VARIANTS};
use crate::error::BoxError;
use crate::workload::{Description, Failure, Need, Work, Worker, Workload};

/// Users who talk to a chat service that runs in this process.
#[derive(Default)]
pub struct Chat {
    /// The service that all users share; the first to be set up starts it.
    service: Mutex<Option<Service>>,
}

impl Chat {
    /// A chat whose service is not started yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Where the service for these settings listens. One is started where there is none, or where the last one had other
    /// settings or ended with its runtime: then nobody talks to it any more.
    async fn service(&self, settings: ServiceSettings, seed: u64) -> Result<SocketAddr, Failure> {
        let mut service = self.service.lock().await;
        if let Some(running) = service.as_ref().filter(|running| running.serves(&settings)) {
            return Ok(running.address());
        }
        let started = Service::start(settings, seed).await?;
        Ok(service.insert(started).address())
    }
}

impl Workload for Chat {
    type State = ChatUser;

    async fn setup(&self, worker: Worker) -> Result<ChatUser, BoxError> {
        let settings = UserSettings::new(&worker)?;
        let address = self.service(ServiceSettings::new(&worker)?, worker.seed()).await?;
        let user = User::connect(address, worker.index(), worker.seed(), settings).await?;
        Ok(ChatUser { user })
    }

    async fn operation(&self, state: &mut ChatUser) -> Result<Work, BoxError> {
        Ok(state.user.say().await?)
    }

    async fn teardown(&self, state: ChatUser) -> Result<(), BoxError> {
        // Dropping the user closes their connection; the service ends with the process.
        drop(state);
        Ok(())
    }

    fn describe(&self) -> Description {
        Description {
            about: "users talk over HTTP to a chat service in this process: Redis, LLM, cache, transcript files",
            variants: &VARIANTS,
            params: &PARAMS,
            needs: &[Need::Redis, Need::Llm],
            phases: &PHASES,
            users: Some(50),
            ..Description::default()
        }
    }
}

/// What one user keeps between messages.
#[derive(Debug)]
pub struct ChatUser {
    user: User,
}
