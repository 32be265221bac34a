//! `leaks`: whether something grows with the operations, and where it is allocated. Measures in one process, by rounds of equally many
//! operations.

use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use clap::{Args, ValueEnum};

use super::drive::{self, DriveArgs};
use super::flamegraph::{By, Of, Picture};
use super::profile::{check_reports, frames, report_folder};
use super::progress::Progress;
use super::{Exit, Session, interrupt};
use crate::analysis::{self, leaks};
use crate::error::{Error, Result};
use crate::experiment::{self, Flavor, Until};
use crate::load::Model;
use crate::record::pass::Pass;
use crate::record::{Run, Status, store};
use crate::report::comparison::Detail;
use crate::report::{self, plot};

/// What `leaks` takes.
#[derive(Args, Debug, Clone)]
#[command(after_help = "\
Rounds have equally many operations: --operations, or as many as take 50 ms, and at least 200. 24 rounds decide that nothing grows;
what grows is looked at for 48. --duration is the length of the whole session: 24h is as good as 10s, memory stays the same.
The runtime is `current` where --runtime does not say otherwise: of one thread, what is alive is the same in every session.")]
pub(super) struct LeaksArgs {
    #[command(flatten)]
    drive: DriveArgs,
    /// What ends the session
    #[arg(long, value_enum, default_value_t = End::Confirmed)]
    until: End,
}

/// What ends a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum End {
    /// 24 rounds where nothing grows, 48 where something does
    Confirmed,
    /// Twice as many operations, and again, as long as it is not decided
    Decided,
}

pub(super) fn leaks(session: &Session<'_>, arguments: &LeaksArgs) -> Result<Exit> {
    let mut flags = arguments.drive.flags.clone();
    flags.refuse_scale("leaks")?;
    flags.runtime.get_or_insert(Flavor::Current);
    let mut plan = drive::plan(session, &arguments.drive.workload, &flags, &[Pass::Leaks])?;
    if plan.passes != [Pass::Leaks] {
        return Err(Error::usage("`leaks` has a pass of its own", "leave --passes out, or use `perfkit profile`"));
    }
    if !crate::heap_is_tracked() {
        session.output.say("warning: this program does not track its heap: tasks, threads, descriptors and resident memory are looked at alone");
    }
    if matches!(plan.load.model, Model::Open { .. }) {
        return Err(Error::usage(
            "a `leaks` session has rounds of equally many operations",
            "give --users instead of --rate",
        ));
    }
    plan.rounds = 1;
    plan.growth.until = match arguments.until {
        End::Confirmed => Until::Confirmed,
        End::Decided => Until::Decided,
    };
    check_reports(session, &plan.workload)?;
    let interrupt = interrupt::catch()?;
    let mut progress = Progress::new(&session.output);
    let recorded =
        experiment::record(session.suite, &plan, &session.store(), &interrupt, &mut |event| progress.on(event));
    progress.finish();
    let experiment::Recorded { mut run, draft } = recorded?;
    let signal = interrupt.load(Ordering::Acquire);
    if run.growth.as_ref().is_none_or(|growth| growth.operations.is_empty()) && signal != 0 {
        session.output.say("interrupted before anything was measured; nothing was kept");
        return Ok(Exit::Interrupted(signal as u8));
    }
    complete(&mut run);
    let folder = draft.commit(&run)?;
    let Some(verdicts) = leaks::analyze(&run) else {
        return Err(Error::internal("the session left no growth behind"));
    };
    let files = write_reports(session, &run, &verdicts, &folder)?;
    let detail = if session.global.verbose { Detail::All } else { Detail::Changed };
    session.output.result(|out| {
        if session.output.json() {
            return report::leaks::json(&verdicts, out);
        }
        report::leaks::human(&verdicts, detail, out)?;
        writeln!(out)?;
        files
            .iter()
            .try_for_each(|file| writeln!(out, "  {}", crate::record::name::visible(&file.display().to_string())))
    })?;
    Ok(exit(session, &run, signal, &verdicts))
}

/// Adds what follows from what was seen.
fn complete(run: &mut Run) {
    let verdicts = leaks::site_verdicts(run);
    for (site, verdict) in run.sites.iter_mut().zip(verdicts) {
        site.verdict = verdict.map(|verdict| verdict.name().to_owned());
    }
    run.findings = analysis::analyze(run);
}

fn write_reports(session: &Session<'_>, run: &Run, verdicts: &leaks::Leaks, folder: &Path) -> Result<Vec<PathBuf>> {
    let target = report_folder(session, run)?;
    let mut files = vec![folder.join(store::RUN_FILE)];
    let mut text = Vec::new();
    report::leaks::text(verdicts, Detail::All, &mut text).map_err(Error::internal)?;
    let mut write = |name: &str, content: &[u8]| -> Result<()> {
        let path = target.join(name);
        store::write_atomically(&path, content)?;
        files.push(path);
        Ok(())
    };
    write("report.txt", &text)?;
    if run.status == Status::Invalid {
        return Ok(files);
    }
    if let Some(growth) = &run.growth {
        let mut svg = Vec::new();
        plot::growth(run, growth, &mut svg).map_err(Error::internal)?;
        write("growth.svg", &svg)?;
    }
    let picture = Picture::new(Of::HeapGrowth, By::Thread, frames(session))?;
    if let Some(svg) = picture.draw(run, folder)? {
        write(&format!("{}.svg", picture.name()), &svg)?;
    }
    Ok(files)
}

fn exit(session: &Session<'_>, run: &Run, signal: usize, verdicts: &leaks::Leaks) -> Exit {
    if signal != 0 {
        return Exit::Interrupted(signal as u8);
    }
    if run.status == Status::Invalid {
        return Exit::Invalid;
    }
    let undecided = verdicts.verdict == leaks::Verdict::Inconclusive;
    match super::report::failed_rule(session, run) {
        Exit::Done if undecided && session.global.fail_on.iter().any(|rule| rule == "inconclusive") => {
            Exit::Inconclusive
        }
        exit => exit,
    }
}
