//! `completions`: what a shell needs to complete the verbs and flags.

use clap::Args;
use clap_complete::Shell;

use super::{Exit, Session, command};
use crate::error::Result;

/// What `completions` takes.
#[derive(Args, Debug, Clone)]
pub(super) struct CompletionsArgs {
    /// The shell
    #[arg(value_enum, value_name = "SHELL")]
    shell: Shell,
}

pub(super) fn completions(session: &Session<'_>, arguments: &CompletionsArgs) -> Result<Exit> {
    let mut text = Vec::new();
    clap_complete::generate(arguments.shell, &mut command(session.suite), session.suite.name(), &mut text);
    session.output.result(|out| out.write_all(&text))?;
    Ok(Exit::Done)
}
