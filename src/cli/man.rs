//! `man`: the manual page, made from the command line itself.

use super::{Exit, Session, command};
use crate::error::{Error, Result};

pub(super) fn man(session: &Session<'_>) -> Result<Exit> {
    let mut text = Vec::new();
    let root = command(session.suite);
    clap_mangen::Man::new(root.clone()).render(&mut text).map_err(Error::internal)?;
    for verb in root.get_subcommands() {
        let page = verb.clone().display_name(format!("{} {}", session.suite.name(), verb.get_name()));
        clap_mangen::Man::new(page).render(&mut text).map_err(Error::internal)?;
    }
    session.output.result(|out| out.write_all(&text))?;
    Ok(Exit::Done)
}
