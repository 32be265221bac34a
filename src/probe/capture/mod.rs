//! The stack of another thread of this process, without stopping it for longer than a copy takes. A thread that waits in the
//! kernel is read without a signal, which could interrupt its system call; a running one is asked by a signal. Names nothing.

mod memory;
mod signal;
mod thread;
mod unwind;

use std::collections::HashMap;
use std::sync::atomic::AtomicU64;

pub(super) use signal::Request;
pub(super) use thread::{Clocks, Place, Thread};

use memory::Memory;
use unwind::Unwinder;

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
    /// The end of each thread's stack, once it is known.
    limits: HashMap<u32, u64>,
}

/// A stack that was taken: addresses, the innermost first; all but the first are return addresses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Captured {
    pub(super) addresses: Vec<u64>,
    /// The number of the system call that the thread waited in.
    pub(super) syscall: Option<u32>,
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
        (Self { memory, unwinder, limits: HashMap::new() }, lost)
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
        let limit = self.limit(number, sp)?;
        self.memory.as_ref()?.words(sp, limit, WORDS)
    }

    /// Asks a thread that computes for its stack; it answers at the kernel's next tick. `sequence` says which poll it is in.
    /// `None` while another is asked.
    pub(super) fn ask(&self, number: u32, sequence: &'static AtomicU64) -> Option<Request> {
        Request::send(number, *self.limits.get(&number)?, sequence)
    }

    /// The answer, with the number of the poll in which it was given; `None` while there is none.
    pub(super) fn answer(&mut self, request: &Request) -> Option<(Captured, u64)> {
        let (snapshot, sequence) = request.answer()?;
        Some((Captured { addresses: self.unwind(&snapshot), syscall: None }, sequence))
    }

    /// Learns where the stack of a thread is, from an address on it.
    pub(super) fn learn(&mut self, number: u32, address: u64) {
        let _ = self.limit(number, address);
    }

    /// The end of the stack that the thread is on.
    fn limit(&mut self, number: u32, sp: u64) -> Option<u64> {
        // Further than any stack is large: it is another one.
        const LARGEST: u64 = 1 << 30;
        if let Some(limit) = self.limits.get(&number)
            && sp < *limit
            && limit - sp < LARGEST
        {
            return Some(*limit);
        }
        let limit = memory::limit_of(&memory::maps(), sp)?;
        self.limits.insert(number, limit);
        Some(limit)
    }

    fn unwind(&mut self, snapshot: &Snapshot) -> Vec<u64> {
        let trace = self.unwinder.unwind(snapshot, self.memory.as_ref());
        if trace.complete {
            return trace.addresses;
        }
        // Perhaps code that was loaded since.
        self.unwinder.refresh(self.memory.as_ref());
        let again = self.unwinder.unwind(snapshot, self.memory.as_ref());
        if again.addresses.len() > trace.addresses.len() { again.addresses } else { trace.addresses }
    }

    /// Forgets a thread that has ended: its number may be given to another.
    pub(super) fn forget(&mut self, number: u32) {
        self.limits.remove(&number);
    }
}
