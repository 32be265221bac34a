//! Measurements that nobody made: the same rows from the same seed, on every machine, so that a verdict is the same in every test.

use std::fs;

use crate::place::Place;

/// Operations in rounds, around a middle.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rows {
    pub(crate) seed: u64,
    pub(crate) rounds: u32,
    /// Operations in each.
    pub(crate) operations: u32,
    /// Nanoseconds.
    pub(crate) middle: f64,
    /// How far the rounds lie apart, as a part of the middle.
    pub(crate) apart: f64,
}

impl Rows {
    /// Six quiet rounds of 320 operations: enough for every percentile, and for a verdict.
    pub(crate) fn around(middle: f64, seed: u64) -> Self {
        Self { seed, rounds: 6, operations: 320, middle, apart: 0.01 }
    }

    /// A row for each operation.
    pub(crate) fn csv(&self) -> String {
        let mut random = Random(self.seed);
        let mut text = String::from("round,value\n");
        for round in 0..self.rounds {
            let level = self.middle * (self.apart * random.normal()).exp();
            for _ in 0..self.operations {
                let value = level * (0.1 * random.normal()).exp();
                text.push_str(&format!("{round},{value:.0}\n"));
            }
        }
        text
    }

    /// A row for each round.
    pub(crate) fn csv_of_rounds(&self) -> String {
        let mut random = Random(self.seed);
        let mut text = String::from("round,value\n");
        for round in 0..self.rounds {
            text.push_str(&format!("{round},{:.0}\n", self.middle * (self.apart * random.normal()).exp()));
        }
        text
    }

    /// Writes the operations to a file of the place.
    pub(crate) fn write(&self, place: &Place, name: &str) {
        write(place, name, self.csv());
    }
}

/// Writes a file of the place.
pub(crate) fn write(place: &Place, name: &str, content: impl AsRef<[u8]>) {
    fs::write(place.path().join(name), content).unwrap();
}

/// A place with `base.csv`, the slower `slow.csv`, the faster `fast.csv`, and `same.csv`, which is as fast.
pub(crate) fn measured() -> Place {
    let place = Place::new();
    for (name, middle, seed) in
        [("base.csv", 1e6, 1), ("slow.csv", 1.4e6, 2), ("fast.csv", 0.75e6, 3), ("same.csv", 1e6, 4)]
    {
        Rows::around(middle, seed).write(&place, name);
    }
    place
}

/// The same with a value for each round: what it says is less, and said sooner. Read with `--values rounds`.
pub(crate) fn measured_rounds() -> Place {
    let place = Place::new();
    for (name, middle, seed) in [("base.csv", 1e6, 1), ("slow.csv", 1.4e6, 2), ("same.csv", 1e6, 4)] {
        write(&place, name, Rows::around(middle, seed).csv_of_rounds());
    }
    place
}

/// Numbers from a seed (`SplitMix64`).
struct Random(u64);

impl Random {
    /// From 0 up to 1.
    fn share(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((bits ^ (bits >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Of mean 0 and deviation 1, nearly normal.
    fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.share()).sum::<f64>() - 6.0
    }
}
