//! `check`: the gate. Measures head, gets a base to compare it with, and says whether anything became worse. What could not be
//! measured or compared is never a pass.

mod base;
mod measure;
mod revision;

use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::drive::{self, DriveFlags};
use super::judge::{self, ShowFlags};
use super::policy::{self, PolicyFlags};
use super::{Exit, Session, config, interrupt, parse};
use crate::compare::judged::Judged;
use crate::compare::{Stopping, Verdict};
use crate::error::{Error, Result};
use crate::experiment::Interrupt;
use crate::record::pass::Pass;
use crate::report::comparison::Kind;
use crate::stats::paired::Design;

use base::Base;

/// What `check` takes.
#[derive(Args, Debug, Clone)]
pub(super) struct CheckArgs {
    /// The workloads [default: those of [check] in perfkit.toml, or those that it has a section or a baseline for]
    #[arg(value_name = "WORKLOAD")]
    workloads: Vec<String>,
    /// Compare with this program: its rounds and those of this one are run in turn
    #[arg(long, value_name = "PATH", group = "from")]
    base_bin: Option<PathBuf>,
    /// Compare with this revision: it is checked out elsewhere, built with the same profile, and run in turn
    #[arg(long, value_name = "REV", group = "from")]
    base_rev: Option<String>,
    /// Compare with this stored baseline [default: the one of the workload's name]
    #[arg(long, value_name = "NAME", group = "from")]
    baseline: Option<String>,
    /// Compare with nothing: only the objectives of [slo] in perfkit.toml count
    #[arg(long, group = "from")]
    slo_only: bool,
    /// The longest time that a workload is measured [default: 120s]
    #[arg(long, value_name = "TIME", env = "PERFKIT_BUDGET", value_parser = parse::flag(parse::duration))]
    budget: Option<Duration>,
    /// When to stop
    #[arg(long, value_enum, value_name = "WHEN", default_value_t = Until::Decided)]
    until: Until,
    #[command(flatten)]
    flags: DriveFlags,
    #[command(flatten)]
    policy: PolicyFlags,
    #[command(flatten)]
    show: ShowFlags,
}

/// When to stop measuring.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Until {
    /// When every metric that decides is known to half of its margin, or the budget is spent; not before --rounds
    Decided,
    /// After --rounds, or when the budget is spent
    Rounds,
}

/// The time that a workload may take.
const BUDGET: Duration = Duration::from_mins(2);

/// What the workloads are checked with.
struct Gate<'a> {
    session: &'a Session<'a>,
    arguments: &'a CheckArgs,
    config: (config::Config, PathBuf),
    base: Base,
    budget: Duration,
    interrupt: Interrupt,
}

