//! The stack of a running thread: a signal makes the thread itself copy its registers and its stack into a buffer that was
//! there before. The handler allocates nothing, locks nothing, unwinds nothing and uses no thread-local; who asked for the
//! copy unwinds it later.

#![allow(unsafe_code, reason = "a signal handler and raw system calls; each block says why it is sound")]

use std::ops::Range;
use std::panic::Location;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use crossbeam_utils::atomic::AtomicCell;

use super::Snapshot;
use crate::probe::slot::Slot;

/// Words of a stack that are copied; deeper ones are cut, and said to be.
const WORDS: usize = 32 * 1024;

const IDLE: u32 = 0;
const WANTED: u32 = 1;
const COPYING: u32 = 2;
const DONE: u32 = 3;

/// Where the one request that there can be stands.
static STATE: AtomicU32 = AtomicU32::new(IDLE);
/// The thread that shall copy.
static THREAD: AtomicU32 = AtomicU32::new(0);
/// Where that thread's stack is; empty where that is not known: then only registers are copied.
static BOTTOM: AtomicU64 = AtomicU64::new(0);
static LIMIT: AtomicU64 = AtomicU64::new(0);
/// What the thread polls; null where it is no thread of a runtime.
static SLOT: AtomicPtr<Slot> = AtomicPtr::new(std::ptr::null_mut());
/// What it copies: program counter, stack pointer, frame pointer, words, the number of the poll; when, and at what
/// CPU time of the thread, in nanoseconds.
static COPIED: [AtomicU64; 7] = [const { AtomicU64::new(0) }; 7];
/// And where the task was spawned.
static PLACE: AtomicCell<Option<&'static Location<'static>>> = AtomicCell::new(None);
static STACK: [AtomicU64; WORDS] = [const { AtomicU64::new(0) }; WORDS];

/// The signal, once it is chosen and the handler stands.
static SIGNAL: OnceLock<Option<i32>> = OnceLock::new();
/// Only one request at a time.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// A copy that is just being made takes no longer than some of these.
const MOMENT: Duration = Duration::from_micros(20);
/// Puts the handler in place, on a signal that the program does not use. Called before there are other threads.
pub(super) fn install() -> Option<i32> {
    *SIGNAL
        .get_or_init(|| (libc::SIGRTMIN() + 2..=libc::SIGRTMAX()).rev().find(|signal| is_free(*signal) && set(*signal)))
}

/// Whether nobody has a handler for the signal.
fn is_free(signal: i32) -> bool {
    // SAFETY: zeros are a valid `sigaction`, which the kernel fills in; with a null pointer it changes nothing.
    unsafe {
        let mut now: libc::sigaction = std::mem::zeroed();
        libc::sigaction(signal, std::ptr::null(), &raw mut now) == 0 && now.sa_sigaction == libc::SIG_DFL
    }
}

fn set(signal: i32) -> bool {
    // SAFETY: the structure is valid, the handler has the signature that SA_SIGINFO asks for and lives for ever, and does only
    // what is allowed in a signal handler (see `copy`).
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = copy as *const () as usize;
        action.sa_flags = libc::SA_SIGINFO | libc::SA_RESTART | libc::SA_ONSTACK;
        libc::sigaction(signal, &raw const action, std::ptr::null_mut()) == 0
    }
}

/// A timer on the CPU time of a thread. It goes off at the kernel's next tick while the thread runs, and the thread gets the
/// signal where it goes back to its own code: a thread that waits in a system call is never interrupted, as one would be that
/// began to wait just before a signal was sent to it.
struct Timer(libc::timer_t);

impl Timer {
    fn arm(thread: u32, signal: i32) -> Option<Self> {
        let clock = clock_of(thread);
        // SAFETY: zeros are a valid `sigevent` and a valid timer's number, which the call fills in; what is pointed to lives
        // until it returns.
        unsafe {
            let mut event: libc::sigevent = std::mem::zeroed();
            event.sigev_notify = libc::SIGEV_THREAD_ID;
            event.sigev_signo = signal;
            event.sigev_notify_thread_id = thread as libc::c_int;
            let mut timer: libc::timer_t = std::mem::zeroed();
            if libc::timer_create(clock, &raw mut event, &raw mut timer) != 0 {
                return None;
            }
            let timer = Self(timer);
            let mut at: libc::itimerspec = std::mem::zeroed();
            at.it_value.tv_nsec = 1;
            (libc::timer_settime(timer.0, 0, &raw const at, std::ptr::null_mut()) == 0).then_some(timer)
        }
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        // SAFETY: the timer was made by `arm` and is deleted only here.
        unsafe { libc::timer_delete(self.0) };
    }
}

