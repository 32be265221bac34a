//! Whether the two samplers of the CPU pass tell the same. Where they do not, the jittered one stands: pprof keeps step with work
//! that wakes on the kernel's tick.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::recording::Rounds;
use crate::probe::cpu::Sampler;
use crate::record::Reading;
use crate::record::name;
use crate::record::pass::Pass;
use crate::record::stacks::Stacks;
use crate::stats::proportion::{Count, design_effect, newcombe};
use crate::warning::Caution;

/// Functions below this share by both are not compared.
const LEAST_SHARE: f64 = 0.01;
/// Shares that differ by less are the same for everyone who reads a profile.
const MARGIN: f64 = 0.03;
/// How often two samplers that are alike may be said to differ, over all functions.
const WRONG: f64 = 0.01;

/// How often each function was running in a round.
type Leaves = BTreeMap<String, u64>;

/// The function in whose share the samplers lie furthest apart.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Agreement {
    function: String,
    /// Its share of the stacks, by each.
    pprof: f64,
    jittered: f64,
    /// The interval of jittered less pprof.
    low: f64,
    high: f64,
    /// Functions that were compared.
    compared: usize,
}

impl Agreement {
    /// Whether they differ by more than chance and by more than matters.
    fn holds(&self) -> bool {
        self.low < MARGIN && self.high > -MARGIN
    }

    /// How near to 0 the interval comes.
    fn apart(&self) -> f64 {
        self.low.max(-self.high)
    }

    pub(super) fn to_json(&self) -> Value {
        json!({
            "agree": self.holds(),
            "function": self.function,
            "pprof_share": self.pprof,
            "jittered_share": self.jittered,
            "difference": { "low": self.low, "high": self.high },
            "compared": self.compared,
        })
    }

    pub(super) fn caution(&self) -> Option<Caution> {
        let differ =
            || Caution::SamplersDiffer { function: self.function.clone(), pprof: self.pprof, jittered: self.jittered };
        (!self.holds()).then(differ)
    }
}

/// Compares the samplers; `None` where only one of them took stacks.
pub(super) fn compare(rounds: &Rounds) -> Option<Agreement> {
    let jittered = leaves(rounds, Sampler::Jittered);
    // With pprof alone its stacks need not be looked at.
    if jittered.is_empty() { None } else { furthest(&leaves(rounds, Sampler::Pprof), &jittered) }
}

/// The function in whose share two samplers lie furthest apart, of their rounds.
fn furthest(pprof: &[Leaves], jittered: &[Leaves]) -> Option<Agreement> {
    let (of_pprof, of_jittered) = (Shares::of(pprof)?, Shares::of(jittered)?);
    let names: Vec<&String> = of_pprof.counts.keys().chain(of_jittered.counts.keys()).collect();
    let mut seen: Vec<&String> =
        names.into_iter().filter(|name| of_pprof.share(name).max(of_jittered.share(name)) >= LEAST_SHARE).collect();
    seen.sort_unstable();
    seen.dedup();
    let confidence = 1.0 - WRONG / seen.len().max(1) as f64;
    let differences = seen.iter().filter_map(|name| {
        let effect = effect(pprof, name).max(effect(jittered, name));
        let interval = newcombe(of_pprof.count(name)?, of_jittered.count(name)?, effect, confidence).ok()?;
        Some(Agreement {
            function: (*name).clone(),
            pprof: of_pprof.share(name),
            jittered: of_jittered.share(name),
            low: interval.low,
            high: interval.high,
            compared: seen.len(),
        })
    });
    differences.max_by(|a, b| a.apart().total_cmp(&b.apart()))
}

/// The rounds, without the stacks of pprof where it differs.
pub(super) fn settle<'a>(rounds: &'a Rounds, agreement: Option<&Agreement>) -> Cow<'a, Rounds> {
    if agreement.is_none_or(Agreement::holds) {
        return Cow::Borrowed(rounds);
    }
    let mut settled = rounds.clone();
    let readings = settled.results.iter_mut().flat_map(|result| &mut result.readings);
    readings.filter(|reading| is_of(reading, Sampler::Pprof)).for_each(|reading| reading.stacks.clear());
    Cow::Owned(settled)
}

fn is_of(reading: &Reading, sampler: Sampler) -> bool {
    reading.probe == "cpu" && reading.detail.get("sampler").and_then(Value::as_str) == Some(&sampler.to_string())
}

/// How often each function was running, in each round of a sampler.
fn leaves(rounds: &Rounds, sampler: Sampler) -> Vec<Leaves> {
    let readings = rounds.of(Pass::Cpu).flat_map(|result| &result.readings);
    let own = readings.filter(|reading| is_of(reading, sampler));
    own.flat_map(|reading| &reading.stacks).map(|(_, stacks)| leaves_of(stacks)).collect()
}

