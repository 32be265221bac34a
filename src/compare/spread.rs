//! Which component of an operation changed the spread of the latencies, and who held a worker in head that did not in base. Describes
//! a change that a metric has shown; no verdict comes from here, and nothing is said where the variance itself is not shown to differ.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{MetricChange, Policy, Verdict};
use crate::record::pass::Pass;
use crate::record::stacks::Frame;
use crate::record::{Run, Stall};
use crate::stats::paired::{Design, paired};
use crate::stats::refusal::Refusal;
use crate::stats::student::Estimate;
use crate::stats::{describe, welch};

/// Metrics of the spread itself; and of the tail, which also moves where all operations get slower alike.
const SPREAD: [&str; 2] = ["latency.sd", "latency.mad"];
const TAIL: [&str; 4] = ["latency.p90", "latency.p95", "latency.p99", "latency.max"];

/// What the states of an operation's own future are called, and what they are where its states are not known.
const OWN: &str = "operation";
const UNKNOWN: &str = "unattributed";

/// What changed the spread of the latencies within rounds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct SpreadChange {
    /// The square root of the variance within rounds, mean over the rounds of base.
    pub base_sd_ns: f64,
    /// The same of head.
    pub head_sd_ns: f64,
    /// The components, that with the largest part of the change first. Their `share_of_change` add up to 1.
    pub components: Vec<ComponentChange>,
    /// Of the functions that held a worker in head and not in base, the one that held longest; only where the spread grew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_by: Option<HeldBy>,
    /// What must be known beside it; empty where there is nothing.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
}

/// One component's part of the change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ComponentChange {
    /// The component: `redis.get/idle`.
    pub component: String,
    /// Its part of base's variance: the covariance with the latency within rounds, mean over rounds, in ns².
    pub base_ns2: f64,
    /// The same of head.
    pub head_ns2: f64,
    /// `head_ns2 − base_ns2` as a part of the change of the variance; negative where it changed the other way.
    pub share_of_change: f64,
    /// The lower end of its interval over rounds; `null` where there is none.
    pub low: Option<f64>,
    /// The upper end.
    pub high: Option<f64>,
}

/// A function that held a worker thread.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct HeldBy {
    /// Where: the function that has to be looked at.
    #[serde(flatten)]
    pub frame: Frame,
    /// How often, of the stalls that the run keeps.
    pub stalls: u64,
    /// How long in all of these, in nanoseconds.
    pub held_ns: u64,
}

/// Of one run, by component: its covariance with the latency in each round that has one.
struct Arm {
    rounds: Vec<u32>,
    parts: BTreeMap<String, Vec<f64>>,
    /// Pairs of a component and the phase it counts inside.
    nesting: BTreeSet<(String, String)>,
}

impl Arm {
    fn of(run: &Run) -> Option<Self> {
        let numbers: Vec<u32> =
            run.rounds.iter().filter(|round| round.pass == Pass::Time).map(|round| round.round).collect();
        let whole = run.components.iter().all(|one| one.covariance_ns2.len() == numbers.len());
        if run.components.is_empty() || !whole {
            return None;
        }
        let has = |place: &usize| run.components.iter().all(|one| one.covariance_ns2[*place].is_finite());
        let places: Vec<usize> = (0..numbers.len()).filter(has).collect();
        let mut arm = Self { rounds: Vec::new(), parts: BTreeMap::new(), nesting: BTreeSet::new() };
        for one in &run.components {
            arm.add(&one.name, places.iter().map(|place| one.covariance_ns2[*place]).collect());
            arm.nesting.extend(one.within.clone().map(|around| (one.name.clone(), around)));
        }
        arm.rounds = places.into_iter().map(|place| numbers[place]).collect();
        (arm.rounds.len() > 1).then_some(arm)
    }

    fn add(&mut self, name: &str, values: Vec<f64>) {
        match self.parts.get_mut(name) {
            Some(sums) => sums.iter_mut().zip(values).for_each(|(sum, value)| *sum += value),
            None => drop(self.parts.insert(name.to_owned(), values)),
        }
    }

    /// Puts states together where the other run knows only the whole: what is split in one must not look like a change.
    fn at_resolution_of(mut self, other: &Self) -> Self {
        let own = format!("{OWN}/");
        let knows_own = other.parts.keys().any(|name| name.starts_with(&own));
        let whole = |name: &str| {
            let (phase, _) = name.rsplit_once('/')?;
            let phase = if phase == OWN && !knows_own { UNKNOWN } else { phase };
            let is_coarser = other.parts.contains_key(phase) && !other.parts.contains_key(name);
            is_coarser.then(|| phase.to_owned())
        };
        for (name, values) in std::mem::take(&mut self.parts) {
            self.add(&whole(&name).unwrap_or(name), values);
        }
        self
    }

    /// Keeps the rounds that the other has too.
    fn keep_rounds_of(&mut self, rounds: &[u32]) {
        let keep: Vec<bool> = self.rounds.iter().map(|round| rounds.contains(round)).collect();
        let chosen =
            |values: &[f64]| values.iter().zip(&keep).filter(|(_, keep)| **keep).map(|(value, _)| *value).collect();
        self.parts.values_mut().for_each(|values| *values = chosen(values));
        self.rounds.retain(|round| rounds.contains(round));
    }

    /// A component's values; zeros where the run has none of it.
    fn part(&self, name: &str) -> Vec<f64> {
        self.parts.get(name).cloned().unwrap_or_else(|| vec![0.0; self.rounds.len()])
    }

