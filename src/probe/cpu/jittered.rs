//! The jittered sampler: each running thread copies its stack at random moments of its own CPU time (`clock_event`), and a thread of
//! perfkit's unwinds the copies. Nothing keeps step with it, no system call is interrupted by it, and it knows which task is being
//! polled and in which phase.

use std::collections::HashMap;
use std::fs::File;
use std::ops::RangeInclusive;
use std::os::unix::fs::MetadataExt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::clock_event::{self, Event};
use super::copies::Copied;
use super::{Met, Taken, Trace};
use crate::error::{Error, Result};
use crate::probe::capture::{Capturer, Snapshot};
use crate::probe::hooks::Hooks;
use crate::probe::phases::mark;
use crate::probe::slot;
use crate::record::name::spawn_site;
use crate::record::stacks::{OUTSIDE_PHASES, OUTSIDE_TASKS};

/// How often copies are taken out and new threads looked for, at most and at least: else each four periods.
const LOOK: RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_millis(5);
/// Looks after which threads are listed although there are as many as before: one may have ended and another begun.
const LIST_EVERY: u32 = 16;

/// What outlasts a round: made while the process has one thread.
static KEPT: Mutex<Option<Kept>> = Mutex::new(None);

/// What takes stacks.
struct Kept {
    capturer: Capturer,
    /// The events of the threads of this process.
    events: HashMap<u32, Event>,
}

pub(super) use clock_event::available;

pub(super) fn prepare(hooks: &mut Hooks) -> Result<()> {
    clock_event::install()?;
    slot::watch(hooks);
    mark::install();
    keep(Kept { capturer: Capturer::new(), events: HashMap::new() });
    Ok(())
}

fn keep(kept: Kept) {
    *KEPT.lock().unwrap_or_else(PoisonError::into_inner) = Some(kept);
}

/// The sampler at work.
pub(super) struct Sampling {
    stop: Arc<AtomicBool>,
    thread: Option<std::thread::JoinHandle<Taken>>,
}

impl Sampling {
    pub(super) fn start(frequency_hz: u32) -> Result<Self> {
        let kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner).take();
        let kept = kept.ok_or_else(|| Error::internal("the jittered sampler is at work or was not prepared"))?;
        let period = Duration::from_secs(1) / frequency_hz.max(1);
        clock_event::begin(period)?;
        let look = (period * 4).clamp(*LOOK.start(), *LOOK.end());
        let stop = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&stop);
        let (ready, begun) = sync_channel(1);
        let thread = std::thread::Builder::new().name("perfkit-sampler".into()).spawn(move || {
            let sampler = Jittered { kept, met: HashMap::new() };
            sampler.run(&told, look, &ready)
        });
        let thread = thread.map_err(|error| Error::probe("cpu", error, "the process may not start more threads"))?;
        // Until each thread there is has its event: those that got theirs last would be met too seldom. A sampler that panicked is
        // told of when it is stopped.
        let _ = begun.recv();
        Ok(Self { stop, thread: Some(thread) })
    }

    pub(super) fn stop(mut self) -> Result<Taken> {
        let panicked = || Error::probe("cpu", "the sampler's thread panicked", "report this with the command");
        self.end().ok_or_else(panicked)
    }

    fn end(&mut self) -> Option<Taken> {
        self.stop.store(true, Ordering::Release);
        self.thread.take()?.join().ok()
    }
}

/// A sampler that nobody stops would go on for ever.
impl Drop for Sampling {
    fn drop(&mut self) {
        let _ = self.end();
    }
}

struct Jittered {
    kept: Kept,
    /// How often each way was met. Each time stands for the same CPU time, whatever thread it was.
    met: HashMap<Trace, i64>,
}

impl Jittered {
    fn run(mut self, stop: &AtomicBool, look: Duration, ready: &SyncSender<()>) -> Taken {
        // How many threads there are is much cheaper to know than which, and cheapest of an open folder.
        let folder = File::open("/proc/self/task").ok();
        let count = || folder.as_ref().and_then(|folder| folder.metadata().ok()).map_or(0, |task| task.nlink());
        let (mut threads, mut looks) = (count(), 0_u32);
        self.kept.events.values().for_each(Event::go_on);
        self.list();
        let _ = ready.send(());
        while !stop.load(Ordering::Acquire) {
            std::thread::sleep(look);
            let now = count();
            if now != threads || looks.is_multiple_of(LIST_EVERY) {
                self.list();
            }
            (threads, looks) = (now, looks + 1);
            self.place_slots();
            self.drain();
        }
        self.kept.events.values().for_each(Event::stop);
        self.drain();
        keep(self.kept);
        let own = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
        let met = self.met.into_iter().map(|(trace, count)| Met { trace, count });
        Taken {
            met: met.collect(),
            own: Duration::new(own.tv_sec.unsigned_abs(), own.tv_nsec as u32),
            lost: Some(clock_event::lost()),
        }
    }

    /// Learns of new threads, and forgets those that have ended: their numbers may be given to others.
    fn list(&mut self) {
        let own = rustix::thread::gettid().as_raw_nonzero().get().unsigned_abs();
        let Ok(entries) = std::fs::read_dir("/proc/self/task") else { return };
        let names = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
        let now: Vec<u32> = names.filter(|number| *number != own).collect();
        let Kept { capturer, events } = &mut self.kept;
        events.retain(|number, _| {
            let stays = now.contains(number);
            if !stays {
                capturer.forget(*number);
            }
            stays
        });
        for number in now {
            if !events.contains_key(&number)
                && let Some(event) = Event::open(number)
            {
                events.insert(number, event);
            }
        }
    }

    /// Tells each thread's event where it says what it polls.
    fn place_slots(&self) {
        for (index, slot) in slot::all() {
            if let Some(event) = slot.thread().and_then(|thread| self.kept.events.get(&thread)) {
                event.polls_in(index);
            }
        }
    }

    /// Unwinds the copies that were made since the last time.
    fn drain(&mut self) {
        for copied in clock_event::copies() {
            let (task, phase) = (task(&copied), phase(&copied));
            let Copied { thread, registers, name, count, stack, .. } = copied;
            let Kept { capturer, events } = &mut self.kept;
            if let Some(event) = events.get(&thread).filter(|event| !event.is_known())
                && let Some(stack) = capturer.stack(thread, registers[1])
            {
                event.lies_in(&stack);
            }
            let addresses = capturer.unwind(&Snapshot::of_running(registers, stack));
            *self.met.entry(Trace { addresses, thread: name, task, phase }).or_insert(0) += count as i64;
        }
    }
}

/// Where the task was spawned that was polled when the stack was taken; empty where that is not known.
fn task(copied: &Copied) -> String {
    if cfg!(not(tokio_unstable)) {
        return String::new();
    }
    match copied.spawned_at {
        Some(at) => spawn_site(at),
        None if copied.sequence & 1 == 0 => OUTSIDE_TASKS.to_owned(),
        None => String::new(),
    }
}

/// The phase that was entered when the stack was taken; empty where phases are not known.
fn phase(copied: &Copied) -> String {
    match copied.phase {
        _ if !mark::is_installed() => String::new(),
        Some(span) => span.name().to_owned(),
        None => OUTSIDE_PHASES.to_owned(),
    }
}
