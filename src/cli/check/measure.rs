//! Measures head, alone or in turn with base, until it is known well enough or the budget is spent. When to stop depends on how wide
//! the intervals are and on the time, never on where they lie.

use std::time::Duration;

use super::super::anatomy;
use super::super::progress::Progress;
use super::base::Program;
use super::{Gate, Until, not_compared};
use crate::compare::control::control;
use crate::compare::judged::{Fitness, Judged};
use crate::compare::objective;
use crate::compare::{self, Affordable, Comparison, Policy, Verdict};
use crate::error::{Error, Result};
use crate::experiment::{self, Fixture, Plan, Recorded, Recording, Step, Turn};
use crate::load::clock;
use crate::record::pass::Pass;
use crate::record::{Run, Status};
use crate::stats::paired::Design;

/// Rounds after which no further one is worth its time.
const MOST_ROUNDS: u32 = 60;

/// Measures head alone, against a stored run or against its objectives.
pub(super) fn alone(gate: &Gate<'_>, plan: &Plan, base: Option<&Run>) -> Result<Judged> {
    let policy = gate.policy(&plan.workload, Design::Unpaired)?;
    let mut progress = Progress::new(&gate.session.output);
    let mut tell = |event| progress.on(event);
    let mut fixture = Fixture::start(gate.session.suite, plan, &gate.interrupt, &mut tell)?;
    let mut head = fixture.record(plan, &gate.session.store(), experiment::environment(), "")?;
    let mut pace = Pace::new(gate, plan);
    while pace.goes_on() {
        let round = pace.rounds;
        if measure_all(&mut fixture, &mut head, round, pace.turn())? == Step::Stop {
            pace.stop();
        }
        pace.rounds += 1;
        if pace.may_look()
            && let Some(base) = base
            && compare::is_precise(
                &compare::compare(base, &head.so_far(pace.rounds)?, &policy),
                Affordable::Head(pace.affordable()),
            )
        {
            pace.stop();
        }
    }
    drop(fixture);
    progress.finish();
    if gate.signal() != 0 {
        return interrupted(gate, plan, [("head", head)], pace.rounds);
    }
    let head = keep(gate, "head", head.finish(pace.rounds)?)?;
    let Some(base) = base else {
        return Ok(objectives_alone(&head, &policy));
    };
    Ok(judged(compare::compare(base, &head, &policy)))
}

/// Measures base and head in turn, with a second recording of base as the control.
pub(super) fn in_turn(gate: &Gate<'_>, plan: &Plan, program: &Program) -> Result<Judged> {
    let policy = gate.policy(&plan.workload, Design::Paired)?;
    let mut progress = Progress::new(&gate.session.output);
    let mut tell = |event| progress.on(event);
    let mut fixture = Fixture::start(gate.session.suite, plan, &gate.interrupt, &mut tell)?;
    let store = gate.session.store();
    let base_plan = Plan { executable: Some(program.path.clone()), ..plan.clone() };
    // Head is begun last: the latest run is that of the program that was asked.
    let mut arms = Arms {
        base: fixture.record(&base_plan, &store, program.environment.clone(), "base")?,
        control: fixture.record(&base_plan, &store, program.environment.clone(), "control")?,
        head: fixture.record(plan, &store, experiment::environment(), "head")?,
    };
    let mut pace = Pace::new(gate, plan);
    while pace.goes_on() {
        let mut step = Step::Next;
        for (arm, place) in order(pace.blocks()) {
            if step == Step::Next {
                step = match arms.measure(&mut fixture, arm, pace.rounds + place, pace.turn()) {
                    Ok(step) => step,
                    // A full disk is no fault of base.
                    Err(Refused::Head(error) | Refused::Base(error @ Error::Write { .. })) => return Err(error),
                    Err(Refused::Base(error)) => return Ok(base_failed(plan, &error)),
                };
            }
        }
        pace.rounds += 2;
        if step == Step::Stop {
            pace.stop();
        } else if pace.may_look() {
            let base = match arms.base.so_far(pace.rounds) {
                Ok(base) => base,
                Err(error) => return Ok(base_failed(plan, &error)),
            };
            let head = arms.head.so_far(pace.rounds)?;
            if compare::is_precise(&compare::compare(&base, &head, &policy), Affordable::Both(pace.affordable())) {
                pace.stop();
            }
        }
    }
    drop(fixture);
    progress.finish();
    if gate.signal() != 0 {
        return interrupted(gate, plan, [("base", arms.base), ("head", arms.head)], pace.rounds);
    }
    // The control is judged and not kept: it is base once more.
    let again = arms.control.so_far(pace.rounds / 2);
    let base = match arms.base.finish(pace.rounds) {
        Ok(recorded) => keep(gate, "base", recorded)?,
        Err(error @ Error::Workload { .. }) => return Ok(base_failed(plan, &error)),
        Err(error) => return Err(error),
    };
    let head = keep(gate, "head", arms.head.finish(pace.rounds)?)?;
    let mut judged = judged(compare::compare(&base, &head, &policy));
    if let Ok(again) = again
        && base.status != Status::Invalid
    {
        let control = control(&base, &again, &policy);
        if control.fit == Fitness::Unfit {
            judged.verdict = Verdict::NotCompared;
            judged.reason = format!("this machine is not fit to judge: {}", control.note);
        }
        judged.control = Some(control);
    }
    Ok(judged)
}

