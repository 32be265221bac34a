//! Phases: `tracing` spans, each split into busy (entered), scheduled (its task was ready but not polled) and idle. A
//! span joins its operation through its parent, the operation polled on this thread, or a field `traceparent`.
//! Events are not looked at, and spans of the runtime and of HTTP libraries are left out.

#![allow(clippy::disallowed_methods, reason = "a probe keeps time of its own: the load's clock may be a test's")]

mod entered;
pub(super) mod mark;
mod open;
mod slab;
mod subscriber;
#[cfg(test)]
mod tests;

use std::cell::{Cell, OnceCell, RefCell};
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Instant;

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id};

use super::hooks::Hooks;
use super::{Probe, Running, Settings};
use crate::error::{Error, Result};
use crate::record::pass::Pass;
use crate::record::reading::{SpanTime, Spans};
use crate::record::{Phase, Reading};
use crate::warning::Caution;
use open::{Open, Split};
use subscriber::{Subscriber, Watch};

/// The probe `phases`.
pub struct Phases;

/// Times of single operations that one round keeps, of 40 bytes each; phases beyond are still counted in the sums.
const MOST_TIMES: usize = 3_000_000;
/// How many of them a thread takes at once: threads that counted together would wait for each other at every span.
const AT_ONCE: usize = 1024;

static ACTIVE: AtomicBool = AtomicBool::new(false);
static LOCALS: Mutex<Vec<Arc<Mutex<Local>>>> = Mutex::new(Vec::new());
static NAMES: Mutex<Vec<&'static str>> = Mutex::new(Vec::new());
static KEPT: AtomicUsize = AtomicUsize::new(0);
static RESOLVE: OnceLock<fn(&str) -> Option<u64>> = OnceLock::new();

thread_local! {
    static LOCAL: OnceCell<Arc<Mutex<Local>>> = const { OnceCell::new() };
    static OPERATION: Cell<Option<u64>> = const { Cell::new(None) };
}

/// What one thread has seen; another thread reads it only at the end.
#[derive(Default)]
struct Local {
    sums: Vec<Sum>,
    times: Vec<SpanTime>,
    /// Times that it may still keep.
    room: usize,
    /// Times for which there was no room.
    lost: u64,
}

#[derive(Clone, Copy, Default)]
struct Sum {
    count: u64,
    total_ns: u64,
    busy_ns: u64,
    scheduled_ns: u64,
    max_ns: u64,
}

/// Sets how the operation is read out of a `traceparent`; the load knows how it was written.
pub fn resolve_traceparent(resolve: fn(&str) -> Option<u64>) {
    let _ = RESOLVE.set(resolve);
}

/// Runs `poll` with this operation's number for the spans that open in it.
#[inline]
pub fn in_operation<T>(operation: u64, poll: impl FnOnce() -> T) -> T {
    struct Restore(Option<u64>);
    impl Drop for Restore {
        fn drop(&mut self) {
            OPERATION.set(self.0);
        }
    }
    let _restore = Restore(OPERATION.replace(Some(operation)));
    poll()
}

impl Probe for Phases {
    fn name(&self) -> &'static str {
        "phases"
    }

    fn about(&self) -> &'static str {
        "tracing spans, each split into busy, scheduled and idle"
    }

    fn passes(&self) -> &'static [Pass] {
        &[Pass::Time]
    }

    fn prepare(&self, hooks: &mut Hooks) -> Result<()> {
        super::wait::watch(hooks);
        let taken = |error| {
            Error::probe("phases", error, "the program sets a tracing subscriber of its own before perfkit runs")
        };
        tracing::subscriber::set_global_default(Subscriber(Timed)).map_err(|error| taken(error.to_string()))
    }

    fn start(&self, _settings: &Settings) -> Result<Box<dyn Running>> {
        ACTIVE.store(true, Ordering::Release);
        Ok(Box::new(Watching))
    }
}

struct Watching;

impl Running for Watching {
    fn stop(self: Box<Self>) -> Result<Reading> {
        ACTIVE.store(false, Ordering::Release);
        let names = lock(&NAMES).clone();
        let mut sums = vec![Sum::default(); names.len()];
        let (mut times, mut lost) = (Vec::new(), 0);
        for local in lock(&LOCALS).iter() {
            let mut local = lock(local);
            for (sum, part) in sums.iter_mut().zip(&local.sums) {
                sum.add(part);
            }
            times.append(&mut local.times);
            lost += std::mem::take(&mut local.lost);
        }
        let mut reading = Reading::of("phases");
        let seen = names.iter().zip(&sums).filter(|(_, sum)| sum.count > 0);
        reading.phases = seen.map(|(name, sum)| sum.phase(name)).collect();
        if lost > 0 {
            let reason =
                format!("ops.csv has the phases of about {MOST_TIMES} spans, {lost} later ones are in the sums only");
            reading.warnings.push(Caution::ProbeDegraded { probe: "phases", reason }.into());
        }
        let beyond = subscriber::beyond();
        if beyond > 0 {
            let reason = format!("at most {} spans are watched at once, {beyond} were not", slab::CAPACITY);
            reading.warnings.push(Caution::ProbeDegraded { probe: "phases", reason }.into());
        }
        #[cfg(not(tokio_unstable))]
        reading.warnings.push(Caution::NoTokioUnstable { absent: "scheduled parts of phases" }.into());
        reading.fact("spans", sums.iter().map(|sum| sum.count).sum::<u64>());
        reading.spans = Spans {
            names: names.iter().map(|name| (*name).to_owned()).collect(),
            times,
            knows_scheduled: cfg!(tokio_unstable),
        };
        Ok(reading)
    }
}

