//! Which functions take more CPU time per operation than before, and which less, each with an interval. Never by share: where one
//! function grows, the shares of all others fall. Leaves out functions below 0.2 % of the CPU time; what cannot be compared is
//! `not_compared`, with the reason.

use std::collections::BTreeMap;

use super::exposure::{Exposure, mean};
use super::moved;
use super::{FunctionChange, TotalChange, Verdict};
use crate::record::{Function, Run};
use crate::stats::multiple;
use crate::stats::negative_binomial::{Change, Counts, fit};

/// A function below this part of both runs' CPU time is not compared, and neither is a change below it a regression or an
/// improvement. A function that a run does not list is below half of it there, so that one that is new is one indeed.
pub const LEAST_SHARE: f64 = 0.002;
/// The change, up or down, that a regression or an improvement must be shown to exceed.
const MARGIN: f64 = 0.10;
/// Functions that are told of.
const MOST_FUNCTIONS: usize = 200;
/// Functions that are fitted, those with the most stacks: a hundred stacks more or less of the others say nothing.
const MOST_FITTED: usize = 2_000;

/// Compares the CPU time per operation of every function, in itself and with all that it calls.
///
/// A ratio is judged as a metric is, with 10 % as its margin: `regressed` where the whole interval at `confidence` lies above it, the
/// change exceeds [`LEAST_SHARE`] of base's CPU time per operation, and the p-value of "no change", corrected for the number of
/// functions, is at most `1 − confidence`; `improved` likewise; `unchanged` where the narrower interval of two one-sided tests lies
/// within it. Of a function that base was never seen in there is no ratio: it has regressed where the interval of the difference lies
/// above [`LEAST_SHARE`]. The correction weights functions by the square root of their stacks: those that matter more, and in which a
/// change can be found, are held to less. Where a function's gain is other functions' loss in a module that is as it was, its verdict
/// is the module's.
///
/// Regressions first, then by the size of the change; at most 200. Rounds need not belong together. Nothing is refused: runs without
/// two rounds of counted stacks, values that do not fit the rounds or are no numbers give `not_compared`. Of two functions of one name
/// the first counts. Cost: O(functions · rounds). Assumptions and sources: [`crate::stats::negative_binomial::fit`].
#[must_use]
pub fn compare(base: &Run, head: &Run, confidence: f64) -> Vec<FunctionChange> {
    let arms = Arms { base: Exposure::of(base), head: Exposure::of(head), confidence };
    let mut pairs: BTreeMap<&str, Pair<'_>> = BTreeMap::new();
    // As reports show them: what the runtime, std and libc do is charged to whoever called them.
    let is_program = |function: &&Function| !function.plumbing;
    for function in base.functions.iter().filter(is_program) {
        pairs.entry(&function.name).or_default().base.get_or_insert(function);
    }
    for function in head.functions.iter().filter(is_program) {
        pairs.entry(&function.name).or_default().head.get_or_insert(function);
    }
    let names: Vec<&str> = pairs.keys().copied().collect();
    let rows = |of: fn(&Function) -> &[f64]| -> Vec<Row> { pairs.values().map(|pair| arms.row(pair, of)).collect() };
    let own = rows(|function| match function.folded_self_ns_per_op.as_slice() {
        [] => &function.self_ns_per_op,
        folded => folded,
    });
    let all = rows(|function| &function.total_ns_per_op);
    let whole: f64 = own.iter().map(|row| row.base_ns + row.head_ns).sum();
    let mut changes = arms.judge(&own, whole);
    let totals = arms.judge(&all, whole);
    moved::settle(&names, &own, &mut changes, &arms);

    let mut listed: Vec<FunctionChange> = (names.iter().zip(changes).zip(totals))
        .filter(|((_, own), total)| own.share >= LEAST_SHARE || total.share >= LEAST_SHARE)
        .map(|((name, own), total)| own.function(name, &total))
        .collect();
    let rank = |change: &FunctionChange| (change.verdict != Verdict::Regressed, -size(change));
    listed.sort_by(|a, b| {
        let ((calm_a, less_a), (calm_b, less_b)) = (rank(a), rank(b));
        let totals = || total_size(b).total_cmp(&total_size(a));
        calm_a.cmp(&calm_b).then(less_a.total_cmp(&less_b)).then_with(totals).then_with(|| a.name.cmp(&b.name))
    });
    listed.truncate(MOST_FUNCTIONS);
    listed
}

