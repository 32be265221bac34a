//! The passes of a profile: what is watched together in one process, and what never is.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::Error;

/// One pass; each of its rounds is a process of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pass {
    /// Nothing heavy: every latency comes from here.
    Time,
    /// Stacks are sampled.
    Cpu,
    /// Every allocation is recorded. Never in one process with `Cpu`: the stacks would be those of the recorder.
    Heap,
}

impl Pass {
    /// All of them, in the order they are shown.
    pub const ALL: [Self; 3] = [Self::Time, Self::Cpu, Self::Heap];

    /// The name in flags and files.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Time => "time",
            Self::Cpu => "cpu",
            Self::Heap => "heap",
        }
    }
}

impl fmt::Display for Pass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Pass {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Self::ALL
            .into_iter()
            .find(|pass| pass.name() == text)
            .ok_or_else(|| Error::usage(format!("no pass `{text}`"), "the passes are time, cpu and heap"))
    }
}
