//! Which functions allocate more bytes per operation than before, and which less. On one thread a program allocates the same in each
//! round: what does not vary is compared exactly. Leaves out functions below half a percent of what base allocates.

use std::collections::BTreeMap;

use super::change::{Arms, Scale};
use super::{AllocatorChange, Policy, Verdict};
use crate::record::{Allocator, Run};
use crate::stats::paired::Design;
use crate::stats::{describe, multiple};
use crate::unit::Better;

/// A function below this part of base's allocation, in both runs, is not compared.
pub const LEAST_SHARE: f64 = 0.005;
/// The change, up or down, that a regression or an improvement must be shown to exceed.
const MARGIN: f64 = 0.10;
/// Functions that are told of.
const MOST_FUNCTIONS: usize = 100;

/// Compares the bytes per operation of every function that allocates.
///
/// A verdict is made as that of a metric with a margin of 10 %; of a function that one run does not have, by the difference, with
/// [`LEAST_SHARE`] of base's allocation as its margin. A regression or an improvement must hold when its p-value is corrected for the
/// number of functions. Regressions first, then by the size of the change. Rounds belong together where the policy says so. Cost:
/// O(functions · rounds).
#[must_use]
pub fn compare(base: &Run, head: &Run, policy: &Policy) -> Vec<AllocatorChange> {
    let rounds = [base, head].map(rounds);
    let whole: f64 = base.allocators.iter().filter_map(|allocator| describe::mean(&allocator.bytes_per_op)).sum();
    // Without a heap pass in both there is nothing to compare.
    if rounds.contains(&0) || whole <= 0.0 {
        return Vec::new();
    }
    let mut pairs: BTreeMap<&str, [Option<&Allocator>; 2]> = BTreeMap::new();
    for (side, run) in [base, head].into_iter().enumerate() {
        for allocator in &run.allocators {
            pairs.entry(&allocator.name).or_default()[side].get_or_insert(allocator);
        }
    }
    let floor = LEAST_SHARE * whole;
    // One round is enough where both programs ran on one thread and nothing varies.
    let single = base.load.runtime == "current" && head.load.runtime == "current";
    let mut judged: Vec<(AllocatorChange, Option<f64>)> = pairs
        .into_iter()
        .map(|(name, pair)| Pair { name, sides: pair, rounds }.judge(policy, floor, single))
        .filter(|(change, _)| change.base_bytes_per_op.max(change.head_bytes_per_op) >= floor)
        .collect();
    let p_values: Vec<f64> = judged.iter().filter_map(|(_, p)| *p).collect();
    let adjusted = multiple::benjamini_hochberg(&p_values).unwrap_or_else(|_| vec![1.0; p_values.len()]);
    for ((change, _), q) in judged.iter_mut().filter(|(_, p)| p.is_some()).zip(adjusted) {
        change.q = q;
        if matches!(change.verdict, Verdict::Regressed | Verdict::Improved) && q > 1.0 - policy.level() {
            change.verdict = Verdict::Inconclusive;
            "alone it would have changed, not as one of so many".clone_into(&mut change.note);
        }
    }
    let mut changes: Vec<AllocatorChange> = judged.into_iter().map(|(change, _)| change).collect();
    let size = |change: &AllocatorChange| (change.head_bytes_per_op - change.base_bytes_per_op).abs();
    changes.sort_by(|a, b| {
        let calm = |change: &AllocatorChange| change.verdict != Verdict::Regressed;
        calm(a).cmp(&calm(b)).then(size(b).total_cmp(&size(a))).then_with(|| a.name.cmp(&b.name))
    });
    changes.truncate(MOST_FUNCTIONS);
    changes
}

/// Rounds of a run's heap pass.
fn rounds(run: &Run) -> usize {
    run.allocators.first().map_or(0, |allocator| allocator.bytes_per_op.len())
}

/// One function in both runs.
struct Pair<'a> {
    name: &'a str,
    sides: [Option<&'a Allocator>; 2],
    rounds: [usize; 2],
}

