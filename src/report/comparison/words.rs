//! The words of a comparison, the same in every format. Words carry the meaning, marks and colours only help to find it. Escapes
//! nothing: that is the work of whoever knows the format.

use crate::compare::{
    Comparison, ComponentChange, Control, Fitness, Judged, Kept, Method, MetricChange, Objective, Side, SpreadChange,
    Verdict,
};
use crate::record::Status;
use crate::report::page::Tone;
use crate::report::table::{clip, place, shorten};
use crate::unit::{Unit, factor, percent};

/// The longest name that is shown whole.
pub(super) const NAME: usize = 40;

/// The part of a change of spread from which on a component is named, and how many are.
const NOTABLE: f64 = 0.1;
const COMPONENTS: usize = 3;

/// The verdict in words.
pub(super) fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Regressed => "regressed",
        Verdict::Improved => "improved",
        Verdict::Unchanged => "unchanged",
        Verdict::Inconclusive => "inconclusive",
        Verdict::NotCompared => "not compared",
    }
}

/// The verdict's mark.
pub(super) fn mark(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Regressed => "▲",
        Verdict::Improved => "▼",
        Verdict::Unchanged => "=",
        Verdict::Inconclusive => "?",
        Verdict::NotCompared => "·",
    }
}

/// How the verdict looks.
pub(super) fn tone(verdict: Verdict) -> Tone {
    match verdict {
        Verdict::Regressed => Tone::Bad,
        Verdict::Improved => Tone::Good,
        Verdict::Unchanged => Tone::Quiet,
        Verdict::Inconclusive | Verdict::NotCompared => Tone::Careful,
    }
}

/// What is said of a metric: `regressed (accepted)`.
pub(super) fn outcome(change: &MetricChange) -> String {
    let accepted = if change.accepted && change.verdict == Verdict::Regressed { " (accepted)" } else { "" };
    format!("{}{accepted}", word(change.verdict))
}

/// How what is said of a metric looks.
pub(super) fn outcome_tone(change: &MetricChange) -> Tone {
    if change.verdict == Verdict::Regressed && change.accepted { Tone::Careful } else { tone(change.verdict) }
}

/// Whether a metric is one of those that a reader must see: it changed, or probably did, or should decide and could not.
pub(super) fn stands_out(change: &MetricChange) -> bool {
    match change.verdict {
        _ if change.warned => true,
        Verdict::Regressed | Verdict::Improved => true,
        Verdict::NotCompared => change.gated,
        Verdict::Inconclusive => change.is_likely(),
        Verdict::Unchanged => false,
    }
}

/// How many functions were compared, and how they did.
pub(super) fn functions(comparison: &Comparison) -> String {
    let verdicts: Vec<Verdict> = comparison.functions.iter().map(|function| function.verdict).collect();
    compared(&verdicts, "spend too little in themselves")
}

/// How many functions' allocation was compared, and with what outcome.
pub(super) fn allocators(comparison: &Comparison) -> String {
    let verdicts: Vec<Verdict> = comparison.allocators.iter().map(|allocator| allocator.verdict).collect();
    compared(&verdicts, "have too few rounds")
}

/// `rest` says why others were not.
fn compared(verdicts: &[Verdict], rest: &str) -> String {
    let (not, compared): (Vec<Verdict>, Vec<Verdict>) =
        verdicts.iter().partition(|verdict| **verdict == Verdict::NotCompared);
    let counts = counts(compared.iter().copied());
    match (compared.len(), not.len()) {
        (0, all) => format!("none of {all} functions could be compared"),
        (count, 0) => format!("{count} functions compared: {counts}"),
        (count, others) => format!("{count} functions compared: {counts}; {others} more {rest}"),
    }
}

/// How many of each verdict there are: `2 regressed, 5 unchanged`.
pub(super) fn counts(verdicts: impl IntoIterator<Item = Verdict>) -> String {
    let order =
        [Verdict::Regressed, Verdict::NotCompared, Verdict::Inconclusive, Verdict::Improved, Verdict::Unchanged];
    let mut counts = [0_usize; 5];
    for verdict in verdicts {
        for (count, _) in counts.iter_mut().zip(order).filter(|(_, other)| *other == verdict) {
            *count += 1;
        }
    }
    let counted = counts.iter().zip(order).filter(|(count, _)| **count > 0);
    counted.map(|(count, verdict)| format!("{count} {}", word(verdict))).collect::<Vec<_>>().join(", ")
}

