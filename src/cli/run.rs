//! `run`: the time pass alone.

use super::drive::DriveArgs;
use super::{Exit, Session, profile, scale};
use crate::error::Result;
use crate::record::pass::Pass;

pub(super) fn run(session: &Session<'_>, arguments: &DriveArgs) -> Result<Exit> {
    if let Some(users) = arguments.flags.scale.clone() {
        return scale::scale(session, arguments, &users.0, &[Pass::Time]);
    }
    profile::measure(session, arguments, &[Pass::Time])
}
