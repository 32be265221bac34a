#![doc = include_str!("../README.md")]
//!
//! # The library
//!
//! A program registers its [`Workload`]s in a [`Suite`] and calls [`Suite::main`]. Everything else is the same hourglass
//! that the binary is made of: [`experiment::record`] makes a [`record::Run`], [`analysis::analyze`] finds, [`report`]
//! renders.

pub mod error;
pub mod unit;
pub mod warning;

pub mod workload;

pub mod load;

mod suite;

mod service;

pub mod probe;

pub mod experiment;

pub mod record;

pub mod stats;

pub mod import;

pub mod compare;

pub mod analysis;

pub mod report;

mod cli;

pub use error::{BoxError, Error, Result};
pub use load::Load;
pub use probe::heap::{Alloc, heap_is_tracked};
pub use probe::tasks::spawn;
pub use suite::{Entry, Suite};
pub use unit::{Better, Unit};
pub use workload::current::OperationId;
pub use workload::{Context, Description, Failure, Need, Outcome, Param, Phase, Variant, Work, Worker, Workload};