impl Pair<'_> {
    /// The values of a side; a function that is not there allocated nothing.
    fn values(&self, side: usize, of: fn(&Allocator) -> &Vec<f64>) -> Vec<f64> {
        self.sides[side].map_or_else(|| vec![0.0; self.rounds[side]], |allocator| of(allocator).clone())
    }

    /// The change, and the p-value that is to be corrected, where there is one.
    fn judge(&self, policy: &Policy, floor: f64, single: bool) -> (AllocatorChange, Option<f64>) {
        let [base, head] = [0, 1].map(|side| self.values(side, |allocator| &allocator.bytes_per_op));
        let blocks = |side| describe::mean(&self.values(side, |allocator| &allocator.blocks_per_op)).unwrap_or(0.0);
        let mut change = AllocatorChange {
            name: self.name.to_owned(),
            base_bytes_per_op: describe::mean(&base).unwrap_or(0.0),
            head_bytes_per_op: describe::mean(&head).unwrap_or(0.0),
            base_blocks_per_op: blocks(0),
            head_blocks_per_op: blocks(1),
            ratio: None,
            low: None,
            high: None,
            method: None,
            verdict: Verdict::NotCompared,
            q: 1.0,
            note: String::new(),
        };
        let together = base.len() == head.len();
        let design = if together { policy.design } else { Design::Unpaired };
        let arms = Arms::new(&base, &head, Better::Lower, design);
        if base.len().min(head.len()) < 2 && !(single && arms.constant()) {
            "one round, no interval".clone_into(&mut change.note);
            return (change, None);
        }
        let made = match arms.changes(policy.level(), 1) {
            Ok((made, _)) => made,
            Err(refusal) => {
                change.note = refusal.to_string();
                return (change, None);
            }
        };
        let margin = if arms.scale == Scale::Ratio { MARGIN.ln_1p() } else { floor };
        let shown = arms.unfold(made.interval);
        (change.low, change.high) = (Some(shown.low), Some(shown.high));
        if arms.scale == Scale::Ratio {
            change.ratio = Some(shown.estimate);
        } else if change.base_bytes_per_op == 0.0 {
            "not in base".clone_into(&mut change.note);
        } else if change.head_bytes_per_op == 0.0 {
            "not in head".clone_into(&mut change.note);
        }
        change.method = Some(made.method);
        change.verdict = made.verdict(margin);
        let back = Arms::new(&head, &base, Better::Lower, design).changes(policy.level(), 1).ok();
        let better = back.and_then(|(made, _)| made.p_worse_than(margin));
        let p = made.p_worse_than(margin).zip(better).map(|(worse, better)| (2.0 * worse.min(better)).min(1.0));
        (change, p)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::Method;

    /// A run whose functions allocate these bytes per operation in each round.
    fn run(functions: &[(&str, &[f64])]) -> Run {
        let mut run = Run::foreign("test", "1", "shop");
        for (name, bytes) in functions {
            let blocks_per_op = vec![1.0; bytes.len()];
            run.allocators.push(Allocator {
                name: (*name).to_owned(),
                bytes_per_op: bytes.to_vec(),
                blocks_per_op,
                ..Allocator::default()
            });
        }
        run
    }

    fn verdicts(base: &Run, head: &Run) -> Vec<(String, Verdict)> {
        let changes = compare(base, head, &Policy::default());
        changes.into_iter().map(|change| (change.name, change.verdict)).collect()
    }

    #[test]
    fn what_does_not_vary_is_compared_exactly_and_the_worst_comes_first() {
        let base = run(&[("shop::cart", &[1000.0; 3]), ("shop::page", &[500.0; 3]), ("shop::tiny", &[1.0; 3])]);
        let head = run(&[("shop::cart", &[1000.0; 3]), ("shop::page", &[600.0; 3]), ("shop::tiny", &[2.0; 3])]);
        let changes = compare(&base, &head, &Policy::default());
        let page = &changes[0];
        assert_eq!(
            (page.name.as_str(), page.verdict, page.method),
            ("shop::page", Verdict::Regressed, Some(Method::Exact))
        );
        assert!((page.ratio.unwrap() - 1.2).abs() < 1e-9 && page.low == page.high, "{page:?}");
        assert_eq!(changes.len(), 2, "what is below half a percent is left out");
        assert_eq!(verdicts(&head, &base)[0], ("shop::page".to_owned(), Verdict::Improved));
    }

    #[test]
    fn a_function_that_is_new_or_gone_is_judged_by_the_difference() {
        let base = run(&[("shop::cart", &[1000.0, 1001.0, 999.0])]);
        let head = run(&[("shop::cart", &[1000.0, 1001.0, 999.0]), ("shop::log", &[300.0, 301.0, 299.0])]);
        let changes = compare(&base, &head, &Policy::default());
        let (log, cart) = (&changes[0], &changes[1]);
        assert_eq!((log.verdict, log.ratio, log.note.as_str()), (Verdict::Regressed, None, "not in base"));
        assert_eq!(cart.verdict, Verdict::Unchanged);
        assert_eq!(verdicts(&head, &base)[0], ("shop::log".to_owned(), Verdict::Improved));
    }

    #[test]
    fn one_round_is_enough_on_one_thread_and_nowhere_else() {
        let (mut base, mut head) = (run(&[("shop::cart", &[1000.0])]), run(&[("shop::cart", &[1200.0])]));
        assert_eq!(verdicts(&base, &head)[0].1, Verdict::NotCompared);
        for run in [&mut base, &mut head] {
            run.load.runtime = "current".to_owned();
        }
        assert_eq!(verdicts(&base, &head)[0].1, Verdict::Regressed);
    }

    #[test]
    fn noise_is_no_regression_however_many_functions_there_are() {
        use crate::stats::random::Random;
        let mut random = Random::new(3);
        let names: Vec<String> = (0..60).map(|index| format!("shop::f{index}")).collect();
        let mut drawn = || {
            let mut run = run(&[]);
            for name in &names {
                let bytes_per_op = (0..5).map(|_| 1000.0 * (1.0 + 0.3 * random.uniform())).collect();
                run.allocators.push(Allocator { name: name.clone(), bytes_per_op, ..Allocator::default() });
            }
            run
        };
        let found: usize = (0..100)
            .map(|_| verdicts(&drawn(), &drawn()).iter().filter(|(_, verdict)| *verdict == Verdict::Regressed).count())
            .sum();
        assert!(found <= 5, "{found} of 6000");
    }
}
