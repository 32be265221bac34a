//! The stack of one running thread that is asked for it: a signal makes the thread itself copy its registers and its stack into a
//! buffer that was there before. The handler allocates nothing, locks nothing, unwinds nothing and uses no thread-local; who asked
//! for the copy unwinds it later.

#![allow(unsafe_code, reason = "a signal handler and raw system calls; each block says why it is sound")]

use std::ops::Range;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

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
/// What the thread polls; null before the first request.
static SLOT: AtomicPtr<Slot> = AtomicPtr::new(std::ptr::null_mut());
/// What it copies: program counter, stack pointer, frame pointer, words, the number of the poll.
static COPIED: [AtomicU64; 5] = [const { AtomicU64::new(0) }; 5];
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
    handler_of(signal) == Some(libc::SIG_DFL)
}

fn set(signal: i32) -> bool {
    // SAFETY: `copy` lives for ever and does only what is allowed in a signal handler.
    unsafe { handle(signal, copy) }
}

/// What a handler is that is told why it was called, and where.
pub(in crate::probe) type Handler = extern "C" fn(i32, *mut libc::siginfo_t, *mut libc::c_void);

/// The address of a signal's handler, or what stands instead of one.
pub(in crate::probe) fn handler_of(signal: i32) -> Option<libc::sighandler_t> {
    // SAFETY: zeros are a valid `sigaction`, which the kernel fills in; with a null pointer it changes nothing.
    unsafe {
        let mut now: libc::sigaction = std::mem::zeroed();
        (libc::sigaction(signal, std::ptr::null(), &raw mut now) == 0).then_some(now.sa_sigaction)
    }
}

/// Has a handler called for a signal, on the thread's other stack where it has one.
///
/// # Safety
/// The handler does only what is allowed in one.
pub(in crate::probe) unsafe fn handle(signal: i32, handler: Handler) -> bool {
    // SAFETY: the structure is valid, and the handler has the signature that SA_SIGINFO asks for.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = handler as *const () as usize;
        action.sa_flags = libc::SA_SIGINFO | libc::SA_RESTART | libc::SA_ONSTACK;
        libc::sigaction(signal, &raw const action, std::ptr::null_mut()) == 0
    }
}

/// The lowest bits of the number that the kernel gives to the clock of one thread's CPU time.
const CPU_TIME_OF_A_THREAD: libc::clockid_t = 6;

/// A timer on the CPU time of a thread. It goes off at the kernel's next tick while the thread runs, and the thread gets the
/// signal where it goes back to its own code: a thread that waits in a system call is never interrupted, as one would be that
/// began to wait just before a signal was sent to it.
struct Timer(libc::timer_t);

impl Timer {
    fn arm(thread: u32, signal: i32) -> Option<Self> {
        let clock = (!(thread as libc::clockid_t) << 3) | CPU_TIME_OF_A_THREAD;
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

/// A running thread was asked for its registers and its stack. It answers at the kernel's next tick in which it runs. Dropped, it
/// takes the request back.
pub(in crate::probe) struct Request {
    thread: u32,
    /// Deleted with it.
    _timer: Timer,
}

impl Request {
    /// Asks a thread, whose stack lies within `stack`. `slot` is where it says what it polls. `None` while another is asked, or
    /// where the thread has ended.
    pub(super) fn send(thread: u32, stack: &Range<u64>, slot: &'static Slot) -> Option<Self> {
        let signal = (*SIGNAL.get()?)?;
        if TAKEN.swap(true, Ordering::AcqRel) {
            return None;
        }
        THREAD.store(thread, Ordering::Relaxed);
        BOTTOM.store(stack.start, Ordering::Relaxed);
        LIMIT.store(stack.end, Ordering::Relaxed);
        SLOT.store(std::ptr::from_ref(slot).cast_mut(), Ordering::Relaxed);
        STATE.store(WANTED, Ordering::Release);
        let timer = Timer::arm(thread, signal);
        if timer.is_none() {
            take_back();
        }
        timer.map(|timer| Self { thread, _timer: timer })
    }

    /// Whom it asked.
    pub(super) fn thread(&self) -> u32 {
        self.thread
    }

    /// What it copied, and the number of the poll that was on, even outside polls; `None` while it has not.
    pub(super) fn answer(&self) -> Option<(Snapshot, u64)> {
        if STATE.load(Ordering::Acquire) != DONE || THREAD.load(Ordering::Relaxed) != self.thread {
            return None;
        }
        let [pc, sp, bp, words, sequence] = COPIED.each_ref().map(|value| value.load(Ordering::Relaxed));
        let stack = STACK[..(words as usize).min(WORDS)].iter().map(|word| word.load(Ordering::Relaxed)).collect();
        Some((Snapshot { pc, sp, bp: Some(bp), stack }, sequence))
    }
}

impl Drop for Request {
    fn drop(&mut self) {
        take_back();
    }
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
    // SAFETY: it is null or came from a reference that lives for ever.
    let slot = unsafe { SLOT.load(Ordering::Relaxed).as_ref() };
    let sequence = slot.map_or(0, Slot::sequence);
    let (bottom, limit) = (BOTTOM.load(Ordering::Relaxed), LIMIT.load(Ordering::Relaxed));
    let mut words = 0;
    // A stack pointer elsewhere belongs to a stack that is not the thread's own: a coroutine's.
    if sp.is_multiple_of(8) && (bottom..limit).contains(&sp) {
        words = (((limit - sp) / 8) as usize).min(WORDS);
        for (index, word) in STACK.iter().enumerate().take(words) {
            // SAFETY: `bottom..limit` is the thread's stack, so from the stack pointer, which lies in it, to its end all is mapped
            // and readable, and this thread, whose stack it is, is here. Volatile, because the interrupted code knows nothing of
            // this reading.
            word.store(unsafe { (sp as *const u64).add(index).read_volatile() }, Ordering::Relaxed);
        }
    }
    for (place, value) in COPIED.iter().zip([pc, sp, bp, words as u64, sequence]) {
        place.store(value, Ordering::Relaxed);
    }
    STATE.store(DONE, Ordering::Release);
}

/// Program counter, stack pointer and frame pointer of the interrupted code.
#[cfg(target_arch = "x86_64")]
pub(in crate::probe) fn registers(context: &libc::ucontext_t) -> [u64; 3] {
    [libc::REG_RIP, libc::REG_RSP, libc::REG_RBP].map(|register| context.uc_mcontext.gregs[register as usize] as u64)
}
