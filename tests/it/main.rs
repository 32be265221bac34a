//! The one integration test binary: perfkit from outside, as its users have it; and the house it is built in.

#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]
#![allow(clippy::disallowed_methods, reason = "a test waits in real time for other processes")]

mod allocation;
mod allocators;
mod baselines;
mod check_base;
mod checked;
mod ci_gate;
mod cli;
mod compare;
mod compare_refused;
mod compare_shown;
mod comparison_golden;
mod compat;
mod ending;
mod failing;
mod faulty;
mod hostile;
mod imported;
mod leaking;
mod own_suite;
mod place;
mod planted;
mod profile_files;
mod readme;
mod refused;
mod rows;
mod samplers;
mod scaled;
mod secrets;
mod services;
mod soak;
mod spread;
mod stable;
mod stalled;
mod stalls_shown;
mod stored;
mod tidy;
mod truth;
mod variance;
