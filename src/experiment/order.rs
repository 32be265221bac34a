//! What parent and child say to each other: the order on the child's stdin, lines on its stdout, a result file.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::plan::{self, Flavor, Plan};
use crate::error::{Error, Result};
use crate::load::{Load, Model, Schedule};
use crate::probe::cpu::Sampler;
use crate::probe::heap::Recorder;
use crate::record::Reading;
use crate::record::operation::Operations;
use crate::record::pass::Pass;
use crate::record::reading::RoundValue;
use crate::record::store::Draft;
use crate::warning::Warning;

/// One round to be run. Goes over stdin, because it may hold credentials.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Order {
    pub(super) workload: String,
    pub(super) variant: String,
    pub(super) params: BTreeMap<String, String>,
    pub(super) pass: Pass,
    pub(super) round: u32,
    pub(super) users: Option<u32>,
    pub(super) rate_per_s: Option<f64>,
    pub(super) duration: Duration,
    pub(super) operations: Option<u64>,
    pub(super) warmup: Duration,
    pub(super) timeout: Duration,
    pub(super) seed: u64,
    pub(super) runtime: Flavor,
    pub(super) frequency_hz: u32,
    #[serde(default = "plan::default_sampler")]
    pub(super) sampler: Sampler,
    #[serde(default)]
    pub(super) recorder: Recorder,
    /// How a `leaks` session goes on.
    #[serde(default)]
    pub(super) growth: plan::GrowthPlan,
    #[serde(default = "plan::default_stall_threshold")]
    pub(super) stall_threshold: Duration,
    pub(super) services: BTreeMap<String, String>,
    pub(super) phase_timeouts: BTreeMap<String, Duration>,
    /// The round's own folder, where its results go.
    pub(super) folder: PathBuf,
    /// The parent's process id: the child ends when it is gone.
    pub(super) parent: u32,
    #[serde(skip)]
    pub(super) executable: Option<PathBuf>,
}

/// What recording every block costs a program that allocates much: its operations may take longer by it.
const EXACT_FACTOR: u32 = 10;

impl Order {
    pub(super) fn new(
        plan: &Plan,
        pass: Pass,
        round: u32,
        services: BTreeMap<String, String>,
        draft: &Draft,
    ) -> Result<Self> {
        let folder = draft.folder().join(".rounds").join(format!("{pass}-{round}"));
        std::fs::create_dir_all(&folder).map_err(|error| Error::write(&folder, error))?;
        // Operations of the heap pass are fewer by what its recorder costs, and may take longer by it.
        let (slowness, patience) = match pass {
            Pass::Time | Pass::Cpu => (1, 1),
            Pass::Heap => (plan.recorder.slowness(), plan.recorder.slowness()),
            Pass::Leaks | Pass::Memory => (1, EXACT_FACTOR),
        };
        let (users, rate_per_s) = match &plan.load.model {
            Model::Closed { users } => (Some(*users), None),
            Model::Open { schedule } => (None, Some(schedule.mean_rate())),
        };
        let fewer = |operations: u64| {
            let least = u64::from(users.unwrap_or(1)) * 10;
            if slowness > 1 { (operations / u64::from(slowness)).max(operations.min(least)) } else { operations }
        };
        let longer = |limit: Duration| limit * patience;
        let phase_timeouts = plan.phase_timeouts.iter().map(|(name, limit)| (name.clone(), longer(*limit)));
        Ok(Self {
            workload: plan.workload.clone(),
            variant: plan.variant.clone(),
            params: plan.params.clone(),
            pass,
            round,
            users,
            rate_per_s: rate_per_s.map(|rate| if slowness > 1 { (rate / f64::from(slowness)).max(1.0) } else { rate }),
            duration: plan.load.duration,
            operations: plan.load.operations.map(fewer),
            warmup: plan.load.warmup,
            timeout: longer(plan.load.timeout),
            seed: plan.seed,
            runtime: plan.runtime,
            frequency_hz: plan.frequency_hz,
            sampler: plan.samplers.of_round(round),
            recorder: plan.recorder,
            growth: plan.growth.clone(),
            stall_threshold: plan.stall_threshold,
            services,
            phase_timeouts: phase_timeouts.collect(),
            folder,
            parent: std::process::id(),
            executable: plan.executable.clone(),
        })
    }

