//! What was alive after each of several rounds of equally many operations, in one process: what a verdict on leaks reads. Judges
//! nothing.

use serde::{Deserialize, Serialize};

use crate::unit::Unit;

/// What grew, or did not, from round to round.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Growth {
    /// Operations that had been done after each round, since the first began.
    pub operations: Vec<u64>,
    /// Rounds that are the warm-up: caches fill, pools grow.
    pub warm_up: u32,
    /// What was counted after each round.
    pub quantities: Vec<Quantity>,
    /// Tasks that were alive after each round, by the place where they were spawned.
    #[serde(default)]
    pub tasks: Vec<Alive>,
}

/// One quantity after each round.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Quantity {
    /// `heap.live`, `heap.blocks`, `rss`, `threads`, `descriptors`, `tasks`.
    pub name: String,
    /// Its unit.
    pub unit: Unit,
    /// Its values.
    pub values: Vec<f64>,
}

/// Tasks of one place.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Alive {
    /// Where they were spawned: `src/shop.rs:10:5`.
    pub spawned_at: String,
    /// How many were alive after each round.
    pub values: Vec<f64>,
}

impl Growth {
    /// The quantity of that name.
    #[must_use]
    pub fn quantity(&self, name: &str) -> Option<&Quantity> {
        self.quantities.iter().find(|quantity| quantity.name == name)
    }

    /// Operations of one round: the most that lie between two looks.
    #[must_use]
    pub fn operations_per_round(&self) -> u64 {
        let first = self.operations.first().copied().unwrap_or(0);
        self.operations.windows(2).map(|pair| pair[1].saturating_sub(pair[0])).max().unwrap_or(first)
    }
}
