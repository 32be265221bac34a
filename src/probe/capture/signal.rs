//! The stack of a running thread: a signal makes the thread itself copy its registers and its stack into a buffer that was
//! there before. The handler allocates nothing, locks nothing, unwinds nothing and uses no thread-local; who asked for the
//! copy unwinds it later.

#![allow(unsafe_code, reason = "a signal handler and raw system calls; each block says why it is sound")]

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use super::Snapshot;

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
/// The end of that thread's stack; 0 where it is not known: then only registers are copied.
static LIMIT: AtomicU64 = AtomicU64::new(0);
/// What it copies: program counter, stack pointer, frame pointer, words.
static COPIED: [AtomicU64; 4] = [const { AtomicU64::new(0) }; 4];
static STACK: [AtomicU64; WORDS] = [const { AtomicU64::new(0) }; WORDS];

/// The signal, once it is chosen and the handler stands.
static SIGNAL: OnceLock<Option<i32>> = OnceLock::new();
/// Only one request at a time.
static REQUEST: Mutex<()> = Mutex::new(());

/// Looks how often whether the copy is there.
const LOOK: Duration = Duration::from_micros(20);
/// Looks until a thread is taken for one that does not run: two of the kernel's ticks.
const PATIENCE: u32 = 100;

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
        // The clock of one thread's CPU time, as the kernel numbers them.
        let clock = (!(thread as libc::clockid_t) << 3) | 6;
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

/// Asks a running thread for its registers and its stack up to `limit`. `None` where it does not answer in time: it ended, it
/// does not get a processor, or it keeps the signal blocked.
pub(super) fn ask(thread: u32, limit: u64) -> Option<Snapshot> {
    let signal = (*SIGNAL.get()?)?;
    let _only = REQUEST.lock().unwrap_or_else(PoisonError::into_inner);
    THREAD.store(thread, Ordering::Relaxed);
    LIMIT.store(limit, Ordering::Relaxed);
    STATE.store(WANTED, Ordering::Release);
    let timer = Timer::arm(thread, signal);
    let mut looks = 0;
    while timer.is_some() && looks < PATIENCE && STATE.load(Ordering::Acquire) != DONE {
        std::thread::sleep(LOOK);
        looks += 1;
    }
    drop(timer);
    // Taken back, unless the thread is just at it: then it will be done at once.
    while STATE.compare_exchange(WANTED, IDLE, Ordering::AcqRel, Ordering::Acquire) == Err(COPYING) {
        std::thread::sleep(LOOK);
    }
    let answered = STATE.swap(IDLE, Ordering::AcqRel) == DONE;
    answered.then(|| {
        let [pc, sp, bp, words] = COPIED.each_ref().map(|value| value.load(Ordering::Relaxed));
        let stack = STACK[..(words as usize).min(WORDS)].iter().map(|word| word.load(Ordering::Relaxed)).collect();
        Snapshot { pc, sp, bp: Some(bp), stack }
    })
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
    let limit = LIMIT.load(Ordering::Relaxed);
    let mut words = 0;
    // A stack pointer elsewhere belongs to a stack that is not the thread's own: a coroutine's.
    if sp.is_multiple_of(8) && sp < limit {
        words = (((limit - sp) / 8) as usize).min(WORDS);
        for (index, word) in STACK.iter().enumerate().take(words) {
            // SAFETY: from the stack pointer to the end of the thread's stack all is mapped and readable, and this thread, whose
            // stack it is, is here. Volatile, because the interrupted code knows nothing of this reading.
            word.store(unsafe { (sp as *const u64).add(index).read_volatile() }, Ordering::Relaxed);
        }
    }
    for (place, value) in COPIED.iter().zip([pc, sp, bp, words as u64]) {
        place.store(value, Ordering::Relaxed);
    }
    STATE.store(DONE, Ordering::Release);
}

/// Program counter, stack pointer and frame pointer of the interrupted code.
#[cfg(target_arch = "x86_64")]
fn registers(context: &libc::ucontext_t) -> [u64; 3] {
    [libc::REG_RIP, libc::REG_RSP, libc::REG_RBP].map(|register| context.uc_mcontext.gregs[register as usize] as u64)
}
