//! The success rate of equal programs: 1 % of the operations fail, the same in every round or more in some than in others.

use perfkit::compare::Policy;
use perfkit::record::{Metric, Run};
use perfkit::stats::random::Random;
use perfkit::{Better, Unit};

use super::draw;
use super::row::{Bound, Row};
use super::tally::Tally;

const SIMULATIONS: u32 = 5_000;
/// The share that fails, and the operations of a round.
const FAILING: f64 = 0.01;
const COUNT: u64 = 1_000;

/// Equal programs.
pub fn equal() -> Vec<Row> {
    let mut rows = Vec::new();
    for variation in [0.0, 0.5, 1.0] {
        for rounds in [3, 5, 10] {
            let name = format!("1 % fail, varying by {variation:.1} between rounds, {rounds} rounds");
            let tally = Tally::of(SIMULATIONS, 0.0, &Policy::default(), draw::random(&name), |random| {
                (run(random, rounds, variation), run(random, rounds, variation))
            });
            let counts = tally.of_metric("success_rate");
            let bound = if rounds < 5 { Bound::Told } else { Bound::AtMost(0.065) };
            rows.push(Row::rate(format!("{name}: any change"), counts.any, tally.times, bound));
            rows.push(Row::rate(format!("{name}: regressed"), counts.regressed, tally.times, Bound::Told));
        }
    }
    rows
}

fn run(random: &mut Random, rounds: usize, variation: f64) -> Run {
    let mut run = Run::foreign("csv", "simulated", "simulated");
    let mut metric = Metric::new("success_rate", Unit::Ratio, Better::Higher);
    for number in 0..rounds {
        let failing = share(random, variation);
        let failed = (0..COUNT).filter(|_| random.uniform() < failing).count() as u64;
        metric.values.push((COUNT - failed) as f64 / COUNT as f64);
        run.rounds.push(draw::round(number, COUNT, COUNT - failed));
    }
    run.metrics.push(metric);
    run
}

/// A beta-distributed share around [`FAILING`] with this coefficient of variation.
fn share(random: &mut Random, variation: f64) -> f64 {
    if variation == 0.0 {
        return FAILING;
    }
    let sum = (1.0 - FAILING) / (FAILING * variation * variation) - 1.0;
    let (failing, good) = (gamma(random, FAILING * sum), gamma(random, (1.0 - FAILING) * sum));
    failing / (failing + good)
}

/// A gamma-distributed number of unit scale. Source: Marsaglia and Tsang (2000).
fn gamma(random: &mut Random, shape: f64) -> f64 {
    if shape < 1.0 {
        let smaller = (1.0 - random.uniform()).powf(1.0 / shape);
        return gamma(random, shape + 1.0) * smaller;
    }
    let d = shape - 1.0 / 3.0;
    let c = 1.0 / (9.0 * d).sqrt();
    loop {
        let normal = random.normal();
        let cube = (1.0 + c * normal).powi(3);
        if cube > 0.0 && (1.0 - random.uniform()).ln() < 0.5 * normal * normal + d - d * cube + d * cube.ln() {
            return d * cube;
        }
    }
}
