//! `leaky-clean`: nothing is wrong with it. Every operation asks for memory and frees all of it; a detector that finds
//! something here is wrong.

use std::hint::black_box;

use serde_json::{Value, json};
use tokio::task::yield_now;

use super::Planted;
use crate::error::BoxError;
use crate::workload::{Description, Work, Worker, Workload};

/// What has to be found: nothing.
pub(super) const PLANTED: Planted = Planted {
    workload: "leaky-clean",
    variant: "",
    function: "leaky::clean::write_and_read",
    file: "src/workload/builtin/leaky/clean.rs",
    verdict: &["ok"],
    slope: Some(0.0),
    subject: "heap",
};

/// The number of a user's first operation. All numbers are equally long, however many operations the warm-up does: each operation asks
/// for as much memory as any other.
const FIRST: u64 = 1_000_000;

/// The workload.
pub(super) struct Clean;

impl Workload for Clean {
    type State = u64;

    async fn setup(&self, _worker: Worker) -> Result<u64, BoxError> {
        Ok(FIRST)
    }

    async fn operation(&self, number: &mut u64) -> Result<Work, BoxError> {
        yield_now().await;
        *number += 1;
        let bytes = write_and_read(*number)?;
        Ok(Work::done().bytes(bytes as u64))
    }

    fn describe(&self) -> Description {
        Description {
            about: "yields, and writes and reads a small JSON text in each operation",
            users: Some(2),
            fault: Some("none: whatever is found here is found wrongly"),
            ..Description::default()
        }
    }
}

#[inline(never)]
fn write_and_read(number: u64) -> Result<usize, serde_json::Error> {
    let names: Vec<String> = (0..4).map(|name| format!("name {name} of {number}")).collect();
    let text = json!({ "number": number, "names": names, "nested": { "empty": [] } }).to_string();
    let read: Value = serde_json::from_str(&text)?;
    Ok(black_box(read.to_string()).len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_is_what_was_written() {
        assert_eq!(write_and_read(FIRST).unwrap(), write_and_read(FIRST * 9).unwrap());
        assert!(write_and_read(FIRST).unwrap() > 60);
    }
}