impl Sum {
    fn add(&mut self, other: &Sum) {
        self.count += other.count;
        self.total_ns += other.total_ns;
        self.busy_ns += other.busy_ns;
        self.scheduled_ns += other.scheduled_ns;
        self.max_ns = self.max_ns.max(other.max_ns);
    }

    fn phase(&self, name: &str) -> Phase {
        let mean = |total: u64| total as f64 / self.count.max(1) as f64;
        let known = cfg!(tokio_unstable);
        let scheduled = if known { self.scheduled_ns.min(self.total_ns.saturating_sub(self.busy_ns)) } else { 0 };
        Phase {
            name: name.to_owned(),
            count: self.count,
            mean_ns: mean(self.total_ns),
            busy_ns: mean(self.busy_ns),
            scheduled_ns: known.then(|| mean(scheduled)),
            idle_ns: mean(self.total_ns.saturating_sub(self.busy_ns).saturating_sub(scheduled)),
            share: None,
            max_ns: self.max_ns as f64,
        }
    }
}

/// Keeps time of spans.
struct Timed;

impl Watch for Timed {
    fn open(&self, attributes: &Attributes<'_>, inherited: Option<u64>) -> Option<Open> {
        if !ACTIVE.load(Ordering::Relaxed) {
            return None;
        }
        let operation = from_field(attributes).or(inherited).or_else(|| OPERATION.get());
        Some(Open::new(index_of(attributes.metadata().name()), operation, Instant::now()))
    }

    fn enter(&self, open: &mut Open) {
        open.enter(Instant::now(), super::wait::current());
    }

    fn exit(&self, id: &Id) {
        slab::with(id, |span| {
            if let Some(open) = &mut span.open {
                open.exit(Instant::now());
            }
        });
    }

    fn close(&self, open: Open) {
        if !ACTIVE.load(Ordering::Relaxed) {
            return;
        }
        let (name, operation) = (open.name, open.operation);
        let split = open.close(Instant::now());
        // A thread that is ending has lost its own: what its last destructors close is not kept.
        let _ = LOCAL.try_with(|local| lock(local.get_or_init(new_local)).keep(name, operation, split));
    }
}

impl Local {
    fn keep(&mut self, phase: u16, operation: Option<u64>, split: Split) {
        let index = usize::from(phase);
        if self.sums.len() <= index {
            self.sums.resize(index + 1, Sum::default());
        }
        let Split { total_ns, busy_ns, scheduled_ns } = split;
        self.sums[index].add(&Sum { count: 1, total_ns, busy_ns, scheduled_ns, max_ns: total_ns });
        let Some(operation) = operation else { return };
        if self.room == 0 {
            self.room = AT_ONCE.min(MOST_TIMES.saturating_sub(KEPT.fetch_add(AT_ONCE, Ordering::Relaxed)));
        }
        if self.room > 0 {
            self.room -= 1;
            self.times.push(SpanTime { operation, phase, total_ns, busy_ns, scheduled_ns });
        } else {
            self.lost += 1;
        }
    }
}

fn new_local() -> Arc<Mutex<Local>> {
    let local = Arc::new(Mutex::new(Local::default()));
    lock(&LOCALS).push(Arc::clone(&local));
    local
}

/// The index of a span's name. Each thread remembers the names it has seen by their addresses: few, so a scan is quick.
fn index_of(name: &'static str) -> u16 {
    thread_local! {
        static SEEN: RefCell<Vec<(*const u8, u16)>> = const { RefCell::new(Vec::new()) };
    }
    let seen = SEEN.try_with(|seen| {
        let mut seen = seen.borrow_mut();
        if let Some((_, index)) = seen.iter().find(|(address, _)| *address == name.as_ptr()) {
            return *index;
        }
        let index = new_index_of(name);
        seen.push((name.as_ptr(), index));
        index
    });
    seen.unwrap_or_else(|_| new_index_of(name))
}

fn new_index_of(name: &'static str) -> u16 {
    let mut names = lock(&NAMES);
    let index = names.iter().position(|known| *known == name).unwrap_or_else(|| {
        names.push(name);
        names.len() - 1
    });
    u16::try_from(index).unwrap_or(u16::MAX)
}

/// The operation that a span's field `traceparent` names.
fn from_field(attributes: &Attributes<'_>) -> Option<u64> {
    attributes.metadata().fields().field("traceparent")?;
    let mut reader = Reader { operation: None };
    attributes.record(&mut reader);
    reader.operation
}

struct Reader {
    operation: Option<u64>,
}

impl Visit for Reader {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "traceparent" {
            self.operation = RESOLVE.get().and_then(|resolve| resolve(value));
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "traceparent" {
            self.record_str(field, &format!("{value:?}"));
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
