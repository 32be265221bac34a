//! One run while it is being measured: a draft folder, the rounds so far. Several recordings share one [`Fixture`], so that the
//! rounds of two programs can be run in turn against the same services.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::order::{Order, RoundResult};
use super::services::{self, Services};
use super::{Event, Interrupt, Plan, Recorded, Samplers, assemble, host, plan};
use crate::error::{Error, Result};
use crate::load::clock;
use crate::probe::cpu::Sampler;
use crate::record::pass::Pass;
use crate::record::store::{Draft, Store};
use crate::record::{Environment, Run, run_id};
use crate::suite::Suite;
use crate::warning::Caution;

/// Rounds of a pass that may be lost in a row before the pass is given up.
const LOST_IN_A_ROW: u32 = 2;

/// What recordings share: the services of a workload, the signal that stops them, and who is told.
pub struct Fixture<'a> {
    services: Services,
    interrupt: &'a Interrupt,
    tell: &'a mut dyn FnMut(Event),
    /// When the last recording began.
    last: Duration,
}

/// A run that is being measured.
pub struct Recording {
    plan: Plan,
    draft: Draft,
    made: assemble::Made,
    rounds: Rounds,
    /// `base`, `head`, `control`, `10 users`; empty where there is only one.
    label: String,
}

/// A round of a recording, and its place among all that are planned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turn {
    /// Its pass.
    pub pass: Pass,
    /// Its number within the pass, from 0.
    pub round: u32,
    /// How many rounds are done, of all recordings and passes.
    pub done: u32,
    /// How many there are.
    pub all: u32,
}

/// Whether a further round makes sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Go on.
    Next,
    /// Interrupted, or nothing good can come any more.
    Stop,
}

impl<'a> Fixture<'a> {
    /// Starts what the plan's workload talks to.
    ///
    /// # Errors
    /// The workload does not exist, or a service is not there.
    pub fn start(suite: &Suite, plan: &Plan, interrupt: &'a Interrupt, tell: &'a mut dyn FnMut(Event)) -> Result<Self> {
        let entry = suite.find(&plan.workload).ok_or_else(|| plan::unknown_workload(suite, &plan.workload))?;
        let services = services::start(&entry.describe(), plan, tell)?;
        Ok(Self { services, interrupt, tell, last: Duration::ZERO })
    }

    /// Begins a run in the store. `environment` is that of the program that runs its rounds.
    ///
    /// # Errors
    /// The plan cannot be run, or nothing can be written.
    pub fn record(&mut self, plan: &Plan, store: &Store, environment: Environment, label: &str) -> Result<Recording> {
        plan.load.validate()?;
        if store.root().to_str().is_none() {
            let hint = "its path goes to the rounds' processes as text; choose another --profiles-dir";
            return Err(Error::usage(format!("{} is not UTF-8", store.root().display()), hint));
        }
        let mut rounds = Rounds::default();
        let mut plan = without_idle_passes(plan, &mut rounds, self.tell)?;
        rounds.pprof_alone = settle_samplers(&mut plan)?;
        // Ids sort by time to the millisecond: two recordings must not begin in the same one.
        let started = clock::since_epoch().max(self.last + Duration::from_millis(1));
        self.last = started;
        let id = run_id::make(
            i64::try_from(started.as_millis()).unwrap_or(i64::MAX),
            environment.git_sha.as_deref(),
            started.as_nanos() as u64 ^ u64::from(std::process::id()),
        );
        let draft = store.draft(&plan.workload, &id)?;
        let made = assemble::Made { id, started, environment, services: self.services.described() };
        Ok(Recording { plan, draft, made, rounds, label: label.to_owned() })
    }

    /// Whether a signal has come.
    #[must_use]
    pub fn is_interrupted(&self) -> bool {
        self.interrupt.load(Ordering::Acquire) != 0
    }

    /// Measures one round of a recording.
    ///
    /// # Errors
    /// The workload or a service fails before anything was measured, or nothing can be written.
    pub fn measure(&mut self, recording: &mut Recording, turn: Turn) -> Result<Step> {
        let Turn { pass, round, done, all } = turn;
        if recording.rounds.lost_in_a_row[pass as usize] >= LOST_IN_A_ROW {
            return Ok(Step::Next);
        }
        (self.tell)(Event::RoundBegins { of: recording.label.clone(), pass, round, done, all });
        let order = Order::new(&recording.plan, pass, round, self.services.urls(), &recording.draft)?;
        let (reason, last_lines) = match host::run_round(&order, self.interrupt, self.tell)? {
            host::Outcome::Done(result) => {
                let looks = result.readings.iter().filter_map(|reading| reading.growth.as_ref());
                let rounds_done = looks.map(|(growth, _)| growth.operations.len() as u32).sum();
                let step = self.keep(recording, *result);
                let signal = self.interrupt.load(Ordering::Acquire);
                if signal == 0 || pass != Pass::Leaks {
                    return Ok(step);
                }
                // It was stopped, and said what it had seen.
                let signal = host::signal_name(signal as i32);
                recording.rounds.interrupted = Some(signal);
                recording.rounds.cautions.push(Caution::Interrupted { signal, rounds_done });
                return Ok(Step::Stop);
            }
            host::Outcome::Interrupted(signal) => {
                recording.rounds.interrupted = Some(signal);
                let rounds_done = recording.rounds.results.len() as u32;
                recording.rounds.cautions.push(Caution::Interrupted { signal, rounds_done });
                return Ok(Step::Stop);
            }
            // What fails before anything was measured will fail again.
            host::Outcome::Refused(refusal) if recording.rounds.results.is_empty() => {
                self.services.check()?;
                return Err(refusal.named(&recording.plan.workload));
            }
            host::Outcome::Refused(refusal) => (refusal.message, Vec::new()),
            host::Outcome::Crashed { reason, last_lines } => (reason, last_lines),
        };
        recording.rounds.lost_in_a_row[pass as usize] += 1;
        let lost = Caution::RoundLost { pass: pass.name().to_owned(), round, reason, last_lines };
        recording.rounds.lose(lost, self.tell);
        if let Err(error) = self.services.check() {
            if recording.rounds.results.is_empty() {
                return Err(error);
            }
            recording.rounds.lose(Caution::ServiceLost { reason: error.to_string() }, self.tell);
            return Ok(Step::Stop);
        }
        Ok(Step::Next)
    }