/// A running thread was asked for its registers and its stack. Dropped, it takes the request back.
pub(in crate::probe) struct Request {
    thread: u32,
    /// When, in nanoseconds of the monotonic clock.
    sent: u64,
    /// The thread's CPU time then, in nanoseconds.
    cpu: u64,
    /// Deleted with it.
    _timer: Option<Timer>,
}

/// What a thread copied.
pub(super) struct Copied {
    pub(super) snapshot: Snapshot,
    /// The number of the poll in which it did; even outside polls.
    pub(super) sequence: u64,
    /// Where the task was spawned that was polled.
    pub(super) spawned_at: Option<&'static Location<'static>>,
    /// How long after it was asked.
    pub(super) after: Duration,
    /// How long of this it was on a processor.
    pub(super) ran: Duration,
}

/// When a thread is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::probe) enum When {
    /// At the kernel's next tick in which it runs: no system call of its is ever interrupted.
    AtItsTick,
    /// Now: samples at the kernel's ticks keep step with work that timers wake, which begins at them too.
    Now,
}

impl Request {
    /// Asks a thread, whose stack lies within `stack`. `slot` is where it says what it polls. `None` while another is asked, or
    /// where the thread has ended.
    pub(super) fn send(thread: u32, stack: &Range<u64>, slot: Option<&'static Slot>, when: When) -> Option<Self> {
        let signal = (*SIGNAL.get()?)?;
        if TAKEN.swap(true, Ordering::AcqRel) {
            return None;
        }
        THREAD.store(thread, Ordering::Relaxed);
        BOTTOM.store(stack.start, Ordering::Relaxed);
        LIMIT.store(stack.end, Ordering::Relaxed);
        SLOT.store(slot.map_or(std::ptr::null_mut(), |slot| std::ptr::from_ref(slot).cast_mut()), Ordering::Relaxed);
        STATE.store(WANTED, Ordering::Release);
        let (sent, cpu) = (nanoseconds(libc::CLOCK_MONOTONIC), nanoseconds(clock_of(thread)));
        let timer = match when {
            When::AtItsTick => Timer::arm(thread, signal).map(Some),
            When::Now => raise(thread, signal).then_some(None),
        };
        if timer.is_none() {
            take_back();
        }
        timer.map(|timer| Self { thread, sent, cpu, _timer: timer })
    }

    /// Whom it asked.
    pub(super) fn thread(&self) -> u32 {
        self.thread
    }

    /// What it copied; `None` while it has not.
    pub(super) fn answer(&self) -> Option<Copied> {
        if STATE.load(Ordering::Acquire) != DONE {
            return None;
        }
        let [pc, sp, bp, words, sequence, at, cpu] = COPIED.each_ref().map(|value| value.load(Ordering::Relaxed));
        let stack = STACK[..(words as usize).min(WORDS)].iter().map(|word| word.load(Ordering::Relaxed)).collect();
        let after = Duration::from_nanos(at.saturating_sub(self.sent));
        let ran = Duration::from_nanos(cpu.saturating_sub(self.cpu));
        let spawned_at = PLACE.load().filter(|_| sequence & 1 == 1);
        Some(Copied { snapshot: Snapshot { pc, sp, bp: Some(bp), stack }, sequence, spawned_at, after, ran })
    }
}

impl Drop for Request {
    fn drop(&mut self) {
        take_back();
    }
}

/// The CPU time of a thread until now, exact also while it runs; 0 where it has ended.
pub(in crate::probe) fn cpu_ns_of(thread: u32) -> u64 {
    nanoseconds(clock_of(thread))
}

