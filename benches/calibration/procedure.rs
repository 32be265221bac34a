//! The whole of `check`: rounds in turn, a look after each block, an end where the intervals are narrow enough; the control of base
//! against itself; and what measuring in turn is worth where the machine drifts.

use perfkit::compare::control::control;
use perfkit::compare::{self, Affordable, Fitness, Policy, Stopping};
use perfkit::record::{Metric, Run};
use perfkit::stats::paired::Design;
use perfkit::stats::random::Random;
use perfkit::{Better, Unit};

use super::draw::{self, Operations};
use super::location::{COUNT, most_regressed};
use super::row::{Bound, Row};
use super::tally::Tally;

const SIMULATIONS: u32 = 4_000;
/// The first look, rounds of a block, and rounds that the budget pays for.
const LEAST: usize = 5;
const BLOCK: usize = 2;
const AFFORDABLE: usize = 30;
/// The state of the machine that both rounds of a pair share.
const SHARED: f64 = 0.04;

fn paired() -> Policy {
    Policy { design: Design::Paired, ..Policy::default() }
}

/// Programs that are judged when the intervals are narrow enough. Stopping where few rounds happen to lie close narrows intervals a
/// little: what is lost is most where about three times the first look is needed.
pub fn adaptive() -> Vec<Row> {
    let mut rows = Vec::new();
    for (ratio, deviations) in [(1.0, &[0.01, 0.02, 0.03, 0.04, 0.05, 0.07][..]), (1.1, &[0.03, 0.05])] {
        for deviation in deviations {
            let name = format!("one metric, {:.0} % between rounds, x{ratio:.2}", deviation * 100.0);
            let (tally, rounds) = until_decided(&name, ratio, |random| {
                let state = (SHARED * random.normal()).exp();
                [1.0, ratio].map(|ratio| vec![ratio * state * (deviation * random.normal()).exp()])
            });
            let counts = tally.of_metric("latency.p50");
            // Of a change that is the margin no more may be failed than without looks.
            let most = if ratio > 1.0 { 0.03 } else { 0.001 };
            if ratio <= 1.0 {
                rows.push(Row::rate(format!("{name}: any change"), counts.any, tally.times, Bound::AtMost(0.06)));
            }
            rows.push(Row::rate(format!("{name}: regressed"), counts.regressed, tally.times, Bound::AtMost(most)));
            rows.push(Row::figure(format!("{name}: rounds, mean"), rounds, Bound::Told));
        }
    }
    for kind in [Operations::LogNormal, Operations::Autoregressive(0.8), Operations::Spiky] {
        let name = format!("operations, {}", kind.name());
        let (tally, rounds) = until_decided(&name, 1.0, |random| {
            let state = (SHARED * random.normal()).exp();
            [1.0, 1.0].map(|ratio| kind.rounds(random, 1, COUNT, ratio * state).swap_remove(0))
        });
        for metric in ["latency.p50", "latency.mean", "latency.p95", "latency.sd", "latency.mad"] {
            let counts = tally.of_metric(metric);
            rows.push(Row::rate(format!("{name}, {metric}: any change"), counts.any, tally.times, Bound::AtMost(0.06)));
        }
        let (metric, most) = most_regressed(&tally);
        let name_of_most = format!("{name}: regressed, {metric} most often");
        rows.push(Row::rate(name_of_most, most, tally.times, Bound::AtMost(0.001)));
        rows.push(Row::figure(format!("{name}: rounds, mean"), rounds, Bound::Told));
    }
    rows
}

/// Looks after each block; `draw` gives a round of base and the round of head beside it. Also says how many rounds it took, on average.
fn until_decided(name: &str, truth: f64, mut draw: impl FnMut(&mut Random) -> [Vec<f64>; 2]) -> (Tally, f64) {
    let policy = Policy { stopping: Stopping::Adaptive, ..paired() };
    let mut random = draw::random(name);
    let (mut tally, mut rounds) = (Tally::new(truth), 0);
    for _ in 0..SIMULATIONS {
        let (mut base, mut head) = (Vec::new(), Vec::new());
        loop {
            for _ in 0..BLOCK {
                let [of_base, of_head] = draw(&mut random);
                base.push(of_base);
                head.push(of_head);
            }
            if base.len() < LEAST {
                continue;
            }
            let (of_base, of_head) = (recorded("base", base.clone()), recorded("head", head.clone()));
            let comparison = compare::compare(&of_base, &of_head, &policy);
            if base.len() >= AFFORDABLE || compare::is_precise(&comparison, Affordable::Both(AFFORDABLE as u32)) {
                tally.add(&comparison);
                rounds += base.len();
                break;
            }
        }
    }
    (tally, rounds as f64 / f64::from(SIMULATIONS))
}