/// A figure, or that there is none.
pub(super) fn figure(unit: Unit, value: Option<f64>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| clip(&unit.show(value), 16))
}

/// The change as a ratio, or as a difference where the metric is compared by differences.
pub(super) fn extent(change: &MetricChange) -> String {
    match (change.difference, change.ratio) {
        (Some(difference), _) => clip(&change.unit.show_difference(difference.estimate), 16),
        (None, ratio) => times(ratio),
    }
}

/// A ratio as a factor: `×1.15`.
pub(super) fn times(ratio: Option<f64>) -> String {
    match ratio {
        Some(ratio) if ratio.is_finite() => format!("×{}", factor(ratio)),
        _ => "-".to_owned(),
    }
}

/// The interval of the change.
pub(super) fn interval(change: &MetricChange) -> String {
    let ends = match change.difference {
        Some(difference) => range(difference.low, difference.high, |end| change.unit.show_difference(end)),
        None => range(change.low, change.high, factor),
    };
    match ends {
        // Its ends are the estimate itself.
        _ if change.method == Some(Method::Exact) => "exact".to_owned(),
        Some(ends) => ends,
        None => "-".to_owned(),
    }
}

/// `[low, high]`, where there is one.
pub(super) fn range(low: Option<f64>, high: Option<f64>, show: impl Fn(f64) -> String) -> Option<String> {
    Some(format!("[{}, {}]", clip(&show(low?), 16), clip(&show(high?), 16)))
}

/// The same, or that there is none.
pub(super) fn range_or_dash(low: Option<f64>, high: Option<f64>, show: impl Fn(f64) -> String) -> String {
    range(low, high, show).unwrap_or_else(|| "-".to_owned())
}

/// What must be known beside the verdict of a metric.
pub(super) fn note(change: &MetricChange) -> String {
    let mut parts = Vec::new();
    if !change.note.is_empty() {
        parts.push(clip(&change.note, 300));
    }
    if let Some(other) = change.alternative.as_ref().filter(|_| change.sensitive) {
        let ends = range_or_dash(Some(other.low), Some(other.high), factor);
        parts.push(format!("{} says {} {ends}", method(other.method), word(other.verdict)));
    }
    parts.join("; ")
}

/// The method in words.
fn method(method: Method) -> &'static str {
    match method {
        Method::PairedT => "paired t",
        Method::WelchT => "Welch's t",
        Method::HodgesLehmann => "Hodges–Lehmann",
        Method::Exact => "the exact comparison",
        Method::Newcombe => "Newcombe",
        Method::NegativeBinomial => "the negative binomial model",
    }
}

/// The heading of a column of intervals.
pub(super) fn interval_heading(comparison: Option<&Comparison>) -> String {
    comparison.map_or_else(|| "interval".to_owned(), |both| format!("{} interval", percent(both.confidence)))
}

/// What tells a side from the other: variant and commit, or the run.
pub(super) fn side(side: &Side) -> String {
    let mut parts = Vec::new();
    if !side.variant.is_empty() {
        parts.push(clip(&side.variant, NAME));
    }
    if let Some(sha) = side.git_sha.as_ref().filter(|sha| !sha.is_empty()) {
        parts.push(sha.chars().take(8).collect());
    }
    if parts.is_empty() { shorten(&side.id, NAME) } else { parts.join(", ") }
}

