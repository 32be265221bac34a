//! Workloads that leak on purpose, and some that only seem to: what a detector of leaks is tried on. Each does something short
//! and healthy in every operation and does not wait, for a leak is found over thousands of operations; [`PLANTED`] says
//! what has to be found. Refuses to look for any of it.
//!
//! What is kept is asked for in a function of its own that is never inlined, and that uses the result afterwards: as a tail
//! call it would leave no frame to be found. What would endanger the machine ends: from a bound on, operations fail.

mod cache;
mod churn;
mod clean;
mod descriptor;
mod fragmentation;
mod operation;
mod periodic;
mod planted;
mod rare;
mod schedule;
mod scratch;
mod task;
#[cfg(test)]
mod tests;
mod thread;
mod vector;

pub use planted::Planted;

use super::Registry;

/// What has to be found of each of them, in the order of [`all`]; of `leaky-cache`, for each of its variants.
pub const PLANTED: &[Planted] = &[
    operation::PLANTED,
    rare::PLANTED,
    task::PLANTED,
    vector::PLANTED,
    cache::PLANTED_FILLING,
    cache::PLANTED_FULL,
    scratch::PLANTED,
    churn::PLANTED,
    fragmentation::PLANTED,
    descriptor::PLANTED,
    thread::PLANTED,
    clean::PLANTED,
];

/// Hands every leaky workload to a registry.
pub fn all(registry: &mut impl Registry) {
    registry.add(operation::PLANTED.workload, operation::OPERATION);
    registry.add(rare::PLANTED.workload, rare::RARE);
    registry.add(task::PLANTED.workload, task::TASK);
    registry.add(vector::PLANTED.workload, vector::Vector);
    registry.add(cache::PLANTED_FILLING.workload, cache::Cache::default());
    registry.add(scratch::PLANTED.workload, scratch::Scratch);
    registry.add(churn::PLANTED.workload, churn::Churn);
    registry.add(fragmentation::PLANTED.workload, fragmentation::Fragmentation);
    registry.add(descriptor::PLANTED.workload, descriptor::DESCRIPTOR);
    registry.add(thread::PLANTED.workload, thread::THREAD);
    registry.add(clean::PLANTED.workload, clean::Clean);
}
