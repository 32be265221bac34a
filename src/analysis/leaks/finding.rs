//! `leak`: what a `leaks` session found, as findings with the next step.

use serde_json::json;

use super::{Judged, JudgedSite, Rate, Verdict, analyze};
use crate::analysis::{Analysis, evidence};
use crate::record::Run;
use crate::record::finding::{Finding, Severity};
use crate::unit::Unit;

pub(in crate::analysis) static ANALYSIS: Analysis = Analysis {
    rule: "leak",
    about: "memory, tasks, threads or descriptors that grow with the operations (of `perfkit leaks`)",
    reads_invalid_runs: false,
    analyze: findings,
};

/// The most call sites that are told.
const MOST: usize = 5;

fn findings(run: &Run) -> Vec<Finding> {
    let Some(leaks) = analyze(run) else { return Vec::new() };
    let bad = |verdict: Verdict| verdict >= Verdict::Retention;
    let sites = leaks.sites.iter().filter(|site| bad(site.verdict)).take(MOST).map(of_site);
    let tasks = leaks.tasks.iter().filter(|judged| bad(judged.verdict)).map(of_tasks);
    let told = leaks.sites.iter().any(|site| site.verdict == Verdict::Leak);
    // Live bytes are told by their sites, and all tasks by their places.
    let quantities = leaks.quantities.iter().filter(|judged| match judged.name.as_str() {
        "heap.live" => !told,
        "tasks" => leaks.tasks.is_empty(),
        "rss" => judged.verdict == Verdict::Retention,
        _ => true,
    });
    let quantities = quantities.filter(|judged| bad(judged.verdict)).map(of_quantity);
    sites.chain(tasks).chain(quantities).collect()
}

fn severity(verdict: Verdict) -> Severity {
    if verdict == Verdict::Leak { Severity::Error } else { Severity::Warning }
}

/// `1,034 B per operation [1,024 B, 1,040 B]`.
fn per_operation(rate: Option<Rate>, unit: Unit) -> String {
    let shown = |rate: Rate| {
        let [estimate, low, high] = [rate.estimate, rate.low, rate.high].map(|value| unit.show_whole(value));
        format!("{estimate} per operation [{low}, {high}]")
    };
    rate.map_or_else(|| "at no steady rate".to_owned(), shown)
}

fn of_site(site: &JudgedSite) -> Finding {
    let place = if site.place.is_empty() { String::new() } else { format!(" ({})", site.place) };
    let bytes = per_operation(site.rate, Unit::Bytes);
    let (title, next_step) = match site.verdict {
        Verdict::Leak => (
            format!("`{}` leaks {bytes}", site.function),
            "look where the block goes from there: a collection without a bound, a cycle of Arcs, a task or a channel that holds it",
        ),
        _ => (
            format!("what `{}` allocates is growing", site.function),
            "give the collection a bound, or run longer: `perfkit leaks --until decided`",
        ),
    };
    Finding {
        rule: ANALYSIS.rule.to_owned(),
        severity: severity(site.verdict),
        title,
        detail: format!(
            "Allocated{place}: {bytes}, {}; alive at the end {} in {} blocks, first seen after {} operations.",
            per_operation(site.blocks, Unit::Count).replace(" per operation", " blocks per operation"),
            Unit::Bytes.show(site.live_bytes),
            Unit::Count.show(site.live_blocks),
            Unit::Count.show(site.first_seen as f64)
        ),
        evidence: evidence([
            ("function", json!(site.function)),
            ("place", json!(site.place)),
            ("verdict", json!(site.verdict)),
            ("bytes_per_op", json!(site.rate)),
            ("blocks_per_op", json!(site.blocks)),
            ("live_bytes", json!(site.live_bytes)),
        ]),
        next_step: next_step.to_owned(),
    }
}

fn of_tasks(judged: &Judged) -> Finding {
    Finding {
        rule: ANALYSIS.rule.to_owned(),
        severity: severity(judged.verdict),
        title: format!("tasks spawned at {} do not end: {}", judged.name, per_operation(judged.rate, Unit::Count)),
        detail: format!(
            "{} were alive after the first round, {} after the last.",
            Unit::Count.show(judged.first),
            Unit::Count.show(judged.last)
        ),
        evidence: evidence([
            ("spawned_at", json!(judged.name)),
            ("verdict", json!(judged.verdict)),
            ("tasks_per_op", json!(judged.rate)),
            ("alive", json!(judged.last)),
        ]),
        next_step: "end the task when its work is over: a closed channel, a CancellationToken, `JoinHandle::abort`"
            .to_owned(),
    }
}

fn of_quantity(judged: &Judged) -> Finding {
    let rate = per_operation(judged.rate, judged.unit);
    let (title, next_step) = match (judged.name.as_str(), judged.verdict) {
        ("rss", _) => (
            format!("resident memory grows although live memory does not: {rate}"),
            "the allocator keeps what was freed (fragmentation): try another allocator, or fewer sizes that live long",
        ),
        ("threads", _) => (format!("threads do not end: {rate}"), "join them, or use a pool with a bound"),
        ("descriptors", _) => (
            format!("file descriptors are not closed: {rate}"),
            "close files and sockets when the operation is over; look for handles kept in a collection",
        ),
        ("tasks", _) => (format!("tasks do not end: {rate}"), "end the task when its work is over"),
        _ => (
            format!("live memory is growing: {rate}"),
            "run longer for the call sites: `perfkit leaks --until decided`",
        ),
    };
    Finding {
        rule: ANALYSIS.rule.to_owned(),
        severity: severity(judged.verdict),
        title,
        detail: format!(
            "From {} after the first round to {} after the last.",
            judged.unit.show(judged.first),
            judged.unit.show(judged.last)
        ),
        evidence: evidence([
            ("quantity", json!(judged.name)),
            ("verdict", json!(judged.verdict)),
            ("per_op", json!(judged.rate)),
            ("last", json!(judged.last)),
        ]),
        next_step: next_step.to_owned(),
    }
}
