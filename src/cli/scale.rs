//! `run --scale`, `profile --scale`: the same workload with several numbers of users in turn, and what a user costs in memory. Each
//! number of users is a run of its own in the store.

use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use super::drive::{self, DriveArgs};
use super::profile::{check_reports, report_folder};
use super::progress::Progress;
use super::{Exit, Session, anatomy, interrupt};
use crate::analysis::scale::{self, Scale};
use crate::error::{Error, Result};
use crate::experiment::{self, Fixture, Interrupt, Plan, Recording, Step, Turn};
use crate::load::Model;
use crate::record::pass::Pass;
use crate::record::{Run, Status, store};
use crate::report::{self, plot};
use crate::warning::Caution;

/// Measures, analyzes, stores and shows.
pub(super) fn scale(session: &Session<'_>, arguments: &DriveArgs, users: &[u32], passes: &[Pass]) -> Result<Exit> {
    let mut plan = drive::plan(session, &arguments.workload, &arguments.flags, passes)?;
    // Memory is what a scale is about: unless somebody says what he wants, it is among it.
    if !arguments.flags.chooses_passes() {
        plan.passes.push(Pass::Memory);
    }
    check_reports(session, &plan.workload)?;
    let interrupt = interrupt::catch()?;
    if experiment::is_debug_build() {
        session.output.say("warning: this is a debug build; figures say little about a release build");
    }
    let Measured { runs, mut lost } = measure(session, &plan, users, &interrupt)?;
    let signal = interrupt.load(Ordering::Acquire);
    if runs.is_empty() && signal != 0 {
        session.output.say("interrupted before anything was measured; nothing was kept");
        return Ok(Exit::Interrupted(signal as u8));
    }
    if runs.is_empty() && !lost.is_empty() {
        return Err(lost.remove(0).1);
    }
    let mut told = scale::analyze(&runs);
    told.warnings.splice(
        0..0,
        lost.iter().map(|(users, error)| Caution::LevelLost { users: *users, reason: error.to_string() }.into()),
    );
    let files = write_reports(session, &runs, &told)?;
    session.output.result(|out| {
        if session.output.json() {
            return report::scale::json(&told, out);
        }
        report::scale::human(&told, out)?;
        writeln!(out)?;
        files.iter().try_for_each(|file| writeln!(out, "  {}", visible(file)))
    })?;
    if signal != 0 {
        return Ok(Exit::Interrupted(signal as u8));
    }
    Ok(if lost.is_empty() { exit(session, &runs) } else { Exit::Invalid })
}

/// What came of the levels.
struct Measured {
    runs: Vec<Run>,
    /// Levels of which nothing was measured, and why.
    lost: Vec<(u32, Error)>,
}

fn visible(path: &Path) -> String {
    crate::record::name::visible(&path.display().to_string())
}

/// Measures all levels in turn, up and then down again, so that what drifts meets all of them alike. The run with the most users is
/// stored last.
fn measure(session: &Session<'_>, plan: &Plan, users: &[u32], interrupt: &Interrupt) -> Result<Measured> {
    let mut progress = Progress::new(&session.output);
    let mut tell = |event| progress.on(event);
    let mut fixture = Fixture::start(session.suite, plan, interrupt, &mut tell)?;
    let mut levels = Vec::new();
    for users in users {
        let mut plan = plan.clone();
        plan.load.model = Model::Closed { users: *users };
        let environment = experiment::environment();
        levels.push(fixture.record(
            &plan,
            &session.store(),
            environment,
            &format!("{users} {}:", if *users == 1 { "user" } else { "users" }),
        )?);
    }
    let passes = levels[0].plan().passes.clone();
    let all = plan.rounds * (passes.len() * users.len()) as u32;
    let mut done = 0;
    // A level that cannot go on does not end the others.
    let mut going: Vec<bool> = vec![true; levels.len()];
    let mut refused: Vec<Option<Error>> = levels.iter().map(|_| None).collect();
    'rounds: for round in 0..plan.rounds {
        let mut order: Vec<usize> = (0..levels.len()).collect();
        if round % 2 == 1 {
            order.reverse();
        }
        for level in order {
            for pass in &passes {
                if fixture.is_interrupted() {
                    break 'rounds;
                }
                if going[level] {
                    let turn = Turn { pass: *pass, round, done, all };
                    going[level] = match fixture.measure(&mut levels[level], turn) {
                        Ok(step) => step == Step::Next,
                        Err(error @ Error::Workload { .. }) => {
                            refused[level] = Some(error);
                            false
                        }
                        Err(error) => return Err(error),
                    };
                }
                done += 1;
            }
        }
    }
    drop(fixture);
    progress.finish();
    let interrupted = interrupt.load(Ordering::Acquire) != 0;
    let mut measured = Measured { runs: Vec::new(), lost: Vec::new() };
    for ((level, refused), users) in levels.into_iter().zip(refused).zip(users) {
        match (refused, level.is_empty()) {
            (Some(error), true) => measured.lost.push((*users, error)),
            (None, true) if interrupted => {}
            _ => match keep(level, plan.rounds) {
                Ok(run) => measured.runs.push(run),
                Err(error @ Error::Workload { .. }) => measured.lost.push((*users, error)),
                Err(error) => return Err(error),
            },
        }
    }
    Ok(measured)
}

/// Stores the run of a level with what the analyses find in it.
fn keep(level: Recording, rounds: u32) -> Result<Run> {
    let experiment::Recorded { mut run, draft } = level.finish(rounds)?;
    anatomy::complete(&mut run, draft.folder());
    draft.commit(&run)?;
    Ok(run)
}

/// Writes the report into the folder of the run with the most users.
fn write_reports(session: &Session<'_>, runs: &[Run], told: &Scale) -> Result<Vec<PathBuf>> {
    let Some(last) = runs.last() else { return Ok(Vec::new()) };
    let target = report_folder(session, last)?;
    let mut files: Vec<PathBuf> = Vec::new();
    let mut write = |name: &str, render: &dyn Fn(&mut Vec<u8>) -> std::io::Result<()>| -> Result<()> {
        let mut content = Vec::new();
        render(&mut content).map_err(Error::internal)?;
        let path = target.join(name);
        store::write_atomically(&path, &content)?;
        files.push(path);
        Ok(())
    };
    write("scale.txt", &|out| report::scale::text(told, out))?;
    write("scale.json", &|out| report::scale::json(told, out))?;
    write("scale.svg", &|out| plot::scale(told, out))?;
    Ok(files)
}

fn exit(session: &Session<'_>, runs: &[Run]) -> Exit {
    if runs.iter().any(|run| run.status == Status::Invalid) {
        return Exit::Invalid;
    }
    let failed = runs.iter().map(|run| super::report::failed_rule(session, run));
    failed.into_iter().find(|exit| !matches!(exit, Exit::Done)).unwrap_or(Exit::Done)
}
