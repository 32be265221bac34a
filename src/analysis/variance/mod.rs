//! Where the variance of a run's latencies comes from: which component of an operation it lies in, which sets the modes of the
//! latencies apart, what the slow operations have more of than the others. Pure: reads operations, writes figures; refuses runs
//! that are invalid. How an operation is split is in `split`, which phase lies in which in `nesting`.

mod components;
mod drift;
mod modes;
mod nesting;
mod shares;
mod split;
mod stalls;
#[cfg(test)]
mod stalls_tests;
mod tail;
#[cfg(test)]
mod tests;
mod types;

use std::borrow::Cow;

use crate::record::ops::Columns;
use crate::record::{Run, Stall, Status};
use crate::warning::{Caution, Warning};
pub use components::components;
use split::Splitter;
pub use types::{Between, Drift, Excess, Mode, Nested, Part, SCHEMA, Separation, Share, Slow, StallShare, Variance};

/// The part of the operations whose phases may be longer than themselves before it is worth a word.
const SQUEEZED: f64 = 0.01;

/// Says where the variance of a run's latencies comes from. `columns` are the run's operations; without `stalls` nothing is said
/// of stalls, and those that are the machine's doing are left out. Nothing in it is random: the same run gives the same figures.
///
/// Cost: O(operations · components), about 1 s for a million with eight phases.
///
/// ```
/// use perfkit::analysis::variance::analyze;
/// use perfkit::record::Run;
/// use perfkit::record::ops::{Columns, Timed};
///
/// let mut columns = Columns::new(&["redis.get"]);
/// for index in 0..100 {
///     let get = 1_000 + 100 * (index % 7);
///     let timed = Timed { due_ns: 0, start_ns: 0, end_ns: get + 50, states_ns: None, cells_ns: &[get as f32] };
///     columns.push(0, timed);
/// }
/// let variance = analyze(&Run::foreign("example", "1", "shop"), &columns, &[]);
/// assert_eq!(variance.shares[0].component, "redis.get");
/// assert!((variance.shares.iter().map(|share| share.share).sum::<f64>() - 1.0).abs() < 1e-9);
/// ```
#[must_use]
pub fn analyze(run: &Run, columns: &Columns, stalls: &[Stall]) -> Variance {
    let mut variance = without_figures(run);
    if run.status == Status::Invalid {
        return variance;
    }
    let splitter = Splitter::by_phase(columns);
    let sizes: Vec<usize> = columns.rounds().iter().map(crate::record::ops::RoundOps::len).collect();
    let (rounds, squeezed) = shares::moments(&splitter, &sizes);
    variance.operations = columns.len() as u64;
    variance.rounds = columns.rounds().len() as u32;
    variance.mean_ns = shares::mean(&rounds);
    variance.within_rounds_ns2 = shares::within(&rounds);
    variance.shares = shares::shares(splitter.names(), &rounds);
    if columns.all_watched() && !columns.phases().is_empty() && !variance.shares.is_empty() {
        let by_state = Splitter::by_state(columns);
        variance.states = shares::shares(by_state.names(), &shares::moments(&by_state, &sizes).0);
    }
    variance.between_rounds = shares::between(splitter.names(), &rounds);
    let between = variance.between_rounds.as_ref().map_or(0.0, |between| between.variance_ns2);
    variance.total_variance_ns2 = variance.within_rounds_ns2.map(|within| within + between);
    variance.standard_deviation_ns = variance.total_variance_ns2.map(f64::sqrt);
    variance.modes = modes::modes(&splitter, columns);
    let tail = tail::tail(&splitter, columns);
    variance.stalls = stalls::stalls(&tail, columns, stalls);
    (variance.slow, variance.tail) = (tail.slow, tail.excesses);
    variance.drift = drift::drift(&splitter, columns);
    let nested = |(phase, within): (&str, &str)| Nested { phase: phase.to_owned(), within: within.to_owned() };
    variance.nesting = splitter.nesting().map(nested).collect();
    variance.warnings = warnings(columns, squeezed);
    variance
}

/// What is known of a run without its operations.
fn without_figures(run: &Run) -> Variance {
    Variance {
        schema: Cow::Borrowed(SCHEMA),
        run: run.id.clone(),
        workload: run.workload.clone(),
        variant: run.variant.clone(),
        status: run.status,
        status_reason: run.status_reason.clone(),
        operations: 0,
        rounds: 0,
        mean_ns: None,
        standard_deviation_ns: None,
        total_variance_ns2: None,
        within_rounds_ns2: None,
        shares: Vec::new(),
        states: Vec::new(),
        between_rounds: None,
        modes: Vec::new(),
        tail: Vec::new(),
        slow: None,
        stalls: Vec::new(),
        drift: None,
        nesting: Vec::new(),
        warnings: Vec::new(),
    }
}

fn warnings(columns: &Columns, squeezed: f64) -> Vec<Warning> {
    let mut warnings: Vec<Warning> = Vec::new();
    let rounds = columns.rounds().len();
    if rounds < shares::ROUNDS {
        warnings.push(Caution::FewRounds { passes: "time".to_owned(), rounds, needed: shares::ROUNDS }.into());
    }
    let smallest = columns.rounds().iter().map(|round| round.len() as u64).min().unwrap_or(0);
    let needed = tail::LEAST_OPERATIONS as u64;
    if smallest < needed {
        warnings.push(Caution::FewOperations { metric: "the tail".to_owned(), operations: smallest, needed }.into());
    }
    if squeezed > SQUEEZED {
        warnings.push(Caution::PhasesOverlap { share: squeezed }.into());
    }
    if !columns.all_watched() && columns.phases().is_empty() && !columns.is_empty() {
        warnings.push(Caution::Unwatched.into());
    }
    warnings
}