/// What is loud about a side: it is invalid or partial, and why. `None` for a complete one.
pub(super) fn trouble(side: &Side) -> Option<String> {
    let word = match side.status {
        Status::Complete => return None,
        Status::Partial => "partial",
        Status::Invalid => "INVALID",
    };
    let mut parts = Vec::new();
    if side.ok < side.planned {
        let (failed, planned) = (side.planned - side.ok, side.planned);
        let show = |count: u64| Unit::Count.show(count as f64);
        parts.push(format!("{} of {} operations failed", show(failed), show(planned)));
    }
    if let Some(reason) = side.status_reason.as_ref().filter(|reason| !reason.is_empty()) {
        parts.push(clip(reason, 300));
    }
    Some(if parts.is_empty() { word.to_owned() } else { format!("{word}: {}", parts.join("; ")) })
}

/// What led to the verdict of a workload, what was said by whoever judged it first.
pub(super) fn reasons(judged: &Judged) -> Vec<&str> {
    let comparison = judged.comparison.iter().map(|comparison| comparison.reason.as_str());
    let mut reasons: Vec<&str> = std::iter::once(judged.reason.as_str()).chain(comparison).collect();
    reasons.retain(|reason| !reason.trim().is_empty());
    reasons.dedup();
    reasons
}

/// Which runs, and how they were compared.
pub(super) fn setting(comparison: &Comparison) -> String {
    let paired = if comparison.paired { "rounds paired" } else { "rounds unpaired" };
    let family = match comparison.family_size {
        0 => String::new(),
        size => format!("; {size} gated (Holm)"),
    };
    let (base, head) = (shorten(&comparison.base.id, NAME), shorten(&comparison.head.id, NAME));
    format!("{base} → {head}; {paired}{family}; seed {}", comparison.seed)
}

/// What the rounds can see: of the first gated metric, and of the one that sees least.
pub(super) fn sensitivity(comparison: &Comparison) -> Option<String> {
    let seen = || {
        let gated = comparison.metrics.iter().filter(|change| change.gated);
        gated.filter_map(|change| {
            change.minimum_detectable.filter(|share| share.is_finite()).map(|share| (change, share))
        })
    };
    let (first, share) = seen().next()?;
    let (least, most) = seen().max_by(|(_, a), (_, b)| a.total_cmp(b))?;
    let rounds = match (first.rounds_base, first.rounds_head) {
        (base, head) if base == head => format!("{base} rounds"),
        (base, head) => format!("{base} and {head} rounds"),
    };
    let mut text =
        format!("with {rounds} this setup sees changes of {} or more ({})", two(share), shorten(&first.name, NAME));
    if least.name != first.name {
        text.push_str(&format!(", {} ({})", two(most), shorten(&least.name, NAME)));
    }
    Some(text)
}

/// A share that was estimated: more than two digits would be pretence.
fn two(share: f64) -> String {
    if share < 0.1 { Unit::Ratio.show(share) } else { percent((share * 100.0).round() / 100.0) }
}

/// What changed the spread, a line each: the components that have most of the change, and who held a worker.
pub(super) fn spread(spread: &SpreadChange) -> Vec<String> {
    let mut shown = spread.components.iter().filter(|part| part.share_of_change >= NOTABLE).take(COMPONENTS);
    let part = |part: &ComponentChange| {
        let interval = range(part.low, part.high, two).map(|ends| format!(" {ends}")).unwrap_or_default();
        (two(part.share_of_change), format!("{}{interval}", shorten(&part.component, NAME)))
    };
    let sd = |ns: f64| figure(Unit::Ns, Some(ns));
    let mut text = format!("spread: sd {} → {}", sd(spread.base_sd_ns), sd(spread.head_sd_ns));
    match shown.next().map(part) {
        Some((share, component)) => text.push_str(&format!("; {share} of the change is in {component}")),
        None => text.push_str("; no component has much of the change"),
    }
    for (share, component) in shown.map(part) {
        text.push_str(&format!(", {share} in {component}"));
    }
    let held = spread.held_by.as_ref().map(|held| {
        let stalls = if held.stalls == 1 { "1 stall".to_owned() } else { format!("{} stalls", held.stalls) };
        let time = figure(Unit::Ns, Some(held.held_ns as f64));
        format!("held by {}, {stalls} of {time} together, none in base", place(&held.frame))
    });
    let note = Some(clip(&spread.note, 300)).filter(|note| !note.is_empty());
    std::iter::once(text).chain(held).chain(note).collect()
}

