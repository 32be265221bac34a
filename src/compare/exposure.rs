//! What one run's CPU pass offers for comparing: of each round how many stacks stand for a nanosecond of CPU time per operation. Leaves
//! out rounds without stacks; takes no function whose values do not fit the rounds.

use crate::record::pass::Pass;
use crate::record::{Function, Round, Run};
use crate::stats::describe;

/// The rounds of one run whose stacks can be counted.
pub(super) struct Exposure<'a> {
    pub(super) functions: &'a [Function],
    /// Stacks per nanosecond of CPU time per operation, one for each round that can be counted.
    pub(super) rounds: Vec<f64>,
    /// All stacks of those rounds.
    pub(super) stacks: f64,
    /// CPU time of an operation over those rounds, in nanoseconds.
    pub(super) ns_per_op: f64,
    /// Which of the values of a function belong to those rounds.
    places: Vec<usize>,
    /// How many values a function has.
    values: usize,
}

impl<'a> Exposure<'a> {
    pub(super) fn of(run: &'a Run) -> Self {
        // A function has a value for every round of the pass that had good operations and a sampler.
        let charged = |round: &&Round| round.pass == Pass::Cpu && round.ok > 0 && round.stacks.is_some();
        let charged: Vec<&Round> = run.rounds.iter().filter(charged).collect();
        let mut exposure = Self {
            functions: &run.functions,
            rounds: Vec::new(),
            stacks: 0.0,
            ns_per_op: 0.0,
            places: Vec::new(),
            values: charged.len(),
        };
        let (mut cpu_ns, mut ok) = (0.0, 0.0);
        for (place, round) in charged.into_iter().enumerate() {
            let (stacks, ns) = (round.stacks.unwrap_or(0) as f64, round.cpu_ns.unwrap_or(0.0));
            let per_ns = round.ok as f64 * stacks / ns;
            if stacks > 0.0 && ns > 0.0 && per_ns.is_normal() {
                exposure.rounds.push(per_ns);
                exposure.places.push(place);
                exposure.stacks += stacks;
                cpu_ns += ns;
                ok += round.ok as f64;
            }
        }
        exposure.ns_per_op = if ok > 0.0 { cpu_ns / ok } else { 0.0 };
        exposure
    }

    /// Why its functions cannot be compared; `None` where they can.
    pub(super) fn lack(&self) -> Option<&'static str> {
        match self.rounds.len() {
            _ if self.functions.is_empty() => Some("no functions"),
            0 => Some("no rounds with counted stacks"),
            1 => Some("one round with counted stacks; an interval takes two"),
            _ => None,
        }
    }

    /// The stacks of a function, from its nanoseconds per operation: near whole numbers. A function that is not in the run has none.
    pub(super) fn counts(&self, values: Option<&[f64]>) -> Option<Vec<f64>> {
        let Some(values) = values else { return Some(vec![0.0; self.rounds.len()]) };
        if values.len() != self.values {
            return None;
        }
        let count = |(place, exposure): (&usize, &f64)| {
            let count = values.get(*place)? * exposure;
            // A function can have no more stacks than there are, but for rounding; of what claims to, nothing is known.
            (0.0..=self.stacks * 1.01).contains(&count).then_some(count)
        };
        self.places.iter().zip(&self.rounds).map(count).collect()
    }
}

/// The mean of the values that are numbers: what is shown of a function that cannot be compared.
pub(super) fn mean(values: Option<&[f64]>) -> f64 {
    let numbers: Vec<f64> = values.unwrap_or_default().iter().copied().filter(|value| value.is_finite()).collect();
    describe::mean(&numbers).unwrap_or(0.0)
}
