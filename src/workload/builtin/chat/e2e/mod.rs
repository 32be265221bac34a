//! The whole workload against a real Redis and an LLM of the tests' own: good answers, and every way to fail.

mod backend;
mod failures;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id};
use tracing_subscriber::layer::{Context as LayerContext, Layer, SubscriberExt as _};
use tracing_subscriber::registry::LookupSpan;

use self::backend::{Llm, Redis};
use super::{Chat, ChatUser};
use crate::workload::current::OperationId;
use crate::workload::{Context, Failure, Need, Worker, Workload};

const VARIANTS: [&str; 2] = ["async", "blocking"];

/// A chat with what it needs.
struct Scene {
    chat: Chat,
    redis: Redis,
    llm: Llm,
    context: Context,
    _folder: tempfile::TempDir,
}

impl Scene {
    async fn start(variant: &str) -> Self {
        let (redis, llm, folder) = (Redis::start().await, Llm::start().await, tempfile::tempdir().unwrap());
        let chat = Chat::new();
        let params = chat.describe().params.iter().map(|param| (param.name.to_string(), param.default.to_string()));
        let context = Context {
            variant: variant.to_string(),
            params: params.collect(),
            services: BTreeMap::from([(Need::Redis, redis.url()), (Need::Llm, llm.url.clone())]),
            phase_timeouts: BTreeMap::new(),
            folder: folder.path().to_path_buf(),
            seed: 1,
        };
        Self { chat, redis, llm, context, _folder: folder }
    }

    fn with_param(mut self, name: &str, value: &str) -> Self {
        self.context.params.insert(name.to_string(), value.to_string());
        self
    }

    fn with_limit(mut self, phase: &str, milliseconds: u64) -> Self {
        self.context.phase_timeouts.insert(phase.to_string(), Duration::from_millis(milliseconds));
        self
    }

    async fn try_user(&self, index: u32) -> Result<ChatUser, Failure> {
        let worker = Worker::new(index, Arc::new(self.context.clone()));
        self.chat.setup(worker).await.map_err(Failure::from_error)
    }

    async fn user(&self, index: u32) -> ChatUser {
        self.try_user(index).await.unwrap()
    }