/// How many rounds would decide what is open.
pub(super) fn more_rounds(comparison: &Comparison) -> Option<String> {
    let open = comparison.metrics.iter().filter(|change| change.gated && change.verdict == Verdict::Inconclusive);
    let (more, change) = open.filter_map(|change| Some((change.more_rounds?, change))).max_by_key(|(more, _)| *more)?;
    let rounds = if more == 1 { "1 more round" } else { &format!("about {more} more rounds") };
    Some(format!("{rounds} would decide ({})", shorten(&change.name, NAME)))
}

/// Whether an objective is kept, in words.
pub(super) fn kept(kept: Kept) -> &'static str {
    match kept {
        Kept::Met => "met",
        Kept::Missed => "missed",
        Kept::NotShown => "not shown",
    }
}

/// The mark beside it.
pub(super) fn kept_mark(kept: Kept) -> &'static str {
    match kept {
        Kept::Met => "✓",
        Kept::Missed => "✗",
        Kept::NotShown => "?",
    }
}

/// What is left to an objective's target.
pub(super) fn margin(objective: &Objective) -> String {
    objective
        .margin
        .map_or_else(|| "-".to_owned(), |margin| clip(&Unit::Ratio.show_difference(margin).replace("pp", "%"), 16))
}

/// The change in one line.
pub(super) fn sentence(change: &MetricChange) -> String {
    let note = note(change);
    let outcome = outcome(change);
    if change.verdict == Verdict::NotCompared {
        return if note.is_empty() { outcome } else { format!("{outcome}: {note}") };
    }
    let note = if note.is_empty() { note } else { format!("; {note}") };
    let (base, head) = (figure(change.unit, change.base), figure(change.unit, change.head));
    format!("{outcome}: {base} → {head}, {} {}{note}", extent(change), interval(change))
}

/// What is said of an objective in one line.
pub(super) fn held(objective: &Objective) -> String {
    let unit = objective.unit;
    let interval = range(objective.low, objective.high, |end| unit.show(end));
    let interval = interval.map(|ends| format!(" {ends}")).unwrap_or_default();
    let note = if objective.note.is_empty() { String::new() } else { format!("; {}", clip(&objective.note, 300)) };
    format!("{}: {}{interval}{note}", kept(objective.kept), figure(unit, objective.value))
}

/// What is said of a control in one line.
pub(super) fn control_line(control: &Control) -> String {
    let word = match control.fit {
        Fitness::Fit => "fit to judge",
        Fitness::Unfit => "NOT FIT to judge",
        Fitness::Unknown => "unknown",
    };
    let note = if control.note.is_empty() { String::new() } else { format!("; {}", clip(&control.note, 300)) };
    format!("base against base, {} rounds each: {word}{note}", control.rounds)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::comparison::sample;

    #[test]
    fn a_metric_compared_by_differences_shows_them_with_sign_and_unit() {
        let rate = sample::success_rate();
        assert_eq!(extent(&rate), "-0.40 pp");
        assert_eq!(interval(&rate), "[-0.70 pp, -0.10 pp]");
    }

    #[test]
    fn an_accepted_regression_says_so() {
        let mut slower = sample::slower("latency.p50");
        slower.accepted = true;
        assert_eq!(outcome(&slower), "regressed (accepted)");
        assert!(!slower.is_failure());
    }

    #[test]
    fn an_invalid_side_names_its_failures() {
        let mut head = sample::comparison().head;
        head.status = Status::Invalid;
        (head.planned, head.ok) = (280, 40);
        head.status_reason = None;
        assert_eq!(trouble(&head).as_deref(), Some("INVALID: 240 of 280 operations failed"));
    }

    #[test]
    fn the_setup_says_what_it_sees_and_what_it_needs() {
        let comparison = sample::comparison();
        let text = sensitivity(&comparison).unwrap();
        assert_eq!(text, "with 5 rounds this setup sees changes of 14 % or more (latency.p50), 41 % (latency.p99)");
        assert_eq!(more_rounds(&comparison).unwrap(), "about 12 more rounds would decide (latency.p99)");
    }
}
