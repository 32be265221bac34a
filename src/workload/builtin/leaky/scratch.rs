//! `leaky-scratch`: a buffer that is kept between operations and is as large as the largest that one of them needed. It grows
//! ever less often and never beyond a bound, which is no leak.

use std::hint::black_box;

use tokio::task::yield_now;

use super::Planted;
use crate::error::BoxError;
use crate::stats::random::Random;
use crate::workload::{Description, Work, Worker, Workload};

/// What has to be found: nothing, but that it is larger later than at first.
pub(super) const PLANTED: Planted = Planted {
    workload: "leaky-scratch",
    variant: "",
    function: "leaky::scratch::fill",
    file: "src/workload/builtin/leaky/scratch.rs",
    verdict: &["ok", "warm-up"],
    slope: None,
    subject: "heap",
};

/// The most bytes that an operation needs; it may be any number up to that.
const MOST: usize = 256 * 1024;

/// The workload.
pub(super) struct Scratch;

/// What one user keeps.
pub(super) struct User {
    random: Random,
    buffer: Vec<u8>,
}

impl Workload for Scratch {
    type State = User;

    async fn setup(&self, worker: Worker) -> Result<User, BoxError> {
        Ok(User::new(&worker))
    }

    async fn operation(&self, user: &mut User) -> Result<Work, BoxError> {
        yield_now().await;
        Ok(Work::done().bytes(user.fill_some() as u64))
    }

    fn describe(&self) -> Description {
        Description {
            about: "yields and fills up to 256 KiB of a buffer in each operation",
            users: Some(2),
            fault: Some("none: a buffer that stays as large as the largest need was"),
            ..Description::default()
        }
    }
}

impl User {
    fn new(worker: &Worker) -> Self {
        Self { random: Random::new(worker.seed()), buffer: Vec::new() }
    }

    fn fill_some(&mut self) -> usize {
        let size = 1 + self.random.below(MOST);
        fill(&mut self.buffer, size)
    }
}

#[inline(never)]
fn fill(buffer: &mut Vec<u8>, size: usize) -> usize {
    buffer.clear();
    // Exactly, so that what stays is the largest need and not twice as much.
    buffer.reserve_exact(size);
    buffer.resize(size, 1);
    black_box(buffer.len())
}

#[cfg(test)]
mod tests {
    use super::super::tests::worker;
    use super::*;

    #[test]
    fn it_is_as_large_as_the_largest_need_and_never_beyond_the_bound() {
        let mut user = User::new(&worker(0, "", &[]));
        let mut largest = 0;
        for _ in 0..1000 {
            largest = user.fill_some().max(largest);
            assert_eq!(user.buffer.capacity(), largest);
        }
        assert!(largest > MOST * 9 / 10 && largest <= MOST, "{largest}");
    }
}
