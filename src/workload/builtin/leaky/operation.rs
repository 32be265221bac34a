//! `leaky-operation`: every operation keeps a block for ever. Refuses to fill the machine's memory: operations fail at a bound.
//!
//! The blocks are a chain in which each owns the one before it, so that a leak is one allocation of exactly the size that is
//! set: a vector of blocks would grow as well, now and then and by more.

use std::hint::black_box;
use std::sync::{Mutex, PoisonError};

use tokio::task::yield_now;

use super::Planted;
use super::schedule::{EVERY, Schedule, number};
use crate::error::BoxError;
use crate::workload::{Description, Failure, Param, Work, Worker, Workload};

/// What has to be found.
pub(super) const PLANTED: Planted = Planted {
    workload: "leaky-operation",
    variant: "",
    function: "leaky::operation::keep_for_ever",
    file: "src/workload/builtin/leaky/operation.rs",
    verdict: &["leak"],
    slope: Some(1024.0),
    subject: "heap",
};

/// How much a leak is.
pub(super) const SIZE: Param =
    Param { name: "size", default: "1024", about: "bytes of a leak, 16 to 1048576; rounded up to a multiple of 16" };

const PARAMS: [Param; 2] = [SIZE, Param { default: "1", ..EVERY }];

/// Bytes that are kept before operations fail: enough for a million of them.
const MOST_BYTES: usize = 1 << 30;

/// The workload.
pub(super) const OPERATION: Operation =
    Operation { fault: "every operation keeps a block of 1 KiB for ever", params: &PARAMS };

/// A workload that keeps blocks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Operation {
    /// What is wrong, for `list --all`.
    pub(super) fault: &'static str,
    /// What can be set.
    pub(super) params: &'static [Param],
}

/// What one user keeps besides.
pub(super) struct User {
    schedule: Schedule,
    size: usize,
}

impl Workload for Operation {
    type State = User;

    async fn setup(&self, worker: Worker) -> Result<User, BoxError> {
        let size = number(&worker, SIZE.name, 16..=1 << 20)? as usize;
        Ok(User { schedule: Schedule::new(&worker)?, size })
    }

    async fn operation(&self, user: &mut User) -> Result<Work, BoxError> {
        yield_now().await;
        if user.schedule.due() {
            black_box(keep_for_ever(&KEPT, user.size)?);
        }
        Ok(Work::done())
    }

    fn describe(&self) -> Description {
        Description {
            about: "yields in each operation",
            params: self.params,
            users: Some(2),
            fault: Some(self.fault),
            ..Description::default()
        }
    }
}

/// All that is kept, by whichever thread and user. It lives as long as the process.
static KEPT: Mutex<Kept> = Mutex::new(Kept { newest: None, bytes: 0 });

struct Kept {
    newest: Option<Block>,
    bytes: usize,
}

/// A block of so many slots of 16 bytes. The first has the block before it, the others have nothing.
struct Block(Box<[Option<Block>]>);

#[inline(never)]
fn keep_for_ever(kept: &Mutex<Kept>, size: usize) -> Result<usize, Failure> {
    let slots = size.div_ceil(size_of::<Option<Block>>());
    let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
    if kept.bytes + size > MOST_BYTES {
        return Err(Failure::new("bound", format!("{} bytes are kept already; {MOST_BYTES} is the most", kept.bytes)));
    }
    let mut block = Block((0..slots).map(|_| None).collect());
    let bytes = size_of_val(&*block.0);
    if let Some(first) = block.0.first_mut() {
        *first = kept.newest.take();
    }
    kept.newest = Some(block);
    kept.bytes += bytes;
    Ok(black_box(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_as_large_as_told_and_all_are_kept_until_the_bound() {
        let kept = Mutex::new(Kept { newest: None, bytes: 0 });
        assert_eq!(keep_for_ever(&kept, 1024).unwrap(), 1024);
        assert_eq!(keep_for_ever(&kept, 1000).unwrap(), 1008);
        assert_eq!(keep_for_ever(&kept, 16).unwrap(), 16);
        let mut kept = kept.into_inner().unwrap();
        assert_eq!(kept.bytes, 1024 + 1008 + 16);
        let mut blocks = 0;
        while let Some(mut block) = kept.newest.take() {
            blocks += 1;
            kept.newest = block.0[0].take();
        }
        assert_eq!(blocks, 3);
        let full = Mutex::new(Kept { newest: None, bytes: MOST_BYTES - 1000 });
        assert_eq!(keep_for_ever(&full, 1024).unwrap_err().kind(), "bound");
    }
}
