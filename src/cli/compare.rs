//! `compare`: two stored runs or foreign results, metric by metric.

use clap::Args;

use super::judge::{self, ShowFlags};
use super::policy::{self, PolicyFlags};
use super::source::{self, MeaningFlags};
use super::{Exit, Session, config};
use crate::compare::{self, Stopping};
use crate::error::Result;
use crate::report::comparison::Kind;
use crate::stats::paired::Design;

/// What `compare` takes.
#[derive(Args, Debug, Clone)]
pub(super) struct CompareArgs {
    /// What is compared with: a run id, a run folder, a run.json, `latest`, `latest~1` (the one before), `latest:<WORKLOAD>`,
    /// `baseline:<NAME>`, or a result of another program
    #[arg(value_name = "BASE")]
    base: String,
    /// What is judged
    #[arg(value_name = "HEAD")]
    head: String,
    /// Round i of both belongs together: they were measured in turn
    #[arg(long)]
    paired: bool,
    #[command(flatten)]
    policy: PolicyFlags,
    #[command(flatten)]
    meaning: MeaningFlags,
    #[command(flatten)]
    show: ShowFlags,
}

pub(super) fn compare(session: &Session<'_>, arguments: &CompareArgs) -> Result<Exit> {
    let config = config::load(session.global.config.as_deref())?;
    let meaning = arguments.meaning.meaning();
    let base = source::load(session, &arguments.base, &meaning)?;
    let head = source::load(session, &arguments.head, &meaning)?;
    let design = if arguments.paired { Design::Paired } else { Design::Unpaired };
    let policy = policy::policy(&config, &head.workload, &arguments.policy, design, Stopping::Fixed)?;
    let comparison = compare::compare(&base, &head, &policy);
    judge::show(session, &arguments.show, Kind::Comparison, &[comparison.into()])
}