pub(super) fn check(session: &Session<'_>, arguments: &CheckArgs) -> Result<Exit> {
    let config = config::load(session.global.config.as_deref())?;
    let workloads = workloads(session, arguments, &config.0)?;
    let budget = match (arguments.budget, &config.0.check.budget) {
        (Some(budget), _) => budget,
        (None, Some(text)) => parse::duration(text)
            .map_err(|error| Error::read(&config.1, format!("[check] budget: {error}"), error.hint()))?,
        (None, None) => BUDGET,
    };
    arguments.flags.refuse_scale("check")?;
    // Settings that cannot be meant are refused before anything is built or measured.
    for workload in &workloads {
        drive::plan(session, workload, &arguments.flags, &[Pass::Time])?;
        let policy = policy::policy(&config, workload, &arguments.policy, Design::Unpaired, Stopping::Fixed)?;
        if arguments.slo_only && policy.objectives.is_empty() {
            let hint = "give it some: [slo] in perfkit.toml, such as chat = [\"latency.p95 < 2s\"]";
            return Err(Error::usage(format!("{workload} has no objectives"), hint));
        }
    }
    for name in config.0.judged_workloads().filter(|name| session.suite.find(name).is_none()) {
        session.output.say(&format!("warning: {}: there is no workload `{name}` here", config.1.display()));
    }
    let interrupt = interrupt::catch()?;
    if crate::experiment::is_debug_build() {
        session.output.say("warning: this is a debug build; figures say little about a release build");
    }
    let base = match Base::find(session, arguments, &config.0, &interrupt) {
        Err(_) if interrupt.load(Ordering::Acquire) != 0 => {
            session.output.say("interrupted while the base was built; nothing was kept");
            return Ok(Exit::Interrupted(interrupt.load(Ordering::Acquire) as u8));
        }
        found => found?,
    };
    let gate = Gate { session, arguments, config, base, budget, interrupt };
    let mut judged = Vec::new();
    for workload in &workloads {
        judged.push(match gate.judge(workload) {
            // A workload that fails costs itself, not the others, and stands in every document.
            Err(error @ (Error::Workload { .. } | Error::Service { .. })) => {
                session.output.say(&format!("error: {error}; {}", error.hint()));
                let failed = error.to_string();
                Judged { error: Some(failed.clone()), ..not_compared(workload, failed) }
            }
            other => other?,
        });
        if gate.signal() != 0 {
            session.output.say("interrupted; what was measured is kept as partial runs");
            return Ok(Exit::Interrupted(gate.signal() as u8));
        }
    }
    judge::show(session, &arguments.show, Kind::Check, &judged)
}

/// The workloads that are asked for: by name, else by what the configuration and the baselines speak of.
fn workloads(session: &Session<'_>, arguments: &CheckArgs, config: &config::Config) -> Result<Vec<String>> {
    if !arguments.workloads.is_empty() {
        return Ok(arguments.workloads.clone());
    }
    if !config.check.workloads.is_empty() {
        return Ok(config.check.workloads.clone());
    }
    let baselines = crate::record::baseline::Baselines::new(&session.global.profiles_dir).names();
    let spoken_of = |name: &str| {
        let sections = config.workload.contains_key(name) || config.slo.contains_key(name);
        sections || config.compare.contains_key(name) || baselines.iter().any(|baseline| baseline == name)
    };
    let entries = session.suite.entries().iter().map(|entry| entry.name.clone());
    let found: Vec<String> = entries.filter(|name| spoken_of(name)).collect();
    if found.is_empty() {
        let hint = "name a workload, or list some: [check] workloads = [\"chat\"] in perfkit.toml";
        return Err(Error::usage("nothing to check", hint));
    }
    Ok(found)
}

impl Gate<'_> {
    /// The signal that has come; 0 while there is none.
    fn signal(&self) -> usize {
        self.interrupt.load(Ordering::Acquire)
    }

    fn judge(&self, workload: &str) -> Result<Judged> {
        let plan = drive::plan(self.session, workload, &self.arguments.flags, &[Pass::Time])?;
        match &self.base {
            Base::Nothing => measure::alone(self, &plan, None),
            Base::Baseline(name) => match base::stored(self, name.as_deref().unwrap_or(workload))? {
                Ok(run) => measure::alone(self, &plan, Some(&run)),
                Err(reason) => Ok(not_compared(workload, reason)),
            },
            Base::Program(program) if !program.workloads.iter().any(|known| known == workload) => {
                Ok(not_compared(workload, format!("base has no workload {workload}")))
            }
            Base::Program(program) => measure::in_turn(self, &plan, program),
        }
    }

    fn policy(&self, workload: &str, design: Design) -> Result<crate::compare::Policy> {
        {
            let stopping = match self.arguments.until {
                Until::Decided => Stopping::Adaptive,
                Until::Rounds => Stopping::Fixed,
            };
            policy::policy(&self.config, workload, &self.arguments.policy, design, stopping)
        }
    }
}

/// A workload for which there is nothing to compare.
fn not_compared(workload: &str, reason: String) -> Judged {
    Judged {
        workload: workload.to_owned(),
        verdict: Verdict::NotCompared,
        reason,
        error: None,
        comparison: None,
        objectives: Vec::new(),
        control: None,
    }
}
