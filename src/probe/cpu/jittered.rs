//! The jittered sampler: a thread that at random moments asks every running thread for its stack. What wakes on the kernel's
//! tick cannot keep step with it, and it knows which task is being polled. A thread that waits is never asked.

use std::collections::HashMap;
use std::num::NonZeroU64;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::{Met, Taken, Trace};
use crate::error::{Error, Result};
use crate::probe::capture::{Answer, Capturer, Lost, Thread, When, cpu_ns_of};
use crate::probe::hooks::Hooks;
use crate::probe::slot::{self, Slot};
use crate::record::name::short_path;
use crate::record::stacks::OUTSIDE_TASKS;
use crate::stats::random::Random;

/// How often a thread is looked at that was asked: it answers as soon as it has a processor.
const MOMENT: Duration = Duration::from_micros(30);
/// The sampler may have taken the processor of the thread that it asks, but not for longer than this.
const AT_ONCE: Duration = Duration::from_micros(250);
/// Moments after which threads are listed although there are as many as before: one may have ended and another begun.
const LIST_EVERY: u32 = 16;
/// Looks at a thread that was asked, before it is given up.
const LOOKS: u32 = 10;
/// The moments are random, and the same for the same process: a run can be repeated.
const SEED: u64 = 1;

/// What takes stacks: made while the process has one thread.
static CAPTURER: Mutex<Option<(Capturer, Lost)>> = Mutex::new(None);

pub(super) fn prepare(hooks: &mut Hooks) {
    watch(hooks);
    *CAPTURER.lock().unwrap_or_else(PoisonError::into_inner) = Some(Capturer::new());
}

/// Has the runtime tell which task is polled.
#[cfg(tokio_unstable)]
fn watch(hooks: &mut Hooks) {
    hooks.before_poll(|task| slot::begin(slot::number_of(task.id()), Some(task.spawned_at())));
    hooks.after_poll(|_| slot::end());
}

#[cfg(not(tokio_unstable))]
fn watch(_hooks: &mut Hooks) {}

/// The sampler at work.
pub(super) struct Sampling {
    stop: Arc<AtomicBool>,
    thread: Option<std::thread::JoinHandle<Taken>>,
}

impl Sampling {
    pub(super) fn start(frequency_hz: u32) -> Result<Self> {
        let made = CAPTURER.lock().unwrap_or_else(PoisonError::into_inner).take();
        let (capturer, lost) = made.unwrap_or_else(Capturer::new);
        if let Some(reason) = lost.running {
            return Err(Error::probe("cpu", reason, "take stacks with `--sampler pprof`"));
        }
        let stop = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&stop);
        let period = Duration::from_secs(1) / frequency_hz.max(1);
        let thread = std::thread::Builder::new().name("perfkit-sampler".into()).spawn(move || {
            let sampler = Jittered {
                capturer,
                period,
                threads: HashMap::new(),
                met: HashMap::new(),
                cpu_ns: HashMap::new(),
                unanswered: 0,
            };
            sampler.run(&told)
        });
        let thread = thread.map_err(|error| Error::probe("cpu", error, "the process may not start more threads"))?;
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
    capturer: Capturer,
    period: Duration,
    /// The threads of this process now.
    threads: HashMap<u32, Known>,
    /// How often each way was met, of each thread.
    met: HashMap<u32, HashMap<Trace, i64>>,
    /// CPU time of each thread while there was a sampler.
    cpu_ns: HashMap<u32, u64>,
    unanswered: u64,
}

/// A thread of this process.
struct Known {
    thread: Thread,
    name: String,
    /// Its CPU time when it was seen first.
    begin_ns: u64,
}

impl Jittered {
    fn run(mut self, stop: &AtomicBool) -> Taken {
        // The kernel puts timers off by 50 µs unless it is told otherwise.
        let _ = rustix::thread::set_current_timer_slack(NonZeroU64::new(1));
        let mut random = Random::new(SEED);
        let (mut threads, mut moments) = (count(), 0_u32);
        self.list(cpu_ns_of);
        while !stop.load(Ordering::Acquire) {
            std::thread::sleep(self.period.mul_f64(0.5 + random.uniform()));
            let now = count();
            if now != threads || moments.is_multiple_of(LIST_EVERY) {
                // What a thread used before it was known was used in this round.
                self.list(|_| 0);
            }
            (threads, moments) = (now, moments + 1);
            self.sample();
        }
        let own = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
        Taken {
            met: weigh(self.met, &self.cpu_ns),
            own: Duration::new(own.tv_sec.unsigned_abs(), own.tv_nsec as u32),
            unanswered: Some(self.unanswered),
        }
    }