/// The clock of one thread's CPU time, as the kernel numbers them.
fn clock_of(thread: u32) -> libc::clockid_t {
    (!(thread as libc::clockid_t) << 3) | 6
}

/// A clock's nanoseconds, 0 where there is no such clock; may be called in a signal handler.
fn nanoseconds(clock: libc::clockid_t) -> u64 {
    // SAFETY: zeros are a valid `timespec`, which the call fills in. It is on POSIX's list of what a handler may call; of a thread
    // that has ended it fails and sets errno, which only who asks for one does, never a handler.
    let time = unsafe {
        let mut time: libc::timespec = std::mem::zeroed();
        libc::clock_gettime(clock, &raw mut time);
        time
    };
    time.tv_sec.unsigned_abs() * 1_000_000_000 + time.tv_nsec.unsigned_abs()
}

/// Sends the signal to one thread of this process; `false` where the thread has ended.
fn raise(thread: u32, signal: i32) -> bool {
    // SAFETY: a raw system call with numbers only. The handler stands, so the signal does no more than it.
    unsafe { libc::syscall(libc::SYS_tgkill, libc::getpid(), thread as libc::c_int, signal) == 0 }
}

/// Ends the request, whether it was answered or not; a thread that is just at it is waited for.
fn take_back() {
    while STATE.compare_exchange(WANTED, IDLE, Ordering::AcqRel, Ordering::Acquire) == Err(COPYING) {
        std::thread::sleep(MOMENT);
    }
    STATE.store(IDLE, Ordering::Release);
    TAKEN.store(false, Ordering::Release);
}

/// The handler. A signal that nobody waits for does nothing: a request was taken back, or somebody else sent it.
extern "C" fn copy(_signal: i32, _info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    // SAFETY: `gettid` is a raw system call without arguments; it cannot fail, so it leaves errno as it is.
    let own = unsafe { libc::syscall(libc::SYS_gettid) } as u32;
    if THREAD.load(Ordering::Acquire) != own
        || STATE.compare_exchange(WANTED, COPYING, Ordering::AcqRel, Ordering::Relaxed).is_err()
    {
        return;
    }
    // SAFETY: with SA_SIGINFO the kernel passes a valid `ucontext_t`, which lives until the handler returns.
    let [pc, sp, bp] = unsafe { registers(&*context.cast::<libc::ucontext_t>()) };
    let [at, cpu] = [libc::CLOCK_MONOTONIC, libc::CLOCK_THREAD_CPUTIME_ID].map(nanoseconds);
    // SAFETY: it is null or came from a reference that lives for ever.
    let slot = unsafe { SLOT.load(Ordering::Relaxed).as_ref() };
    // This thread alone writes its slot: between two of its writes, all is of one poll.
    let sequence = slot.map_or(0, Slot::sequence);
    PLACE.store(slot.and_then(Slot::spawned_at));
    let (bottom, limit) = (BOTTOM.load(Ordering::Relaxed), LIMIT.load(Ordering::Relaxed));
    let mut words = 0;
    // A stack pointer elsewhere belongs to a stack that is not the thread's own: a coroutine's.
    if sp.is_multiple_of(8) && (bottom..limit).contains(&sp) {
        words = (((limit - sp) / 8) as usize).min(WORDS);
        for (index, word) in STACK.iter().enumerate().take(words) {
            // SAFETY: `bottom..limit` is the thread's stack, so from the stack pointer, which lies in it, to its end all is mapped
            // and readable, and this thread, whose stack it is, is here. Volatile, because the interrupted code knows nothing of this reading.
            word.store(unsafe { (sp as *const u64).add(index).read_volatile() }, Ordering::Relaxed);
        }
    }
    for (place, value) in COPIED.iter().zip([pc, sp, bp, words as u64, sequence, at, cpu]) {
        place.store(value, Ordering::Relaxed);
    }
    STATE.store(DONE, Ordering::Release);
}

/// Program counter, stack pointer and frame pointer of the interrupted code.
#[cfg(target_arch = "x86_64")]
fn registers(context: &libc::ucontext_t) -> [u64; 3] {
    [libc::REG_RIP, libc::REG_RSP, libc::REG_RBP].map(|register| context.uc_mcontext.gregs[register as usize] as u64)
}
