//! The stack of another thread of this process, without stopping it for longer than a copy takes. A thread that waits in the
//! kernel is read without a signal, which could interrupt its system call; a running one is asked by a signal. Names nothing.

mod memory;
mod signal;
mod thread;
mod unwind;

use std::collections::HashMap;
use std::ops::Range;

pub(super) use signal::{Request, handle, handler_of, registers};
pub(super) use thread::{Clocks, Place, Thread};

pub(super) use unwind::{Cache, Tables};

use memory::Memory;
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
    /// What a running thread copied of itself.
    pub(super) fn of_running([pc, sp, bp]: [u64; 3], stack: Vec<u64>) -> Self {
        Self { pc, sp, bp: Some(bp), stack }
    }

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

/// The unwind tables of what is mapped now.
pub(super) fn tables() -> Tables {
    Unwinder::load(Memory::open().as_ref()).into_tables()
}

/// The stack that an address lies on, to its end; empty where it lies on none.
pub(super) fn stack_at(address: u64) -> Range<u64> {
    memory::stack_of(&memory::maps(), address).unwrap_or_default()
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
    /// Reads the unwind tables.
    pub(super) fn new() -> Self {
        let memory = Memory::open();
        let unwinder = Unwinder::load(memory.as_ref());
        Self { memory, unwinder, stacks: HashMap::new() }
    }

    /// Gets ready to take stacks of threads that wait and to ask those that run: puts the signal's handler in place. Called while the
    /// process has one thread.
    pub(super) fn listen(&self) -> Lost {
        Lost {
            waiting: match (&self.memory, Thread::own().map(|thread| thread.place())) {
                (None, _) => Some("/proc/self/mem cannot be read"),
                (_, Ok(Place::Unknown) | Err(_)) => Some("/proc/self/task/…/syscall cannot be read"),
                _ => None,
            },
            running: signal::install().is_none().then_some("the program uses every real-time signal"),
        }
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
    pub(super) fn ask(&self, number: u32, slot: &'static Slot) -> Option<Request> {
        let unknown = 0..0;
        Request::send(number, self.stacks.get(&number).unwrap_or(&unknown), slot)
    }

    /// The answer, with the number of the poll that was on; `None` while there is none.
    pub(super) fn answer(&mut self, request: &Request) -> Option<(Captured, u64)> {
        let (snapshot, sequence) = request.answer()?;
        if snapshot.stack.is_empty() {
            self.learn(request.thread(), snapshot.sp);
        }
        Some((Captured { addresses: self.unwind(&snapshot), syscall: None }, sequence))
    }

    /// Learns where the stack of a thread is, from an address on it.
    pub(super) fn learn(&mut self, number: u32, address: u64) {
        let _ = self.stack(number, address);
    }

    /// The stack of a thread, from an address on it.
    pub(super) fn stack(&mut self, number: u32, sp: u64) -> Option<Range<u64>> {
        if let Some(stack) = self.stacks.get(&number).filter(|stack| stack.contains(&sp)) {
            return Some(stack.clone());
        }
        let stack = memory::stack_of(&memory::maps(), sp)?;
        self.stacks.insert(number, stack.clone());
        Some(stack)
    }

    /// The addresses of a stack, the innermost first.
    pub(super) fn unwind(&mut self, snapshot: &Snapshot) -> Vec<u64> {
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