    /// The variance of each round.
    fn variances(&self) -> Vec<f64> {
        (0..self.rounds.len()).map(|place| self.parts.values().map(|values| values[place]).sum()).collect()
    }
}

/// What changed the spread, where one of `changes` says that it did and both runs know their components.
pub(super) fn compare(base: &Run, head: &Run, changes: &[MetricChange], policy: &Policy) -> Option<SpreadChange> {
    let moved = |names: &[&str]| {
        let of = |change: &&MetricChange| names.contains(&change.name.as_str());
        changes.iter().filter(of).any(|change| matches!(change.verdict, Verdict::Regressed | Verdict::Improved))
    };
    if !moved(&SPREAD) && !moved(&TAIL) {
        return None;
    }
    let (of_base, of_head) = (Arm::of(base)?, Arm::of(head)?);
    let differently = of_base.nesting != of_head.nesting;
    let (mut of_base, mut of_head) = {
        let coarse = of_base.at_resolution_of(&of_head);
        let head = of_head.at_resolution_of(&coarse);
        (coarse, head)
    };
    if policy.design == Design::Paired {
        of_head.keep_rounds_of(&of_base.rounds);
        of_base.keep_rounds_of(&of_head.rounds);
    }
    let variances = [of_base.variances(), of_head.variances()];
    let [base_ns2, head_ns2] = [describe::mean(&variances[0])?, describe::mean(&variances[1])?];
    let change = difference(&variances[0], &variances[1], policy.design)
        .and_then(|estimate| estimate.interval(policy.level()))
        .ok();
    // Shares of a change that may be none would be of any size.
    let shown = change.is_none_or(|interval| !interval.contains(0.0));
    let change_ns2 = head_ns2 - base_ns2;
    if change_ns2.abs() <= 0.0 || !(shown || moved(&SPREAD[..1])) {
        return None;
    }
    let names: BTreeSet<&String> = of_base.parts.keys().chain(of_head.parts.keys()).collect();
    let share = |name: &&String| share(name, [&of_base, &of_head], &variances, change_ns2, policy);
    let mut components: Vec<ComponentChange> = names.iter().filter_map(share).collect();
    components.sort_by(|a, b| b.share_of_change.total_cmp(&a.share_of_change));
    let note = "phases lie in each other differently in base and head: their parts are not of the same extent";
    Some(SpreadChange {
        base_sd_ns: base_ns2.max(0.0).sqrt(),
        head_sd_ns: head_ns2.max(0.0).sqrt(),
        components,
        held_by: if head_ns2 > base_ns2 { held_by(&base.stalls, &head.stalls) } else { None },
        note: if differently { note.to_owned() } else { String::new() },
    })
}

/// The mean of head less that of base.
fn difference(base: &[f64], head: &[f64], design: Design) -> Result<Estimate, Refusal> {
    match design {
        Design::Paired => paired(base, head),
        Design::Unpaired => welch::welch(base, head),
    }
}

/// A component's part of the change, as a ratio of two changes over the same rounds (Cochran 1977): a round deviates from it by
/// `part − share·variance`, and the error of the mean of these by the change is that of the share.
fn share(
    name: &str,
    [base, head]: [&Arm; 2],
    variances: &[Vec<f64>; 2],
    change_ns2: f64,
    policy: &Policy,
) -> Option<ComponentChange> {
    let parts = [base.part(name), head.part(name)];
    let [base_ns2, head_ns2] = [describe::mean(&parts[0])?, describe::mean(&parts[1])?];
    let share = (head_ns2 - base_ns2) / change_ns2;
    let deviations = |arm: usize| -> Vec<f64> {
        parts[arm].iter().zip(&variances[arm]).map(|(part, variance)| part - share * variance).collect()
    };
    let half = match difference(&deviations(0), &deviations(1), policy.design) {
        Ok(estimate) => estimate.interval(policy.level()).ok().map(|interval| interval.half_width() / change_ns2.abs()),
        // Rounds that agree to the last digit.
        Err(Refusal::Constant) => Some(0.0),
        Err(_) => None,
    };
    share.is_finite().then(|| ComponentChange {
        component: name.to_owned(),
        base_ns2,
        head_ns2,
        share_of_change: share,
        low: half.map(|half| share - half),
        high: half.map(|half| share + half),
    })
}

/// A function, told from others by its name and file: its lines differ with the moment.
type Function<'a> = (&'a str, Option<&'a str>);

/// The program's own stalls that are known to be of a function.
fn own(stalls: &[Stall]) -> impl Iterator<Item = (Function<'_>, &Frame, &Stall)> {
    stalls.iter().filter(|stall| stall.is_own()).filter_map(|stall| {
        let frame = stall.culprit()?;
        Some(((frame.function.as_str(), frame.file.as_deref()), frame, stall))
    })
}

/// Of the functions that held a worker in head but not in base, the one that held longest.
fn held_by(base: &[Stall], head: &[Stall]) -> Option<HeldBy> {
    let known: BTreeSet<Function<'_>> = own(base).map(|(function, ..)| function).collect();
    let mut new: BTreeMap<Function<'_>, HeldBy> = BTreeMap::new();
    for (function, frame, stall) in own(head).filter(|(function, ..)| !known.contains(function)) {
        let held = new.entry(function).or_insert_with(|| HeldBy { frame: frame.clone(), stalls: 0, held_ns: 0 });
        held.stalls += 1;
        held.held_ns = held.held_ns.saturating_add(stall.duration_ns);
    }
    new.into_values().max_by_key(|held| held.held_ns)
}

#[cfg(test)]
#[path = "spread_tests.rs"]
mod tests;
