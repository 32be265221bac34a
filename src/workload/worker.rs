//! What a worker is told when it is set up: who it is, and the settings of the run. Holds no state of its own.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use super::{Failure, Need};

/// The settings that every worker of a round shares.
#[derive(Clone, Debug, Default)]
pub struct Context {
    /// The chosen variant; empty where the workload has none.
    pub variant: String,
    /// Every declared parameter with its value.
    pub params: BTreeMap<String, String>,
    /// Where the services answer. May hold credentials: not to be shown.
    pub services: BTreeMap<Need, String>,
    /// `--phase-timeout` as given, by phase name or by the part before its first dot.
    pub phase_timeouts: BTreeMap<String, Duration>,
    /// A folder for the round's own files; removed afterwards.
    pub folder: PathBuf,
    /// The seed of the run.
    pub seed: u64,
}

/// One worker of the load, as its workload sees it.
#[derive(Clone, Debug, Default)]
pub struct Worker {
    index: u32,
    context: Arc<Context>,
}

impl Worker {
    /// Worker number `index` of a round.
    #[must_use]
    pub fn new(index: u32, context: Arc<Context>) -> Self {
        Self { index, context }
    }

    /// Its number, from 0.
    #[must_use]
    pub fn index(&self) -> u32 {
        self.index
    }

    /// A seed of its own, fixed by the run's seed and its number.
    #[must_use]
    pub fn seed(&self) -> u64 {
        // SplitMix64's increment spreads neighbouring indexes over the whole range.
        self.context.seed ^ u64::from(self.index).wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15)
    }

    /// The chosen variant; empty where the workload declares none.
    #[must_use]
    pub fn variant(&self) -> &str {
        &self.context.variant
    }

    /// A declared parameter's value.
    ///
    /// # Errors
    /// The parameter is not declared, or its text does not parse.
    pub fn param<T: FromStr>(&self, name: &str) -> Result<T, Failure> {
        let text = self
            .context
            .params
            .get(name)
            .ok_or_else(|| Failure::new("param", format!("the workload declares no parameter `{name}`")))?;
        text.parse().map_err(|_| Failure::new("param", format!("parameter {name}: `{text}` is not a valid value")))
    }

    /// Where a service that the workload declared answers.
    ///
    /// # Errors
    /// The workload did not declare the need.
    pub fn service(&self, need: Need) -> Result<&str, Failure> {
        self.context.services.get(&need).map(String::as_str).ok_or_else(|| {
            Failure::new("service", format!("the workload does not declare that it needs {}", need.name()))
        })
    }

    /// How long a phase may take: what `--phase-timeout` says of it or of the part before its first dot, else `default`.
    #[must_use]
    pub fn phase_timeout(&self, phase: &str, default: Duration) -> Duration {
        let group = phase.split('.').next().unwrap_or(phase);
        let set = &self.context.phase_timeouts;
        set.get(phase).or_else(|| set.get(group)).copied().unwrap_or(default)
    }

    /// A folder for the round's own files, removed afterwards.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.context.folder
    }
}
