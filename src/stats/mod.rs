//! Numbers in, numbers out. Knows no word of this domain, reads no file and no clock.
//!
//! Slices are never sorted in place. What cannot be computed is `None` or a [`refusal::Refusal`], never a panic and never a
//! guess. What draws random numbers takes a seed.

pub mod autocorrelation;
pub mod bootstrap;
pub mod components;
pub mod confirmed;
pub mod density;
pub mod describe;
pub mod dip;
pub mod distance;
mod distribution;
pub mod drift;
pub mod energy;
pub mod equivalence;
pub mod growth;
pub mod harrell_davis;
pub mod hodges_lehmann;
pub mod interval;
pub mod line;
pub mod multiple;
pub mod negative_binomial;
pub mod paired;
pub mod power;
pub mod proportion;
pub mod quantile;
pub mod random;
pub mod rank;
pub mod refusal;
pub mod shift;
pub mod spread;
pub mod student;
pub mod trend;
pub mod welch;

#[cfg(test)]
mod coverage_tests;
#[cfg(test)]
mod growth_tests;
#[cfg(test)]
mod hostile_tests;
#[cfg(test)]
mod negative_binomial_tests;
#[cfg(test)]
mod property_tests;
#[cfg(test)]
mod reference_beyond_tests;
#[cfg(test)]
mod reference_tests;
