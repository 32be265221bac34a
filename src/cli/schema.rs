//! `schema`: the JSON schema of `run.json`.

use super::{Exit, Session};
use crate::error::Result;
use crate::record::schema as record;

pub(super) fn schema(session: &Session<'_>) -> Result<Exit> {
    session.output.text(&format!("{:#}\n", record::json_schema()))?;
    Ok(Exit::Done)
}