/// Keeps what was measured as partial runs; there is nothing to judge.
fn interrupted<const N: usize>(
    gate: &Gate<'_>,
    plan: &Plan,
    recordings: [(&str, Recording); N],
    rounds: u32,
) -> Result<Judged> {
    for (label, recording) in recordings {
        if !recording.is_empty() {
            let mut recorded = recording.finish(rounds)?;
            // Only the one whose round was running knows of the signal.
            if recorded.run.status == Status::Complete {
                recorded.run.status = Status::Partial;
                recorded.run.status_reason = Some("interrupted between its rounds".to_owned());
            }
            keep(gate, label, recorded)?;
        }
    }
    Ok(not_compared(&plan.workload, "interrupted".to_owned()))
}

/// A base that cannot be run is no fault of head, and no pass either.
fn base_failed(plan: &Plan, error: &Error) -> Judged {
    not_compared(&plan.workload, format!("base could not be run: {error}"))
}

/// The verdict of a comparison, and what stands above it.
fn judged(comparison: Comparison) -> Judged {
    let blind = compare::is_blind(&comparison);
    let mut judged = Judged::from(comparison);
    if blind {
        judged.verdict = Verdict::NotCompared;
        judged.reason =
            "too noisy to judge: every interval is wider than three margins, no regression could be seen".to_owned();
    }
    judged
}

fn objectives_alone(head: &Run, policy: &Policy) -> Judged {
    let hold = |target| objective::hold(head, target, policy.level());
    let objectives: Vec<compare::Objective> = policy.objectives.iter().map(hold).collect();
    let (verdict, reason) = objective::verdict(head, &objectives);
    // Without a comparison nothing else says that head failed.
    let error = (head.status == Status::Invalid).then(|| head.status_reason.clone().unwrap_or_default());
    Judged { workload: head.workload.clone(), verdict, reason, error, comparison: None, objectives, control: None }
}

/// Stores a run with what the analyses find in it.
fn keep(gate: &Gate<'_>, label: &str, recorded: Recorded) -> Result<Run> {
    let Recorded { mut run, draft } = recorded;
    anatomy::complete(&mut run, draft.folder());
    let folder = draft.commit(&run)?;
    gate.session.output.say(&format!("{label}: {}", folder.display()));
    Ok(run)
}

