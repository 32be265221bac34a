//! `leaky-fragmentation`: memory that the process has and the program does not use. What is alive is 16 MiB for each user at
//! all times, up to 0.1 MiB less between operations; the pages that the kernel gives for it grow to five times as much.
//!
//! Every second block, as they lie, is freed, and its bytes are asked for again in blocks slightly larger than the largest
//! hole so far. No hole will do, and blocks that are in use lie between all of them: the allocator can neither reuse nor
//! return them. In the next generation every second block that is left is freed, so the holes are twice as large, and so
//! are the new blocks. That ends after eight generations of some 500 operations, as larger blocks would soon be mapped on
//! their own; from then on blocks are replaced by their like, and nothing grows or shrinks.
//!
//! Measured with glibc 2.36 and one user: the resident set grows from 26 to 91 MiB, by 8 MiB in each 500 operations, within
//! 3481 operations; then it stays. Larger steps or smaller ones make that shorter or longer. Refuses to say what another
//! allocator makes of it, and to grow without bound: where one is set to what is alive and to the size of a block, there is
//! one to the heap (Robson, 1971).

use std::hint::black_box;
use std::mem::take;

use tokio::task::yield_now;

use super::Planted;
use super::schedule::number;
use crate::error::BoxError;
use crate::workload::{Description, Failure, Param, Work, Worker, Workload};

/// What has to be found: the heap is flat and the resident set is not.
pub(super) const PLANTED: Planted = Planted {
    workload: "leaky-fragmentation",
    variant: "",
    function: "leaky::fragmentation::allocate_block",
    file: "src/workload/builtin/leaky/fragmentation.rs",
    verdict: &["retention"],
    slope: None,
    subject: "rss",
};

const PARAMS: [Param; 1] =
    [Param { name: "step", default: "16384", about: "bytes that an operation replaces at least, 256 to 1048576" }];

/// Bytes of a user's blocks.
const ALIVE: usize = 16 << 20;
/// What glibc adds to a block, and what it rounds up to: a block and its addition are a multiple of that.
const HEADER: usize = 8;
const GRAIN: usize = 16;
/// Bytes of one of the first blocks with its header.
const FIRST: usize = 256;
/// The last generation with larger blocks: some 64 KiB. glibc maps those of 128 KiB on their own.
const LAST_GENERATION: u32 = 8;

/// The workload.
pub(super) struct Fragmentation;

/// What one user keeps.
pub(super) struct User {
    /// Bytes that an operation frees.
    step: usize,
    /// Those that were there when the generation began, as they lie in memory; empty where one was freed.
    old: Vec<Box<[u8]>>,
    /// The next one to be freed.
    next: usize,
    /// Those of this generation.
    new: Vec<Box<[u8]>>,
    generation: u32,
    /// Bytes that were freed and not yet asked for again.
    owed: usize,
}

impl Workload for Fragmentation {
    type State = User;

    async fn setup(&self, worker: Worker) -> Result<User, BoxError> {
        Ok(User::new(&worker)?)
    }

    async fn operation(&self, user: &mut User) -> Result<Work, BoxError> {
        yield_now().await;
        user.replace_some();
        Ok(Work::done())
    }

    fn describe(&self) -> Description {
        Description {
            about: "yields and replaces blocks of 16 KiB together in each operation",
            params: &PARAMS,
            users: Some(1),
            fault: Some("16 MiB are alive at all times, in ever larger blocks that leave holes which nobody can use"),
            ..Description::default()
        }
    }
}

impl User {
    fn new(worker: &Worker) -> Result<Self, Failure> {
        let step = number(worker, "step", 256..=1 << 20)? as usize;
        let size = FIRST - HEADER;
        let blocks = ALIVE / size;
        // All the room they will ever need: lists that grow would leave holes that are large enough.
        let (mut old, new) = (Vec::with_capacity(blocks), Vec::with_capacity(blocks / 2 + 1));
        old.extend((0..blocks).map(|_| allocate_block(size)));
        Ok(Self { step, old, next: 1, new, generation: 1, owed: 0 })
    }

