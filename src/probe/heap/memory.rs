//! What was alive on the heap when it was most, counted from before the runtime and the workers are made: what a user of the program
//! costs is made in the set-up, too. Charged to call sites; takes no time of anything.

use std::sync::{Mutex, PoisonError};

use super::recorder::{Blocks, Recording};
use super::{Absent, heap_is_tracked};
use crate::error::Result;
use crate::probe::hooks::Hooks;
use crate::probe::{Probe, Running, Settings};
use crate::record::Reading;
use crate::record::pass::Pass;
use crate::unit::{Better, Unit};

/// The probe `memory`.
pub struct Memory;

/// Begun before there is a runtime.
static BEGUN: Mutex<Option<Recording>> = Mutex::new(None);

struct Watching(Recording);

impl Probe for Memory {
    fn name(&self) -> &'static str {
        "memory"
    }

    fn about(&self) -> &'static str {
        "what was alive when it was most, from before the set-up on, by call site (perfkit's own recorder)"
    }

    fn passes(&self) -> &'static [Pass] {
        &[Pass::Memory]
    }

    fn prepare(&self, hooks: &mut Hooks) -> Result<()> {
        super::watch_tasks(hooks);
        if heap_is_tracked() {
            *BEGUN.lock().unwrap_or_else(PoisonError::into_inner) = Some(Recording::start(Blocks::All));
        }
        Ok(())
    }

    fn start(&self, _settings: &Settings) -> Result<Box<dyn Running>> {
        let begun = BEGUN.lock().unwrap_or_else(PoisonError::into_inner).take();
        Ok(match begun {
            Some(recording) => Box::new(Watching(recording)),
            None => Box::new(Absent),
        })
    }
}

impl Running for Watching {
    fn stop(self: Box<Self>) -> Result<Reading> {
        let peak = self.0.peak();
        let stacks = self.0.stacks();
        drop(self.0);
        let mut reading = Reading::of("memory");
        reading.metric("memory.peak", Unit::Bytes, Better::Lower, peak as f64);
        reading.fact("recorder", "exact");
        reading.stacks.push(("memory".to_owned(), stacks));
        Ok(reading)
    }
}
