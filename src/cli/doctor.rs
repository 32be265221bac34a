//! `doctor`: whether this machine is fit to measure, and what a run here will lack. Looks; changes nothing.

use serde_json::json;

use super::{Exit, Session};
use crate::error::Result;
use crate::experiment;
use crate::load::clock;
use crate::probe::cpu::Sampler;

/// One thing that was looked at.
struct Check {
    name: &'static str,
    fit: bool,
    seen: String,
    /// What to do where it is not fit.
    advice: &'static str,
}

pub(super) fn doctor(session: &Session<'_>) -> Result<Exit> {
    let checks = checks();
    if session.output.json() {
        let rows: Vec<serde_json::Value> = checks
            .iter()
            .map(|check| json!({ "name": check.name, "fit": check.fit, "seen": check.seen, "advice": check.advice }))
            .collect();
        session.output.text(&format!("{:#}\n", json!({ "checks": rows })))?;
        return Ok(Exit::Done);
    }
    let mut text = String::new();
    for check in &checks {
        let word = if check.fit { "ok     " } else { "careful" };
        text.push_str(&format!("{word}  {:<15} {}\n", check.name, check.seen));
        if !check.fit {
            text.push_str(&format!("         {:<15} {}\n", "", check.advice));
        }
    }
    session.output.text(&text)?;
    Ok(Exit::Done)
}

fn checks() -> Vec<Check> {
    let environment = experiment::environment();
    let load = environment.load_average.unwrap_or(0.0);
    let cores = f64::from(environment.cores);
    let governor = environment.governor.clone();
    let wake = wake_up_lateness();
    let redis = ["redis-server", "valkey-server"].into_iter().find(|name| on_path(name));
    vec![
        Check {
            name: "build",
            fit: environment.profile == "release",
            seen: format!("{} build by {}", environment.profile, environment.rustc),
            advice: "measure release builds: cargo run --release",
        },
        Check {
            name: "processors",
            fit: environment.cores >= 2,
            seen: format!("{} × {}", environment.cores, environment.cpu_model.as_deref().unwrap_or("unknown")),
            advice: "workload, services and perfkit share one processor here: every figure depends on all of them",
        },
        Check {
            name: "other load",
            fit: load < cores * 0.5,
            seen: format!("load average {load:.2}"),
            advice: "other programs are running: expect wide intervals, or wait",
        },
        Check {
            name: "governor",
            fit: governor.as_deref().is_none_or(|governor| governor == "performance"),
            seen: governor.unwrap_or_else(|| "not shown by this machine".to_owned()),
            advice: "the clock frequency changes with the load: set the governor to performance",
        },
        Check {
            name: "wake-ups",
            fit: wake < 1_000_000,
            seen: format!("a sleep of 1 ms ends up to {} late", crate::unit::Unit::Ns.show(wake as f64)),
            advice: "the machine wakes threads late: an open load will be called invalid (generator)",
        },
        Check {
            name: "heap tracking",
            fit: crate::heap_is_tracked(),
            seen: if crate::heap_is_tracked() { "track_heap! is in place" } else { "track_heap! is missing" }
                .to_owned(),
            advice: "add `perfkit::track_heap!();` beside fn main for heap profiles",
        },
        Check {
            name: "tokio_unstable",
            fit: environment.tokio_unstable,
            seen: if environment.tokio_unstable { "set" } else { "not set" }.to_owned(),
            advice: "poll times and scheduling delays are not measured; set rustflags in .cargo/config.toml",
        },
        samplers(),
        Check {
            name: "redis",
            fit: redis.is_some(),
            seen: redis.map_or_else(
                || "no redis-server on PATH: the embedded one is used".to_owned(),
                |name| format!("{name} on PATH"),
            ),
            advice: "fine for profiling perfkit's own workloads; for Redis figures install redis-server or give --redis-url",
        },
    ]
}

fn samplers() -> Check {
    let error = Sampler::Jittered.available().err();
    Check {
        name: "CPU samplers",
        fit: error.is_none(),
        seen: error.map_or_else(|| "pprof and jittered check each other".to_owned(), |error| error.to_string()),
        advice: "pprof takes the stacks alone, without tasks and phases; \
                 Linux 6.11, `sysctl kernel.perf_event_paranoid=1` or CAP_PERFMON allow the other one",
    }
}

fn on_path(name: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(name).is_file())
}

/// The latest end of fifty short sleeps, in nanoseconds.
fn wake_up_lateness() -> u64 {
    let pause = std::time::Duration::from_millis(1);
    let late = |_| {
        let before = clock::now();
        std::thread::sleep(pause);
        clock::ns_between(before + pause, clock::now())
    };
    (0..50).map(late).max().unwrap_or(0)
}
