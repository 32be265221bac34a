//! Where load and probes meet: passes, rounds in child processes, services, environment. Gives a [`Run`]; judges nothing
//! and prints nothing: what happens meanwhile is told to the caller as [`Event`]s.

mod assemble;
mod child;
mod environment;
mod growth;
mod host;
mod latency;
mod observe;
mod order;
mod plan;
mod recording;
mod rows;
mod samplers;
mod services;
mod stalls;
mod validity;

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use crate::error::Result;
use crate::record::Run;
use crate::record::pass::Pass;
use crate::record::store::{Draft, Store};
use crate::suite::Suite;

pub use child::serve as serve_round;
pub use environment::gather as environment;
pub(crate) use environment::redact_command;
pub use observe::Watch;
pub use order::RoundResult;
pub(crate) use plan::unknown_workload;
pub use plan::{Flavor, GrowthPlan, Plan, STALL_THRESHOLD, Samplers, Until};
pub use recording::{Fixture, Recording, Step, Turn};

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
        /// Which of several recordings it belongs to; empty where there is one.
        of: String,
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
        /// Which of several recordings it belongs to; empty where there is one.
        of: String,
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
    let environment = environment::gather();
    let mut fixture = Fixture::start(suite, plan, interrupt, tell)?;
    let mut recording = fixture.record(plan, store, environment, "")?;
    let passes = recording.plan().passes.clone();
    let all = plan.rounds * passes.len() as u32;
    // The passes in turn, so that what drifts meets all of them alike.
    let turns = (0..plan.rounds).flat_map(|round| passes.iter().map(move |pass| (round, *pass)));
    for (done, (round, pass)) in turns.enumerate() {
        if fixture.measure(&mut recording, Turn { pass, round, done: done as u32, all })? == Step::Stop {
            break;
        }
    }
    recording.finish(plan.rounds)
}

/// How long a round may take before it is taken for hung.
fn patience(order: &order::Order) -> Duration {
    // Symbols are read and rows joined after the measured part; under dhat everything is 40 times slower.
    if order.pass == Pass::Leaks {
        let session = order.growth.duration.map_or(Duration::from_hours(24), |duration| duration * 4);
        return session + order.timeout + Duration::from_mins(10);
    }
    let slow = if matches!(order.pass, Pass::Heap | Pass::Memory) { 10 } else { 2 };
    let planned = if order.operations.is_some() { Duration::from_hours(1) } else { order.duration };
    (planned + order.warmup + order.timeout) * slow + Duration::from_mins(1)
}
