//! The watchdog: looks a thousand times a second at what every thread of the runtime polls, and takes the stack of one that
//! has not moved for longer than the threshold. Keeps what it saw; what it means is for `stall`.

#![allow(clippy::disallowed_methods, reason = "a probe keeps time of its own: the load's clock may be a test's")]

use std::num::NonZeroU64;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::probe::capture::{Captured, Capturer, Clocks, Request, Taken, Thread};
use crate::probe::slot::{self, Poll, SLOTS, Slot};

/// Between two looks.
pub(super) const TICK: Duration = Duration::from_millis(1);
/// Reading two clocks one after the other may be interrupted; then they are read again.
const APART: Duration = Duration::from_micros(500);
/// How often they are read again.
const TRIES: u32 = 3;
/// Stacks of one stall that are kept.
const MOST_CAPTURES: usize = 16;
/// Stalls of one round that are kept.
const MOST: usize = 100_000;

/// One poll that lasted longer than the threshold. Times are from the watchdog's origin.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) start: Duration,
    pub(super) duration: Duration,
    pub(super) cpu: Duration,
    pub(super) waited: Duration,
    pub(super) thread: String,
    pub(super) poll: Poll,
    pub(super) captures: Vec<(Duration, Captured)>,
    /// Whether a look met it neither on a processor nor ready for one.
    pub(super) slept: bool,
}

/// What the watchdog saw in a round.
#[derive(Default)]
pub(super) struct Watched {
    pub(super) seen: Vec<Seen>,
    /// Stalls for which there was no room.
    pub(super) beyond: u64,
    /// The longest time between two looks.
    pub(super) latest: Duration,
    /// CPU time of the watchdog itself.
    pub(super) cpu: Duration,
}

/// A look at a thread.
#[derive(Clone, Copy)]
struct Look {
    at: Duration,
    clocks: Clocks,
}

/// A poll that was on at the last look.
struct Open {
    poll: Poll,
    /// When the look before the first was: then the poll was not on yet.
    before: Duration,
    first: Look,
    last: Look,
    captures: Vec<(Duration, Captured)>,
    /// The age at which the next stack is taken.
    next: Duration,
    /// Whether a look met it neither on a processor nor ready for one.
    slept: bool,
}

impl Open {
    /// How long it has been seen to last.
    fn age(&self) -> Duration {
        self.last.at.saturating_sub(self.first.at)
    }

    /// CPU time that its thread has used in it.
    fn cpu(&self) -> Duration {
        Duration::from_nanos(self.last.clocks.cpu_ns.saturating_sub(self.first.clocks.cpu_ns))
    }
}

/// A watched thread.
struct Watch {
    thread: Thread,
    open: Option<Open>,
}

/// Looks until it is told to stop.
pub(super) fn run(
    threshold: Duration,
    mut capturer: Capturer,
    origin: Instant,
    stop: &AtomicBool,
) -> (Watched, Capturer) {
    // The kernel puts timers off by 50 µs unless it is told otherwise.
    let _ = rustix::thread::set_current_timer_slack(NonZeroU64::new(1));
    let mut watchdog = Watchdog {
        threshold,
        origin,
        watches: (0..SLOTS).map(|_| None).collect(),
        watched: Watched::default(),
        capturer: &mut capturer,
        asked: None,
    };
    let mut last = origin.elapsed();
    while !stop.load(Ordering::Acquire) {
        std::thread::sleep(TICK);
        let now = origin.elapsed();
        watchdog.watched.latest = watchdog.watched.latest.max(now.saturating_sub(last));
        watchdog.look(last, now);
        last = now;
    }
    watchdog.close_all(last);
    let mut watched = watchdog.watched;
    let cpu = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    watched.cpu = Duration::new(cpu.tv_sec.unsigned_abs(), cpu.tv_nsec as u32);
    (watched, capturer)
}

struct Watchdog<'a> {
    threshold: Duration,
    origin: Instant,
    watches: Vec<Option<Watch>>,
    watched: Watched,
    capturer: &'a mut Capturer,
    asked: Option<Asked>,
}

/// The thread that was asked for its stack.
struct Asked {
    index: usize,
    request: Request,
}

