//! A `leaks` session in the child: rounds of equally many operations in one process, after each of which what is alive is looked at.
//! Decides how long to go on, not what it means.

use std::time::Duration;

use tokio::runtime::Handle;

use super::plan::{GrowthPlan, Until};
use crate::load::drive::Rest;
use crate::probe::heap::{Watch, untracked};
use crate::record::{Growth, Reading};
use crate::stats::confirmed::{self, ROUNDS, WARM_UP};
use crate::stats::growth::{Series, Settings, Verdict};

/// The least that a round lasts, and the most where operations are slow.
const ROUND: Duration = Duration::from_millis(50);
const LONGEST: Duration = Duration::from_secs(5);
/// The fewest operations of a round, where they are not slow, and where they are.
const OPERATIONS: f64 = 200.0;
const FEWEST: f64 = 20.0;
/// How often a session that is not decided becomes twice as long.
const DOUBLINGS: u32 = 6;
/// How long is waited for tasks to end that operations left behind.
const QUIET: u32 = 50;

/// A session.
pub(super) struct Session {
    watch: Watch,
    plan: GrowthPlan,
    runtime: Handle,
    /// The operations of a round; `None` before that is known.
    operations: Option<u64>,
    /// Operations whose time says how many a round has.
    trial: u64,
    done: u64,
    doublings: u32,
}

impl Session {
    /// Begins to record: before the workers are set up, so that what they make is known.
    pub(super) fn start(plan: GrowthPlan, users: u32, runtime: Handle) -> Self {
        let trial = u64::from(users.max(1)) * 4;
        let operations = plan.operations;
        rehearse();
        Self { watch: Watch::start(), plan, runtime, operations, trial, done: 0, doublings: 0 }
    }

    /// What the driver asks between rounds.
    pub(super) async fn rest(&mut self, rest: Rest) -> Option<u64> {
        let Some(operations) = self.operations else {
            if rest.rounds == 0 {
                return Some(self.trial);
            }
            self.operations = Some(self.enough(rest.elapsed));
            return self.operations.filter(|_| !rest.halted);
        };
        let trials = u32::from(self.plan.operations.is_none());
        if rest.rounds > trials {
            if rest.halted {
                return None;
            }
            self.done += operations;
            self.settle().await;
            let others = self.runtime.metrics().num_alive_tasks();
            self.watch.look(self.done, others);
        }
        self.next(operations)
    }

    /// How many operations a round has, when the trial took so long.
    fn enough(&self, elapsed: Duration) -> u64 {
        let one = elapsed.as_secs_f64() / self.trial as f64;
        if let Some(duration) = self.plan.duration {
            let round = duration.as_secs_f64() / (2 * ROUNDS) as f64;
            return (round / one).max(1.0) as u64;
        }
        let wanted = (ROUND.as_secs_f64() / one).max(OPERATIONS);
        wanted.min((LONGEST.as_secs_f64() / one).max(FEWEST)).ceil() as u64
    }

    /// Waits for tasks that operations left behind, as long as their number falls.
    async fn settle(&self) {
        let alive = || self.runtime.metrics().num_alive_tasks();
        let (mut fewest, mut same) = (alive(), 0);
        for _ in 0..QUIET {
            tokio::time::sleep(Duration::from_millis(1)).await;
            let now = alive();
            (fewest, same) = if now < fewest { (now, 0) } else { (fewest, same + 1) };
            if same == 3 {
                break;
            }
        }
    }

    /// The operations of the next round, where there is one.
    fn next(&mut self, operations: u64) -> Option<u64> {
        match self.watch.looks() {
            ROUNDS if self.plan.duration.is_none() && !self.rises() => None,
            looks if looks < 2 * ROUNDS => Some(operations),
            _ if self.plan.until == Until::Decided && self.doublings < DOUBLINGS && !self.is_decided() => {
                self.doublings += 1;
                self.watch.thin();
                self.operations = Some(operations * 2);
                self.operations
            }
            _ => None,
        }
    }

    /// Whether anything is not flat.
    fn rises(&self) -> bool {
        self.verdicts().iter().any(|verdict| *verdict != Verdict::Ok)
    }

    /// Whether more operations would say nothing more.
    fn is_decided(&self) -> bool {
        !self.verdicts().iter().any(|verdict| matches!(verdict, Verdict::Inconclusive | Verdict::Growing))
    }

    /// What is needed for it is given back, and is not to be seen as growth.
    fn verdicts(&self) -> Vec<Verdict> {
        untracked(|| self.judge())
    }

    fn judge(&self) -> Vec<Verdict> {
        let (growth, sites) = self.watch.unnamed(WARM_UP as u32);
        let operations = growth.operations_per_round() as f64;
        let judge = |values: &[f64], blocks: &[f64], settings: &Settings| {
            confirmed::judge(&Series { values, blocks }, settings).verdict
        };
        let things = confirmed::things(operations);
        let counts =
            growth.quantities.iter().filter(|quantity| ["threads", "descriptors", "tasks"].contains(&&*quantity.name));
        let of_counts = counts.map(|quantity| judge(&quantity.values, &[], &things));
        let of_tasks = growth.tasks.iter().map(|tasks| judge(&tasks.values, &[], &things));
        let bytes = confirmed::bytes(operations);
        let of_sites = sites.map(|site| judge(&site.live_bytes, &site.live_blocks, &bytes));
        let total = growth.quantity("heap.live").map(|live| judge(&live.values, blocks(&growth), &bytes));
        of_counts.chain(of_tasks).chain(of_sites).chain(total).collect()
    }

    /// What was seen.
    pub(super) fn finish(self) -> Reading {
        self.watch.finish(WARM_UP as u32)
    }
}

/// Judges what nobody measured: code that is run for the first time between two looks would be resident memory that grows.
fn rehearse() {
    let values: Vec<f64> =
        (0..2 * ROUNDS as u32).map(|round| f64::from(round) * 1e4 + f64::from(round % 5) * 1e3).collect();
    for settings in [confirmed::bytes(1.0), confirmed::things(1.0)] {
        std::hint::black_box(confirmed::judge(&Series { values: &values, blocks: &values }, &settings));
    }
}

fn blocks(growth: &Growth) -> &[f64] {
    growth.quantity("heap.blocks").map_or(&[], |blocks| &blocks.values)
}
