//! Baselines: runs that later ones are compared with, one self-contained JSON file each, made to be committed and reviewed. A run
//! that is invalid or partial is refused.

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::store::{self, folder_name};
use super::{Run, Status};
use crate::error::{Error, Result};

/// The `schema` of a baseline.
pub const SCHEMA: &str = "perfkit.baseline/1";

/// A function with less of the CPU time than this, with all that it calls, is never compared.
const LEAST_SHARE: f64 = 0.001;

/// The folder below the runs.
const FOLDER: &str = "baselines";

/// A run that others are compared with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Baseline {
    /// `perfkit.baseline/1`.
    pub schema: String,
    /// Its name: that of its file.
    pub name: String,
    /// What was measured, without what only matters where it was measured.
    pub run: Run,
}

/// The folder of baselines.
#[derive(Clone, Debug)]
pub struct Baselines {
    folder: PathBuf,
}

impl Baselines {
    /// Those below a folder of runs.
    #[must_use]
    pub fn new(profiles: &Path) -> Self {
        Self { folder: profiles.join(FOLDER) }
    }

    /// The file of a baseline.
    ///
    /// # Errors
    /// The name is no plain name.
    pub fn path(&self, name: &str) -> Result<PathBuf> {
        if name.is_empty() || folder_name(name) != name {
            let hint = "a baseline's name is letters, digits, `_`, `-` and `.`, and begins with none of the last two";
            return Err(Error::usage(format!("`{name}` is no name for a baseline"), hint));
        }
        Ok(self.folder.join(format!("{name}.json")))
    }

    /// Saves a run; one of the same name is replaced.
    ///
    /// # Errors
    /// The run is not complete, or the file cannot be written.
    pub fn save(&self, name: &str, run: &Run) -> Result<PathBuf> {
        let path = self.path(name)?;
        if run.status != Status::Complete {
            let reason = run.status_reason.as_deref().unwrap_or("no reason given");
            let hint = "a baseline must be complete: measure again, and save that run";
            return Err(Error::usage(format!("run {} is no baseline: {reason}", run.id), hint));
        }
        let baseline = Baseline { schema: SCHEMA.to_owned(), name: name.to_owned(), run: portable(run) };
        let mut text = serde_json::to_string_pretty(&baseline).map_err(Error::internal)?;
        text.push('\n');
        fs::create_dir_all(&self.folder).map_err(|error| Error::write(&self.folder, error))?;
        store::write_atomically(&path, text.as_bytes())?;
        Ok(path)
    }

    /// Loads a baseline.
    ///
    /// # Errors
    /// There is none of that name, or it is damaged.
    pub fn load(&self, name: &str) -> Result<Baseline> {
        let path = self.path(name)?;
        if !path.is_file() {
            let names = self.names();
            let hint = if names.is_empty() {
                format!("{} holds none yet; make one with `perfkit baseline save {name}`", self.folder.display())
            } else {
                format!("there are: {}", names.join(", "))
            };
            return Err(Error::usage(format!("no baseline `{name}`"), hint));
        }
        read(&path)
    }

    /// Removes a baseline.
    ///
    /// # Errors
    /// There is none of that name, or it cannot be removed.
    pub fn remove(&self, name: &str) -> Result<PathBuf> {
        let path = self.path(name)?;
        if !path.is_file() {
            return self.load(name).map(|_| path);
        }
        fs::remove_file(&path).map_err(|error| Error::write(&path, error))?;
        Ok(path)
    }

    /// Their names, in alphabetical order.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        let name = |path: PathBuf| {
            let name = path.file_name()?.to_str()?.strip_suffix(".json")?.to_owned();
            (!name.starts_with('.')).then_some(name)
        };
        let mut names: Vec<String> = entries.filter_map(|entry| name(entry.path())).collect();
        names.sort();
        names
    }
}

/// Reads a baseline's file.
///
/// # Errors
/// It cannot be read, or is no baseline.
pub fn read(path: &Path) -> Result<Baseline> {
    let hint = "name a baseline that `perfkit baseline save` wrote";
    let text = fs::read_to_string(path).map_err(|error| Error::read(path, error, hint))?;
    let baseline: Baseline = serde_json::from_str(&text).map_err(|error| Error::read(path, error, hint))?;
    if baseline.schema == SCHEMA && baseline.run.schema == super::schema::VERSION {
        return Ok(baseline);
    }
    let message = format!(
        "its schema is {} with a run of {}, not {SCHEMA} with {}",
        baseline.schema,
        baseline.run.schema,
        super::schema::VERSION
    );
    Err(Error::read(path, message, "it was written by another version of perfkit: save it anew"))
}

/// The run without paths, arguments and variables of the machine it was made on, and without what comparing never reads.
fn portable(run: &Run) -> Run {
    let mut run = run.clone();
    // The id of a foreign file is its path.
    if run.foreign.is_some()
        && let Some(name) = Path::new(&run.id).file_name()
    {
        run.id = name.to_string_lossy().into_owned();
    }
    run.environment.command = Vec::new();
    run.environment.variables.clear();
    run.probes = Vec::new();
    run.findings = Vec::new();
    run.sites = Vec::new();
    let mean = |function: &super::Function| {
        function.total_ns_per_op.iter().sum::<f64>() / function.total_ns_per_op.len().max(1) as f64
    };
    let most = run.functions.iter().map(mean).fold(0.0, f64::max);
    run.functions.retain(|function| mean(function) >= most * LEAST_SHARE);
    for service in run.services.values_mut() {
        service.address = String::new();
    }
    run
}
