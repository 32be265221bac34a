//! The change of every metric of two runs, with its verdict. Holds the gated ones to a family-wise level; decides nothing about the
//! runs as a whole.

use super::change::{Arms, Change, Scale};
use super::judged::LIKELY;
use super::policy::{Origin, Policy, Rules};
use super::success::{self, Success};
use super::{Alternative, Difference, MetricChange, Verdict, planning, rounds, words};
use crate::record::{Metric, Run, Status};
use crate::stats::multiple;

/// All metrics, and how many decide.
pub(super) struct Metrics {
    pub(super) changes: Vec<MetricChange>,
    /// Gated metrics that have an interval.
    pub(super) family: usize,
    /// Gated metrics that one run alone has measured, with the run that has.
    pub(super) alone: Vec<(String, &'static str)>,
    /// The first gated metric that both have measured but that no method could compare, with the reason: units that do not fit.
    pub(super) misfit: Option<(String, String)>,
}

/// A metric, before the size of the family is known.
struct Prepared {
    change: MetricChange,
    rules: Rules,
    values: Values,
}

enum Values {
    /// Cannot be compared; the note of the change says why.
    Refused,
    /// The same, because units do not fit: that is no state of a run but a mistake of whoever set it up.
    Misfit,
    /// One round in an arm: a point, no interval.
    Point(Arms),
    Success(Success),
    Arms(Arms),
}

/// Compares every metric of either run; `refused` says why nothing may be compared.
pub(super) fn compare(base: &Run, head: &Run, policy: &Policy, refused: Option<&str>) -> Metrics {
    let only_head = head.metrics.iter().filter(|metric| base.metric(&metric.name).is_none());
    let metrics = base.metrics.iter().chain(only_head);
    let prepared: Vec<Prepared> = metrics.map(|metric| prepare(metric, base, head, policy, refused)).collect();
    let has_interval = |prepared: &&Prepared| matches!(prepared.values, Values::Arms(_) | Values::Success(_));
    let family = prepared.iter().filter(|prepared| prepared.rules.gated).filter(has_interval).count();
    let alone = prepared
        .iter()
        .filter(|prepared| prepared.rules.gated && refused.is_none())
        .filter_map(|prepared| {
            let name = &prepared.change.name;
            match (base.metric(name), head.metric(name)) {
                (Some(_), None) => Some((name.clone(), "base")),
                (None, Some(_)) => Some((name.clone(), "head")),
                _ => None,
            }
        })
        .collect();
    let misfit = prepared.iter().find(|one| one.rules.gated && matches!(one.values, Values::Misfit));
    let misfit = misfit.map(|one| (one.change.name.clone(), one.change.note.clone()));
    let judged = prepared.into_iter().map(|prepared| {
        let comparable = matches!(prepared.values, Values::Arms(_) | Values::Success(_));
        (comparable, judge(prepared, policy, family))
    });
    let (comparable, mut changes): (Vec<bool>, Vec<MetricChange>) = judged.unzip();
    let failed = changes
        .iter()
        .zip(comparable)
        .find(|(change, comparable)| *comparable && change.gated && change.verdict == Verdict::NotCompared);
    let misfit = misfit.or_else(|| failed.map(|(change, _)| (change.name.clone(), change.note.clone())));
    hold_to_family(&mut changes, policy.level());
    words::spread(&mut changes);
    Metrics { changes, family, alone, misfit }
}

fn prepare(metric: &Metric, base: &Run, head: &Run, policy: &Policy, refused: Option<&str>) -> Prepared {
    let origin = if base.foreign.is_some() { Origin::Foreign } else { Origin::Perfkit };
    let rules = policy.rules(&metric.name, origin);
    let mut change = blank(metric, &rules);
    let (of_base, of_head) = (base.metric(&metric.name), head.metric(&metric.name));
    let refuse = |mut change: MetricChange, note: &str| {
        note.clone_into(&mut change.note);
        Prepared { change, rules, values: Values::Refused }
    };
    let misfit = |change, note| Prepared { change: MetricChange { note, ..change }, rules, values: Values::Misfit };
    change.base = of_base.filter(|_| base.status != Status::Invalid).and_then(mean);
    change.head = of_head.filter(|_| head.status != Status::Invalid).and_then(mean);
    if let Some(reason) = refused {
        return refuse(change, reason);
    }
    let (of_base, of_head) = match (of_base, of_head) {
        (Some(base), Some(head)) => (base, head),
        (None, _) => return refuse(change, "not measured in base"),
        (_, None) => return refuse(change, "not measured in head"),
    };
    if of_base.unit != of_head.unit || of_base.better != of_head.better {
        let unit = |metric: &Metric| format!("{} ({} is better)", metric.unit.name(), metric.better.name());
        return misfit(change, format!("base is in {}, head in {}", unit(of_base), unit(of_head)));
    }
    if let (_, Some(unit)) = rules.min_effect
        && unit != metric.unit
    {
        return misfit(change, format!("its min_effect is in {}, the metric in {}", unit.name(), metric.unit.name()));
    }
    if metric.name == success::METRIC
        && let Some(success) = Success::of(base, head)
    {
        (change.rounds_base, change.rounds_head) = success.rounds();
        return Prepared { change, rules, values: Values::Success(success) };
    }
    if let Some(note) = too_few_operations(&metric.name, base, head) {
        return refuse(change, &note);
    }
    let values = rounds::values((base, of_base), (head, of_head), policy.design);
    (change.rounds_base, change.rounds_head) = (values.base.len(), values.head.len());
    if values.base.is_empty() || values.head.is_empty() {
        let which = if values.base.is_empty() { "base" } else { "head" };
        let note = format!("no round of {which} has a value that can be compared");
        let both = values.base.is_empty() && values.head.is_empty();
        return if both { refuse(change, &note) } else { misfit(change, note) };
    }
    if values.left_out > 0 {
        change.note = format!("{} rounds without a value or a partner are left out", values.left_out);
    }
    let one_round = values.base.len() < 2 || values.head.len() < 2;
    let summaries = origin == Origin::Foreign && one_round && (base.rounds.is_empty() || head.rounds.is_empty());
    let arms = Arms::new(&values.base, &values.head, metric.better, policy.design);
    let exact = is_declared_exact(&metric.name, base, head) && arms.constant();
    let values = if one_round && !exact { Values::Point(arms) } else { Values::Arms(arms) };
    if summaries {
        change.verdict = Verdict::NotCompared;
        change.note = "one round, no interval".to_owned();
    }
    Prepared { change, rules, values }
}

/// The change before anything is known of it.
fn blank(metric: &Metric, rules: &Rules) -> MetricChange {
    MetricChange {
        name: metric.name.clone(),
        unit: metric.unit,
        better: metric.better,
        base: None,
        head: None,
        ratio: None,
        low: None,
        high: None,
        difference: None,
        method: None,
        rounds_base: 0,
        rounds_head: 0,
        margin: rules.fail,
        warn_margin: rules.warn,
        gated: rules.gated,
        verdict: Verdict::NotCompared,
        note: String::new(),
        p_regressed: None,
        alternative: None,
        sensitive: false,
        warned: false,
        accepted: false,
        minimum_detectable: None,
        more_rounds: None,
    }
}

/// The mean of the rounds that have a value.
fn mean(metric: &Metric) -> Option<f64> {
    crate::stats::describe::mean(&metric.finite())
}

/// On one thread a program allocates the same each time: what does not vary there needs no second round.
fn is_declared_exact(metric: &str, base: &Run, head: &Run) -> bool {
    let counted = matches!(metric, "heap.bytes_per_op" | "heap.blocks_per_op");
    counted && base.load.runtime == "current" && head.load.runtime == "current"
}

fn too_few_operations(metric: &str, base: &Run, head: &Run) -> Option<String> {
    let needed = rounds::operations_needed(metric);
    let fewest = [base, head].into_iter().filter_map(rounds::fewest_operations).min()?;
    (fewest < needed).then(|| format!("too few operations: a round has {fewest}, this percentile needs {needed}"))
}

fn judge(prepared: Prepared, policy: &Policy, family: usize) -> MetricChange {
    let Prepared { mut change, rules, values } = prepared;
    match values {
        Values::Refused | Values::Misfit => {}
        Values::Success(success) => judge_success(&mut change, &success, &rules, policy),
        Values::Point(arms) => {
            fill(&mut change, &arms, None);
            let summary = change.verdict == Verdict::NotCompared && !change.note.is_empty();
            if !summary {
                change.verdict = Verdict::Inconclusive;
                change.note = words::join([std::mem::take(&mut change.note), "one round, no interval".to_owned()]);
            }
        }
        Values::Arms(arms) => judge_arms(&mut change, &arms, &rules, policy, family),
    }
    change
}

fn judge_success(change: &mut MetricChange, success: &Success, rules: &Rules, policy: &Policy) {
    let Some(judged) = success.judge(rules.fail, policy.level()) else {
        change.note = "no operations".to_owned();
        return;
    };
    change.base = Some(judged.base);
    change.head = Some(judged.head);
    change.difference = Some(judged.difference);
    change.method = Some(judged.method);
    change.verdict = judged.verdict;
    change.note = judged.note;
    change.p_regressed = Some(judged.p);
    let accepted = policy.accepted.iter().find(|accepted| accepted.metric == change.name);
    let low = judged.difference.high.map_or(0.0, |high| -high);
    if let Some(accepted) = accepted.filter(|accepted| change.verdict == Verdict::Regressed && low <= accepted.change) {
        accept(change, &accepted.reason);
    }
}

/// Figures, and the point or the interval, on the scale of the values.
fn fill(change: &mut MetricChange, arms: &Arms, made: Option<&Change>) {
    let (base, head) = arms.figures();
    (change.base, change.head) = (base, head);
    let point = arms.point().unwrap_or(f64::NAN);
    let folded = made
        .map_or(crate::stats::interval::Interval { estimate: point, low: point, high: point }, |made| made.interval);
    let shown = arms.unfold(folded);
    let ends = made.map(|_| (shown.low, shown.high));
    match arms.scale {
        Scale::Ratio => {
            change.ratio = Some(shown.estimate);
            (change.low, change.high) = ends.unzip();
        }
        Scale::Difference => {
            let (low, high) = ends.unzip();
            change.difference = Some(Difference { estimate: shown.estimate, low, high });
            // A quotient of the figures, without an interval: only to be read beside the difference.
            change.ratio =
                base.zip(head).filter(|(base, head)| *base > 0.0 && *head > 0.0).map(|(base, head)| head / base);
        }
    }
}

fn judge_arms(change: &mut MetricChange, arms: &Arms, rules: &Rules, policy: &Policy, family: usize) {
    let (made, other) = match arms.changes(policy.level(), family) {
        Ok(made) => made,
        Err(refusal) => {
            change.verdict = Verdict::NotCompared;
            change.note = words::join([std::mem::take(&mut change.note), refusal.to_string()]);
            return;
        }
    };
    fill(change, arms, Some(&made));
    let margin = threshold(change, arms, rules.fail, rules.min_effect.0);
    change.method = Some(made.method);
    change.verdict = made.verdict(margin);
    change.p_regressed = made.p_worse_than(margin);
    if let Some(other) = &other {
        alternative(change, arms, &made, other, margin);
    }
    if let Some(warn) = rules.warn
        && change.verdict != Verdict::Regressed
        && made.interval.low > threshold(change, arms, warn, 0.0)
    {
        change.warned = true;
        add_note(change, format!("beyond the margin of {:.0} % that warns", warn * 100.0));
    }
    let accepted = policy.accepted.iter().find(|accepted| accepted.metric == change.name);
    let within =
        |accepted: &&super::policy::Accepted| made.interval.low <= threshold(change, arms, accepted.change, 0.0);
    if let Some(accepted) = accepted.filter(|_| change.verdict == Verdict::Regressed).filter(within) {
        let reason = accepted.reason.clone();
        accept(change, &reason);
    }
    let folded = (made.interval.low, made.interval.estimate, made.interval.high);
    let tendency = words::tendency(change.verdict, change.unit, folded, margin);
    let note = [tendency, words::scale(arms.scale), std::mem::take(&mut change.note)];
    change.note = words::join(note);
    planning::plan(change, arms, &made, margin, policy.level(), family);
}

/// The margin on the scale of the arms. A floor in the metric's unit raises it.
fn threshold(change: &MetricChange, arms: &Arms, margin: f64, floor: f64) -> f64 {
    let base = change.base.unwrap_or(0.0).abs();
    match arms.scale {
        Scale::Ratio => margin.max(floor / base).ln_1p(),
        Scale::Difference => (margin * base).max(floor),
    }
}

fn alternative(change: &mut MetricChange, arms: &Arms, made: &Change, other: &Change, margin: f64) {
    let verdict = other.verdict(margin);
    change.sensitive = verdict != made.verdict(margin);
    if arms.scale == Scale::Ratio {
        let shown = arms.unfold(other.interval);
        let (ratio, low, high) = (shown.estimate, shown.low, shown.high);
        change.alternative = Some(Alternative { method: other.method, ratio, low, high, verdict });
    }
}

fn accept(change: &mut MetricChange, reason: &str) {
    change.accepted = true;
    add_note(change, format!("accepted: {reason}"));
}

fn add_note(change: &mut MetricChange, text: String) {
    change.note = words::join([std::mem::take(&mut change.note), text]);
}

/// Takes `regressed` back where it does not hold for the family (Holm).
fn hold_to_family(changes: &mut [MetricChange], confidence: f64) {
    let in_family = |change: &MetricChange| change.gated && change.p_regressed.is_some();
    let p_values: Vec<f64> =
        changes.iter().filter(|change| in_family(change)).filter_map(|change| change.p_regressed).collect();
    let Ok(adjusted) = multiple::holm(&p_values) else { return };
    let family = p_values.len();
    for (change, adjusted) in changes.iter_mut().filter(|change| in_family(change)).zip(adjusted) {
        if change.verdict == Verdict::Regressed && adjusted > (1.0 - confidence) / 2.0 {
            change.verdict = Verdict::Inconclusive;
            change.accepted = false;
            let (worse, _) = words::directions(change.unit);
            let text = format!("{LIKELY} {worse}: alone it would be regressed, not as one of {family}");
            change.note = words::join([text, std::mem::take(&mut change.note)]);
        }
    }
}
