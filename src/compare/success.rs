//! The success rate: counts of operations, compared in percentage points. A rate of many rounds is compared by its rounds; of few,
//! by Newcombe's interval with the design effect that the rounds show. No failure at all is said in words.

use super::{Difference, Method, Verdict};
use crate::record::Run;
use crate::record::pass::Pass;
use crate::stats::interval::Interval;
use crate::stats::proportion::{self, Count};
use crate::stats::student::Estimate;
use crate::stats::welch;
use crate::unit::Unit;

/// The metric.
pub(super) const METRIC: &str = "success_rate";
/// Rounds in each arm from which the rates of the rounds are compared.
const MANY_ROUNDS: usize = 6;

/// Counts by round, of both runs.
pub(super) struct Success {
    base: Vec<Count>,
    head: Vec<Count>,
}

/// What is said of it.
pub(super) struct Judged {
    pub(super) base: f64,
    pub(super) head: f64,
    pub(super) difference: Difference,
    pub(super) method: Method,
    pub(super) verdict: Verdict,
    pub(super) note: String,
    pub(super) p: f64,
}

impl Success {
    /// The counts, where both runs have them.
    pub(super) fn of(base: &Run, head: &Run) -> Option<Self> {
        let (base, head) = (counts(base), counts(head));
        (!base.is_empty() && !head.is_empty()).then_some(Self { base, head })
    }

    pub(super) fn rounds(&self) -> (usize, usize) {
        (self.base.len(), self.head.len())
    }

    /// Compares; `margin` is in parts, 0.01 being one percentage point.
    pub(super) fn judge(&self, margin: f64, confidence: f64) -> Option<Judged> {
        let (base, head) = (sum(&self.base)?, sum(&self.head)?);
        if base.successes() == base.trials() && head.successes() == head.trials() {
            return Some(Judged {
                base: 1.0,
                head: 1.0,
                difference: Difference { estimate: 0.0, low: Some(0.0), high: Some(0.0) },
                method: Method::Exact,
                verdict: Verdict::Unchanged,
                note: no_failures(head, confidence),
                p: 1.0,
            });
        }
        let change = self.interval(base, head);
        let (wide, narrow) = (change.at(confidence)?, change.at(1.0 - 2.0 * (1.0 - confidence))?);
        let verdict = if wide.high < -margin {
            Verdict::Regressed
        } else if wide.low > margin {
            Verdict::Improved
        } else if narrow.low > -margin && narrow.high < margin {
            Verdict::Unchanged
        } else {
            Verdict::Inconclusive
        };
        Some(Judged {
            base: base.share(),
            head: head.share(),
            difference: Difference { estimate: wide.estimate, low: Some(wide.low), high: Some(wide.high) },
            method: change.method(),
            verdict,
            note: failures(base, head),
            p: p_worse_than(margin, &change),
        })
    }

    /// How the interval of head − base is made.
    fn interval(&self, base: Count, head: Count) -> Change {
        if self.base.len() >= MANY_ROUNDS && self.head.len() >= MANY_ROUNDS {
            let shares = |counts: &[Count]| counts.iter().map(Count::share).collect::<Vec<f64>>();
            if let Ok(estimate) = welch::welch(&shares(&self.base), &shares(&self.head)) {
                return Change::Rounds(estimate);
            }
        }
        let effect = |counts: &[Count]| proportion::design_effect(counts).unwrap_or(1.0);
        Change::Counts { base, head, effect: effect(&self.base).max(effect(&self.head)) }
    }
}

/// The change of a rate.
enum Change {
    Rounds(Estimate),
    Counts { base: Count, head: Count, effect: f64 },
}

impl Change {
    fn method(&self) -> Method {
        match self {
            Self::Rounds(_) => Method::WelchT,
            Self::Counts { .. } => Method::Newcombe,
        }
    }

    /// The interval of head − base.
    fn at(&self, confidence: f64) -> Option<Interval> {
        match self {
            Self::Rounds(estimate) => estimate.interval(confidence).ok(),
            Self::Counts { base, head, effect } => proportion::newcombe(*base, *head, *effect, confidence).ok(),
        }
    }
}

/// Half of what the confidence leaves where the interval's good end touches the margin.
fn p_worse_than(margin: f64, change: &Change) -> f64 {
    let beyond = |confidence: f64| change.at(confidence).is_some_and(|interval| interval.high < -margin);
    let (mut low, mut high) = (0.0, 1.0);
    for _ in 0..50 {
        let middle = f64::midpoint(low, high);
        if beyond(middle) { low = middle } else { high = middle }
    }
    // Not beyond even at no confidence: the estimate itself is within the margin.
    if low == 0.0 { 1.0 } else { (1.0 - low) / 2.0 }
}

fn counts(run: &Run) -> Vec<Count> {
    let rounds = run.rounds.iter().filter(|round| round.pass == Pass::Time);
    rounds.filter_map(|round| Count::new(round.ok, round.planned).ok()).collect()
}

fn sum(counts: &[Count]) -> Option<Count> {
    let add = |of: fn(&Count) -> u64| counts.iter().map(of).fold(0, u64::saturating_add);
    Count::new(add(Count::successes), add(Count::trials)).ok()
}

fn no_failures(head: Count, confidence: f64) -> String {
    let trials = head.trials();
    match proportion::clopper_pearson(head, confidence) {
        Ok(interval) => format!(
            "no failure in {} operations of head: {} fail ({:.0} % confidence)",
            Unit::Count.show(trials as f64),
            at_most(1.0 - interval.low),
            confidence * 100.0
        ),
        Err(_) => format!("no failure in {} operations of head", Unit::Count.show(trials as f64)),
    }
}

fn at_most(share: f64) -> String {
    if share < 1e-5 { "less than 0.001 %".to_owned() } else { format!("at most {}", Unit::Ratio.show(share)) }
}

fn failures(base: Count, head: Count) -> String {
    let of =
        |count: Count| format!("{} of {}", count.trials() - count.successes(), Unit::Count.show(count.trials() as f64));
    format!("failed: {} in base, {} in head", of(base), of(head))
}
