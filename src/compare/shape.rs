//! How the distribution of latencies changed: its deciles with one band for all of them, the weights of its modes, and whether
//! anything changed at all. Describes; no verdict comes from here.

use super::{DecileChange, ModeChange, Policy, Shape, words};
use crate::record::Run;
use crate::record::pass::Pass;
use crate::stats::bootstrap::Plan;
use crate::stats::density::{self, Mode};
use crate::stats::paired::Design;
use crate::stats::quantile::Sorted;
use crate::stats::{describe, energy, shift, welch};
use crate::unit::Unit;

/// Draws for the band, and labellings for the permutation test.
const RESAMPLES: usize = 9_999;
/// Rounds of both runs up to which all draws are made, and the fewest that are.
const MANY_ROUNDS: usize = 40;
const FEWEST_RESAMPLES: usize = 199;
/// Rounds of a run beyond which its shape is not looked at: so many are no fresh processes.
const MOST_ROUNDS: usize = 200;
/// A mode with less of the operations than this joins its neighbour.
const LEAST_WEIGHT: f64 = 0.05;
/// Latencies are put on a logarithmic scale; a shorter one than this cannot be told from it.
const SHORTEST_NS: f64 = 1.0;

/// A draw costs the square of the number of rounds, and of many rounds fewer draws say as much.
fn resamples(rounds: usize) -> usize {
    let affordable = RESAMPLES * MANY_ROUNDS * MANY_ROUNDS / (rounds * rounds).max(1);
    affordable.clamp(FEWEST_RESAMPLES, RESAMPLES)
}

/// The rounds' latencies, as logarithms.
struct Arm(Vec<Sorted>);

impl Arm {
    fn of(run: &Run) -> Option<Self> {
        let rounds = run.rounds.iter().filter(|round| round.pass == Pass::Time && !round.latencies.is_empty());
        let logarithms =
            |latencies: &[f64]| Sorted::new(&latencies.iter().map(|ns| ns.max(SHORTEST_NS).ln()).collect::<Vec<f64>>());
        let rounds: Option<Vec<Sorted>> = rounds.map(|round| logarithms(&round.latencies)).collect();
        rounds.filter(|rounds| (2..=MOST_ROUNDS).contains(&rounds.len())).map(Self)
    }

    fn deciles(&self) -> Vec<Vec<f64>> {
        self.0.iter().map(|round| shift::deciles(round).to_vec()).collect()
    }

    fn all(&self) -> impl Iterator<Item = f64> {
        self.0.iter().flat_map(|round| round.values().iter().copied())
    }

    /// The share of each round's operations in a mode.
    fn weights(&self, mode: &Mode, last: Mode) -> Vec<f64> {
        let inside = |value: &&f64| mode.low <= **value && (**value < mode.high || mode.high >= last.high);
        self.0
            .iter()
            .map(|round| round.values().iter().filter(inside).count() as f64 / round.values().len() as f64)
            .collect()
    }
}

/// The change of shape, where both runs have two rounds of latencies.
pub(super) fn compare(base: &Run, head: &Run, policy: &Policy) -> Option<Shape> {
    let (base, head) = (Arm::of(base)?, Arm::of(head)?);
    let deciles = deciles(&base, &head, policy).unwrap_or_default();
    let modes = modes(&base, &head, policy.level());
    let plain = |arm: &Arm| -> Option<Vec<Sorted>> {
        let exponential =
            |round: &Sorted| Sorted::new(&round.values().iter().map(|value| value.exp()).collect::<Vec<_>>());
        arm.0.iter().map(exponential).collect()
    };
    let test =
        energy::permutation_test(&plain(&base)?, &plain(&head)?, resamples(base.0.len() + head.0.len()), policy.seed)
            .ok()?;
    let note = words::join([of_deciles(&deciles), of_modes(&modes)]);
    Some(Shape { deciles, modes, distance: test.distance, p: test.p, note })
}

