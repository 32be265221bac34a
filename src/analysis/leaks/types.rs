//! What a `leaks` session says, as data: the document `perfkit.leaks/1`.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::record::Status;
use crate::record::stacks::Frame;
use crate::unit::Unit;
use crate::warning::Warning;

/// The document's schema.
pub const SCHEMA: &str = "perfkit.leaks/1";

/// What became of something that was counted after each round.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Flat, falling, or nothing beyond noise.
    Ok,
    /// It rose and slowed down: a cache that filled.
    WarmUp,
    /// Too few rounds or operations to tell.
    Inconclusive,
    /// What is resident grows, what is alive does not: the allocator keeps it.
    Retention,
    /// It rises without bound so far, but no blocks are added (a container), or the growth was not confirmed.
    Growing,
    /// Something is added that is never freed, at a rate that does not slow down; confirmed at twice the length.
    Leak,
}

/// A rate with its interval at the document's confidence.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Rate {
    /// Per operation.
    pub estimate: f64,
    /// The lower end.
    pub low: f64,
    /// The upper end.
    pub high: f64,
}

/// Everything that was judged, the worst first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Leaks {
    /// `perfkit.leaks/1`.
    pub schema: Cow<'static, str>,
    /// The run's id.
    pub run: String,
    /// The workload.
    pub workload: String,
    /// Its variant; empty where it has none.
    pub variant: String,
    /// Whether all of it was measured, and whether it means anything.
    pub status: Status,
    /// Why the status is not `complete`.
    pub status_reason: Option<String>,
    /// The worst of all verdicts.
    pub verdict: Verdict,
    /// The confidence of the intervals.
    pub confidence: f64,
    /// Operations of the session, those of the warm-up rounds included.
    pub operations: u64,
    /// Operations in each round.
    pub operations_per_round: u64,
    /// Rounds.
    pub rounds: u32,
    /// Rounds at the start that are not judged.
    pub warm_up_rounds: u32,
    /// Live heap, resident memory, threads, descriptors, tasks.
    pub quantities: Vec<Judged>,
    /// Call sites whose live bytes are not flat.
    pub sites: Vec<JudgedSite>,
    /// Places that spawn tasks whose number is not flat.
    pub tasks: Vec<Judged>,
    /// Operations of a whole session that would decide, where it is not decided and that can be said.
    pub operations_needed: Option<u64>,
    /// What must be known beside it.
    pub warnings: Vec<Warning>,
}

/// The verdict on one quantity, or on the tasks of one place.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Judged {
    /// `heap.live`, `rss`, `threads`; of tasks where they were spawned.
    pub name: String,
    /// The unit of its values.
    pub unit: Unit,
    /// What became of it.
    pub verdict: Verdict,
    /// How much it grows per operation.
    pub rate: Option<Rate>,
    /// Its value after the first round and after the last.
    pub first: f64,
    /// The last.
    pub last: f64,
}

/// The verdict on one call site.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct JudgedSite {
    /// The nearest function of the program.
    pub function: String,
    /// Its file and line; empty where that is not known.
    pub place: String,
    /// What became of it.
    pub verdict: Verdict,
    /// Bytes per operation.
    pub rate: Option<Rate>,
    /// Blocks per operation.
    pub blocks: Option<Rate>,
    /// Bytes alive at the end.
    pub live_bytes: f64,
    /// Blocks alive at the end.
    pub live_blocks: f64,
    /// Operations after which it was first seen to hold something.
    pub first_seen: u64,
    /// Operations after which it last held more than before.
    pub last_grown: u64,
    /// Where the task was spawned that allocated; empty where that is not known.
    pub task: String,
    /// The stack, the allocation first.
    pub stack: Vec<Frame>,
}
