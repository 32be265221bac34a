//! What is to be measured, with every setting decided.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::load::Load;
use crate::probe::cpu::Sampler;
use crate::probe::heap::Recorder;
use crate::record::pass::Pass;
use crate::suite::Suite;
use crate::workload::Need;

/// A plan: flags over environment over `perfkit.toml` over defaults, already merged.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The workload's name.
    pub workload: String,
    /// Its variant; empty where it has none.
    pub variant: String,
    /// Every declared parameter with its value.
    pub params: BTreeMap<String, String>,
    /// How it is driven.
    pub load: Load,
    /// Rounds of each pass.
    pub rounds: u32,
    /// What is watched, in this order.
    pub passes: Vec<Pass>,
    /// The seed of everything random.
    pub seed: u64,
    /// The runtime it runs on.
    pub runtime: Flavor,
    /// Stacks per second of CPU time in the CPU pass.
    pub frequency_hz: u32,
    /// What takes these stacks.
    pub samplers: Samplers,
    /// What records the heap.
    pub recorder: Recorder,
    /// How a `leaks` session goes on.
    pub growth: GrowthPlan,
    /// A poll that holds its worker thread for longer is a stall.
    pub stall_threshold: Duration,
    /// Services that the user runs; may hold credentials.
    pub service_urls: BTreeMap<Need, String>,
    /// Timeouts of phases.
    pub phase_timeouts: BTreeMap<String, Duration>,
    /// The success rate below which nothing of the run is a result.
    pub floor: f64,
    /// The program that runs the rounds; `None`: this one.
    pub executable: Option<PathBuf>,
}

/// A poll that holds its worker thread for longer is a stall, where nobody says otherwise.
pub const STALL_THRESHOLD: Duration = Duration::from_millis(10);

/// How a `leaks` session goes on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GrowthPlan {
    /// Operations of a round; `None`: so many as take a twentieth of a second, and at least 200.
    pub operations: Option<u64>,
    /// How long all rounds together take, where that is given instead.
    pub duration: Option<Duration>,
    /// What ends it.
    pub until: Until,
}

/// What ends a `leaks` session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Until {
    /// 24 rounds where nothing grows, 48 where something does.
    #[default]
    Confirmed,
    /// As long as it is not decided, but at most 64 times as many operations.
    Decided,
}

/// What takes stacks in the rounds of the CPU pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Samplers {
    /// The jittered one and pprof in turn: each round checks the one before.
    InTurn,
    /// One alone.
    Only(Sampler),
}

impl Samplers {
    /// What takes the stacks of a round.
    pub(super) fn of_round(self, round: u32) -> Sampler {
        match self {
            Self::Only(sampler) => sampler,
            Self::InTurn if round.is_multiple_of(2) => Sampler::Jittered,
            Self::InTurn => Sampler::Pprof,
        }
    }
}

impl FromStr for Samplers {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        match text {
            "both" => Ok(Self::InTurn),
            "pprof" => Ok(Self::Only(Sampler::Pprof)),
            "jittered" => Ok(Self::Only(Sampler::Jittered)),
            other => Err(Error::usage(format!("there is no sampler `{other}`"), "it is `both`, `pprof` or `jittered`")),
        }
    }
}

/// What an order of an older program means.
pub(super) fn default_sampler() -> Sampler {
    Sampler::Pprof
}

/// What an order of an older program means.
pub(super) fn default_stall_threshold() -> Duration {
    STALL_THRESHOLD
}

/// The kind of tokio runtime.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Flavor {
    /// So many worker threads.
    Multi(usize),
    /// One thread for everything.
    Current,
}

impl Default for Flavor {
    fn default() -> Self {
        Self::Multi(std::thread::available_parallelism().map_or(2, std::num::NonZeroUsize::get))
    }
}

impl fmt::Display for Flavor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Multi(workers) => write!(f, "multi:{workers}"),
            Self::Current => f.write_str("current"),
        }
    }
}

impl FromStr for Flavor {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let wrong = || {
            Error::usage(format!("no runtime `{text}`"), "give `current`, `multi` or `multi:N` with N from 1 to 1024")
        };
        match text.split_once(':') {
            None if text == "current" => Ok(Self::Current),
            None if text == "multi" => Ok(Self::default()),
            Some(("multi", workers)) => {
                let workers: usize = workers.parse().map_err(|_| wrong())?;
                if (1..=1024).contains(&workers) { Ok(Self::Multi(workers)) } else { Err(wrong()) }
            }
            _ => Err(wrong()),
        }
    }
}

/// The error for a name that no workload has: the nearest one and the list.
pub(crate) fn unknown_workload(suite: &Suite, name: &str) -> Error {
    let names: Vec<&str> = suite.entries().iter().map(|entry| entry.name.as_str()).collect();
    // As in a plain `list`: those with a fault on purpose are for who knows them.
    let healthy = suite.entries().iter().filter(|entry| entry.describe().fault.is_none());
    let shown = healthy.map(|entry| entry.name.as_str()).collect::<Vec<_>>().join(", ");
    let hint = match nearest(name, &names) {
        Some(near) => format!("did you mean `{near}`? there are: {shown}"),
        None if names.is_empty() => "this suite has no workloads".to_owned(),
        None => format!("there are: {shown}"),
    };
    Error::usage(format!("no workload `{name}`"), hint)
}

/// The name with the fewest edits, if it is near enough to be meant.
pub(crate) fn nearest<'a>(name: &str, names: &[&'a str]) -> Option<&'a str> {
    let scored = names.iter().map(|known| (distance(name, known), *known));
    scored
        .min()
        .filter(|(edits, known)| *edits <= known.chars().count().max(name.chars().count()) / 2)
        .map(|(_, known)| known)
}

/// Edits between two words: insertions, deletions, replacements (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, to) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_keys_finds_the_name_and_nonsense_does_not() {
        assert_eq!(nearest("chta", &["chat", "noop"]), Some("chat"));
        assert_eq!(nearest("zzzzzz", &["chat", "noop"]), None);
        assert_eq!(distance("kitten", "sitting"), 3);
    }

    #[test]
    fn runtimes_read_back_as_they_are_written() {
        for text in ["current", "multi:3"] {
            assert_eq!(text.parse::<Flavor>().unwrap().to_string(), text);
        }
        for text in ["multi:0", "multi:x", "single", ""] {
            assert!(text.parse::<Flavor>().is_err(), "{text}");
        }
    }
}