    /// The load as the driver wants it.
    pub(super) fn load(&self) -> Load {
        let model = match self.rate_per_s {
            Some(rate) => Model::Open { schedule: Schedule::constant(rate, self.duration) },
            None => Model::Closed { users: self.users.unwrap_or(1) },
        };
        // Rounds of a `leaks` session end by a number that is said between them.
        // Its warm-up is some of them.
        let (operations, warmup) = match self.pass {
            Pass::Leaks => (Some(1), Duration::ZERO),
            _ => (self.operations, self.warmup),
        };
        Load { model, duration: self.duration, operations, warmup, timeout: self.timeout }
    }
}

/// A line of the child's stdout.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Line {
    /// Where the round is.
    Progress { operations: u64, ok: u64, measuring: bool },
    /// The result file is written.
    Done,
    /// Nothing was measured, for a reason that lies with the workload or the order.
    Refused(Refusal),
}

/// Why a child refused its order.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Refusal {
    pub(super) kind: RefusalKind,
    pub(super) message: String,
    pub(super) hint: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum RefusalKind {
    Workload,
    Write,
    Other,
}

impl Refusal {
    pub(super) fn of(error: &Error) -> Self {
        let kind = match error {
            Error::Workload { .. } | Error::Service { .. } => RefusalKind::Workload,
            Error::Write { .. } => RefusalKind::Write,
            _ => RefusalKind::Other,
        };
        // A workload's name is added by the parent, which knows it.
        let message = match error {
            Error::Workload { source, .. } => source.to_string(),
            other => other.to_string(),
        };
        Self { kind, message, hint: error.hint().to_owned() }
    }

    /// The error that stops the run.
    pub(super) fn named(self, workload: &str) -> Error {
        match self.kind {
            RefusalKind::Workload => {
                Error::Workload { name: workload.to_owned(), source: self.message.into(), hint: self.hint }
            }
            RefusalKind::Write => Error::write("the round's folder", std::io::Error::other(self.message)),
            RefusalKind::Other => Error::internal(format!("{}; {}", self.message, self.hint)),
        }
    }
}

/// What a round gave, as the child writes it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RoundResult {
    /// Its pass.
    pub pass: Pass,
    /// Its number within the pass.
    pub round: u32,
    /// When its measured part began, since 1970.
    pub began: Duration,
    /// From the start of the measured part to the end of the last operation.
    pub elapsed: Duration,
    /// What became of the operations.
    pub operations: Operations,
    /// Values of the round that come from the load itself.
    pub values: Vec<RoundValue>,
    /// Latencies of good operations at the places that a run keeps.
    #[serde(default)]
    pub places: Vec<f64>,
    /// What the probes saw.
    pub readings: Vec<Reading>,
    /// Latencies of good operations, an HdrHistogram in V2 form.
    pub histogram: Vec<u8>,
    /// The sum of the latencies of good operations, in nanoseconds.
    pub latency_sum_ns: f64,
    /// Workers: the most operations that could be in flight.
    pub workers: u32,
    /// Whether the breaker ended it.
    pub broken: bool,
    /// The load generator's own health, in an open load.
    pub generator: Option<Generator>,
    /// Metrics that fall among operations that never finished.
    pub censored: Vec<String>,
    /// What was lost.
    pub warnings: Vec<Warning>,
}

/// How well the generator kept its schedule.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Generator {
    /// 99 of 100 operations were handed over no later than this.
    pub lateness_p99_ns: f64,
    /// CPU time of the pacing thread as a part of the time it paced.
    pub cpu_share: Option<f64>,
}

impl RoundResult {
    /// The file's name in the round's folder.
    pub(super) const FILE: &str = "result.json";

    /// The value of that name.
    pub(super) fn value(&self, name: &str) -> Option<f64> {
        self.values.iter().find(|value| value.name == name).and_then(|value| value.value)
    }

    pub(super) fn median_ns(&self) -> Option<f64> {
        self.value("latency.p50")
    }

    /// Reads what a child wrote.
    pub(super) fn load(folder: &Path) -> Result<Self> {
        let path = folder.join(Self::FILE);
        let failed =
            |error: crate::BoxError| Error::read(&path, error, "the round's process was killed while it wrote");
        let text = std::fs::read(&path).map_err(|error| failed(error.into()))?;
        serde_json::from_slice(&text).map_err(|error| failed(error.into()))
    }
}
