//! A comparison for the tests of the formats: the one that also stands in the golden files.

use super::{Detail, Format, Judgement, Kind};
use crate::compare::{Comparison, ComponentChange, HeldBy, Judged, MetricChange, SpreadChange, Verdict};
use crate::record::stacks::Frame;

/// The comparison of the golden files.
pub(super) fn comparison() -> Comparison {
    judged().comparison.unwrap()
}

/// The first workload of the check of the golden files.
pub(super) fn judged() -> Judged {
    read().remove(0)
}

/// One that has no base.
pub(super) fn not_compared() -> Judged {
    read().remove(1)
}

fn read() -> Vec<Judged> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/judged/v1.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// A metric that regressed, under another name.
pub(super) fn slower(name: &str) -> MetricChange {
    let mut change = comparison().metrics.remove(0);
    name.clone_into(&mut change.name);
    change
}

/// The metric that is compared by differences.
pub(super) fn success_rate() -> MetricChange {
    comparison().metrics.into_iter().find(|change| change.name == "success_rate").unwrap()
}

/// A spread that grew.
pub(super) fn spread() -> SpreadChange {
    let part = |component: &str, share: f64| ComponentChange {
        component: component.to_owned(),
        base_ns2: 1e13,
        head_ns2: 1e13 + share * 2e17,
        share_of_change: share,
        low: Some(share - 0.03),
        high: Some(share + 0.03),
    };
    SpreadChange {
        base_sd_ns: 3.9e6,
        head_sd_ns: 466e6,
        components: vec![part("archive.read/busy", 0.93), part("llm.call/idle", 0.07)],
        held_by: Some(HeldBy {
            frame: Frame {
                function: "shop::naive_tokenize".into(),
                file: Some("src/tokens.rs".into()),
                line: Some(12),
            },
            stalls: 34,
            held_ns: 2_000_000_000,
        }),
        note: String::new(),
    }
}

/// The sample with a text in every place where text can stand.
pub(super) fn hostile(text: &str) -> Judged {
    let mut judged = judged();
    let everywhere = |place: &mut String| text.clone_into(place);
    everywhere(&mut judged.workload);
    everywhere(&mut judged.reason);
    judged.objectives = judged.held_to().to_vec();
    for objective in &mut judged.objectives {
        [&mut objective.objective, &mut objective.metric, &mut objective.note].into_iter().for_each(everywhere);
    }
    if let Some(control) = &mut judged.control {
        everywhere(&mut control.note);
    }
    let comparison = judged.comparison.as_mut().unwrap();
    everywhere(&mut comparison.reason);
    for side in [&mut comparison.base, &mut comparison.head] {
        [&mut side.id, &mut side.workload, &mut side.variant].into_iter().for_each(everywhere);
        side.git_sha = Some(text.to_owned());
        side.status = crate::record::Status::Partial;
        side.status_reason = Some(text.to_owned());
    }
    for change in &mut comparison.metrics {
        [&mut change.name, &mut change.note].into_iter().for_each(everywhere);
    }
    for function in &mut comparison.functions {
        [&mut function.name, &mut function.note].into_iter().for_each(everywhere);
    }
    let mut spread = spread();
    everywhere(&mut spread.note);
    spread.components.iter_mut().map(|part| &mut part.component).for_each(everywhere);
    if let Some(held) = &mut spread.held_by {
        everywhere(&mut held.frame.function);
        held.frame.file = Some(text.to_owned());
    }
    comparison.spread = Some(spread);
    for warning in &mut comparison.warnings {
        [&mut warning.code, &mut warning.message].into_iter().for_each(everywhere);
    }
    comparison.shape.as_mut().map(|shape| &mut shape.note).map(everywhere);
    judged
}

/// A check of these.
pub(super) fn check(judged: &[Judged]) -> Judgement<'_> {
    Judgement {
        kind: Kind::Check,
        title: "perfkit check",
        judged,
        verdict: Verdict::Regressed,
        exit_code: 1,
        command: "perfkit check chat --base baseline:main",
        detail: Detail::Changed,
    }
}

/// What a format makes of it.
pub(super) fn rendered(format: &Format, judgement: &Judgement<'_>) -> String {
    let mut out = Vec::new();
    (format.render)(judgement, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}