/// A run that perfkit measured itself: of one figure a round, or of operations.
fn recorded(id: &str, rounds: Vec<Vec<f64>>) -> Run {
    let mut run = if rounds.iter().all(|round| round.len() == 1) {
        let mut run = Run::foreign("csv", "simulated", "simulated");
        let values = rounds.concat();
        run.metrics.push(Metric { values, ..Metric::new("latency.p50", Unit::Ns, Better::Lower) });
        run
    } else {
        draw::run_of_operations(rounds)
    };
    run.foreign = None;
    run.id = id.to_owned();
    run
}

/// Base against itself on a machine that is fit.
pub fn fitness() -> Vec<Row> {
    let mut rows = Vec::new();
    for kind in Operations::ALL {
        for rounds in [3, 5, 10] {
            let name = format!("control, {}, {rounds} rounds", kind.name());
            let mut random = draw::random(&name);
            let mut one = |id: &str| recorded(id, kind.rounds(&mut random, rounds, COUNT, 1.0));
            let mut unfit = 0;
            for _ in 0..SIMULATIONS {
                let judged = control(&one("base"), &one("again"), &paired());
                assert!(!judged.metrics.is_empty(), "nothing was compared");
                unfit += u32::from(judged.fit == Fitness::Unfit);
            }
            rows.push(Row::rate(format!("{name}: unfit"), unfit, SIMULATIONS, Bound::AtMost(0.02)));
        }
    }
    rows
}

/// In which order the twenty rounds of a drifting machine are run.
#[derive(Clone, Copy)]
enum Order {
    Blocked,
    InTurn,
}

/// Ten rounds of each program on a machine whose state wanders (6 %) and drifts (5 %), with 2 % between processes.
pub fn drift() -> Vec<Row> {
    let plans = [
        ("AA..BB, arms on their own", Order::Blocked, Design::Unpaired, Bound::Told),
        ("ABBA, arms on their own", Order::InTurn, Design::Unpaired, Bound::Told),
        ("ABBA, in pairs", Order::InTurn, Design::Paired, Bound::AtMost(0.06)),
    ];
    let mut rows = Vec::new();
    for (name, order, design, bound) in plans {
        let policy = Policy { design, ..Policy::default() };
        let compare = |ratio: f64| {
            Tally::of(SIMULATIONS, ratio, &policy, draw::random(name), |random| {
                let [base, head] = drifting(random, order, ratio);
                (draw::run_of_figures(base), draw::run_of_figures(head))
            })
        };
        let equal = compare(1.0).of_metric("latency");
        rows.push(Row::rate(format!("{name}: any change"), equal.any, SIMULATIONS, bound));
        rows.push(Row::rate(format!("{name}: regressed"), equal.regressed, SIMULATIONS, Bound::Told));
        for ratio in [1.05, 1.2] {
            let counts = compare(ratio).of_metric("latency");
            rows.push(Row::rate(format!("{name}, x{ratio:.2}: any change"), counts.any, SIMULATIONS, Bound::Told));
            rows.push(Row::rate(format!("{name}, x{ratio:.2}: regressed"), counts.regressed, SIMULATIONS, Bound::Told));
        }
    }
    rows
}

fn drifting(random: &mut Random, order: Order, ratio: f64) -> [Vec<f64>; 2] {
    const SLOTS: usize = 20;
    const MEMORY: f64 = 0.9;
    let mut arms = [Vec::new(), Vec::new()];
    let mut state = random.normal();
    for slot in 0..SLOTS {
        let arm = match order {
            Order::Blocked => slot / (SLOTS / 2),
            Order::InTurn => [0, 1, 1, 0, 1, 0, 0, 1][slot % 8],
        };
        let drift = 0.05 * slot as f64 / SLOTS as f64;
        let machine = 0.06 * state + drift;
        let program = if arm == 1 { ratio } else { 1.0 };
        arms[arm].push(program * (machine + 0.02 * random.normal()).exp());
        state = MEMORY * state + (1.0 - MEMORY * MEMORY).sqrt() * random.normal();
    }
    arms
}