/// By the function that stands for itself in the program: pprof puts what is inlined into one function together. As many as there
/// were stacks, shared out by CPU time: what was met too often for the time it took is not compared by its count.
fn leaves_of(stacks: &Stacks) -> Leaves {
    let (Some(samples), Some(cpu)) = (stacks.weight("samples"), stacks.weight("cpu")) else { return Leaves::new() };
    let mut shares: BTreeMap<String, f64> = BTreeMap::new();
    let (mut count, mut whole) = (0, 0.0);
    for stack in stacks.stacks.iter().filter(|stack| !stacks.is_harness(stack)) {
        let leaf = stack.locations.first().and_then(|index| stacks.locations.get(*index as usize));
        let Some(frame) = leaf.and_then(|location| location.frames.last()) else { continue };
        let value = |weight: usize| stack.values.get(weight).map_or(0, |value| (*value).max(0));
        count += value(samples);
        whole += value(cpu) as f64;
        *shares.entry(name::readable(&frame.function)).or_insert(0.0) += value(cpu) as f64;
    }
    let of_count = |ns: f64| (ns / whole * count as f64).round() as u64;
    shares.into_iter().filter(|(_, ns)| *ns > 0.0).map(|(name, ns)| (name, of_count(ns))).collect()
}

/// The rounds of a sampler together.
struct Shares {
    counts: Leaves,
    all: u64,
}

impl Shares {
    fn of(rounds: &[Leaves]) -> Option<Self> {
        let mut counts = Leaves::new();
        for (name, count) in rounds.iter().flatten() {
            *counts.entry(name.clone()).or_insert(0) += count;
        }
        let all = counts.values().sum();
        (all > 0).then_some(Self { counts, all })
    }

    fn count(&self, name: &str) -> Option<Count> {
        Count::new(self.counts.get(name).copied().unwrap_or(0), self.all).ok()
    }

    fn share(&self, name: &str) -> f64 {
        self.count(name).map_or(0.0, |count| count.share())
    }
}

/// How much more a function's share varies between the rounds of a sampler than chance alone makes it.
fn effect(rounds: &[Leaves], name: &str) -> f64 {
    let counts = rounds.iter().filter_map(|round| {
        let all = round.values().sum();
        Count::new(round.get(name).copied().unwrap_or(0), all).ok()
    });
    design_effect(&counts.collect::<Vec<_>>()).unwrap_or(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::random::Random;

    fn round(counts: &[(&str, u64)]) -> Leaves {
        counts.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect()
    }

    #[test]
    fn samplers_that_lie_apart_by_more_than_chance_and_more_than_matters_differ() {
        let of_jittered = [round(&[("long", 700), ("short", 300)]), round(&[("long", 690), ("short", 310)])];
        let near = [round(&[("long", 715), ("short", 285)])];
        let told = furthest(&near, &of_jittered).unwrap();
        assert!(told.holds() && told.caution().is_none(), "{told:?}");
        // What pprof says of work that wakes on timers: 90 % instead of 70 %.
        let far = [round(&[("long", 900), ("short", 100)])];
        let told = furthest(&far, &of_jittered).unwrap();
        assert!(!told.holds(), "{told:?}");
        let text = told.caution().unwrap().to_string();
        assert!(text.contains("90.0 % of the stacks by pprof, 69.5 % by the jittered"), "{text}");
        // Few stacks say nothing of it.
        let few = [round(&[("long", 9), ("short", 1)])];
        assert!(furthest(&few, &of_jittered).unwrap().holds());
        // A function that varies as much from round to round says nothing either.
        let vague = [round(&[("long", 990), ("short", 10)]), round(&[("long", 500), ("short", 500)])];
        assert!(furthest(&vague, &of_jittered).unwrap().holds());
        assert_eq!(furthest(&[], &of_jittered), None);
        assert_eq!(furthest(&[Leaves::new()], &of_jittered), None);
    }

    #[test]
    fn samplers_that_are_alike_are_not_said_to_differ() {
        let mut random = Random::new(3);
        let mut drawn = |count: u64| {
            let mut leaves = Leaves::new();
            for _ in 0..count {
                // Ten functions, the first with a third of the whole.
                let name = random.below(15).saturating_sub(5).to_string();
                *leaves.entry(name).or_insert(0) += 1;
            }
            leaves
        };
        let wrong = (0..400).filter(|_| {
            let pprof = [drawn(150), drawn(150)];
            let jittered = [drawn(150), drawn(150), drawn(150)];
            !furthest(&pprof, &jittered).unwrap().holds()
        });
        // The margin makes it rarer than the one in a hundred that chance alone would.
        assert!(wrong.count() <= 4);
    }
}
