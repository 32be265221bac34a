//! What a user may call a run: an id, a folder, a file of perfkit's or of another program, `latest`, `baseline:NAME`.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use clap::{Args, ValueEnum};
use serde::Deserialize;

use super::Session;
use crate::error::{Error, Result};
use crate::import::{self, Meaning, Values};
use crate::record::baseline::{self, Baselines};
use crate::record::{Run, schema};
use crate::unit::{Better, Unit};

/// What a plain CSV does not say of itself.
#[derive(Args, Debug, Clone)]
#[command(next_help_heading = "What a plain CSV means")]
pub(super) struct MeaningFlags {
    /// The metric of a plain CSV
    #[arg(long, value_name = "NAME", default_value = "latency")]
    metric: String,
    /// The unit of its values: ns, bytes, count, ratio, `per_s`
    #[arg(long, value_name = "UNIT", default_value = "ns", value_parser = unit)]
    unit: Unit,
    /// Which way is better [default: lower, but higher for throughput and `success_rate`]
    #[arg(long, value_enum, value_name = "WAY")]
    better: Option<Way>,
    /// What a row of it is
    #[arg(long, value_enum, value_name = "WHAT", default_value_t = Rows::Operations)]
    values: Rows,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Way {
    /// Less is better: a latency
    Lower,
    /// More is better: a throughput
    Higher,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Rows {
    /// One operation; metrics are derived for each round
    Operations,
    /// One round: a value of the metric
    Rounds,
}

fn unit(text: &str) -> Result<Unit, String> {
    let all = [Unit::Ns, Unit::Bytes, Unit::Count, Unit::Ratio, Unit::PerS];
    all.into_iter()
        .find(|unit| unit.name() == text)
        .ok_or_else(|| "the units are ns, bytes, count, ratio, per_s".to_owned())
}

impl MeaningFlags {
    pub(super) fn meaning(&self) -> Meaning {
        Meaning {
            metric: self.metric.clone(),
            unit: self.unit,
            better: match self.better {
                Some(Way::Higher) => Better::Higher,
                None if matches!(self.metric.as_str(), "throughput" | "success_rate") => Better::Higher,
                Some(Way::Lower) | None => Better::Lower,
            },
            values: if self.values == Rows::Operations { Values::Operations } else { Values::Rounds },
        }
    }
}

/// The first bytes that tell perfkit's own files from others.
const HEAD: u64 = 4096;

/// Loads what the user named.
///
/// # Errors
/// There is no such run, or the file is damaged or of no known format.
pub(super) fn load(session: &Session<'_>, name: &str, meaning: &Meaning) -> Result<Run> {
    if let Some(baseline) = name.strip_prefix("baseline:") {
        return Ok(Baselines::new(&session.global.profiles_dir).load(baseline)?.run);
    }
    let path = Path::new(name);
    // A run of that id comes first only where there is no such file or folder here.
    if path.is_dir() && !path.join(crate::record::store::RUN_FILE).is_file() {
        return import::read(path, meaning);
    }
    let is_run = path.file_name().is_some_and(|name| name == crate::record::store::RUN_FILE);
    if !path.exists() || path.is_dir() || is_run {
        return session.store().load(name).map(|(run, _)| run);
    }
    match own_schema(path)?.as_deref() {
        Some(own) if own.starts_with("perfkit.run/") => {
            let text = std::fs::read_to_string(path)
                .map_err(|error| Error::read(path, error, "name a run.json that perfkit wrote"))?;
            schema::parse(path, &text)
        }
        Some(own) if own.starts_with("perfkit.baseline/") => baseline::read(path).map(|baseline| baseline.run),
        _ => import::read(path, meaning),
    }
}

/// The `schema` of a file of perfkit's own: it stands at the beginning, unless another program wrote it anew.
fn own_schema(path: &Path) -> Result<Option<String>> {
    #[derive(Deserialize)]
    struct Schema {
        schema: String,
    }
    // Only a plain file can be looked at twice.
    if !path.is_file() {
        return Ok(None);
    }
    let wrap = |error| Error::read(path, error, "name a run or a result file");
    let mut head = Vec::new();
    File::open(path).map_err(wrap)?.take(HEAD).read_to_end(&mut head).map_err(wrap)?;
    let text = String::from_utf8_lossy(&head);
    let Some(start) = text.trim_start().strip_prefix('{') else { return Ok(None) };
    let at_the_beginning = start.find("\"schema\"").and_then(|at| {
        let rest = format!("{{{}", &start[at..]);
        let end = rest.find(',').map_or(rest.clone(), |end| format!("{}}}", &rest[..end]));
        serde_json::from_str::<Schema>(&end).ok()
    });
    // What sorts the keys of a document moves it behind the rest; and a document has no order.
    let found = match at_the_beginning {
        Some(found) => Some(found),
        None => serde_json::from_slice(&std::fs::read(path).map_err(wrap)?).ok(),
    };
    Ok(found.map(|found| found.schema))
}
