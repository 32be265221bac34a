//! What is watched. A probe starts, stops, and gives a [`Reading`]; it knows neither the workload nor the load, and
//! prints nothing.

pub(crate) mod alive;
mod capture;
pub mod cpu;
pub mod heap;
pub mod hooks;
pub mod phases;
pub mod resources;
pub mod runtime;
mod slot;
pub mod stalls;
mod symbols;
pub mod tasks;
pub mod wait;

use std::path::PathBuf;
use std::time::Duration;

use crate::error::Result;
use crate::record::Reading;
use crate::record::pass::Pass;

use hooks::Hooks;

/// Something that watches a process while a workload runs in it.
pub trait Probe: Sync {
    /// Its name in `run.json`.
    fn name(&self) -> &'static str;

    /// One line for people.
    fn about(&self) -> &'static str;

    /// The passes it watches in.
    fn passes(&self) -> &'static [Pass];

    /// Which sampler it is, where it takes the stacks of a profile: one does in each round.
    fn sampler(&self) -> Option<cpu::Sampler> {
        None
    }

    /// Called while the process has one thread and no runtime yet.
    ///
    /// # Errors
    /// The probe cannot work here at all.
    fn prepare(&self, _hooks: &mut Hooks) -> Result<()> {
        Ok(())
    }

    /// Begins to watch: the workers are warm and wait.
    ///
    /// # Errors
    /// The probe cannot start.
    fn start(&self, settings: &Settings) -> Result<Box<dyn Running>>;
}

/// A probe that watches. It cannot be stopped twice, nor without having been started.
pub trait Running: Send {
    /// Ends the watching and says what was seen; called when the last operation has ended.
    ///
    /// # Errors
    /// What was seen cannot be had.
    fn stop(self: Box<Self>) -> Result<Reading>;
}

/// What a probe may need to know.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Stacks per second of CPU time.
    pub frequency_hz: u32,
    /// A poll that holds its thread for longer is a stall.
    pub stall_threshold: Duration,
    /// What records the heap.
    pub recorder: heap::Recorder,
    /// A folder for files of its own.
    pub folder: PathBuf,
    /// The runtime that the workload runs on.
    pub runtime: tokio::runtime::Handle,
}

/// Every probe, one line each.
pub static ALL: &[&dyn Probe] = &[
    &cpu::Cpu,
    &cpu::Jittered,
    &heap::Heap,
    &heap::Memory,
    &phases::Phases,
    &resources::Resources,
    &runtime::Runtime,
    &stalls::Stalls,
    &tasks::Tasks,
];
