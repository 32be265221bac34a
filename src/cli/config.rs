//! `perfkit.toml`: found upward from here, unknown keys refused with the line they stand in.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::analysis;
use crate::error::{Error, Result};

/// The file's name.
pub(super) const FILE: &str = "perfkit.toml";

/// The whole file.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Config {
    /// For all workloads.
    #[serde(default)]
    pub(super) run: Driving,
    /// For single ones; stronger than `run`.
    #[serde(default)]
    pub(super) workload: BTreeMap<String, Driving>,
    /// Margins by workload (`*`: every one) and metric.
    #[serde(default)]
    pub(super) compare: BTreeMap<String, BTreeMap<String, Margins>>,
    /// Objectives by workload (`*`: every one).
    #[serde(default)]
    pub(super) slo: BTreeMap<String, Vec<String>>,
    /// Regressions that were accepted.
    #[serde(default)]
    pub(super) accept: Vec<Accept>,
    /// What `check` does without flags.
    #[serde(default)]
    pub(super) check: Check,
}

/// The section that stands for every workload.
pub(super) const EVERY: &str = "*";

/// What counts as worse for one metric.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Margins {
    pub(super) fail: Option<String>,
    pub(super) warn: Option<String>,
    pub(super) min_effect: Option<String>,
    pub(super) gate: Option<bool>,
}

/// A regression that was accepted.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Accept {
    pub(super) workload: String,
    pub(super) metric: String,
    pub(super) change: String,
    pub(super) reason: String,
    #[serde(default)]
    pub(super) commit: String,
}

/// What `check` does without flags.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Check {
    /// The workloads that are checked.
    #[serde(default)]
    pub(super) workloads: Vec<String>,
    pub(super) budget: Option<String>,
    /// The shell command that builds the base in its checkout; it leaves the program at `program`.
    pub(super) build: Option<String>,
    /// Where that command leaves the program, below the checkout.
    pub(super) program: Option<String>,
}

/// How a workload is driven. The names are those of the flags, with `_` for `-`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Driving {
    pub(super) users: Option<u32>,
    pub(super) rate: Option<String>,
    pub(super) operations: Option<u64>,
    pub(super) duration: Option<String>,
    pub(super) warmup: Option<String>,
    pub(super) rounds: Option<u32>,
    pub(super) seed: Option<u64>,
    pub(super) timeout: Option<String>,
    pub(super) variant: Option<String>,
    pub(super) runtime: Option<String>,
    pub(super) passes: Option<Vec<String>>,
    pub(super) frequency: Option<u32>,
    pub(super) sampler: Option<String>,
    pub(super) recorder: Option<String>,
    pub(super) stall_threshold: Option<String>,
    pub(super) min_success: Option<String>,
    #[serde(default)]
    pub(super) param: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) phase_timeout: BTreeMap<String, String>,
}

impl Driving {
    /// This where it says something, else the other.
    fn over(self, other: Driving) -> Driving {
        let join = |mut low: BTreeMap<String, String>, high: BTreeMap<String, String>| {
            low.extend(high);
            low
        };
        Driving {
            users: self.users.or(other.users),
            rate: self.rate.or(other.rate),
            operations: self.operations.or(other.operations),
            duration: self.duration.or(other.duration),
            warmup: self.warmup.or(other.warmup),
            rounds: self.rounds.or(other.rounds),
            seed: self.seed.or(other.seed),
            timeout: self.timeout.or(other.timeout),
            variant: self.variant.or(other.variant),
            runtime: self.runtime.or(other.runtime),
            passes: self.passes.or(other.passes),
            frequency: self.frequency.or(other.frequency),
            sampler: self.sampler.or(other.sampler),
            recorder: self.recorder.or(other.recorder),
            stall_threshold: self.stall_threshold.or(other.stall_threshold),
            min_success: self.min_success.or(other.min_success),
            param: join(other.param, self.param),
            phase_timeout: join(other.phase_timeout, self.phase_timeout),
        }
    }
}

impl Config {
    /// The workloads that margins, objectives and acceptances speak of.
    pub(super) fn judged_workloads(&self) -> impl Iterator<Item = &str> {
        let sections = self.compare.keys().chain(self.slo.keys()).filter(|name| *name != EVERY);
        let names: BTreeSet<&str> =
            sections.chain(self.accept.iter().map(|accept| &accept.workload)).map(String::as_str).collect();
        names.into_iter()
    }

    /// What the file says of one workload.
    pub(super) fn driving(&self, workload: &str) -> Driving {
        let own = self.workload.get(workload).cloned().unwrap_or_default();
        own.over(self.run.clone())
    }
}

/// Reads the configuration: the named file, or the nearest one upward from here, or none.
///
/// # Errors
/// The named file is missing, or the file cannot be read or understood.
pub(super) fn load(named: Option<&Path>) -> Result<(Config, PathBuf)> {
    let path = match named {
        Some(path) => path.to_path_buf(),
        None => match search() {
            Some(path) => path,
            None => return Ok((Config::default(), PathBuf::new())),
        },
    };
    let text = std::fs::read_to_string(&path)
        .map_err(|error| Error::read(&path, error, "name an existing file with --config"))?;
    let config = toml::from_str(&text).map_err(|error| {
        let message = error.to_string();
        let message = message.trim_end().to_owned();
        let hint =
            "the keys are those of the flags with _ for -, and those of docs/ci.md; names with a dot need quotes";
        Error::read(&path, message, hint)
    })?;
    Ok((config, path))
}

pub(super) fn search() -> Option<PathBuf> {
    let here = std::env::current_dir().ok()?;
    here.ancestors().map(|folder| folder.join(FILE)).find(|path| path.is_file())
}

/// Refuses rules that no analysis has.
pub(super) fn check_rules(rules: &[String]) -> Result<()> {
    let verdicts = super::judge::RULES.iter().map(|(rule, _)| *rule);
    let known: Vec<&str> = analysis::ALL.iter().map(|analysis| analysis.rule).chain(verdicts).collect();
    match rules.iter().find(|rule| !known.contains(&rule.as_str())) {
        None => Ok(()),
        Some(rule) => Err(Error::usage(format!("no rule `{rule}`"), format!("the rules are {}", known.join(", ")))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_workload_is_stronger_than_the_rest_and_unknown_keys_are_refused() {
        let text = "[run]\nusers = 3\nrounds = 2\n[workload.chat]\nusers = 7\nparam = { history = \"4\" }\n";
        let config: Config = toml::from_str(text).unwrap();
        let chat = config.driving("chat");
        assert_eq!((chat.users, chat.rounds, chat.param["history"].as_str()), (Some(7), Some(2), "4"));
        assert_eq!(config.driving("other").users, Some(3));
        let error = toml::from_str::<Config>("[run]\nuzers = 3\n").unwrap_err().to_string();
        assert!(error.contains("line 2") && error.contains("uzers"), "{error}");
    }
}