    /// Learns of new threads, and forgets those that have ended: their numbers may be given to others.
    fn list(&mut self, begin_ns: fn(u32) -> u64) {
        let own = rustix::thread::gettid().as_raw_nonzero().get().unsigned_abs();
        let Ok(entries) = std::fs::read_dir("/proc/self/task") else { return };
        let names = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
        let now: Vec<u32> = names.filter(|number| *number != own).collect();
        self.threads.retain(|number, _| {
            let stays = now.contains(number);
            if !stays {
                self.capturer.forget(*number);
            }
            stays
        });
        for number in now {
            if !self.threads.contains_key(&number)
                && let Ok(thread) = Thread::open(number)
            {
                self.threads.insert(number, Known { thread, name: String::new(), begin_ns: begin_ns(number) });
            }
        }
    }

    /// One sample of each thread that runs.
    fn sample(&mut self) {
        let all: Vec<u32> = self.threads.keys().copied().collect();
        for number in all {
            let Some(known) = self.threads.get(&number) else { continue };
            let used = cpu_ns_of(number).saturating_sub(known.begin_ns);
            let before = self.cpu_ns.entry(number).or_insert(0);
            // Cheaper to know than where it is: a thread that runs has used CPU time since the last moment.
            if used <= *before {
                continue;
            }
            *before = used;
            let Some(processor) = known.thread.processor() else { continue };
            let ready_for = (processor == rustix::thread::sched_getcpu()).then_some(OurProcessor);
            let slot = slot::all().map(|(_, slot)| slot).find(|slot| slot.thread() == Some(number));
            let knew = self.capturer.knows(number);
            let mut answer = self.ask(number, slot, ready_for);
            if !knew && answer.is_some() {
                answer = self.ask(number, slot, ready_for);
            }
            let Some((addresses, task)) = answer else {
                self.unanswered += 1;
                continue;
            };
            let Some(known) = self.threads.get_mut(&number) else { continue };
            // A thread gets its name after it has begun.
            if known.name.is_empty() {
                known.name = known.thread.name();
            }
            let trace = Trace { addresses, thread: known.name.clone(), task };
            *self.met.entry(number).or_default().entry(trace).or_insert(0) += 1;
        }
    }

    /// A thread's stack, with where the task was spawned that it polls.
    fn ask(
        &mut self,
        number: u32,
        slot: Option<&'static Slot>,
        ready_for: Option<OurProcessor>,
    ) -> Option<(Vec<u64>, String)> {
        let request = self.capturer.ask(number, slot, When::Now)?;
        for _ in 0..LOOKS {
            std::thread::sleep(MOMENT);
            let Some(answer) = self.capturer.answer(&request) else { continue };
            let ran = was_on_a_processor(&answer, ready_for);
            let task = task(&answer);
            return ran.then_some((answer.captured.addresses, task));
        }
        None
    }
}

/// How many threads this process has, which is much cheaper to know than which.
fn count() -> u64 {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata("/proc/self/task").map_or(0, |task| task.nlink())
}

/// Gives each thread's CPU time to the ways that were met on it. Counts alone would give too much to a thread that the kernel wakes
/// together with the sampler, which it does with timers that lie near each other.
fn weigh(met: HashMap<u32, HashMap<Trace, i64>>, cpu_ns: &HashMap<u32, u64>) -> Vec<Met> {
    let mut all = Vec::new();
    for (number, traces) in met {
        let of_thread: i64 = traces.values().sum();
        let each = cpu_ns.get(&number).map_or(0.0, |ns| *ns as f64) / of_thread.max(1) as f64;
        all.extend(traces.into_iter().map(|(trace, count)| Met { trace, count, weight: count as f64 * each }));
    }
    all
}

/// A thread is on the sampler's own processor: the sampler runs in its place.
#[derive(Clone, Copy)]
struct OurProcessor;

/// Whether the thread ran when it was asked, as its own CPU time since tells, or the sampler had just taken its place. One that was
/// ready but waited for a processor, because it was just woken or has just woken another, used no CPU time where it was.
fn was_on_a_processor(answer: &Answer, ready_for: Option<OurProcessor>) -> bool {
    answer.ran * 2 >= answer.after || (ready_for.is_some() && answer.after < AT_ONCE)
}

/// Where the task was spawned that was polled when the stack was taken; empty where that is not known.
fn task(answer: &Answer) -> String {
    if cfg!(not(tokio_unstable)) {
        return String::new();
    }
    match answer.spawned_at {
        Some(at) => format!("{}:{}:{}", short_path(at.file()), at.line(), at.column()),
        None if answer.sequence & 1 == 0 => OUTSIDE_TASKS.to_owned(),
        None => String::new(),
    }
}