fn deciles(base: &Arm, head: &Arm, policy: &Policy) -> Option<Vec<DecileChange>> {
    let (of_base, of_head) = (base.deciles(), head.deciles());
    let design = if of_base.len() == of_head.len() { policy.design } else { Design::Unpaired };
    let plan =
        Plan { resamples: resamples(of_base.len() + of_head.len()), confidence: policy.level(), seed: policy.seed };
    let shift = shift::shift_function(&of_base, &of_head, design, plan).ok()?;
    let center = |rows: &[Vec<f64>], place: usize| {
        let column: Vec<f64> = rows.iter().map(|row| row[place]).collect();
        describe::mean(&column).map(f64::exp)
    };
    let change = |(place, point): (usize, &crate::stats::interval::Interval)| {
        let ratio = point.exponential();
        Some(DecileChange {
            share: (place + 1) as f64 / 10.0,
            base: center(&of_base, place)?,
            head: center(&of_head, place)?,
            ratio: ratio.estimate,
            low: ratio.low,
            high: ratio.high,
        })
    };
    shift.points.iter().enumerate().map(change).collect()
}

/// The modes of all operations of both runs, and how much of each run lies in them.
fn modes(base: &Arm, head: &Arm, confidence: f64) -> Vec<ModeChange> {
    let pooled: Vec<f64> = base.all().chain(head.all()).collect();
    let Ok(modes) = density::modes(&pooled, LEAST_WEIGHT) else { return Vec::new() };
    let Some(last) = modes.last().copied() else { return Vec::new() };
    let change = |mode: &Mode| {
        let (of_base, of_head) = (base.weights(mode, last), head.weights(mode, last));
        let interval = welch::welch(&of_base, &of_head).and_then(|estimate| estimate.interval(confidence)).ok();
        Some(ModeChange {
            center: mode.center.exp(),
            base_weight: describe::mean(&of_base)?,
            head_weight: describe::mean(&of_head)?,
            low: interval.map(|interval| interval.low),
            high: interval.map(|interval| interval.high),
        })
    };
    modes.iter().filter_map(change).collect()
}

fn of_deciles(deciles: &[DecileChange]) -> String {
    let slower = |change: &DecileChange| change.low > 1.0;
    let faster = |change: &DecileChange| change.high < 1.0;
    let (Some(first), Some(last)) = (deciles.first(), deciles.last()) else { return String::new() };
    if deciles.iter().all(slower) {
        "all of them got slower".to_owned()
    } else if deciles.iter().all(faster) {
        "all of them got faster".to_owned()
    } else if faster(first) && slower(last) {
        "the fast got faster and the slow got slower".to_owned()
    } else if slower(first) && faster(last) {
        "the fast got slower and the slow got faster".to_owned()
    } else if slower(last) {
        "the slow got slower".to_owned()
    } else if faster(last) {
        "the slow got faster".to_owned()
    } else {
        String::new()
    }
}

/// The slowest mode that gained operations, or else the slowest that lost some, where that is more than chance: the slow ones are
/// what users wait for.
fn of_modes(modes: &[ModeChange]) -> String {
    let changed = |mode: &&ModeChange| {
        let by_chance = mode.low.zip(mode.high).is_some_and(|(low, high)| low <= 0.0 && high >= 0.0);
        !by_chance && (mode.head_weight - mode.base_weight).abs() >= LEAST_WEIGHT
    };
    let slowest = || modes.iter().rev().filter(changed);
    let most = slowest().find(|mode| mode.head_weight > mode.base_weight).or_else(|| slowest().next());
    most.filter(|_| modes.len() > 1).map_or_else(String::new, |mode| {
        format!(
            "{} of the operations of head took about {}, {} of base",
            Unit::Ratio.show(mode.head_weight),
            Unit::Ns.show(mode.center),
            Unit::Ratio.show(mode.base_weight)
        )
    })
}
