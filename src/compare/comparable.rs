//! Whether two runs may be compared at all: what failed, and what differs between them that should not. Judges no figure.

use super::policy::Mismatch;
use crate::record::{Run, Status};
use crate::warning::{Caution, Warning};

/// What was found.
pub(super) struct Conditions {
    /// Why nothing may be compared; the first reason is the strongest.
    pub(super) refusals: Vec<String>,
    /// What differs, and is shown beside the verdicts.
    pub(super) warnings: Vec<Warning>,
}

/// Looks at two runs.
pub(super) fn conditions(base: &Run, head: &Run, mismatch: Mismatch) -> Conditions {
    let mut conditions = Conditions { refusals: Vec::new(), warnings: Vec::new() };
    for (arm, run) in [("base", base), ("head", head)] {
        let reason = run.status_reason.as_deref().unwrap_or("no reason given");
        match run.status {
            Status::Invalid => conditions.refusals.push(format!("{arm} is invalid: {reason}")),
            Status::Partial => conditions.warn("partial", format!("{arm} is partial: {reason}")),
            Status::Complete => {}
        }
    }
    let mut differing = differences(base, head);
    if base.foreign.is_none() && base.id == head.id {
        differing.push(format!("base and head are the same run, {}", base.id));
    }
    match mismatch {
        Mismatch::Refuse => conditions.refusals.extend(differing),
        Mismatch::Allow => differing.into_iter().for_each(|text| conditions.warn("mismatch", text)),
    }
    for text in notable(base, head) {
        conditions.warn("conditions", text);
    }
    conditions
}

impl Conditions {
    fn warn(&mut self, code: &'static str, message: String) {
        self.warnings.push(Caution::Compared { code, message }.into());
    }
}

/// Names one thing that differs.
fn differs(what: &str, base: &str, head: &str) -> Option<String> {
    (base != head).then(|| format!("{what} differs: {} in base, {} in head", or_none(base), or_none(head)))
}

fn or_none(text: &str) -> &str {
    if text.is_empty() { "none" } else { text }
}

/// What makes figures of two runs say nothing about the program.
fn differences(base: &Run, head: &Run) -> Vec<String> {
    if base.foreign.is_some() || head.foreign.is_some() {
        let format = |run: &Run| run.foreign.clone().unwrap_or_else(|| "perfkit".to_owned());
        return differs("the program that measured", &format(base), &format(head)).into_iter().collect();
    }
    let (b, h) = (&base.environment, &head.environment);
    let model = |run: &Run| run.environment.cpu_model.clone().unwrap_or_default();
    let rate = |run: &Run| run.load.rate_per_s.map(|rate| format!("{rate}/s")).unwrap_or_default();
    // In an open load the users are what was in flight at most: a result, not a setting.
    let users = |run: &Run| if run.load.model == "closed" { run.load.users.to_string() } else { String::new() };
    let mut all = vec![
        differs("the workload", &base.workload, &head.workload),
        differs("the processor", &model(base), &model(head)),
        differs("the number of processors", &b.cores.to_string(), &h.cores.to_string()),
        differs("the build", &b.profile, &h.profile),
        differs("the load", &base.load.model, &head.load.model),
        differs("the number of users", &users(base), &users(head)),
        differs("the rate", &rate(base), &rate(head)),
        differs("the length of a round", &length(base), &length(head)),
        differs("the warm-up", &format!("{} s", base.load.warmup_s), &format!("{} s", head.load.warmup_s)),
        differs("the runtime", &base.load.runtime, &head.load.runtime),
    ];
    let names = base.services.keys().chain(head.services.keys().filter(|name| !base.services.contains_key(*name)));
    for name in names {
        let kind = |run: &Run| run.services.get(name).map(|service| service.kind.clone()).unwrap_or_default();
        all.push(differs(&format!("the kind of {name}"), &kind(base), &kind(head)));
    }
    let names = base.params.keys().chain(head.params.keys().filter(|name| !base.params.contains_key(*name)));
    for name in names {
        let value = |run: &Run| run.params.get(name).cloned().unwrap_or_default();
        all.push(differs(&format!("the parameter {name}"), &value(base), &value(head)));
    }
    all.into_iter().flatten().collect()
}

/// How long a round is, in time or in operations.
fn length(run: &Run) -> String {
    match (run.load.operations, run.load.duration_s) {
        (Some(operations), _) => format!("{operations} operations"),
        (None, Some(seconds)) => format!("{seconds} s"),
        (None, None) => String::new(),
    }
}

/// What can move figures but may be what is compared.
fn notable(base: &Run, head: &Run) -> Vec<String> {
    let (b, h) = (&base.environment, &head.environment);
    if base.foreign.is_some() || head.foreign.is_some() {
        return Vec::new();
    }
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    let mut all = vec![
        differs("the kernel", &text(&b.kernel), &text(&h.kernel)),
        differs("the compiler", &b.rustc, &h.rustc),
        differs("the frequency governor", &text(&b.governor), &text(&h.governor)),
        differs("tokio_unstable", &b.tokio_unstable.to_string(), &h.tokio_unstable.to_string()),
        differs("the seed", &base.load.seed.to_string(), &head.load.seed.to_string()),
        differs("perfkit's version", &b.perfkit, &h.perfkit),
    ];
    for (name, service) in &base.services {
        let other = head.services.get(name).map_or("", |service| service.version.as_str());
        all.push(differs(&format!("the version of {name}"), &service.version, other));
    }
    all.into_iter().flatten().collect()
}
