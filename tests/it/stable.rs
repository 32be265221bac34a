//! What a build without `tokio_unstable` can do, and what it must say. Runs in both builds; `scripts/test` makes both.

use std::process::Command;
use std::sync::Arc;

use perfkit::probe::tasks;
use tokio::runtime::Builder;
use tokio::sync::Notify;

use crate::stalled::{hold_by_sleeping, observed, the_stall};

#[test]
fn stable_or_not_a_run_says_what_tokio_does_not_tell() {
    let folder = tempfile::tempdir().expect("a folder");
    let output = Command::new(env!("CARGO_BIN_EXE_perfkit"))
        .args(["run", "noop", "--rounds", "2", "--duration", "200ms", "--format", "json", "-q"])
        .current_dir(folder.path())
        .output()
        .expect("the binary runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let run: serde_json::Value = serde_json::from_slice(&output.stdout).expect("one JSON document");
    let has = |name: &str| run["metrics"].as_array().expect("metrics").iter().any(|metric| metric["name"] == name);
    let warned =
        run["warnings"].as_array().expect("warnings").iter().any(|warning| warning["code"] == "no-tokio-unstable");
    // Absent, not zero: poll times need the cfg, busy ratio and the parts of operations do not.
    assert_eq!(has("poll.p99"), cfg!(tokio_unstable));
    assert_eq!(warned, !cfg!(tokio_unstable));
    assert!(has("operation.busy") && has("runtime.busy_ratio"));
    assert_eq!(run["environment"]["tokio_unstable"], cfg!(tokio_unstable));
}

#[test]
fn stable_or_not_a_task_that_perfkit_spawned_is_watched() {
    let reading = observed(Builder::new_multi_thread(), async {
        perfkit::spawn(async { hold_by_sleeping() }).await.unwrap();
    });
    let task = the_stall(&reading, "hold_by_sleeping").task.expect("the task is known");
    assert!(task.spawned_at.is_some_and(|at| at.contains("tests/it/stable.rs")));
    // Another task is seen where the runtime tells of it.
    let reading = observed(Builder::new_multi_thread(), async {
        tokio::spawn(async { hold_by_sleeping() }).await.unwrap();
    });
    assert_eq!(reading.stalls.is_empty(), !cfg!(tokio_unstable), "{:#?}", reading.stalls);
}

#[test]
fn stable_or_not_a_worker_that_is_woken_before_a_stall_is_delayed_by_it() {
    let (woken, wake) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let waits = tasks::worker({
        let woken = Arc::clone(&woken);
        async move { woken.notified().await }
    });
    let holds = tasks::worker(async move {
        wake.notify_one();
        wake.notified().await;
        woken.notify_one();
        hold_by_sleeping();
    });
    let reading = observed(Builder::new_current_thread(), async {
        let (waits, holds) = (tokio::spawn(waits), tokio::spawn(holds));
        waits.await.unwrap();
        holds.await.unwrap();
    });
    let stall = the_stall(&reading, "hold_by_sleeping");
    assert!(stall.delayed_tasks >= 1 && stall.delay_ns > stall.duration_ns / 2, "{stall:#?}");
}
