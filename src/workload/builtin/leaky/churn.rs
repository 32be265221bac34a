//! `leaky-churn`: a pool of blocks of which every operation replaces a few by others of any size. What is alive goes up and
//! down for hundreds of operations at a time, about the same mean: no leak, however steep a part of it looks.

use std::hint::black_box;

use tokio::task::yield_now;

use super::Planted;
use crate::error::BoxError;
use crate::stats::random::Random;
use crate::workload::{Description, Work, Worker, Workload};

/// What has to be found: nothing. The mean of each user's pool is 1.05 MB, with a standard deviation of 27 kB.
pub(super) const PLANTED: Planted = Planted {
    workload: "leaky-churn",
    variant: "",
    function: "leaky::churn::allocate_block",
    file: "src/workload/builtin/leaky/churn.rs",
    verdict: &["ok"],
    slope: Some(0.0),
    subject: "heap",
};

/// Blocks of a pool.
const SLOTS: usize = 512;
/// Blocks that an operation replaces.
const REPLACED: usize = 4;
/// The least and the most bytes of a block.
const LEAST: usize = 16;
const MOST: usize = 4096;

/// The workload.
pub(super) struct Churn;

/// What one user keeps.
pub(super) struct User {
    random: Random,
    slots: Vec<Box<[u8]>>,
}

impl Workload for Churn {
    type State = User;

    async fn setup(&self, worker: Worker) -> Result<User, BoxError> {
        Ok(User::new(&worker))
    }

    async fn operation(&self, user: &mut User) -> Result<Work, BoxError> {
        yield_now().await;
        black_box(user.replace_some());
        Ok(Work::done())
    }

    fn describe(&self) -> Description {
        Description {
            about: "yields and replaces 4 of 512 blocks of 16 to 4096 bytes in each operation",
            users: Some(2),
            fault: Some("none: what is alive goes up and down about the same mean"),
            ..Description::default()
        }
    }
}

impl User {
    /// A user whose pool is full: it would otherwise grow at first.
    fn new(worker: &Worker) -> Self {
        let mut random = Random::new(worker.seed());
        let slots = (0..SLOTS).map(|_| allocate_block(&mut random)).collect();
        Self { random, slots }
    }

    /// Gives the bytes of the blocks that are new.
    fn replace_some(&mut self) -> usize {
        let mut bytes = 0;
        for _ in 0..REPLACED {
            let slot = self.random.below(SLOTS);
            let block = allocate_block(&mut self.random);
            bytes += block.len();
            self.slots[slot] = block;
        }
        bytes
    }
}

#[inline(never)]
fn allocate_block(random: &mut Random) -> Box<[u8]> {
    let size = LEAST + random.below(MOST - LEAST + 1);
    black_box(vec![1_u8; size].into_boxed_slice())
}

#[cfg(test)]
mod tests {
    use super::super::tests::worker;
    use super::*;

    #[test]
    fn what_is_alive_stays_about_its_mean() {
        let mut user = User::new(&worker(0, "", &[]));
        let mean = (SLOTS * (LEAST + MOST) / 2) as f64;
        for _ in 0..5000 {
            assert!((REPLACED * LEAST..=REPLACED * MOST).contains(&user.replace_some()));
            let alive: usize = user.slots.iter().map(|block| block.len()).sum();
            assert!((alive as f64 / mean - 1.0).abs() < 0.15, "{alive}");
        }
        assert_eq!(user.slots.len(), SLOTS);
    }
}
