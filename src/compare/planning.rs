//! What a comparison can see, and how many more rounds would decide. Judges nothing.

use super::change::{Arms, Change, Scale};
use super::{Comparison, Method, MetricChange, Verdict, words};
use crate::stats::paired::Design;
use crate::stats::power::Gate;

/// The probability with which a change is to be detected.
const POWER: f64 = 0.8;
/// What ranks see of normal values as if they varied by so much more: the root of π/3, their efficiency against Student's t being 3/π.
const RANKS: f64 = 1.023_326_707_946_488_5;
/// More rounds than this are no advice.
const MOST_ROUNDS: usize = 1000;

/// Fills in the smallest change that can be seen and the rounds that would decide.
pub(super) fn plan(change: &mut MetricChange, arms: &Arms, made: &Change, margin: f64, confidence: f64, family: usize) {
    let (Scale::Ratio, Some(deviation), false) = (arms.scale, arms.deviation(), made.method == Method::Exact) else {
        return;
    };
    let design = if made.method == Method::PairedT { Design::Paired } else { Design::Unpaired };
    let deviation = if made.method == Method::HodgesLehmann { deviation * RANKS } else { deviation };
    let gate = Gate { margin: margin.exp_m1(), deviation, design, confidence, power: POWER };
    change.minimum_detectable = gate.minimum_detectable(arms.rounds()).ok();
    if change.verdict != Verdict::Inconclusive {
        return;
    }
    let size = made.interval.estimate.abs().exp_m1();
    let needed = if made.interval.estimate.abs() > margin {
        // As one of a family it must be shown at a higher confidence.
        let confidence = 1.0 - (1.0 - confidence) / family.max(1) as f64;
        Gate { confidence, ..gate }.rounds_to_detect(size)
    } else {
        gate.rounds_to_show_unchanged(size)
    };
    let more = needed.ok().map(|needed| needed.saturating_sub(arms.rounds()).max(1));
    change.more_rounds = more.filter(|more| *more <= MOST_ROUNDS);
    if change.more_rounds.is_none() {
        let near = (made.interval.estimate.abs() - margin).abs() < margin / 4.0;
        let text = if near {
            "the change lies at the margin: more rounds would hardly decide".to_owned()
        } else {
            format!("too noisy: more than {MOST_ROUNDS} rounds would be needed")
        };
        change.note = words::join([std::mem::take(&mut change.note), text]);
    }
}

/// An interval that is wider than so many margins to each side shows no regression that is not there for all to see.
const HOPELESS: f64 = 3.0;

/// Whether measuring further would make no verdict clearer: every gated metric is known to half of its margin, or could not even be
/// known to three margins with `affordable` rounds, while at least one is known.
///
/// It looks at how wide the intervals are, never at where they lie: stopping because something looks decided would raise false
/// alarms to four times their rate.
#[must_use]
pub fn is_precise(comparison: &Comparison, affordable: Affordable) -> bool {
    let gated = comparison.metrics.iter().filter(|change| change.gated && change.verdict != Verdict::NotCompared);
    let mut one_is_known = false;
    for change in gated {
        let Some((half, margin)) = half_width(change) else { return false };
        let target = margin / 2.0;
        // Intervals narrow with the root of the number of rounds.
        let reachable = half * affordable.narrowing(change);
        if half <= target {
            one_is_known = true;
        } else if reachable <= HOPELESS * margin {
            return false;
        }
    }
    one_is_known
}

/// Rounds that the budget pays for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Affordable {
    /// Of base and of head.
    Both(u32),
    /// Of head alone: base is stored, and stays as it is.
    Head(u32),
}

impl Affordable {
    /// What is left of the width of an interval when all of them are spent.
    fn narrowing(self, change: &MetricChange) -> f64 {
        let (base, head) = (change.rounds_base as f64, change.rounds_head as f64);
        let (later_base, later_head) = match self {
            Self::Both(rounds) => (f64::from(rounds).max(base), f64::from(rounds).max(head)),
            Self::Head(rounds) => (base, f64::from(rounds).max(head)),
        };
        ((1.0 / later_base + 1.0 / later_head) / (1.0 / base + 1.0 / head)).sqrt()
    }
}

/// Whether nothing that is gated could be seen: every interval is wider than three margins to each side.
#[must_use]
pub fn is_blind(comparison: &Comparison) -> bool {
    let gated: Vec<&MetricChange> = comparison
        .metrics
        .iter()
        .filter(|change| change.gated && change.low.is_some() && change.method != Some(Method::Exact))
        .collect();
    let wide = |change: &&MetricChange| {
        change.verdict == Verdict::Inconclusive
            && half_width(change).is_some_and(|(half, margin)| half > HOPELESS * margin)
    };
    !gated.is_empty() && gated.iter().all(wide)
}

/// Half the width of the interval, and the margin, on one scale.
pub(super) fn half_width(change: &MetricChange) -> Option<(f64, f64)> {
    if change.method == Some(Method::Exact) {
        return Some((0.0, change.margin));
    }
    match (change.low, change.high, change.difference) {
        (Some(low), Some(high), _) => Some(((high / low).ln() / 2.0, change.margin.ln_1p())),
        (_, _, Some(difference)) => {
            let half = (difference.high? - difference.low?) / 2.0;
            // A success rate's margin is in its own unit; of others it is a part of base.
            let scale = if change.name == super::success::METRIC { 1.0 } else { change.base?.abs() };
            Some((half, change.margin * scale))
        }
        _ => None,
    }
}
