//! What goes wrong around the chat, and the kind of failure that an operation then has.

use std::time::Duration;

use http_body_util::{BodyExt as _, Full};
use hyper::Request;

use super::super::connection;
use super::backend::Mood;
use super::{Scene, VARIANTS};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_llm_that_fails_fails_the_operation_with_its_kind_and_the_next_one_is_good() {
    for variant in VARIANTS {
        let scene = Scene::start(variant).await.with_param("repeat", "0").with_limit("llm", 500);
        let mut user = scene.user(0).await;
        scene.say(&mut user).await.unwrap();
        let cases = [
            (Mood::Wrong, "content", "belongs to another message"),
            (Mood::Silent, "content", "the answer is empty"),
            (Mood::Broken, "status:502", "the LLM answered 500 Internal Server Error: out of it"),
            (Mood::CutOff, "status:502", "ended without [DONE]"),
            (Mood::Stuck, "timeout:llm.call", "phase llm.call took longer than 500ms"),
        ];
        for (mood, kind, message) in cases {
            scene.llm.set(mood);
            let failure = scene.say(&mut user).await.unwrap_err();
            assert_eq!(failure.kind(), kind, "{failure}");
            assert!(failure.to_string().contains(message), "{failure}");
            assert_eq!(failure.timed_out(), matches!(mood, Mood::Stuck));
            scene.llm.set(Mood::Good);
            scene.say(&mut user).await.unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_redis_times_out_in_its_phase_and_the_next_operation_is_good() {
    for variant in VARIANTS {
        let scene = Scene::start(variant).await.with_limit("redis", 300);
        let mut user = scene.user(0).await;
        scene.say(&mut user).await.unwrap();
        for (pause, phase) in [("ALL", "redis.get"), ("WRITE", "redis.set")] {
            scene.redis.ask::<()>(&["CLIENT", "PAUSE", "1000", pause]);
            let failure = scene.say(&mut user).await.unwrap_err();
            assert_eq!(failure.kind(), format!("timeout:{phase}"), "{variant}: {failure}");
            assert_eq!(failure.to_string(), format!("phase {phase} took longer than 300ms"));
            assert!(failure.timed_out());
            // A paused Redis does not take `CLIENT UNPAUSE` either; a write waits until it goes on.
            scene.redis.ask::<()>(&["DEL", "nothing"]);
            scene.say(&mut user).await.unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_went_away_fails_operations_until_it_is_back() {
    for variant in VARIANTS {
        let mut scene = Scene::start(variant).await;
        let mut user = scene.user(0).await;
        scene.say(&mut user).await.unwrap();
        scene.redis.stop();
        for _ in 0..3 {
            let failure = scene.say(&mut user).await.unwrap_err();
            assert_eq!(failure.kind(), "status:502", "{failure}");
            assert!(failure.to_string().contains(r#""phase":"redis.get""#), "{failure}");
        }
        scene.redis.restart().await;
        // The conversation is gone with the old Redis, so it begins anew; the client must not take that for right.
        let failure = scene.say(&mut user).await.unwrap_err();
        assert_eq!(failure.kind(), "content", "{failure}");
        scene.say(&mut user).await.unwrap();
        scene.say(&mut user).await.unwrap();
    }
}

#[tokio::test]
async fn a_history_that_somebody_damaged_is_no_history() {
    let scene = Scene::start("async").await;
    let mut user = scene.user(0).await;
    scene.say(&mut user).await.unwrap();
    let keys: Vec<String> = scene.redis.ask(&["KEYS", "*"]);
    scene.redis.ask::<()>(&["RPUSH", &keys[0], "\u{1}"]);
    let failure = scene.say(&mut user).await.unwrap_err();
    assert_eq!(failure.kind(), "status:502");
    assert!(failure.to_string().contains("damaged"), "{failure}");
}

#[tokio::test]
async fn a_transcript_that_cannot_be_written_is_an_internal_error() {
    for variant in VARIANTS {
        let scene = Scene::start(variant).await;
        let mut user = scene.user(0).await;
        std::fs::remove_dir_all(scene.context.folder.join("transcripts")).unwrap();
        let failure = scene.say(&mut user).await.unwrap_err();
        assert_eq!(failure.kind(), "status:500");
        assert!(failure.to_string().contains("transcript.append"), "{failure}");
    }
}

#[tokio::test]
async fn a_dropped_operation_does_not_disturb_the_next() {
    let scene = Scene::start("async").await.with_param("repeat", "0");
    let mut user = scene.user(0).await;
    scene.say(&mut user).await.unwrap();
    scene.llm.set(Mood::Stuck);
    assert!(tokio::time::timeout(Duration::from_millis(100), scene.say(&mut user)).await.is_err());
    scene.llm.set(Mood::Good);
    scene.say(&mut user).await.unwrap();
}

#[tokio::test]
async fn an_llm_that_closes_its_connections_is_called_over_new_ones() {
    let scene = Scene::start("async").await.with_param("repeat", "0");
    scene.llm.set(Mood::Closing);
    let mut user = scene.user(0).await;
    for _ in 0..5 {
        scene.say(&mut user).await.unwrap();
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(scene.llm.calls(), 5);
}

#[tokio::test]
async fn set_up_says_which_service_is_missing_without_its_password() {
    let mut scene = Scene::start("async").await;
    let llm = scene.context.services.insert(super::Need::Llm, "http://u:secret@127.0.0.1:1".to_string()).unwrap();
    let failure = scene.try_user(0).await.unwrap_err();
    assert_eq!(failure.kind(), "connect");
    assert!(failure.to_string().contains("127.0.0.1:1") && !failure.to_string().contains("secret"), "{failure}");

    scene.context.services.insert(super::Need::Llm, llm);
    for (url, kind) in [("redis://:secret@127.0.0.1:1", "connect"), ("reddis://:secret@x", "service")] {
        scene.context.services.insert(super::Need::Redis, url.to_string());
        let failure = scene.try_user(0).await.unwrap_err();
        assert_eq!(failure.kind(), kind, "{failure}");
        assert!(failure.to_string().contains("Redis") && !failure.to_string().contains("secret"), "{failure}");
    }
}

#[tokio::test]
async fn parameters_and_variants_that_make_no_sense_are_refused() {
    let mut scene = Scene::start("async").await;
    let cases = [
        ("history", "0"),
        ("cache_ttl", "0"),
        ("cache_ttl", "99999999999999"),
        ("repeat", "1.5"),
        ("repeat", "NaN"),
        ("check_echo", "maybe"),
    ];
    for (name, value) in cases {
        let before = scene.context.params.insert(name.to_string(), value.to_string()).unwrap();
        let failure = scene.try_user(0).await.unwrap_err();
        assert_eq!(failure.kind(), "param", "{name}={value}");
        scene.context.params.insert(name.to_string(), before);
    }
    scene.context.variant = "quick".to_string();
    assert_eq!(scene.try_user(0).await.unwrap_err().kind(), "variant");
}

#[tokio::test]
async fn requests_that_are_no_messages_are_refused() {
    let scene = Scene::start("async").await;
    let _user = scene.user(0).await;
    let address = scene.chat.service.lock().await.as_ref().unwrap().address();
    let long = format!(r#"{{"conversation":"{}","message":"hi"}}"#, "x".repeat(65));
    let huge = format!(r#"{{"conversation":"x","message":"{}"}}"#, "x".repeat(70_000));
    let bodies = [
        "",
        "[]",
        "{}",
        r#"{"conversation":"x","message":" "}"#,
        r#"{"conversation":"","message":"hi"}"#,
        r#"{"conversation":"../x","message":"hi"}"#,
        &long,
        &huge,
    ];
    for body in bodies {
        let mut connection = connection::connect(address).await.unwrap();
        let request = Request::post("/chat").body(Full::new(body.to_string().into())).unwrap();
        let response = connection.send_request(request).await.unwrap();
        assert_eq!(response.status(), 400, "{body:.80}");
        let answer = response.into_body().collect().await.unwrap().to_bytes();
        let answer: serde_json::Value = serde_json::from_slice(&answer).unwrap();
        assert_eq!(answer["phase"], "chat.parse", "{body:.80}");
    }
}
