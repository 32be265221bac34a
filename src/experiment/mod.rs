//! Where load and probes meet: passes, rounds in child processes, services, environment. Gives a [`Run`]; judges nothing
//! and prints nothing: what happens meanwhile is told to the caller as [`Event`]s.

mod assemble;
mod child;
mod environment;
mod host;
mod latency;
mod observe;
mod order;
mod plan;
mod rows;
mod services;
mod validity;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::error::{Error, Result};
use crate::load::clock;
use crate::record::pass::Pass;
use crate::record::store::{Draft, Store};
use crate::record::{Run, run_id};
use crate::suite::Suite;
use crate::warning::Caution;

pub use child::serve as serve_round;
pub use environment::gather as environment;
pub use observe::Watch;
pub use order::RoundResult;
pub(crate) use plan::unknown_workload;
pub use plan::{Flavor, Plan};

/// Whether the program was built without optimization.
#[must_use]
pub fn is_debug_build() -> bool {
    env!("PERFKIT_OPT_LEVEL") == "0"
}

/// What happens while a run is made.
#[derive(Clone, Debug)]
pub enum Event {
    /// A service answers.
    Service {
        /// `redis`, `llm`.
        name: &'static str,
        /// `external`, `spawned`, `embedded`, with its version.
        what: String,
    },
    /// A round begins.
    RoundBegins {
        /// Its pass.
        pass: Pass,
        /// Its number within the pass, from 0.
        round: u32,
        /// How many rounds are done, of all passes.
        done: u32,
        /// How many there are, of all passes.
        all: u32,
    },
    /// Operations in the round so far.
    Progress {
        /// Ended.
        operations: u64,
        /// Good ones.
        ok: u64,
        /// Whether the measured part has begun.
        measuring: bool,
    },
    /// A round has ended well.
    RoundEnds {
        /// Its pass.
        pass: Pass,
        /// The median latency in nanoseconds; none where too many operations failed for it to be a result.
        median_ns: Option<f64>,
        /// Good operations.
        ok: u64,
        /// All that were to be done.
        planned: u64,
    },
    /// Something that must be seen at once.
    Warning(String),
}

/// A signal that asks to stop; 0 while there is none. Set by a signal handler.
pub type Interrupt = Arc<AtomicUsize>;

/// A run and the folder it was gathered in; the caller adds findings and commits it.
pub struct Recorded {
    /// What was seen.
    pub run: Run,
    /// Where its files are.
    pub draft: Draft,
}

/// Measures a workload: starts its services, runs the rounds of all passes in turn, puts the run together.
///
/// Must be called from a thread that lives as long as the process: services die with the thread that started them.
///
/// # Errors
/// The plan cannot be run, a service is not there, the workload fails before anything is measured, all rounds of the time
/// pass are lost, or nothing can be written.
pub fn record(
    suite: &Suite,
    plan: &Plan,
    store: &Store,
    interrupt: &Interrupt,
    tell: &mut dyn FnMut(Event),
) -> Result<Recorded> {
    plan.load.validate()?;
    if store.root().to_str().is_none() {
        let hint = "its path goes to the rounds' processes as text; choose another --profiles-dir";
        return Err(Error::usage(format!("{} is not UTF-8", store.root().display()), hint));
    }
    let entry = suite.find(&plan.workload).ok_or_else(|| plan::unknown_workload(suite, &plan.workload))?;
    let mut rounds = Rounds::default();
    let plan = &without_idle_passes(plan, &mut rounds, tell)?;
    let environment = environment::gather();
    let started = clock::since_epoch();
    let id = run_id::make(
        i64::try_from(started.as_millis()).unwrap_or(i64::MAX),
        environment.git_sha.as_deref(),
        started.as_nanos() as u64 ^ u64::from(std::process::id()),
    );
    let draft = store.draft(&plan.workload, &id)?;
    let mut services = services::start(&entry.describe(), plan, tell)?;
    run_rounds(plan, &mut services, &draft, interrupt, &mut rounds, tell)?;
    if rounds.results.is_empty() && interrupt.load(Ordering::Acquire) == 0 {
        return Err(rounds.nothing_measured(plan));
    }
    let made = assemble::Made { id, started, environment, services: services.described() };
    let run = assemble::run(plan, made, rounds, &draft)?;
    Ok(Recorded { run, draft })
}

