//! `schema`: the JSON schemas of what perfkit writes.

use clap::{Args, ValueEnum};

use super::{Exit, Session};
use crate::analysis::leaks::Leaks;
use crate::analysis::scale::Scale;
use crate::analysis::variance::Variance;
use crate::compare::{Check, Comparison};
use crate::error::Result;
use crate::record::baseline::Baseline;
use crate::record::schema as record;

/// What `schema` takes.
#[derive(Args, Debug, Clone)]
pub(super) struct SchemaArgs {
    /// The document
    #[arg(value_enum, value_name = "DOCUMENT", default_value_t = Document::Run)]
    document: Document,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Document {
    /// run.json
    Run,
    /// What `compare --format json` prints
    Comparison,
    /// What `check --format json` prints
    Check,
    /// A file of profiles/baselines
    Baseline,
    /// What `variance --format json` prints
    Variance,
    /// What `leaks --format json` prints
    Leaks,
    /// What `run --scale --format json` prints
    Scale,
}

pub(super) fn schema(session: &Session<'_>, arguments: &SchemaArgs) -> Result<Exit> {
    let schema = match arguments.document {
        Document::Run => record::json_schema(),
        Document::Comparison => schemars::schema_for!(Comparison).to_value(),
        Document::Check => schemars::schema_for!(Check<'static>).to_value(),
        Document::Baseline => schemars::schema_for!(Baseline).to_value(),
        Document::Variance => schemars::schema_for!(Variance).to_value(),
        Document::Leaks => schemars::schema_for!(Leaks).to_value(),
        Document::Scale => schemars::schema_for!(Scale).to_value(),
    };
    session.output.text(&format!("{schema:#}\n"))?;
    Ok(Exit::Done)
}
