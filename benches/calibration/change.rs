//! Runs that differ: a change at the margin is neither failed nor passed too often, intervals hold the truth as often as they say, and
//! what is to be seen is seen.

use perfkit::compare::{self, Policy};
use perfkit::stats::paired::Design;
use perfkit::stats::random::Random;

use super::draw::{self, BETWEEN, Figures, Operations};
use super::location::{COUNT, COUNT_FOR_P99, OF_FIGURES, OF_OPERATIONS, ROUNDS, of_figures, of_operations};
use super::row::{Bound, Row};
use super::tally::{Counts, Tally};

/// The margin of a latency.
const MARGIN: f64 = 0.10;
const AT_THE_MARGIN: f64 = 1.0 + MARGIN;

/// The true ratio is the margin.
pub fn boundary() -> Vec<Row> {
    let mut rows = Vec::new();
    for figures in Figures::ALL {
        for rounds in ROUNDS {
            let name = format!("{}, {rounds} rounds, x{AT_THE_MARGIN:.2}", figures.name());
            let tally = of_figures(&name, figures, rounds, AT_THE_MARGIN);
            at_the_margin(&mut rows, &name, tally.of_metric("latency"), tally.times);
        }
    }
    for kind in Operations::ALL {
        let name = format!("{}, 5 rounds, x{AT_THE_MARGIN:.2}", kind.name());
        let tally = of_operations(&name, kind, (5, COUNT), AT_THE_MARGIN);
        for metric in ["latency.p50", "latency.mean"] {
            at_the_margin(&mut rows, &format!("{name}, {metric}"), tally.of_metric(metric), tally.times);
        }
    }
    rows
}

fn at_the_margin(rows: &mut Vec<Row>, name: &str, counts: Counts, times: u32) {
    rows.push(Row::rate(format!("{name}: regressed"), counts.regressed, times, Bound::AtMost(0.03)));
    rows.push(Row::rate(format!("{name}: unchanged"), counts.unchanged, times, Bound::AtMost(0.05)));
    rows.push(Row::rate(format!("{name}: covered"), counts.covered, times, Bound::Within(0.93, 0.97)));
}

/// The true ratio is well beyond the margin.
pub fn power() -> Vec<Row> {
    let mut rows = Vec::new();
    for figures in Figures::ALL {
        for rounds in ROUNDS {
            let name = format!("{}, {rounds} rounds, x1.20", figures.name());
            let tally = of_figures(&name, figures, rounds, 1.2);
            let bound = if rounds == 5 { Bound::AtLeast(0.85) } else { Bound::Told };
            let regressed = tally.of_metric("latency").regressed;
            rows.push(Row::rate(format!("{name}: regressed"), regressed, tally.times, bound));
        }
    }
    for (kind, count) in
        Operations::ALL.map(|kind| (kind, COUNT)).into_iter().chain([(Operations::LogNormal, COUNT_FOR_P99)])
    {
        let name = format!("{}, 5 rounds of {count}, x1.20", kind.name());
        let tally = of_operations(&name, kind, (5, count), 1.2);
        for metric in ["latency.p50", "latency.mean"] {
            let regressed = tally.of_metric(metric).regressed;
            rows.push(Row::rate(format!("{name}, {metric}: regressed"), regressed, tally.times, Bound::Told));
        }
        rows.push(Row::rate(format!("{name}: the whole regressed"), tally.whole.regressed, tally.times, Bound::Told));
    }
    rows
}

/// The mean falls by a fifth, and every fourth operation takes twice as long as before.
pub fn spikes() -> Vec<Row> {
    let mut rows = Vec::new();
    for (name, between) in [("the same level in every round", 0.0), ("3 % between rounds", BETWEEN)] {
        let tally = Tally::of(OF_OPERATIONS, 1.0, &Policy::default(), draw::random(name), |random| {
            let base = rounds(random, between, |random| 505.0 + 3.9 * random.normal());
            let head = rounds(random, between, |random| {
                let (center, spread) = if random.uniform() < 0.72 { (120.0, 5.0) } else { (1150.0, 120.0) };
                center + spread * random.normal()
            });
            (draw::run_of_operations(base), draw::run_of_operations(head))
        });
        let (times, whole) = (tally.times, tally.whole);
        rows.push(Row::rate(format!("{name}: the whole regressed"), whole.regressed, times, Bound::AtLeast(0.99)));
        rows.push(Row::rate(format!("{name}: the whole improved"), whole.improved, times, Bound::AtMost(0.0)));
        let mean = tally.of_metric("latency.mean").improved;
        rows.push(Row::rate(format!("{name}, latency.mean: improved"), mean, times, Bound::Told));
        for metric in ["latency.p95", "latency.sd", "latency.mad"] {
            let regressed = tally.of_metric(metric).regressed;
            rows.push(Row::rate(format!("{name}, {metric}: regressed"), regressed, times, Bound::Told));
        }
    }
    rows
}

fn rounds(random: &mut Random, between: f64, operation: impl Fn(&mut Random) -> f64) -> Vec<Vec<f64>> {
    let mut round = || {
        let level = (between * random.normal()).exp();
        (0..COUNT).map(|_| level * operation(random)).collect()
    };
    (0..5).map(|_| round()).collect()
}

/// Whether a change of the size that a comparison says it would see with 80 % is seen with 80 %.
pub fn detectable() -> Vec<Row> {
    let mut rows = Vec::new();
    for design in [Design::Unpaired, Design::Paired] {
        for rounds in [3, 5, 10, 20] {
            let name = format!("{design:?}, {rounds} rounds");
            let policy = Policy { design, ..Policy::default() };
            let draw = |random: &mut Random, ratio: f64| {
                [1.0, ratio]
                    .map(|ratio| draw::run_of_figures(Figures::LogNormal.rounds(random, rounds, BETWEEN, ratio)))
            };
            let mut random = draw::random(&name);
            let smallest = said(OF_OPERATIONS, || {
                let [base, head] = draw(&mut random, 1.0);
                compare::compare(&base, &head, &policy).metrics.swap_remove(0).minimum_detectable
            });
            let tally = Tally::of(OF_FIGURES, smallest, &policy, random, |random| {
                let [base, head] = draw(random, smallest);
                (base, head)
            });
            let regressed = tally.of_metric("latency").regressed;
            let name = format!("{name}, x{smallest:.3}: regressed");
            rows.push(Row::rate(name, regressed, tally.times, Bound::Within(0.75, 0.85)));
        }
    }
    rows
}

/// The ratio that comparisons say they see. What they say varies with the deviation that they estimate; its square is right on average,
/// so that the root of the mean square is what they would say of the true deviation.
fn said(times: u32, mut smallest: impl FnMut() -> Option<f64>) -> f64 {
    let mut beyond = || smallest().map_or(f64::NAN, |smallest| smallest.ln_1p() - MARGIN.ln_1p());
    let squares: f64 = (0..times).map(|_| beyond().powi(2)).sum();
    (MARGIN.ln_1p() + (squares / f64::from(times)).sqrt()).exp()
}
