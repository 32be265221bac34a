//! Workloads with a fault on purpose: what a detector of stalls is tried on. Each does something small and healthy in every
//! operation and, in some, one thing wrong; [`PLANTED`] says what has to be found. Refuses to look for any of it.
//!
//! A fault sits in a function of its own that is never inlined, and that uses the result of its blocking call afterwards: as
//! a tail call it would leave no frame to be found.

mod allocation;
mod clean;
mod cpu_time;
mod dns;
mod driver;
mod file;
mod lock;
mod mutex;
mod peer;
mod periodic;
mod planted;
mod pool;
mod preempted;
mod redis;
mod schedule;
mod sleep;
mod spin;
mod spread;
#[cfg(test)]
mod tests;

pub use planted::Planted;

use super::Registry;

/// What is wrong with each of them, in the order of [`all`].
pub const PLANTED: &[Planted] = &[
    sleep::PLANTED,
    mutex::PLANTED,
    file::PLANTED,
    redis::PLANTED,
    spin::PLANTED,
    allocation::PLANTED,
    lock::PLANTED,
    dns::PLANTED,
    pool::PLANTED,
    driver::PLANTED,
    preempted::PLANTED,
    clean::PLANTED,
    spread::PLANTED,
];

/// Hands every faulty workload to a registry.
pub fn all(registry: &mut impl Registry) {
    registry.add(sleep::PLANTED.workload, sleep::SLEEP);
    registry.add(mutex::PLANTED.workload, mutex::MUTEX);
    registry.add(file::PLANTED.workload, file::FILE);
    registry.add(redis::PLANTED.workload, redis::REDIS);
    registry.add(spin::PLANTED.workload, spin::SPIN);
    registry.add(allocation::PLANTED.workload, allocation::ALLOCATION);
    registry.add(lock::PLANTED.workload, lock::Lock::default());
    registry.add(dns::PLANTED.workload, dns::DNS);
    registry.add(pool::PLANTED.workload, pool::Pool);
    registry.add(driver::PLANTED.workload, driver::DRIVER);
    registry.add(preempted::PLANTED.workload, preempted::Preempted::default());
    registry.add(clean::PLANTED.workload, clean::Clean);
    registry.add(spread::PLANTED.workload, spread::Spread);
}
