//! The verdict of a whole comparison: the worst of its gated metrics. Never a pass where nothing was compared.

use super::metrics::Metrics;
use super::policy::{Mismatch, Policy, is_known};
use super::{MetricChange, Verdict};
use crate::warning::{Caution, Warning};

/// The verdict, and what led to it in one line.
pub(super) fn verdict(metrics: &Metrics, mismatch: Mismatch) -> (Verdict, String) {
    let Metrics { changes, alone, misfit, .. } = metrics;
    let gated = || changes.iter().filter(|change| change.gated);
    let of = |verdict: Verdict| gated().filter(move |change| change.verdict == verdict && !change.accepted);
    // Those that were compared, if only by a point.
    let family = gated().filter(|change| change.verdict != Verdict::NotCompared).count();
    let regressed: Vec<&MetricChange> = of(Verdict::Regressed).collect();
    if !regressed.is_empty() {
        return (Verdict::Regressed, counted(&regressed, family, "regressed"));
    }
    // A gate must not lose a metric silently: what was measured in one run alone is not compared.
    if let (Some((_, which)), Mismatch::Refuse) = (alone.first(), mismatch) {
        let names = alone.iter().filter(|(_, of)| of == which).map(|(name, _)| name.as_str());
        return (Verdict::NotCompared, format!("{} measured in {which} only", names_of(names)));
    }
    if let Some((name, note)) = misfit {
        return (Verdict::NotCompared, format!("{name}: {note}"));
    }
    let inconclusive: Vec<&MetricChange> = of(Verdict::Inconclusive).collect();
    if metrics.family == 0 {
        return match (inconclusive.first(), gated().next()) {
            (Some(first), _) => (Verdict::Inconclusive, first.note.clone()),
            (None, Some(first)) => (Verdict::NotCompared, format!("{}: {}", first.name, first.note)),
            (None, None) => (Verdict::NotCompared, "no metric that decides was measured".to_owned()),
        };
    }
    if !inconclusive.is_empty() {
        return (Verdict::Inconclusive, counted(&inconclusive, family, "inconclusive"));
    }
    let improved: Vec<&MetricChange> = of(Verdict::Improved).collect();
    if !improved.is_empty() {
        return (Verdict::Improved, counted(&improved, family, "improved"));
    }
    let accepted = gated().filter(|change| change.accepted).count();
    let accepted = if accepted > 0 { format!(", but {accepted} whose regression is accepted") } else { String::new() };
    let all = if family == 1 { "the gated metric is" } else { &format!("all {family} gated metrics are") };
    let rest: Vec<&MetricChange> = of(Verdict::NotCompared).collect();
    let rest = match rest.first() {
        Some(first) => {
            format!("; not compared: {} ({})", names_of(rest.iter().map(|one| one.name.as_str())), first.note)
        }
        None => String::new(),
    };
    (Verdict::Unchanged, format!("{all} within the margin{accepted}{rest}"))
}

fn counted(changes: &[&MetricChange], family: usize, word: &str) -> String {
    let names = names_of(changes.iter().map(|change| change.name.as_str()));
    format!("{} of {family} gated metrics {word}: {names}", changes.len())
}

/// The first names, and how many more.
fn names_of<'a>(names: impl Iterator<Item = &'a str>) -> String {
    const SHOWN: usize = 4;
    let names: Vec<&str> = names.collect();
    let mut text = names.iter().take(SHOWN).copied().collect::<Vec<_>>().join(", ");
    if names.len() > SHOWN {
        text.push_str(&format!(" and {} more", names.len() - SHOWN));
    }
    text
}

/// Parts of the policy that say nothing: regressions that there is nothing to accept for, which would hide the next one, and names that
/// no metric has.
pub(super) fn idle_rules(changes: &[MetricChange], policy: &Policy) -> Vec<Warning> {
    let find = |metric: &str| changes.iter().find(|change| change.name == metric);
    let warn = |code: &'static str, message: String| Warning::from(Caution::Compared { code, message });
    let accepted = policy.accepted.iter().filter_map(|accepted| match find(&accepted.metric) {
        None => Some(warn("unknown-metric", format!("[[accept]]: neither run has a metric {}", accepted.metric))),
        Some(change) if matches!(change.verdict, Verdict::Unchanged | Verdict::Improved) => Some(warn(
            "accept-unused",
            format!("{} is not regressed: its accepted change is not needed any more", accepted.metric),
        )),
        Some(_) => None,
    });
    let limits = policy.limits.iter().filter(|(metric, _)| find(metric).is_none() && !is_known(metric));
    let limits =
        limits.map(|(metric, _)| warn("unknown-metric", format!("[compare]: neither run has a metric {metric}")));
    accepted.chain(limits).collect()
}
