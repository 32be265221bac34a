//! Signals that end a verb: the first stops after what is being done, a later one ends the process at once, and its children with it.
//! Refuses to take signals that come together for two: `timeout` sends its signal to the program and again to its group.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use signal_hook::low_level;

use crate::error::{Error, Result};
use crate::experiment::Interrupt;
use crate::load::clock;

/// Signals within this time are one: no person asks twice so fast.
const TOGETHER: Duration = Duration::from_millis(500);

pub(super) fn catch() -> Result<Interrupt> {
    let interrupt: Interrupt = Arc::new(AtomicUsize::new(0));
    let mut signals = Signals::new([SIGHUP, SIGINT, SIGTERM]).map_err(Error::internal)?;
    let told = Arc::clone(&interrupt);
    let catch = move || {
        let mut first = None;
        for signal in signals.forever() {
            let at = *first.get_or_insert_with(clock::now);
            if at.elapsed() > TOGETHER {
                low_level::exit(128 + signal);
            }
            // The first one names the exit code.
            let _ = told.compare_exchange(0, signal as usize, Ordering::AcqRel, Ordering::Relaxed);
        }
    };
    thread::Builder::new().name("signals".to_owned()).spawn(catch).map_err(Error::internal)?;
    Ok(interrupt)
}
