//! `run`: the time pass alone.

use super::drive::DriveArgs;
use super::{Exit, Session, profile};
use crate::error::Result;
use crate::record::pass::Pass;

pub(super) fn run(session: &Session<'_>, arguments: &DriveArgs) -> Result<Exit> {
    profile::measure(session, arguments, &[Pass::Time])
}