    async fn say(&self, user: &mut ChatUser) -> Result<(), Failure> {
        self.chat.operation(user).await.map(|_| ()).map_err(Failure::from_error)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_message_of_every_user_is_answered_kept_and_written_down() {
    for variant in VARIANTS {
        let scene = Arc::new(Scene::start(variant).await.with_param("history", "6"));
        let mut users = tokio::task::JoinSet::new();
        for index in 0..5 {
            let scene = Arc::clone(&scene);
            users.spawn(async move {
                let mut user = scene.user(index).await;
                for _ in 0..10 {
                    scene.say(&mut user).await.unwrap();
                }
                scene.chat.teardown(user).await.unwrap();
            });
        }
        while let Some(user) = users.join_next().await {
            user.unwrap();
        }
        let keys: Vec<String> = scene.redis.ask(&["KEYS", "*"]);
        assert_eq!(keys.len(), 5, "{keys:?}");
        for key in keys {
            assert!(key.starts_with("perfkit:chat:"), "{key}");
            assert!(key.contains(&format!(":{}:user-", std::process::id())), "{key}");
            assert_eq!(scene.redis.ask::<usize>(&["LLEN", &key]), 6);
            assert!((1..=900).contains(&scene.redis.ask::<i64>(&["TTL", &key])));
        }
        for index in 0..5 {
            let path = scene.context.folder.join(format!("transcripts/user-{index}.jsonl"));
            let text = std::fs::read_to_string(path).unwrap();
            let turns = text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
            let turns: Vec<u64> = turns.map(|line| line["turn"].as_u64().unwrap()).collect();
            assert_eq!(turns, (1..=10).flat_map(|turn| [turn, turn]).collect::<Vec<u64>>(), "{variant}");
        }
    }
}

#[tokio::test]
async fn a_repeated_message_is_answered_from_the_cache() {
    let scene = Scene::start("async").await.with_param("repeat", "1");
    let mut user = scene.user(0).await;
    for _ in 0..60 {
        scene.say(&mut user).await.unwrap();
    }
    assert!(scene.llm.calls() <= 16, "{} calls", scene.llm.calls());
}

#[tokio::test]
async fn a_later_round_in_the_same_process_goes_on_with_the_conversation() {
    let scene = Scene::start("async").await;
    for _ in 0..3 {
        let mut user = scene.user(0).await;
        scene.say(&mut user).await.unwrap();
        scene.say(&mut user).await.unwrap();
    }
    let text = std::fs::read_to_string(scene.context.folder.join("transcripts/user-0.jsonl")).unwrap();
    assert!(text.lines().last().unwrap().starts_with(r#"{"turn":6,"#), "{text}");
}

#[tokio::test]
async fn other_settings_and_another_runtime_get_another_service() {
    let mut scene = Scene::start("async").await;
    let mut user = scene.user(0).await;
    scene.say(&mut user).await.unwrap();
    scene.context.variant = "blocking".to_string();
    let mut user = scene.user(0).await;
    scene.say(&mut user).await.unwrap();

    let scene = Arc::new(scene);
    for _ in 0..2 {
        let scene = Arc::clone(&scene);
        let other = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async { scene.say(&mut scene.user(0).await).await })
        });
        tokio::task::spawn_blocking(|| other.join().unwrap()).await.unwrap().unwrap();
    }
}

/// The spans that were opened, each with its parent and its `traceparent`.
#[derive(Clone, Default)]
struct Spans(Arc<Mutex<Vec<Seen>>>);

type Seen = (&'static str, Option<&'static str>, Option<String>);

struct Traceparent(Option<String>);

impl Visit for Traceparent {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "traceparent" {
            self.0 = Some(value.to_string());
        }
    }

    fn record_debug(&mut self, _field: &Field, _value: &dyn std::fmt::Debug) {}
}

impl<S: tracing::Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Spans {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: LayerContext<'_, S>) {
        let mut traceparent = Traceparent(None);
        attributes.record(&mut traceparent);
        let parent = context.span(id).and_then(|span| span.parent()).map(|parent| parent.name());
        self.0.lock().unwrap().push((attributes.metadata().name(), parent, traceparent.0));
    }
}

#[tokio::test]
async fn each_step_is_a_span_below_the_request_that_carries_the_operation() {
    for variant in VARIANTS {
        let scene = Scene::start(variant).await;
        let mut user = scene.user(0).await;
        let spans = Spans::default();
        // With a single subscriber in the process, tracing asks only the thread that meets a span first, which may be
        // one of another test. With two it asks both.
        let _second = tracing::Dispatch::new(tracing_subscriber::registry());
        let _subscriber = tracing::subscriber::set_default(tracing_subscriber::registry().with(spans.clone()));
        let mut operation = std::pin::pin!(scene.say(&mut user));
        let watched = std::future::poll_fn(|context| OperationId(7).scope(|| operation.as_mut().poll(context)));
        watched.await.unwrap();

        let ours = ["chat.", "redis.", "cache.", "tokenize", "llm.", "transcript."];
        let mut seen = spans.0.lock().unwrap().clone();
        seen.retain(|(name, ..)| ours.iter().any(|prefix| name.starts_with(prefix)));
        let root = seen.remove(0);
        assert_eq!(root, ("chat.request", None, Some(OperationId(7).traceparent().to_string())));
        let names: Vec<&str> = seen.iter().map(|(name, ..)| *name).collect();
        assert_eq!(names, scene.chat.describe().phases.iter().map(|phase| phase.name).collect::<Vec<_>>());
        assert!(seen.iter().all(|(_, parent, _)| *parent == Some("chat.request")), "{seen:?}");
    }
}
