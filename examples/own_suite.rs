//! A suite of one's own: the three ways to register a workload, and all of perfkit's verbs for free.
//!
//! ```text
//! cargo run --release --example own_suite -- list
//! cargo run --release --example own_suite -- profile search --duration 2s
//! ```

use std::collections::HashMap;
use std::hint::black_box;
use std::num::ParseIntError;
use std::process::ExitCode;
use std::time::Duration;

use perfkit::workload::{Description, Param};
use perfkit::{BoxError, Failure, Load, Suite, Work, Worker, Workload};

// For heap profiles: perfkit's allocator is the system's, with a switch that only the heap pass turns on.
perfkit::track_heap!();

/// `main` does nothing before `Suite::main`: rounds run in child processes of this same program.
fn main() -> ExitCode {
    Suite::new("shop")
        // 1. A closure that says what it did.
        .workload("parse", || async { Work::items(parse(PAGE).count() as u64).bytes(PAGE.len() as u64) })
        // 2. An `async fn` that can fail: an error is a failed operation, its latency no result.
        .workload("checkout", checkout)
        // 3. A type with a state for each worker, parameters and a text for `list`.
        .workload("search", Search)
        .load(Load::closed(8).lasting(Duration::from_secs(10)))
        .main()
}

const PAGE: &str = "12,7,30,5,18,44,9,61";

/// Allocates nothing: `heap.blocks_per_op` of this workload is 0.
fn parse(page: &str) -> impl Iterator<Item = u32> {
    page.split(',').filter_map(|number| number.parse().ok())
}

/// A phase of an operation is a `tracing` span: an existing `#[instrument]` works as it is.
#[tracing::instrument(name = "price", skip_all)]
async fn price(page: &str) -> Result<u32, ParseIntError> {
    let prices: Result<Vec<u32>, _> = page.split(',').map(str::parse).collect();
    Ok(prices?.iter().sum())
}

#[tracing::instrument(name = "pay", skip_all)]
async fn pay(sum: u32) {
    tokio::time::sleep(Duration::from_micros(u64::from(sum))).await;
}

async fn checkout() -> Result<(), ParseIntError> {
    let sum = price(PAGE).await?;
    pay(sum).await;
    Ok(())
}

/// Looks words up in an index that every worker builds for itself, outside the measurement.
struct Search;

/// What one worker keeps between its operations.
struct Index {
    places: HashMap<u64, u64>,
    next: u64,
}

impl Workload for Search {
    type State = Index;

    async fn setup(&self, worker: Worker) -> Result<Index, BoxError> {
        let words: u64 = worker.param("words")?;
        // Seeded by the run and the worker: the same operations in every run of the same `--seed`.
        let next = worker.seed();
        Ok(Index { places: (0..words).map(|word| (word, word * 3)).collect(), next })
    }

    async fn operation(&self, index: &mut Index) -> Result<Work, BoxError> {
        let word = index.next % index.places.len().max(1) as u64;
        index.next = index.next.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        match index.places.get(&black_box(word)) {
            // A wrong answer is a failure too, however fast it came.
            Some(place) if *place == word * 3 => Ok(Work::done()),
            Some(place) => Err(Failure::new("wrong-place", format!("word {word} is not at {place}")).into()),
            None => Err(Failure::new("not-found", format!("no word {word}")).into()),
        }
    }

    fn describe(&self) -> Description {
        Description {
            about: "looks a word up in an index",
            params: &[Param { name: "words", default: "1000", about: "words in the index" }],
            ..Description::default()
        }
    }
}
