//! `report`: show a stored run again.

use clap::Args;

use super::profile::frames;
use super::{Exit, Session, source};
use crate::error::{Error, Result};
use crate::import::Meaning;
use crate::record::Run;
use crate::report::{self, Report};

/// What `report` takes.
#[derive(Args, Debug, Clone)]
pub(super) struct ReportArgs {
    /// A run id, a run folder, a run.json, `latest`, `latest:<WORKLOAD>`, `baseline:<NAME>`, or a result of another program
    #[arg(value_name = "RUN", default_value = "latest")]
    run: String,
}

pub(super) fn report(session: &Session<'_>, arguments: &ReportArgs) -> Result<Exit> {
    let run = source::load(session, &arguments.run, &Meaning::default())?;
    let files: Vec<String> = match session.store().find(&arguments.run) {
        Ok(folder) => vec![folder.join(crate::record::store::RUN_FILE).display().to_string()],
        Err(_) => Vec::new(),
    };
    let report = Report { run: &run, frames: frames(session), files: &files };
    print(session, &report, session.output.format())?;
    Ok(failed_rule(session, &run))
}

/// Renders to stdout.
pub(super) fn print(session: &Session<'_>, report: &Report<'_>, format: &str) -> Result<()> {
    let format = report::format(format).ok_or_else(|| Error::internal(format!("no format {format}")))?;
    session.output.result(|out| (format.render)(report, out))
}

/// Whether a finding is one that the user wants to fail on.
pub(super) fn failed_rule(session: &Session<'_>, run: &Run) -> Exit {
    let wanted = |finding: &crate::record::Finding| session.global.fail_on.contains(&finding.rule);
    if run.findings.iter().any(wanted) { Exit::Finding } else { Exit::Done }
}
