//! `leaky-vector`: a vector that every operation appends 8 bytes to and nobody ever clears. It doubles when it is full, so what
//! is seen is a step each time that the number of operations has doubled, and nothing between.

use std::hint::black_box;
use std::sync::{Mutex, PoisonError};

use tokio::task::yield_now;

use super::Planted;
use crate::error::BoxError;
use crate::workload::{Description, Work, Worker, Workload};

/// What has to be found. It has 8 to 16 bytes for each operation, of which the steps allow no exact slope.
pub(super) const PLANTED: Planted = Planted {
    workload: "leaky-vector",
    variant: "",
    function: "leaky::vector::append",
    file: "src/workload/builtin/leaky/vector.rs",
    verdict: &["leak", "growing"],
    slope: None,
    subject: "heap",
};

/// The workload.
pub(super) struct Vector;

/// What all users append to. It lives as long as the process.
static NUMBERS: Mutex<Vec<u64>> = Mutex::new(Vec::new());

impl Workload for Vector {
    type State = ();

    async fn setup(&self, _worker: Worker) -> Result<(), BoxError> {
        Ok(())
    }

    async fn operation(&self, (): &mut ()) -> Result<Work, BoxError> {
        yield_now().await;
        black_box(append(&NUMBERS));
        Ok(Work::done())
    }

    fn describe(&self) -> Description {
        Description {
            about: "yields and notes a number in each operation",
            users: Some(2),
            fault: Some("a vector that only ever grows, by 8 bytes in each operation"),
            ..Description::default()
        }
    }
}

#[inline(never)]
fn append(numbers: &Mutex<Vec<u64>>) -> usize {
    let mut numbers = numbers.lock().unwrap_or_else(PoisonError::into_inner);
    let number = numbers.len() as u64;
    numbers.push(number);
    black_box(numbers.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_that_is_appended_stays() {
        let numbers = Mutex::default();
        for length in 1..=1000 {
            assert_eq!(append(&numbers), length);
        }
        assert!((1000..=2000).contains(&numbers.into_inner().unwrap().capacity()));
    }
}