    fn keep(&mut self, recording: &mut Recording, result: RoundResult) -> Step {
        let pass = result.pass;
        recording.rounds.lost_in_a_row[pass as usize] = 0;
        let operations = &result.operations;
        let good = operations.success_rate().is_some_and(|rate| rate >= recording.plan.floor);
        let median_ns = result.median_ns().filter(|_| good);
        let (ok, planned) = (operations.ok, operations.planned);
        (self.tell)(Event::RoundEnds { of: recording.label.clone(), pass, median_ns, ok, planned });
        let broken = result.broken;
        recording.rounds.results.push(result);
        if broken { Step::Stop } else { Step::Next }
    }
}

impl Recording {
    /// The run as it is so far. `rounds` is how many were planned by now: fewer good ones make it partial.
    ///
    /// # Errors
    /// No round gave a result.
    pub fn so_far(&mut self, rounds: u32) -> Result<Run> {
        self.plan.rounds = rounds;
        if self.rounds.results.is_empty() && self.rounds.interrupted.is_none() {
            return Err(self.rounds.nothing_measured(&self.plan));
        }
        Ok(assemble::run(&self.plan, &self.made, &mut self.rounds))
    }

    /// Ends it: puts the run together and writes its files, all but `run.json`.
    ///
    /// # Errors
    /// No round gave a result, or a file could not be written.
    pub fn finish(mut self, rounds: u32) -> Result<Recorded> {
        let run = self.so_far(rounds)?;
        assemble::write_files(&self.draft, &self.made, &self.rounds)?;
        Ok(Recorded { run, draft: self.draft })
    }

    /// Whether no round has given a result yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rounds.results.is_empty()
    }

    /// The plan, without passes that would see nothing.
    #[must_use]
    pub fn plan(&self) -> &Plan {
        &self.plan
    }
}

/// Leaves out the passes that record the heap where the program does not track it: their rounds would see nothing.
fn without_idle_passes(plan: &Plan, rounds: &mut Rounds, tell: &mut dyn FnMut(Event)) -> Result<Plan> {
    let mut plan = plan.clone();
    let records = |pass: &Pass| matches!(pass, Pass::Heap | Pass::Memory);
    if plan.passes.iter().any(records) && plan.executable.is_none() && !crate::probe::heap::heap_is_tracked() {
        plan.passes.retain(|pass| !records(pass));
        rounds.lose(Caution::NoHeapTracking, tell);
    }
    if plan.passes.is_empty() {
        let hint = "add `perfkit::track_heap!();` beside `fn main`, or choose other passes";
        return Err(Error::usage("nothing to measure: the program does not track its heap", hint));
    }
    Ok(plan)
}

/// Has pprof take all stacks where the jittered sampler cannot work, and says why; asked for alone it must.
fn settle_samplers(plan: &mut Plan) -> Result<Option<String>> {
    let jittered = plan.passes.contains(&Pass::Cpu) && plan.samplers != Samplers::Only(Sampler::Pprof);
    let Some(error) = jittered.then(|| Sampler::Jittered.available().err()).flatten() else { return Ok(None) };
    if plan.samplers != Samplers::InTurn {
        return Err(Error::usage(format!("no `--sampler {}`: {error}", Sampler::Jittered), error.hint()));
    }
    plan.samplers = Samplers::Only(Sampler::Pprof);
    Ok(Some(format!("{error}; {}", error.hint())))
}

/// What the rounds gave.
#[derive(Clone, Default)]
pub(super) struct Rounds {
    pub(super) results: Vec<RoundResult>,
    /// Why pprof alone took stacks, where both were to.
    pub(super) pprof_alone: Option<String>,
    pub(super) cautions: Vec<Caution>,
    pub(super) interrupted: Option<&'static str>,
    lost_in_a_row: [u32; Pass::ALL.len()],
}

impl Rounds {
    pub(super) fn of(&self, pass: Pass) -> impl Iterator<Item = &RoundResult> {
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
