//! Where the base comes from: a stored baseline, a program, a revision, or nowhere.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;

use super::super::{Session, config};
use super::{CheckArgs, Gate, revision};
use crate::error::{Error, Result};
use crate::experiment::{self, Interrupt};
use crate::record::baseline::Baselines;
use crate::record::{Environment, Run};

/// The base of a check.
pub(super) enum Base {
    /// Only the objectives count.
    Nothing,
    /// A stored baseline; by the workload's name where none is given.
    Baseline(Option<String>),
    /// A program whose rounds are run in turn with ours.
    Program(Box<Program>),
}

/// A program that has perfkit in it.
pub(super) struct Program {
    pub(super) path: PathBuf,
    /// Its workloads.
    pub(super) workloads: Vec<String>,
    /// Where and of what it was built.
    pub(super) environment: Environment,
}

impl Base {
    pub(super) fn find(
        session: &Session<'_>,
        arguments: &CheckArgs,
        config: &config::Config,
        interrupt: &Interrupt,
    ) -> Result<Self> {
        if arguments.slo_only {
            return Ok(Self::Nothing);
        }
        if let Some(path) = &arguments.base_bin {
            return Ok(Self::Program(Box::new(Program::ask(path, None)?)));
        }
        if let Some(revision) = &arguments.base_rev {
            let built = revision::build(session, revision, config, interrupt)?;
            return Ok(Self::Program(Box::new(Program::ask(&built.program, Some(built.sha))?)));
        }
        Ok(Self::Baseline(arguments.baseline.clone()))
    }
}

#[derive(Deserialize)]
struct Listed {
    workloads: Vec<Named>,
}

#[derive(Deserialize)]
struct Named {
    name: String,
}

impl Program {
    /// Asks a program what it can run, and where it comes from.
    fn ask(path: &Path, git_sha: Option<String>) -> Result<Self> {
        let hint = "name a program that has perfkit in it: `perfkit` itself, or one whose main calls Suite::main";
        let wrap = |error: crate::BoxError| Error::read(path, error, hint);
        // Without a slash it would be looked for in PATH.
        let path = path.canonicalize().map_err(|error| wrap(error.into()))?;
        let ask = |arguments: &[&str]| -> Result<Option<Vec<u8>>> {
            let output = Command::new(&path).args(arguments).output().map_err(|error| wrap(error.into()))?;
            Ok(output.status.success().then_some(output.stdout))
        };
        // A base from before there was `--all` lists all that it has without it.
        let list = match ask(&["list", "--all", "--format", "json"])? {
            Some(list) => Some(list),
            None => ask(&["list", "--format", "json"])?,
        };
        let listed = list.and_then(|text| serde_json::from_slice::<Listed>(&text).ok());
        let listed = listed.ok_or_else(|| wrap("it does not list its workloads".into()))?;
        let told = ask(&["__environment"])?.and_then(|text| serde_json::from_slice::<Environment>(&text).ok());
        let mut environment = told.unwrap_or_else(|| Environment {
            rustc: "unknown".to_owned(),
            perfkit: "unknown".to_owned(),
            ..experiment::environment()
        });
        // The checkout that this process stands in is that of head.
        environment.command = experiment::environment().command;
        environment.git_sha = git_sha;
        environment.git_dirty = None;
        Ok(Self { path, workloads: listed.workloads.into_iter().map(|named| named.name).collect(), environment })
    }
}

/// The stored baseline, or why it cannot serve here.
pub(super) fn stored(gate: &Gate<'_>, name: &str) -> Result<Result<Run, String>> {
    let baselines = Baselines::new(&gate.session.global.profiles_dir);
    let path = baselines.path(name)?;
    if !path.is_file() {
        return Ok(Err(format!(
            "no baseline `{name}`: save one with `perfkit baseline save {name}`, or give --base-rev"
        )));
    }
    let run = baselines.load(name)?.run;
    let (here, there) = (experiment::environment(), &run.environment);
    let allowed = gate.arguments.policy.allows_mismatch();
    if here.fingerprint == there.fingerprint || allowed {
        return Ok(Ok(run));
    }
    Ok(Err(format!(
        "the baseline is of another machine or build: {}; compare with a program or a revision instead (--base-bin, --base-rev)",
        differing(there, &here)
    )))
}

/// What of the fingerprint differs.
fn differing(there: &Environment, here: &Environment) -> String {
    let series = |environment: &Environment| {
        let kernel = environment.kernel.clone().unwrap_or_default();
        kernel.split('.').take(2).collect::<Vec<_>>().join(".")
    };
    let model = |environment: &Environment| environment.cpu_model.clone().unwrap_or_default();
    let parts = [
        ("processor", model(there), model(here)),
        ("processors", there.cores.to_string(), here.cores.to_string()),
        ("kernel", series(there), series(here)),
        ("compiler", there.rustc.clone(), here.rustc.clone()),
        ("build", there.profile.clone(), here.profile.clone()),
    ];
    let differing: Vec<String> = parts
        .into_iter()
        .filter(|(_, there, here)| there != here)
        .map(|(what, there, here)| format!("{what} {there} there, {here} here"))
        .collect();
    if differing.is_empty() { "its fingerprint differs".to_owned() } else { differing.join("; ") }
}