fn size(change: &FunctionChange) -> f64 {
    (change.head_ns_per_op - change.base_ns_per_op).abs()
}

fn total_size(change: &FunctionChange) -> f64 {
    (change.total.head_ns_per_op - change.total.base_ns_per_op).abs()
}

#[derive(Default)]
struct Pair<'a> {
    base: Option<&'a Function>,
    head: Option<&'a Function>,
}

/// One thing in both runs: its stacks round by round where they could be told, and its CPU time per operation.
pub(super) struct Row {
    pub(super) counts: Option<(Vec<f64>, Vec<f64>)>,
    base_ns: f64,
    head_ns: f64,
}

impl Row {
    pub(super) fn counted(base: Vec<f64>, head: Vec<f64>) -> Self {
        Self { counts: Some((base, head)), base_ns: 0.0, head_ns: 0.0 }
    }

    fn count(&self) -> f64 {
        self.counts.iter().flat_map(|(base, head)| base.iter().chain(head)).sum()
    }
}

/// What is said of one row.
#[derive(Clone, Debug)]
pub(super) struct Judged {
    pub(super) base_ns: f64,
    pub(super) head_ns: f64,
    ratio: Option<f64>,
    pub(super) low: Option<f64>,
    pub(super) high: Option<f64>,
    pub(super) verdict: Verdict,
    q: f64,
    /// Its part of the CPU time of both runs.
    share: f64,
    pub(super) note: String,
}

impl Judged {
    fn function(self, name: &str, total: &Self) -> FunctionChange {
        FunctionChange {
            name: name.to_owned(),
            base_ns_per_op: self.base_ns,
            head_ns_per_op: self.head_ns,
            ratio: self.ratio,
            low: self.low,
            high: self.high,
            verdict: self.verdict,
            q: self.q,
            total: TotalChange {
                base_ns_per_op: total.base_ns,
                head_ns_per_op: total.head_ns,
                ratio: total.ratio,
                low: total.low,
                high: total.high,
                verdict: total.verdict,
            },
            note: self.note,
        }
    }
}

/// Both runs, and how sure one must be.
pub(super) struct Arms<'a> {
    base: Exposure<'a>,
    head: Exposure<'a>,
    confidence: f64,
}

