//! `profile`: measure, find, store, report. The whole main job, and where its parts are put together.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use super::drive::{self, DriveArgs};
use super::flamegraph::{By, Of, Picture};
use super::progress::Progress;
use super::{Exit, Session, anatomy, interrupt, scale};
use crate::analysis::summary::Frames;
use crate::error::{Error, Result};
use crate::experiment;
use crate::record::pass::Pass;
use crate::record::store::{self, folder_name};
use crate::record::{Run, Status};
use crate::report::{self, Report};

pub(super) fn profile(session: &Session<'_>, arguments: &DriveArgs) -> Result<Exit> {
    if let Some(users) = arguments.flags.scale.clone() {
        return scale::scale(session, arguments, &users.0, &Pass::PROFILE);
    }
    measure(session, arguments, &Pass::PROFILE)
}

/// Measures, analyzes, stores and shows.
pub(super) fn measure(session: &Session<'_>, arguments: &DriveArgs, passes: &[Pass]) -> Result<Exit> {
    let plan = drive::plan(session, &arguments.workload, &arguments.flags, passes)?;
    check_reports(session, &plan.workload)?;
    let interrupt = interrupt::catch()?;
    let mut progress = Progress::new(&session.output);
    if crate::experiment::is_debug_build() {
        session.output.say("warning: this is a debug build; figures say little about a release build");
    }
    let recorded =
        experiment::record(session.suite, &plan, &session.store(), &interrupt, &mut |event| progress.on(event));
    progress.finish();
    let experiment::Recorded { mut run, draft } = recorded?;
    let signal = interrupt.load(Ordering::Acquire);
    if signal != 0 && run.operations.planned == 0 && run.functions.is_empty() && run.sites.is_empty() {
        session.output.say("interrupted before anything was measured; nothing was kept");
        return Ok(Exit::Interrupted(signal as u8));
    }
    anatomy::complete(&mut run, draft.folder());
    let folder = draft.commit(&run)?;
    let files = write_reports(session, &run, &folder)?;
    let report = Report { run: &run, frames: frames(session), files: &files };
    let format = if session.output.json() { "json" } else { "human" };
    super::report::print(session, &report, format)?;
    Ok(exit(session, &run, signal))
}

/// Looks whether reports can be written before anything is measured for them.
pub(super) fn check_reports(session: &Session<'_>, workload: &str) -> Result<()> {
    let folder = session.global.reports_dir.join(folder_name(workload));
    std::fs::create_dir_all(&folder).map_err(|error| Error::write(&folder, error))?;
    tempfile::tempfile_in(&folder).map(drop).map_err(|error| Error::write(&folder, error))
}

/// Frames as the user wants them.
pub(super) fn frames(session: &Session<'_>) -> Frames {
    if session.global.verbose { Frames::All } else { Frames::Program }
}

/// Writes `reports/<workload>/<run-id>/`; the result names the files for the user.
fn write_reports(session: &Session<'_>, run: &Run, folder: &Path) -> Result<Vec<String>> {
    let target = report_folder(session, run)?;
    let mut files = vec![folder.join(store::RUN_FILE)];
    let mut written = Vec::new();
    for of in [Of::Cpu, Of::Heap, Of::Stalls] {
        if run.status == Status::Invalid {
            break;
        }
        let picture = Picture::new(of, By::Thread, frames(session))?;
        if let Some(svg) = picture.draw(run, folder)? {
            let path = target.join(format!("{}.svg", picture.name()));
            store::write_atomically(&path, &svg)?;
            written.push(path);
        }
    }
    let text = target.join("report.txt");
    files.push(text.clone());
    files.extend(written);
    let names: Vec<String> = files.iter().map(|path| path.display().to_string()).collect();
    let mut content = Vec::new();
    let rendered = Report { run, frames: frames(session), files: &names };
    if let Some(format) = report::format("text") {
        (format.render)(&rendered, &mut content).and_then(|()| content.flush()).map_err(Error::internal)?;
    }
    store::write_atomically(&text, &content)?;
    Ok(names)
}

/// The folder of a run's reports, made.
pub(super) fn report_folder(session: &Session<'_>, run: &Run) -> Result<PathBuf> {
    let target = session.global.reports_dir.join(folder_name(&run.workload)).join(folder_name(&run.id));
    std::fs::create_dir_all(&target).map_err(|error| Error::write(&target, error))?;
    Ok(target)
}

fn exit(session: &Session<'_>, run: &Run, signal: usize) -> Exit {
    if signal != 0 {
        return Exit::Interrupted(signal as u8);
    }
    if run.status == Status::Invalid {
        return Exit::Invalid;
    }
    super::report::failed_rule(session, run)
}
