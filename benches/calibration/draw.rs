//! What the simulated machine measures: rounds with a level of their own, and operations around it. Everything is drawn from a
//! seed that the name of the row gives, so that a row does not move when another is added.

use perfkit::record::pass::Pass;
use perfkit::record::{Metric, Round, Run};
use perfkit::stats::random::Random;
use perfkit::stats::{describe, quantile};
use perfkit::{Better, Unit};

/// The standard deviation of the logarithm of a round's level.
pub const BETWEEN: f64 = 0.03;
/// The standard deviation of the logarithm of an operation within its round.
const WITHIN: f64 = 0.10;
/// The level of base; the ratio is what counts.
const LEVEL_NS: f64 = 1e6;
/// Deviations of an operation that a round warms up to, of one that remembers the last.
const FORGOTTEN: usize = 50;

/// The metrics of a run of operations, as a CSV of operations gives them.
pub const LATENCIES: [&str; 7] =
    ["latency.mean", "latency.p50", "latency.p90", "latency.p95", "latency.p99", "latency.sd", "latency.mad"];

/// The random numbers of a row: FNV-1a of its name is the seed.
pub fn random(name: &str) -> Random {
    let seed = name
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    Random::new(seed)
}

/// How operations of a round lie around its level.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Operations {
    /// Normal logarithms, each on its own.
    LogNormal,
    /// Normal logarithms that remember this part of the one before.
    Autoregressive(f64),
    /// Two modes, the slow one at 1.5 times; its share changes from round to round, around a third.
    Bimodal,
    /// Of 100 operations 2 take twice as long or far longer: a Pareto tail of shape 2, its variance is infinite.
    Spiky,
}

impl Operations {
    /// Every kind that must be told from itself no more often than chance allows.
    pub const ALL: [Self; 5] =
        [Self::LogNormal, Self::Autoregressive(0.5), Self::Autoregressive(0.8), Self::Bimodal, Self::Spiky];

    /// The name for people.
    pub fn name(self) -> String {
        match self {
            Self::LogNormal => "log-normal".to_owned(),
            Self::Autoregressive(memory) => format!("AR(1) {memory}"),
            Self::Bimodal => "bimodal".to_owned(),
            Self::Spiky => "2 % Pareto spikes".to_owned(),
        }
    }

    /// The operations of one round around a level.
    pub fn round(self, random: &mut Random, level: f64, count: usize) -> Vec<f64> {
        let slow_share = if self == Self::Bimodal { logistic(-0.7 + 0.4 * random.normal()) } else { 0.0 };
        let mut last = 0.0;
        let mut next = |random: &mut Random| {
            let noise = match self {
                Self::Autoregressive(memory) => {
                    last = memory * last + (1.0 - memory * memory).sqrt() * random.normal();
                    last
                }
                _ => random.normal(),
            };
            let spike = match self {
                Self::Bimodal if random.uniform() < slow_share => 1.5,
                Self::Spiky if random.uniform() < 0.02 => 2.0 / (1.0 - random.uniform()).sqrt(),
                _ => 1.0,
            };
            level * spike * (WITHIN * noise).exp()
        };
        if matches!(self, Self::Autoregressive(_)) {
            (0..FORGOTTEN).for_each(|_| _ = next(random));
        }
        (0..count).map(|_| next(random)).collect()
    }

    /// The rounds of a run, `ratio` times as slow as base.
    pub fn rounds(self, random: &mut Random, rounds: usize, count: usize, ratio: f64) -> Vec<Vec<f64>> {
        (0..rounds)
            .map(|_| {
                let level = LEVEL_NS * ratio * (BETWEEN * random.normal()).exp();
                self.round(random, level, count)
            })
            .collect()
    }
}

fn logistic(value: f64) -> f64 {
    1.0 / (1.0 + (-value).exp())
}

/// How the figure of a round lies around its level, where no operations are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Figures {
    /// Normal values.
    Normal,
    /// Normal logarithms.
    LogNormal,
}

impl Figures {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Normal, Self::LogNormal];

    /// The name for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::LogNormal => "log-normal",
        }
    }

    /// One figure for each round, `ratio` times that of base.
    pub fn rounds(self, random: &mut Random, rounds: usize, deviation: f64, ratio: f64) -> Vec<f64> {
        let figure = |random: &mut Random| match self {
            Self::Normal => 1.0 + deviation * random.normal(),
            Self::LogNormal => (deviation * random.normal()).exp(),
        };
        (0..rounds).map(|_| LEVEL_NS * ratio * figure(random)).collect()
    }
}

/// A run of which each round has one figure, as `--values rounds` reads it.
pub fn run_of_figures(values: Vec<f64>) -> Run {
    let mut run = Run::foreign("csv", "simulated", "simulated");
    run.metrics.push(Metric { values, ..Metric::new("latency", Unit::Ns, Better::Lower) });
    run
}

/// A run with the metrics of these operations, as a CSV of operations is read. The shape is not asked for: nothing is decided by it.
pub fn run_of_operations(rounds: Vec<Vec<f64>>) -> Run {
    let mut run = Run::foreign("csv", "simulated", "simulated");
    run.metrics = LATENCIES.map(|name| Metric::new(name, Unit::Ns, Better::Lower)).into();
    for (number, mut operations) in rounds.into_iter().enumerate() {
        operations.sort_unstable_by(f64::total_cmp);
        let count = operations.len();
        let at = |share: f64, least: usize| if count < least { None } else { quantile::sorted(&operations, share) };
        let row = [
            describe::mean(&operations),
            at(0.5, 1),
            at(0.9, 30),
            at(0.95, 60),
            at(0.99, 300),
            describe::standard_deviation(&operations),
            describe::median_absolute_deviation_sorted(&operations),
        ];
        for (metric, value) in run.metrics.iter_mut().zip(row) {
            metric.values.push(value.unwrap_or(f64::NAN));
        }
        run.rounds.push(round(number, count as u64, count as u64));
    }
    run
}

/// A round of which only the operations are counted.
pub fn round(number: usize, planned: u64, ok: u64) -> Round {
    let number = number as u32;
    Round { pass: Pass::Time, round: number, planned, ok, latencies: Vec::new(), stacks: None, cpu_ns: None }
}