    /// Frees every second block until enough are freed, and has their bytes again in blocks that no hole has room for. After
    /// the last generation, in a block of the same size.
    fn replace_some(&mut self) {
        let mut freed = 0;
        while freed < self.step {
            if self.next >= self.old.len() {
                self.begin_generation();
            }
            let size = take(&mut self.old[self.next]).len();
            if self.generation > LAST_GENERATION {
                self.old[self.next] = allocate_block(size);
            } else {
                self.owed += size;
            }
            freed += size;
            self.next += 2;
        }
        let size = block_size(self.generation);
        while self.owed >= size {
            self.owed -= size;
            self.new.push(allocate_block(size));
        }
    }

    fn begin_generation(&mut self) {
        self.old.retain(|block| !block.is_empty());
        self.old.append(&mut self.new);
        self.next = 1;
        self.generation = (self.generation + 1).min(LAST_GENERATION + 1);
    }
}

/// Bytes of a block of a generation. Between two of the first blocks that are left, `2^generation - 1` were freed: with its
/// header it is one grain larger than that.
fn block_size(generation: u32) -> usize {
    (FIRST << generation) - FIRST + GRAIN - HEADER
}

#[inline(never)]
fn allocate_block(size: usize) -> Box<[u8]> {
    // Written to, so that the kernel gives the pages.
    black_box(vec![1_u8; size].into_boxed_slice())
}

#[cfg(test)]
mod tests {
    use super::super::tests::worker;
    use super::*;

    const OPERATIONS: usize = 6000;

    fn user() -> User {
        User::new(&worker(0, "", &[("step", "16384")])).unwrap()
    }

    #[test]
    fn what_is_alive_is_the_same_at_all_times_and_no_list_of_it_grows() {
        let mut user = user();
        let rooms = (user.old.capacity(), user.new.capacity());
        for operation in 0..OPERATIONS {
            user.replace_some();
            if operation % 10 == 0 {
                let alive: usize = user.old.iter().chain(&user.new).map(|block| block.len()).sum();
                assert!(alive <= ALIVE && alive > ALIVE - 100_000, "{alive} after {operation}");
            }
        }
        assert_eq!(user.generation, LAST_GENERATION + 1);
        assert_eq!(rooms, (user.old.capacity(), user.new.capacity()));
    }

    /// Runs in a process of its own: what other tests free at the same time would be room for the blocks.
    #[test]
    #[cfg(target_env = "gnu")]
    fn the_resident_set_of_a_process_with_glibc_grows_to_five_times_what_is_alive() {
        const ALONE: &str = "PERFKIT_TEST_ALONE";
        if std::env::var_os(ALONE).is_none() {
            // The thread has the test's name only where tests run in threads.
            let (_, module) = module_path!().split_once("::").unwrap();
            let test = format!("{module}::the_resident_set_of_a_process_with_glibc_grows_to_five_times_what_is_alive");
            let mut alone = std::process::Command::new(std::env::current_exe().unwrap());
            let ended = alone.args(["--exact", &test, "--nocapture"]).env(ALONE, "1").output().unwrap();
            let said = String::from_utf8_lossy(&ended.stdout);
            assert!(ended.status.success() && said.contains("1 passed"), "{said}");
            return;
        }
        let resident = || {
            let pages = procfs::process::Process::myself().unwrap().statm().unwrap().resident;
            (pages * procfs::page_size()) as f64 / f64::from(1 << 20)
        };
        let mut user = user();
        let mut grown = vec![resident()];
        for operation in 1..=OPERATIONS {
            user.replace_some();
            if operation.is_multiple_of(500) {
                grown.push(resident());
            }
        }
        println!("MiB after each 500 operations: {grown:.1?}");
        assert!(grown[8] - grown[0] > 40.0, "{grown:.1?}");
        assert!(grown[12] - grown[10] < 2.0, "{grown:.1?}");
    }
}
