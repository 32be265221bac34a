//! Sizes and places out of a worker's seed: `SplitMix64`, the same in every run. Refuses any other randomness.

use crate::workload::Worker;

/// The numbers of one worker.
#[derive(Debug)]
pub(super) struct Random(u64);

impl Random {
    /// Those of this worker.
    pub(super) fn new(worker: &Worker) -> Self {
        Self(worker.seed())
    }

    /// A number below `bound`, which is small: the high half of the product is as even as that needs.
    pub(super) fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        bits ^= bits >> 31;
        ((u128::from(bits) * bound as u128) >> 64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::worker;
    use super::*;

    #[test]
    fn numbers_are_evenly_below_the_bound_and_differ_between_workers() {
        let take = |index: u32| {
            let mut random = Random::new(&worker(index, "", &[]));
            (0..10_000).map(|_| random.below(10)).collect::<Vec<_>>()
        };
        let taken = take(0);
        for number in 0..10 {
            let times = taken.iter().filter(|taken| **taken == number).count();
            assert!(times.abs_diff(1000) < 150, "{number} came {times} times");
        }
        assert!(taken.iter().all(|taken| *taken < 10) && taken == take(0) && taken != take(1));
    }
}
