//! `variance`: where the variance of a stored run's latencies comes from. Refuses runs without their operations: baselines, and
//! results of other programs.

use clap::Args;

use super::{Exit, Session};
use crate::analysis::variance;
use crate::error::{Error, Result};
use crate::record::Status;
use crate::record::ops::{self, Columns, OPS_FILE};
use crate::record::stall::{self, STALLS_FILE};
use crate::report;
use crate::report::comparison::Detail;

/// What `variance` takes.
#[derive(Args, Debug, Clone)]
pub(super) struct VarianceArgs {
    /// A run id, a run folder, a run.json, `latest` or `latest:<WORKLOAD>`
    #[arg(value_name = "RUN", default_value = "latest")]
    run: String,
}

pub(super) fn variance(session: &Session<'_>, arguments: &VarianceArgs) -> Result<Exit> {
    if arguments.run.starts_with("baseline:") {
        return Err(Error::usage(
            format!("{} has no operations, and variance is about them", arguments.run),
            "name a run: an id, a folder, `latest`",
        ));
    }
    let (run, folder) = session.store().load(&arguments.run)?;
    let invalid = run.status == Status::Invalid;
    let path = folder.join(OPS_FILE);
    // Operations of a run that is no result are not looked at.
    let columns = if invalid { Columns::default() } else { ops::read(&path)? };
    if columns.is_empty() && !invalid {
        let hint = format!("measure with `perfkit run {}`", run.workload);
        return Err(Error::usage(format!("run {} has no good operations of the time pass", run.id), hint));
    }
    let stalls = if invalid { Vec::new() } else { stall::read(&folder.join(STALLS_FILE))? };
    let variance = variance::analyze(&run, &columns, &stalls);
    let detail = if session.global.verbose { Detail::All } else { Detail::Changed };
    session.output.result(|out| {
        if session.output.json() {
            report::variance::json(&variance, out)
        } else {
            report::variance::human(&variance, detail, out)
        }
    })?;
    Ok(if invalid { Exit::Invalid } else { Exit::Done })
}