/// The recordings of a check.
struct Arms {
    base: Recording,
    head: Recording,
    control: Recording,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Arm {
    Base,
    Head,
    Control,
}

/// Which of the two programs could not be run.
enum Refused {
    Base(Error),
    Head(Error),
}

impl Arms {
    fn measure(&mut self, fixture: &mut Fixture<'_>, arm: Arm, round: u32, turn: Turn) -> Result<Step, Refused> {
        match arm {
            Arm::Head => measure_all(fixture, &mut self.head, round, turn).map_err(Refused::Head),
            Arm::Base => measure_all(fixture, &mut self.base, round, turn).map_err(Refused::Base),
            // The control is about latencies: heavier passes would only spend the budget.
            Arm::Control => {
                fixture.measure(&mut self.control, Turn { pass: Pass::Time, round, ..turn }).map_err(Refused::Base)
            }
        }
    }
}

/// One round of every pass of a recording.
fn measure_all(fixture: &mut Fixture<'_>, recording: &mut Recording, round: u32, turn: Turn) -> Result<Step> {
    for pass in recording.plan().passes.clone() {
        if fixture.measure(recording, Turn { pass, round, ..turn })? == Step::Stop {
            return Ok(Step::Stop);
        }
    }
    Ok(Step::Next)
}

/// The rounds of a block of two pairs: ABBA, then BAAB, so that drift meets both alike. The control stands beside a round of base,
/// behind it in one block and before it in the next.
fn order(block: u32) -> [(Arm, u32); 5] {
    use Arm::{Base, Control, Head};
    if block.is_multiple_of(2) {
        [(Base, 0), (Head, 0), (Head, 1), (Base, 1), (Control, 1)]
    } else {
        [(Head, 0), (Base, 0), (Control, 1), (Base, 1), (Head, 1)]
    }
}

/// When to go on.
struct Pace {
    began: clock::Instant,
    budget: Duration,
    least: u32,
    until: Until,
    stopped: bool,
    /// Rounds of each arm that were run.
    rounds: u32,
}

impl Pace {
    fn new(gate: &Gate<'_>, plan: &Plan) -> Self {
        Self {
            began: clock::now(),
            budget: gate.budget,
            least: plan.rounds,
            until: gate.arguments.until,
            stopped: false,
            rounds: 0,
        }
    }

    fn stop(&mut self) {
        self.stopped = true;
    }

    fn blocks(&self) -> u32 {
        self.rounds / 2
    }

    /// Whether another block fits into the budget, judged by those before it.
    fn goes_on(&self) -> bool {
        if self.stopped || self.rounds >= MOST_ROUNDS {
            return false;
        }
        if self.until == Until::Rounds && self.rounds >= self.least {
            return false;
        }
        let spent = clock::now() - self.began;
        // The first block is always run: without it there is nothing to say.
        self.rounds == 0 || spent + spent / self.rounds * 2 <= self.budget
    }

    /// Rounds of each arm that the whole budget pays for, judged by those before.
    fn affordable(&self) -> u32 {
        let spent = (clock::now() - self.began).as_secs_f64();
        let rounds = self.budget.as_secs_f64() / spent * f64::from(self.rounds);
        rounds.clamp(0.0, f64::from(MOST_ROUNDS)) as u32
    }

    /// Precision is looked at from the least number of rounds on.
    fn may_look(&self) -> bool {
        self.until == Until::Decided && self.rounds >= self.least
    }

    fn turn(&self) -> Turn {
        let all = self.least.max(self.rounds + 2);
        Turn { pass: Pass::Time, round: self.rounds, done: self.rounds, all }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_arm_runs_first_as_often_as_second_and_the_control_stands_beside_base() {
        let first = |block: u32, pair: u32| {
            order(block).into_iter().find(|(arm, place)| *arm != Arm::Control && *place == pair).unwrap().0
        };
        assert_eq!([first(0, 0), first(0, 1), first(1, 0), first(1, 1)], [Arm::Base, Arm::Head, Arm::Head, Arm::Base]);
        for block in [0, 1] {
            let order = order(block);
            let control = order.iter().position(|(arm, _)| *arm == Arm::Control).unwrap();
            let beside = |at: usize| order.get(at).is_some_and(|turn| *turn == (Arm::Base, order[control].1));
            assert!(beside(control + 1) || beside(control - 1));
        }
    }
}
