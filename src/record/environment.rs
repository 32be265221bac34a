//! Where a run was made: machine, toolchain, source. Plain data; gathered elsewhere.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The environment block of `run.json`. Everything is present or null, never guessed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Environment {
    /// The processor's name.
    pub cpu_model: Option<String>,
    /// Processors this process may use.
    pub cores: u32,
    /// Kernel release.
    pub kernel: Option<String>,
    /// Memory of the machine in bytes.
    #[serde(default)]
    pub memory_bytes: Option<u64>,
    /// Compiler that built the program.
    pub rustc: String,
    /// `debug` or `release`.
    #[serde(default)]
    pub profile: String,
    /// Whether tokio was built with `tokio_unstable`.
    #[serde(default)]
    pub tokio_unstable: bool,
    /// perfkit's version.
    #[serde(default)]
    pub perfkit: String,
    /// Commit of the source, where the run was made in a git checkout.
    pub git_sha: Option<String>,
    /// Whether the checkout had uncommitted changes.
    pub git_dirty: Option<bool>,
    /// Frequency governor.
    #[serde(default)]
    pub governor: Option<String>,
    /// Load average over one minute before the run.
    #[serde(default)]
    pub load_average: Option<f64>,
    /// When the run started, RFC 3339 in UTC.
    #[serde(default)]
    pub started_at: String,
    /// The command line, without credentials.
    #[serde(default)]
    pub command: Vec<String>,
    /// Environment variables that change what is measured; an allow-list.
    #[serde(default)]
    pub variables: BTreeMap<String, String>,
    /// Hash of what must be equal for two runs to be comparable: CPU model, cores, kernel series, compiler, profile.
    pub fingerprint: String,
}
