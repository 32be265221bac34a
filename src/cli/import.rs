//! `import`: take a result of another program into the store, to be shown and compared like a run.

use std::path::PathBuf;

use clap::Args;

use super::source::MeaningFlags;
use super::{Exit, Session};
use crate::error::{Error, Result};
use crate::import;
use crate::load::clock;
use crate::record::{Status, run_id};

/// What `import` takes.
#[derive(Args, Debug, Clone)]
pub(super) struct ImportArgs {
    /// A result file or folder of another program
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The workload that it is stored under [default: the file's name]
    #[arg(long, value_name = "NAME")]
    workload: Option<String>,
    #[command(flatten)]
    meaning: MeaningFlags,
}

pub(super) fn import(session: &Session<'_>, arguments: &ImportArgs) -> Result<Exit> {
    if !arguments.file.exists() {
        let known: Vec<&str> = import::ALL.iter().map(|reader| reader.about).collect();
        let hint = format!("name a result file; these can be read: {}", known.join("; "));
        return Err(Error::read(&arguments.file, "there is no such file", hint));
    }
    let mut run = import::read(&arguments.file, &arguments.meaning.meaning())?;
    let now = clock::since_epoch();
    run.id = run_id::make(
        i64::try_from(now.as_millis()).unwrap_or(i64::MAX),
        None,
        now.as_nanos() as u64 ^ u64::from(std::process::id()),
    );
    if let Some(workload) = &arguments.workload {
        run.workload.clone_from(workload);
    }
    let draft = session.store().draft(&run.workload, &run.id)?;
    let folder = draft.commit(&run)?;
    if run.status == Status::Invalid {
        let reason = run.status_reason.as_deref().unwrap_or("no reason given");
        session.output.say(&format!("warning: this result is invalid: {reason}"));
    }
    for warning in &run.warnings {
        session.output.say(&format!("warning: {}", warning.message));
    }
    if session.output.json() {
        let document = serde_json::json!({ "id": run.id, "run": folder.display().to_string() });
        session.output.text(&format!("{document:#}\n"))?;
    } else {
        session.output.text(&format!("{}\n", folder.display()))?;
    }
    Ok(Exit::Done)
}
