//! The version of `run.json`, and reading it: any v1 file loads for ever, a newer major is refused with a clear text.

use std::path::Path;

use super::Run;
use crate::error::{Error, Result};

/// What this perfkit writes.
pub const VERSION: &str = "perfkit.run/1";

/// The name before the version number.
const FAMILY: &str = "perfkit.run/";

/// Reads a run from the text of a `run.json`; `path` is for messages.
///
/// # Errors
/// The text is not JSON, not a run, or of a newer schema. The message has the path, line and column.
pub fn parse(path: &Path, text: &str) -> Result<Run> {
    let damaged = "the file is damaged or not a perfkit run; make it again with `perfkit run`";
    let value: serde_json::Value = serde_json::from_str(text).map_err(|error| Error::read(path, error, damaged))?;
    let schema = value.get("schema").and_then(serde_json::Value::as_str).unwrap_or_default();
    match schema.strip_prefix(FAMILY).map(str::parse::<u32>) {
        Some(Ok(1)) => {}
        Some(Ok(newer)) if newer > 1 => {
            let message = format!("its schema is {FAMILY}{newer}, this perfkit knows {VERSION}");
            return Err(Error::read(path, message, "update perfkit, or render the run with the version that made it"));
        }
        _ => {
            let message = format!("its schema is `{schema}`, not {VERSION}");
            return Err(Error::read(path, message, damaged));
        }
    }
    // From the text again, not from the value: only so the message has line and column.
    serde_json::from_str(text).map_err(|error| Error::read(path, error, damaged))
}

/// The JSON schema of `run.json`.
#[must_use]
pub fn json_schema() -> serde_json::Value {
    schemars::schema_for!(Run).to_value()
}