impl Arms<'_> {
    fn row(&self, pair: &Pair<'_>, of: fn(&Function) -> &[f64]) -> Row {
        let (base, head) = (pair.base.map(of), pair.head.map(of));
        Row { counts: self.base.counts(base).zip(self.head.counts(head)), base_ns: mean(base), head_ns: mean(head) }
    }

    /// Judges rows beside each other; `whole` is what the means of all functions come to, for shares where stacks are not known.
    pub(super) fn judge(&self, rows: &[Row], whole: f64) -> Vec<Judged> {
        let lack = [("base", &self.base), ("head", &self.head)].map(|(side, arm)| Some((side, arm.lack()?)));
        if let Some((side, lack)) = lack.into_iter().flatten().next() {
            return rows.iter().map(|row| row.unjudged(row.mean_share(whole), format!("{side} has {lack}"))).collect();
        }
        let stacks = self.base.stacks + self.head.stacks;
        let mut judged: Vec<Judged> = rows.iter().map(|row| self.before_fitting(row, stacks, whole)).collect();

        let mut fitted: Vec<usize> = (0..rows.len()).filter(|index| rows[*index].counts.is_some()).collect();
        fitted.sort_by(|a, b| rows[*b].count().total_cmp(&rows[*a].count()).then(a.cmp(b)));
        fitted.truncate(MOST_FITTED);
        let counts: Vec<Counts<'_>> = (fitted.iter().filter_map(|index| rows[*index].counts.as_ref()))
            .map(|(base, head)| Counts { base, head })
            .collect();
        let changes = match fit(&counts, &self.base.rounds, &self.head.rounds) {
            Ok(changes) => changes,
            Err(refusal) => {
                for index in fitted {
                    judged[index].note = refusal.to_string();
                }
                return judged;
            }
        };
        let family: Vec<(usize, Change)> =
            fitted.into_iter().zip(changes).filter(|(index, _)| judged[*index].share >= LEAST_SHARE).collect();
        let p_values: Vec<f64> = family.iter().map(|(_, change)| change.log_ratio.p_two_sided()).collect();
        let weights: Vec<f64> = family.iter().map(|(index, _)| rows[*index].count().sqrt()).collect();
        // Refused only where a p-value is none; then nothing is found.
        let adjusted = multiple::weighted(&p_values, &weights).unwrap_or_else(|_| vec![1.0; family.len()]);
        for ((index, change), q) in family.iter().zip(adjusted) {
            self.fill(&mut judged[*index], change, q);
        }
        judged
    }

    fn before_fitting(&self, row: &Row, stacks: f64, whole: f64) -> Judged {
        let Some((base, head)) = &row.counts else {
            let note = "its values do not fit the rounds that were counted".to_owned();
            return row.unjudged(row.mean_share(whole), note);
        };
        let share = row.count() / stacks;
        let note = if share < LEAST_SHARE {
            format!("below {} % of the CPU time", LEAST_SHARE * 100.0)
        } else {
            format!("not among the {MOST_FITTED} functions with the most stacks")
        };
        let rate = |counts: &[f64], arm: &Exposure<'_>| counts.iter().sum::<f64>() / arm.rounds.iter().sum::<f64>();
        Judged { base_ns: rate(base, &self.base), head_ns: rate(head, &self.head), ..row.unjudged(share, note) }
    }

    /// The figures and the verdict of a row that was fitted.
    fn fill(&self, judged: &mut Judged, change: &Change, q: f64) {
        judged.note = String::new();
        judged.q = q;
        let Ok(interval) = change.log_ratio.interval(self.confidence) else {
            judged.note = String::from("no interval at that confidence");
            return;
        };
        let interval = interval.exponential();
        let floor = LEAST_SHARE * self.base.ns_per_op;
        let found = q <= 1.0 - self.confidence;
        if change.base.count < 0.5 {
            self.fill_new(judged, change, found);
            return;
        }
        judged.ratio = Some(change.head.value / change.base.value);
        judged.low = Some(interval.low);
        judged.high = Some(interval.high);
        if change.head.count < 0.5 {
            judged.ratio = Some(0.0);
            judged.low = Some(0.0);
            judged.note = String::from("not seen in head");
        }
        let difference = change.head.value - change.base.value;
        judged.verdict = if found && difference > floor && interval.low > 1.0 + MARGIN {
            Verdict::Regressed
        } else if found && -difference > floor && interval.high < 1.0 / (1.0 + MARGIN) {
            Verdict::Improved
        } else if self.within(change) {
            Verdict::Unchanged
        } else {
            Verdict::Inconclusive
        };
    }

    /// Of a function that base was never seen in: by the difference.
    fn fill_new(&self, judged: &mut Judged, change: &Change, found: bool) {
        judged.verdict = Verdict::Inconclusive;
        judged.note = String::from("not seen in base");
        if let Ok(difference) = change.difference(self.confidence) {
            if found && difference.low > LEAST_SHARE * self.base.ns_per_op {
                judged.verdict = Verdict::Regressed;
            }
            judged.note += &format!(": {:.0} to {:.0} ns per operation more", difference.low, difference.high);
        }
    }

    /// Whether the ratio is shown to lie within the margin: two one-sided tests.
    fn within(&self, change: &Change) -> bool {
        let interval = change.log_ratio.interval(2.0 * self.confidence - 1.0);
        interval.is_ok_and(|interval| -MARGIN.ln_1p() < interval.low && interval.high < MARGIN.ln_1p())
    }
}

impl Row {
    fn mean_share(&self, whole: f64) -> f64 {
        let share = (self.base_ns + self.head_ns) / whole;
        if share.is_finite() { share } else { 0.0 }
    }

    fn unjudged(&self, share: f64, note: String) -> Judged {
        Judged {
            base_ns: self.base_ns,
            head_ns: self.head_ns,
            ratio: None,
            low: None,
            high: None,
            verdict: Verdict::NotCompared,
            q: 1.0,
            share,
            note,
        }
    }
}
