//! The verdict of a whole comparison: the worst of its gated metrics. Never a pass where nothing was compared.

use super::metrics::Metrics;
use super::policy::{Mismatch, Policy};
use super::{MetricChange, Verdict};
use crate::warning::{Caution, Warning};

/// The verdict, and what led to it in one line.
pub(super) fn verdict(metrics: &Metrics, mismatch: Mismatch) -> (Verdict, String) {
    let Metrics { changes, family, alone, misfit } = metrics;
    let family = *family;
    let gated = || changes.iter().filter(|change| change.gated);
    let of = |verdict: Verdict| gated().filter(move |change| change.verdict == verdict && !change.accepted);
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
    if family == 0 {
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
    (Verdict::Unchanged, format!("all {family} gated metrics are within their margins{accepted}"))
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

/// Accepted regressions that there is nothing to accept for: they would hide the next one.
pub(super) fn unused_acceptances(changes: &[MetricChange], policy: &Policy) -> Vec<Warning> {
    let is_regressed =
        |metric: &str| changes.iter().any(|change| change.name == metric && change.verdict == Verdict::Regressed);
    let unused = policy.accepted.iter().filter(|accepted| !is_regressed(&accepted.metric));
    let warn = |accepted: &super::policy::Accepted| {
        let message = format!("{} is not regressed: its accepted change is not needed any more", accepted.metric);
        Caution::Compared { code: "accept-unused", message }.into()
    };
    unused.map(warn).collect()
}
