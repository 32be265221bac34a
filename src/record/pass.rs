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
    /// Every allocation is recorded, and what is alive is looked at again and again in one process.
    Leaks,
    /// Every allocation is recorded from before the workers are set up: what was alive when it was most.
    Memory,
}

impl Pass {
    /// All of them, in the order they are shown.
    pub const ALL: [Self; 5] = [Self::Time, Self::Cpu, Self::Heap, Self::Leaks, Self::Memory];
    /// Those of a profile.
    pub const PROFILE: [Self; 3] = [Self::Time, Self::Cpu, Self::Heap];
    /// Those that can be asked for.
    const ASKED: [Self; 4] = [Self::Time, Self::Cpu, Self::Heap, Self::Memory];

    /// Whether each operation has a row in `ops.csv`: where memory is looked at, the rows would be what is seen.
    #[must_use]
    pub fn keeps_rows(self) -> bool {
        !matches!(self, Self::Leaks | Self::Memory)
    }

    /// The name in flags and files.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Time => "time",
            Self::Cpu => "cpu",
            Self::Heap => "heap",
            Self::Leaks => "leaks",
            Self::Memory => "memory",
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
        Self::ASKED
            .into_iter()
            .find(|pass| pass.name() == text)
            .ok_or_else(|| Error::usage(format!("no pass `{text}`"), "the passes are time, cpu, heap and memory"))
    }
}
