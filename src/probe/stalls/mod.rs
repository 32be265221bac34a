//! Who blocked the event loop: polls that held a worker thread for longer than a threshold, each with the stack of the thread,
//! what it did meanwhile, and who waited for it. A noisy neighbour is never blamed on the code: what other programs took is
//! taken off before a poll is called a stall.

#![allow(clippy::disallowed_methods, reason = "a probe keeps time of its own: the load's clock may be a test's")]

pub(super) mod delay;
mod name;
mod watchdog;

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::capture::{Capturer, Lost};
use super::hooks::Hooks;
use super::{Probe, Running, Settings, slot};
use crate::error::{Error, Result};
use crate::record::Reading;
use crate::record::pass::Pass;
use crate::record::stall::Cause;
use crate::unit::{Better, Unit};
use crate::warning::Caution;

use delay::Delays;
use watchdog::{Seen, Watched};

/// The probe `stalls`.
pub struct Stalls;

/// What takes stacks: made while the process has one thread, used when watching begins.
static CAPTURER: Mutex<Option<(Capturer, Lost)>> = Mutex::new(None);

impl Probe for Stalls {
    fn name(&self) -> &'static str {
        "stalls"
    }

    fn about(&self) -> &'static str {
        "polls that hold a worker thread, each with its stack, its cause and whom it delayed"
    }

    fn passes(&self) -> &'static [Pass] {
        &[Pass::Time]
    }

    fn prepare(&self, hooks: &mut Hooks) -> Result<()> {
        watch(hooks);
        *CAPTURER.lock().unwrap_or_else(PoisonError::into_inner) = Some(capturer());
        Ok(())
    }

    fn start(&self, settings: &Settings) -> Result<Box<dyn Running>> {
        let made = CAPTURER.lock().unwrap_or_else(PoisonError::into_inner).take();
        let (capturer, lost) = made.unwrap_or_else(capturer);
        let origin = Instant::now();
        let delays = Delays::watch(&settings.runtime, origin);
        let threshold = settings.stall_threshold;
        let watchdog = watchdog::Running::start(threshold, capturer, origin)
            .map_err(|error| Error::probe("stalls", error, "the process may not start more threads"))?;
        Ok(Box::new(Watching { threshold, watchdog, delays, lost }))
    }
}

fn capturer() -> (Capturer, Lost) {
    let capturer = Capturer::new();
    let lost = capturer.listen();
    (capturer, lost)
}

/// Has the runtime tell before and after each poll.
#[cfg(tokio_unstable)]
fn watch(hooks: &mut Hooks) {
    hooks.before_poll(|task| {
        if let Some(delay) = task.schedule_latency()
            && !delay::is_canary(task.spawned_at())
        {
            delay::note(delay);
        }
        slot::begin(slot::number_of(task.id()), Some(task.spawned_at()));
    });
    hooks.after_poll(|_| slot::end());
}

/// The wrapper around workers does it.
#[cfg(not(tokio_unstable))]
fn watch(_hooks: &mut Hooks) {}

struct Watching {
    threshold: Duration,
    watchdog: watchdog::Running,
    delays: Delays,
    lost: Lost,
}

impl Running for Watching {
    fn stop(self: Box<Self>) -> Result<Reading> {
        let watched = self.watchdog.stop();
        let delays = self.delays.stop();
        let watched =
            watched.ok_or_else(|| Error::probe("stalls", "its thread panicked", "report this with the command"))?;
        let mut reading = Reading::of("stalls");
        let named = name::name(&watched.seen, self.threshold, &delays);
        let own = || named.stalls.iter().filter(|stall| stall.is_own());
        let held: u64 = own().map(|stall| stall.duration_ns).sum();
        let longest = own().map(|stall| stall.duration_ns).max().unwrap_or(0);
        let preempted = named.stalls.iter().filter(|stall| stall.cause == Cause::Preempted).count();
        reading.metric("stalls.count", Unit::Count, Better::Lower, own().count() as f64);
        reading.metric("stalls.max", Unit::Ns, Better::Lower, longest as f64);
        reading.metric("stalls.preempted", Unit::Count, Better::Lower, preempted as f64);
        reading.metric("stalls.in_place", Unit::Count, Better::Lower, named.in_place.count() as f64);
        reading.per_operation("stalls.blocked_per_op", Unit::Ns, Better::Lower, held as f64);
        let lateness = delays.timers.longest().as_nanos() as f64;
        reading.metric("stalls.timer_lateness.max", Unit::Ns, Better::Lower, lateness);
        if let Some(wait) = delays.job {
            reading.metric("blocking_pool.wait.max", Unit::Ns, Better::Lower, wait.as_nanos() as f64);
        }
        facts(&mut reading, &watched, &named, self.threshold);
        self.lost.tell(&mut reading);
        warn(&mut reading, &watched, delays.beyond);
        reading.stalls = named.stalls;
        if !named.stacks.stacks.is_empty() {
            reading.stacks.push(("stalls".to_owned(), named.stacks));
        }
        Ok(reading)
    }
}

fn facts(reading: &mut Reading, watched: &Watched, named: &name::Named, threshold: Duration) {
    let ns = |duration: Duration| u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
    let covered = if cfg!(tokio_unstable) { "every task" } else { "operations and perfkit::spawn" };
    reading.fact("threshold_ns", ns(threshold));
    reading.fact("covered", covered);
    reading.fact("watchdog_cpu_ns", ns(watched.cpu));
    reading.fact("longest_between_looks_ns", ns(watched.latest));
    let without = named.stalls.iter().filter(|stall| stall.is_own() && stall.stack.is_empty()).count();
    reading.fact("without_stack", without);
    if !named.in_place.is_empty() {
        reading.fact("in_place", named.in_place.to_json());
    }
    if named.harness > 0 {
        reading.fact("of_perfkit_itself", named.harness);
    }
}

fn warn(reading: &mut Reading, watched: &Watched, beyond: u64) {
    let mut warn = |reason: String| {
        reading.warnings.push(Caution::ProbeDegraded { probe: "stalls", reason }.into());
    };
    if watched.beyond > 0 {
        warn("there were more stalls than are kept: the counts are too low; raise --stall-threshold".to_owned());
    }
    if beyond > 0 {
        warn("more tasks were polled late than are kept: delays by stalls are too low".to_owned());
    }
    if slot::unwatched() > 0 {
        warn(format!("only {} threads of runtimes are watched at once", slot::SLOTS));
    }
}

impl Lost {
    /// Says what stacks cannot be had.
    pub(super) fn tell(&self, reading: &mut Reading) {
        for (what, reason) in [("that wait", self.waiting), ("that run", self.running)] {
            if let Some(reason) = reason {
                let reason = format!("no stacks of threads {what}: {reason}");
                reading.warnings.push(Caution::ProbeDegraded { probe: "stalls", reason }.into());
            }
        }
    }
}
