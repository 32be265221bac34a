//! The stack of another thread of this process, without stopping it for longer than a copy takes. A thread that waits in the
//! kernel is read without a signal, which could interrupt its system call; a running one is asked by a signal. Names nothing.

mod memory;
mod signal;
mod thread;
mod unwind;

use std::collections::HashMap;
use std::ops::Range;
use std::panic::Location;
use std::time::Duration;

pub(super) use signal::{Request, When, cpu_ns_of};
pub(super) use thread::{Clocks, Place, Thread};

use memory::Memory;
use signal::Copied;
use unwind::Unwinder;

use super::slot::Slot;

/// Words of the stack of a waiting thread that are copied.
const WORDS: usize = 32 * 1024;

/// Registers and a copy of the stack.
pub(super) struct Snapshot {
    pc: u64,
    sp: u64,
    /// The frame pointer, where it is known.
    bp: Option<u64>,
    /// The stack from `sp` on.
    stack: Vec<u64>,
}

impl Snapshot {
    /// The word at an address of the copied stack.
    fn word(&self, address: u64) -> Option<u64> {
        let offset = address.checked_sub(self.sp)?;
        if offset % 8 == 0 {
            return self.stack.get(usize::try_from(offset / 8).ok()?).copied();
        }
        None
    }
}

/// Takes stacks. One a process: it holds the unwind tables of all that is mapped.
pub(super) struct Capturer {
    memory: Option<Memory>,
    unwinder: Unwinder,
    /// Each thread's stack, once it is known.
    stacks: HashMap<u32, Range<u64>>,
}

/// A stack that was taken: addresses, the innermost first; all but the first are return addresses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Captured {
    pub(super) addresses: Vec<u64>,
    /// The number of the system call that the thread waited in.
    pub(super) syscall: Option<u32>,
}

/// What a running thread answered.
pub(super) struct Answer {
    pub(super) captured: Captured,
    /// The number of the poll in which it did; even outside polls.
    pub(super) sequence: u64,
    /// Where the task was spawned that was polled.
    pub(super) spawned_at: Option<&'static Location<'static>>,
    /// How long after it was asked.
    pub(super) after: Duration,
    /// How long of this it was on a processor.
    pub(super) ran: Duration,
}

/// What came of looking at a thread that may wait.
pub(super) enum Taken {
    /// It waits here.
    Stack(Captured),
    /// It runs, or is ready to.
    Runs,
    /// It went on, or the kernel does not tell.
    Missed,
}

/// What stacks cannot be taken, and why; empty where all can.
#[derive(Clone, Debug, Default)]
pub(super) struct Lost {
    pub(super) waiting: Option<&'static str>,
    pub(super) running: Option<&'static str>,
}

impl Capturer {
    /// Puts the signal's handler in place and reads the unwind tables. Called while the process has one thread.
    pub(super) fn new() -> (Self, Lost) {
        let memory = Memory::open();
        let lost = Lost {
            waiting: match (&memory, Thread::own().map(|thread| thread.place())) {
                (None, _) => Some("/proc/self/mem cannot be read"),
                (_, Ok(Place::Unknown) | Err(_)) => Some("/proc/self/task/…/syscall cannot be read"),
                _ => None,
            },
            running: signal::install().is_none().then_some("the program uses every real-time signal"),
        };
        let unwinder = Unwinder::load(memory.as_ref());
        (Self { memory, unwinder, stacks: HashMap::new() }, lost)
    }

    /// Takes the stack of a thread that waits in the kernel.
    pub(super) fn waiting(&mut self, thread: &Thread) -> Taken {
        match thread.place() {
            Place::Waiting { syscall, sp, pc } => {
                let words = self.words(thread.number(), sp);
                // Where it went on meanwhile, what was copied is of two moments.
                match words.filter(|_| thread.place() == (Place::Waiting { syscall, sp, pc })) {
                    Some(stack) => {
                        let addresses = self.unwind(&Snapshot { pc, sp, bp: None, stack });
                        Taken::Stack(Captured { addresses, syscall })
                    }
                    None => Taken::Missed,
                }
            }
            Place::Running => Taken::Runs,
            Place::Unknown if thread.is_running() => Taken::Runs,
            Place::Unknown => Taken::Missed,
        }
    }

    fn words(&mut self, number: u32, sp: u64) -> Option<Vec<u64>> {
        let limit = self.stack(number, sp)?.end;
        self.memory.as_ref()?.words(sp, limit, WORDS)
    }

    /// Asks a thread that computes for its stack. `slot` is where it says what it polls. `None` while another is asked. Of a thread
    /// whose stack is not known yet no more than its place comes; then it is known.
    pub(super) fn ask(&self, number: u32, slot: Option<&'static Slot>, when: When) -> Option<Request> {
        let unknown = 0..0;
        Request::send(number, self.stacks.get(&number).unwrap_or(&unknown), slot, when)
    }

    /// The answer; `None` while there is none.
    pub(super) fn answer(&mut self, request: &Request) -> Option<Answer> {
        let Copied { snapshot, sequence, spawned_at, after, ran } = request.answer()?;
        if snapshot.stack.is_empty() {
            self.learn(request.thread(), snapshot.sp);
        }
        let captured = Captured { addresses: self.unwind(&snapshot), syscall: None };
        Some(Answer { captured, sequence, spawned_at, after, ran })
    }

    /// Whether a thread's stack is known, so that all of it can be had.
    pub(super) fn knows(&self, number: u32) -> bool {
        self.stacks.contains_key(&number)
    }

    /// Learns where the stack of a thread is, from an address on it.
    pub(super) fn learn(&mut self, number: u32, address: u64) {
        let _ = self.stack(number, address);
    }

    /// The stack that the thread is on.
    fn stack(&mut self, number: u32, sp: u64) -> Option<Range<u64>> {
        if let Some(stack) = self.stacks.get(&number).filter(|stack| stack.contains(&sp)) {
            return Some(stack.clone());
        }
        let stack = memory::stack_of(&memory::maps(), sp)?;
        self.stacks.insert(number, stack.clone());
        Some(stack)
    }

    fn unwind(&mut self, snapshot: &Snapshot) -> Vec<u64> {
        let trace = self.unwinder.unwind(snapshot, self.memory.as_ref());
        // The last address may be in code that was loaded since.
        let last = trace.addresses.last().copied().unwrap_or(snapshot.pc);
        if trace.complete || self.unwinder.is_code(last) {
            return trace.addresses;
        }
        self.unwinder.refresh(self.memory.as_ref());
        let again = self.unwinder.unwind(snapshot, self.memory.as_ref());
        if again.addresses.len() > trace.addresses.len() { again.addresses } else { trace.addresses }
    }

    /// Forgets a thread that has ended: its number may be given to another.
    pub(super) fn forget(&mut self, number: u32) {
        self.stacks.remove(&number);
    }
}