impl Watchdog<'_> {
    /// One look at every thread.
    fn look(&mut self, before: Duration, now: Duration) {
        self.collect();
        for (index, slot) in slot::all() {
            let Some(number) = slot.thread() else {
                self.leave(index, now);
                continue;
            };
            if self.watches[index].as_ref().is_none_or(|watch| watch.thread.number() != number) {
                self.leave(index, now);
                self.watches[index] = Thread::open(number).ok().map(|thread| Watch { thread, open: None });
                self.capturer.learn(number, slot.stack());
            }
            self.look_at(index, slot, before, now);
        }
    }

    fn look_at(&mut self, index: usize, slot: &'static Slot, before: Duration, now: Duration) {
        let Some(mut watch) = self.watches[index].take() else { return };
        let sequence = slot.sequence();
        if let Some(open) = &watch.open
            && open.poll.sequence != sequence
        {
            self.take_back(index);
            self.close(&mut watch, now);
        }
        if let Some(open) = &mut watch.open {
            self.stay(index, &watch.thread, open, slot);
        } else if let Some(poll) = slot.poll()
            && let Some(first) = clocks(&watch.thread, self.origin)
        {
            // Only a poll that is still on: the clocks were read within it.
            let captures = Vec::new();
            let same = slot.sequence() == poll.sequence;
            let next = self.threshold / 2;
            watch.open = same.then_some(Open { poll, before, first, last: first, captures, next, slept: false });
        }
        self.watches[index] = Some(watch);
    }

    /// The poll of the last look is still on.
    fn stay(&mut self, index: usize, thread: &Thread, open: &mut Open, slot: &'static Slot) {
        let look = clocks(thread, self.origin);
        if let Some(look) = look.filter(|_| slot.sequence() == open.poll.sequence) {
            open.last = look;
        }
        if open.age() < open.next || open.captures.len() >= MOST_CAPTURES {
            return;
        }
        let taken = self.capturer.waiting(thread);
        open.slept |= !matches!(taken, Taken::Runs);
        match taken {
            Taken::Stack(captured) => {
                if slot.sequence() == open.poll.sequence {
                    open.captures.push((self.origin.elapsed(), captured));
                }
            }
            // One that did not get a processor yet has not done anything that its stack could tell. What others took does not
            // count: a poll that gets every second slice is a stall by its own slices.
            Taken::Runs if open.cpu() < self.threshold / 4 => return,
            Taken::Runs => {
                if self.asked.is_none() {
                    let request = self.capturer.ask(thread.number(), slot);
                    self.asked = request.map(|request| Asked { index, request });
                }
                if self.asked.as_ref().is_none_or(|asked| asked.index != index) {
                    // Another thread is being asked: again at the next look.
                    return;
                }
            }
            Taken::Missed => return,
        }
        open.next = open.age() * 2;
    }

    /// Takes the answer of the thread that was asked.
    fn collect(&mut self) {
        let Some(asked) = &self.asked else { return };
        let Some((captured, sequence)) = self.capturer.answer(&asked.request) else { return };
        let open = self.watches[asked.index].as_mut().and_then(|watch| watch.open.as_mut());
        if let Some(open) = open.filter(|open| open.poll.sequence == sequence) {
            open.captures.push((self.origin.elapsed(), captured));
        }
        self.asked = None;
    }

    /// Takes the request back that was sent to a thread whose poll is over.
    fn take_back(&mut self, index: usize) {
        if self.asked.as_ref().is_some_and(|asked| asked.index == index) {
            self.asked = None;
        }
    }

    /// The poll is over. It ended between the last look at it and now.
    fn close(&mut self, watch: &mut Watch, now: Duration) {
        let Some(open) = watch.open.take() else { return };
        if open.age() < self.threshold {
            return;
        }
        if self.watched.seen.len() >= MOST {
            self.watched.beyond += 1;
            return;
        }
        // A look that came late says little about when something happened: no more than a tick is added at either end.
        let half = |from: Duration, to: Duration| (to.saturating_sub(from)).min(TICK) / 2;
        let start = open.first.at.saturating_sub(half(open.before, open.first.at));
        let end = open.last.at + half(open.last.at, now);
        let duration = end.saturating_sub(start);
        // The time ready for a processor is counted when the thread gets one: also what it waited for at the last look.
        let after = watch.thread.clocks().unwrap_or(open.last.clocks);
        let grown = |of: fn(&Clocks) -> u64| Duration::from_nanos(of(&after).saturating_sub(of(&open.first.clocks)));
        let waited = grown(|clocks| clocks.waited_ns).min(duration);
        self.watched.seen.push(Seen {
            start,
            duration,
            cpu: grown(|clocks| clocks.cpu_ns).min(duration.saturating_sub(waited)),
            waited,
            thread: watch.thread.name(),
            poll: open.poll,
            captures: open.captures,
            slept: open.slept,
        });
    }

    /// The thread of a slot has ended.
    fn leave(&mut self, index: usize, now: Duration) {
        if let Some(mut watch) = self.watches[index].take() {
            self.take_back(index);
            self.close(&mut watch, now);
            self.capturer.forget(watch.thread.number());
        }
    }

    fn close_all(&mut self, now: Duration) {
        for index in 0..self.watches.len() {
            self.leave(index, now);
        }
    }
}

/// The time and the thread's clocks, read next to each other; `None` where the thread has ended.
fn clocks(thread: &Thread, origin: Instant) -> Option<Look> {
    let mut look = None;
    for _ in 0..TRIES {
        let before = origin.elapsed();
        let clocks = thread.clocks()?;
        let at = origin.elapsed();
        look = Some(Look { at: before, clocks });
        if at.saturating_sub(before) < APART {
            break;
        }
    }
    look
}

/// A watchdog that runs.
pub(super) struct Running {
    stop: Arc<AtomicBool>,
    thread: std::thread::JoinHandle<(Watched, Capturer)>,
}

impl Running {
    /// Starts it.
    pub(super) fn start(threshold: Duration, capturer: Capturer, origin: Instant) -> std::io::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&stop);
        let body = move || run(threshold, capturer, origin, &told);
        let thread = std::thread::Builder::new().name("perfkit-stalls".into()).spawn(body)?;
        Ok(Self { stop, thread })
    }

    /// Ends it; `None` where it panicked.
    pub(super) fn stop(self) -> Option<Watched> {
        self.stop.store(true, Ordering::Release);
        self.thread.join().ok().map(|(watched, _)| watched)
    }
}