/// Leaves the heap pass out where the program does not track its heap: its rounds would see nothing.
fn without_idle_passes(plan: &Plan, rounds: &mut Rounds, tell: &mut dyn FnMut(Event)) -> Result<Plan> {
    let mut plan = plan.clone();
    if plan.passes.contains(&Pass::Heap) && plan.executable.is_none() && !crate::probe::heap::heap_is_tracked() {
        plan.passes.retain(|pass| *pass != Pass::Heap);
        rounds.lose(Caution::NoHeapTracking, tell);
    }
    if plan.passes.is_empty() {
        let hint = "add `perfkit::track_heap!();` beside `fn main`, or choose other passes";
        return Err(Error::usage("nothing to measure: the program does not track its heap", hint));
    }
    Ok(plan)
}

/// What the rounds gave.
#[derive(Default)]
struct Rounds {
    results: Vec<RoundResult>,
    cautions: Vec<Caution>,
    interrupted: Option<&'static str>,
}

impl Rounds {
    fn of(&self, pass: Pass) -> impl Iterator<Item = &RoundResult> {
        self.results.iter().filter(move |result| result.pass == pass)
    }

    /// Keeps what was lost for the report, and says it at once.
    fn lose(&mut self, caution: Caution, tell: &mut dyn FnMut(Event)) {
        tell(Event::Warning(caution.to_string()));
        self.cautions.push(caution);
    }

    fn nothing_measured(&self, plan: &Plan) -> Error {
        let first = self.cautions.first().map_or_else(|| "no round gave a result".to_owned(), ToString::to_string);
        Error::Workload {
            name: plan.workload.clone(),
            source: first.into(),
            hint: "every round was lost; run the workload alone with `perfkit run` and a short --duration".into(),
        }
    }
}

/// Rounds of a pass that may be lost in a row before the pass is given up.
const LOST_IN_A_ROW: u32 = 2;

/// Runs round after round, the passes in turn, so that what drifts meets all passes alike.
fn run_rounds(
    plan: &Plan,
    services: &mut services::Services,
    draft: &Draft,
    interrupt: &Interrupt,
    rounds: &mut Rounds,
    tell: &mut dyn FnMut(Event),
) -> Result<()> {
    let all = plan.rounds * plan.passes.len() as u32;
    let mut lost_in_a_row = [0u32; Pass::ALL.len()];
    let order_of_rounds = (0..plan.rounds).flat_map(|round| plan.passes.iter().map(move |pass| (round, *pass)));
    for (done, (round, pass)) in order_of_rounds.enumerate() {
        if lost_in_a_row[pass as usize] >= LOST_IN_A_ROW {
            continue;
        }
        tell(Event::RoundBegins { pass, round, done: done as u32, all });
        let order = order::Order::new(plan, pass, round, services.urls(), draft)?;
        let (reason, last_lines) = match host::run_round(&order, interrupt, tell)? {
            host::Outcome::Done(result) => {
                lost_in_a_row[pass as usize] = 0;
                let operations = &result.operations;
                let good = operations.success_rate().is_some_and(|rate| rate >= plan.floor);
                let median_ns = result.median_ns().filter(|_| good);
                tell(Event::RoundEnds { pass, median_ns, ok: operations.ok, planned: operations.planned });
                let broken = result.broken;
                rounds.results.push(*result);
                if broken {
                    return Ok(());
                }
                continue;
            }
            host::Outcome::Interrupted(signal) => {
                rounds.interrupted = Some(signal);
                let rounds_done = rounds.results.len() as u32;
                rounds.cautions.push(Caution::Interrupted { signal, rounds_done });
                return Ok(());
            }
            // What fails before anything was measured will fail again.
            host::Outcome::Refused(refusal) if rounds.results.is_empty() => {
                services.check()?;
                return Err(refusal.named(&plan.workload));
            }
            host::Outcome::Refused(refusal) => (refusal.message, Vec::new()),
            host::Outcome::Crashed { reason, last_lines } => (reason, last_lines),
        };
        lost_in_a_row[pass as usize] += 1;
        rounds.lose(Caution::RoundLost { pass: pass.name().to_owned(), round, reason, last_lines }, tell);
        if let Err(error) = services.check() {
            if rounds.results.is_empty() {
                return Err(error);
            }
            rounds.lose(Caution::ServiceLost { reason: error.to_string() }, tell);
            return Ok(());
        }
    }
    Ok(())
}

/// How long a round may take before it is taken for hung.
fn patience(order: &order::Order) -> Duration {
    // Symbols are read and rows joined after the measured part; under dhat everything is 40 times slower.
    let slow = if order.pass == Pass::Heap { 10 } else { 2 };
    let planned = if order.operations.is_some() { Duration::from_hours(1) } else { order.duration };
    (planned + order.warmup + order.timeout) * slow + Duration::from_mins(1)
}
