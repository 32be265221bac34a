//! Equal runs: how often a comparison says of them that something changed, and how often it fails them.

use perfkit::compare::Policy;

use super::draw::{self, BETWEEN, Figures, LATENCIES, Operations};
use super::row::{Bound, Row};
use super::tally::{Counts, Tally};

/// Simulations where a round is one figure.
pub const OF_FIGURES: u32 = 10_000;
/// Simulations where a round is a hundred operations.
pub const OF_OPERATIONS: u32 = 4_000;
/// Suites that are judged, of so many workloads each.
const SUITES: u32 = 2_000;
const WORKLOADS: usize = 20;
/// Operations in a round: enough for every percentile but p99.
pub const COUNT: usize = 100;
/// Operations in a round that are enough for p99.
pub const COUNT_FOR_P99: usize = 300;
/// Rounds in each arm.
pub const ROUNDS: [usize; 3] = [3, 5, 10];
/// How often 95 % intervals of equal runs exclude "no change".
const NOMINAL: Bound = Bound::Within(0.035, 0.065);
/// The same of spread and tails, where being careful costs less than being wrong.
const NOT_MORE: Bound = Bound::AtMost(0.06);
/// How often equal runs are called regressed, each metric for itself.
const SELDOM: Bound = Bound::AtMost(0.001);

/// Compares runs of one figure a round; `truth` is the true ratio.
pub fn of_figures(name: &str, figures: Figures, rounds: usize, truth: f64) -> Tally {
    Tally::of(OF_FIGURES, truth, &Policy::default(), draw::random(name), |random| {
        let base = figures.rounds(random, rounds, BETWEEN, 1.0);
        let head = figures.rounds(random, rounds, BETWEEN, truth);
        (draw::run_of_figures(base), draw::run_of_figures(head))
    })
}

/// Compares runs of operations; `truth` is the true ratio.
pub fn of_operations(name: &str, kind: Operations, (rounds, count): (usize, usize), truth: f64) -> Tally {
    Tally::of(OF_OPERATIONS, truth, &Policy::default(), draw::random(name), |random| {
        let base = kind.rounds(random, rounds, count, 1.0);
        let head = kind.rounds(random, rounds, count, truth);
        (draw::run_of_operations(base), draw::run_of_operations(head))
    })
}

/// Equal runs of one figure a round.
pub fn equal_figures() -> Vec<Row> {
    let mut rows = Vec::new();
    for figures in Figures::ALL {
        for rounds in ROUNDS {
            let name = format!("{}, {rounds} rounds", figures.name());
            let tally = of_figures(&name, figures, rounds, 1.0);
            let counts = tally.of_metric("latency");
            rows.push(Row::rate(format!("{name}: any change"), counts.any, tally.times, NOMINAL));
            rows.push(Row::rate(format!("{name}: regressed"), counts.regressed, tally.times, SELDOM));
        }
    }
    rows
}

/// Equal runs of operations: level, tail, spread.
pub fn equal_operations() -> Vec<Row> {
    let mut rows = Vec::new();
    for kind in Operations::ALL {
        for rounds in ROUNDS {
            let name = format!("{}, {rounds} rounds", kind.name());
            let tally = of_operations(&name, kind, (rounds, COUNT), 1.0);
            let mut row = |metric: &str, bound: Bound| {
                let any = tally.of_metric(metric).any;
                rows.push(Row::rate(format!("{name}, {metric}: any change"), any, tally.times, bound));
            };
            row("latency.p50", NOMINAL);
            // The mean of spikes without a variance has no t-distribution: with three rounds it is called different in 2.5 of 100
            // cases, which is too careful and no false alarm.
            row("latency.mean", if kind == Operations::Spiky { NOT_MORE } else { NOMINAL });
            row("latency.p95", NOT_MORE);
            row("latency.sd", NOT_MORE);
            row("latency.mad", NOT_MORE);
            let (metric, most) = most_regressed(&tally);
            rows.push(Row::rate(format!("{name}: regressed, {metric} most often"), most, tally.times, SELDOM));
            rows.push(Row::rate(format!("{name}: the whole regressed"), tally.whole.regressed, tally.times, SELDOM));
        }
    }
    let name = format!("log-normal, 5 rounds of {COUNT_FOR_P99}");
    let tally = of_operations(&name, Operations::LogNormal, (5, COUNT_FOR_P99), 1.0);
    let any = tally.of_metric("latency.p99").any;
    rows.push(Row::rate(format!("{name}, latency.p99: any change"), any, tally.times, NOT_MORE));
    rows
}

/// The metric that regressed most often, and how often.
pub fn most_regressed(tally: &Tally) -> (&'static str, u32) {
    let counted = LATENCIES.iter().map(|metric| (*metric, tally.of_metric(metric).regressed));
    counted.max_by_key(|(_, regressed)| *regressed).unwrap_or_default()
}

/// Suites of equal runs: how often one of their workloads fails.
pub fn suites() -> Vec<Row> {
    let mut rows = Vec::new();
    for rounds in [3, 5] {
        let name = format!("{WORKLOADS} workloads of every kind, {rounds} rounds");
        let mut random = draw::random(&name);
        let mut failed = 0;
        for _ in 0..SUITES {
            let workloads = Operations::ALL.iter().cycle().take(WORKLOADS);
            let mut whole = Counts::default();
            for kind in workloads {
                let base = draw::run_of_operations(kind.rounds(&mut random, rounds, COUNT, 1.0));
                let head = draw::run_of_operations(kind.rounds(&mut random, rounds, COUNT, 1.0));
                whole.add_verdict(perfkit::compare::compare(&base, &head, &Policy::default()).verdict);
            }
            failed += u32::from(whole.regressed > 0);
        }
        rows.push(Row::rate(format!("{name}: one regressed"), failed, SUITES, Bound::AtMost(0.01)));
    }
    rows
}
