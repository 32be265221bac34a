//! What was seen: the [`Run`], plain data that measuring writes and judging reads. Judges nothing, shows nothing.

pub mod allocator;
pub mod baseline;
pub(crate) mod charge;
pub mod component;
pub(crate) mod dhat;
pub mod environment;
pub mod finding;
pub mod folded;
pub mod function;
pub mod growth;
pub mod histogram;
pub mod metric;
pub mod name;
pub mod operation;
pub mod ops;
pub mod pass;
pub mod phase;
pub mod pprof;
pub mod reading;
pub mod round;
pub mod run_id;
pub mod schema;
pub mod series;
pub mod site;
pub mod stacks;
pub mod stall;
pub mod store;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::warning::Warning;
pub use allocator::{Allocator, Holder};
pub use component::Component;
pub use environment::Environment;
pub use finding::{Finding, Severity};
pub use function::Function;
pub use growth::Growth;
pub use metric::Metric;
pub use operation::{ErrorKind, Operations};
pub use phase::Phase;
pub use reading::Reading;
pub use round::Round;
pub use site::Site;
pub use stall::Stall;

/// Everything that was seen of one workload: the content of `run.json`.
///
/// It holds every value of every round, never only a summary; whatever judges reads this and nothing else.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Run {
    /// `perfkit.run/1`.
    pub schema: String,
    /// The run id: sorts by time.
    pub id: String,
    /// The workload's name.
    pub workload: String,
    /// The variant; empty where the workload has only one way.
    #[serde(default)]
    pub variant: String,
    /// What measured it, where that was not perfkit: `csv`, `hyperfine`. Of such a run only the metrics are known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub foreign: Option<String>,
    /// Whether all of it was measured, and whether it means anything.
    pub status: Status,
    /// Why the status is not `complete`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status_reason: Option<String>,
    /// Machine, toolchain, source.
    pub environment: Environment,
    /// How it was driven.
    pub load: Load,
    /// The workload's parameters.
    #[serde(default)]
    pub params: BTreeMap<String, String>,
    /// What it talked to, by name.
    #[serde(default)]
    pub services: BTreeMap<String, Service>,
    /// What became of the operations of the time pass.
    pub operations: Operations,
    /// All metrics, one value for each round.
    #[serde(default)]
    pub metrics: Vec<Metric>,
    /// The rounds that gave those values, pass by pass in the order of the values.
    #[serde(default)]
    pub rounds: Vec<Round>,
    /// The parts of an operation.
    #[serde(default)]
    pub phases: Vec<Phase>,
    /// What the latency is made of and how much of its variance each part has, one value for each round of the time pass.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub components: Vec<Component>,
    /// Polls that held a worker thread, those that delayed others most first; `stalls.jsonl` has all.
    #[serde(default)]
    pub stalls: Vec<Stall>,
    /// CPU time by function.
    #[serde(default)]
    pub functions: Vec<Function>,
    /// Heap allocation by call site.
    #[serde(default)]
    pub sites: Vec<Site>,
    /// Heap allocation by function; of the heap pass.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allocators: Vec<Allocator>,
    /// What functions held when the heap was at its largest, from before the set-up on; of the memory pass.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub holders: Vec<Holder>,
    /// What was alive after each round of a `leaks` session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub growth: Option<Growth>,
    /// What each probe did, and what it cost where that was measured.
    #[serde(default)]
    pub probes: Vec<Probed>,
    /// What the analyses found.
    #[serde(default)]
    pub findings: Vec<Finding>,
    /// What must be known beside the results.
    #[serde(default)]
    pub warnings: Vec<Warning>,
    /// Keys of a newer perfkit, kept as they are.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// Whether a run can be relied on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// All rounds were measured and the workload did its work.
    Complete,
    /// Interrupted, or rounds were lost: what is there is true.
    Partial,
    /// The operations failed or the load generator was not healthy: the numbers are no result.
    Invalid,
}

/// How the workload was driven. The default is a load of which nothing is known.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Load {
    /// `closed` (each operation follows the last) or `open` (operations are due at a rate); of a foreign run what measured it.
    pub model: String,
    /// Workers of a closed load; in an open load the most that were in flight at once.
    pub users: u32,
    /// Operations due in a second; `null` for a closed load.
    pub rate_per_s: Option<f64>,
    /// Length of a round's measured part in seconds; `null` where a number of operations ends it.
    pub duration_s: Option<f64>,
    /// Operations in a round; `null` where the time ends it.
    #[serde(default)]
    pub operations: Option<u64>,
    /// Warm-up before each round's measured part, in seconds.
    #[serde(default)]
    pub warmup_s: f64,
    /// Rounds of each pass.
    pub rounds: u32,
    /// The seed of everything random.
    pub seed: u64,
    /// The runtime: `multi:2` or `current`.
    #[serde(default)]
    pub runtime: String,
    /// The longest an operation may take, in seconds.
    #[serde(default)]
    pub timeout_s: f64,
    /// Stack sampling frequency of the CPU pass, per second of CPU time.
    #[serde(default)]
    pub frequency_hz: u32,
    /// The passes that were asked for.
    #[serde(default)]
    pub passes: Vec<String>,
}

/// A service the workload talked to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Service {
    /// `external`, `spawned` or `embedded`.
    pub kind: String,
    /// The version it told.
    pub version: String,
    /// Where it answered, without credentials.
    #[serde(default)]
    pub address: String,
}

/// What a probe did.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Probed {
    /// The probe.
    pub name: String,
    /// What it cost as a part of the time or CPU; `null` where it was not measured in this run.
    pub overhead: Option<f64>,
    /// Its own facts: stacks taken, frequency reached.
    #[serde(default)]
    pub detail: Map<String, Value>,
}

impl Run {
    /// A run that another program measured: complete, and beside its name nothing is known of it yet.
    #[must_use]
    pub fn foreign(by: &str, id: impl Into<String>, workload: impl Into<String>) -> Self {
        Self {
            schema: schema::VERSION.to_owned(),
            id: id.into(),
            workload: workload.into(),
            variant: String::new(),
            foreign: Some(by.to_owned()),
            status: Status::Complete,
            status_reason: None,
            environment: Environment::default(),
            load: Load { model: by.to_owned(), ..Load::default() },
            params: BTreeMap::new(),
            services: BTreeMap::new(),
            operations: Operations::default(),
            metrics: Vec::new(),
            rounds: Vec::new(),
            phases: Vec::new(),
            components: Vec::new(),
            stalls: Vec::new(),
            functions: Vec::new(),
            sites: Vec::new(),
            allocators: Vec::new(),
            holders: Vec::new(),
            growth: None,
            probes: Vec::new(),
            findings: Vec::new(),
            warnings: Vec::new(),
            extra: Map::new(),
        }
    }

    /// The metric of that name.
    #[must_use]
    pub fn metric(&self, name: &str) -> Option<&Metric> {
        self.metrics.iter().find(|metric| metric.name == name)
    }
}
