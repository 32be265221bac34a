//! An event of the kernel (`perf_event_open`) on the CPU time of one thread: the thread runs, a random while of its CPU time is
//! over, and it copies its own stack. The kernel's timer goes only while the thread is on a processor, and the signal comes where the
//! thread goes back to its own code: no system call is interrupted, and what was met in the kernel is charged to who called it.

#![allow(unsafe_code, reason = "a signal handler and raw system calls; each block says why it is sound")]

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::fd::{AsRawFd, FromRawFd};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicI32, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use perf_event_open_sys as sys;
use sys::bindings::{PERF_COUNT_SW_CPU_CLOCK, PERF_FLAG_FD_CLOEXEC, PERF_TYPE_SOFTWARE, perf_event_attr};

use super::copies::{Copied, Copies, Told, WORDS};
use super::moment::{first, next, passed};
use crate::error::{Error, Result};
use crate::probe::capture::{handle, handler_of, registers};
use crate::probe::slot;
use crate::stats::random::Random;

/// Threads that can have an event at once.
const MOST: usize = 1024;
/// Before Linux 6.11 the signal of a thread that was met in the kernel came at once, and interrupted what it began to wait for.
const FIRST_KERNEL: (u32, u32) = (6, 11);
/// Marks the signals of events that were opened here; the rest of the number is the thread's place in `THREADS`.
const OURS: u64 = 0x7065_7266_6b69_0000;
/// Pages of a stack that are copied where it is not known how far it goes.
const PAGES: usize = 16;
const PAGE: u64 = 4096;
/// The place of a thread that has no slot.
const NO_SLOT: usize = usize::MAX;

/// What the handler has to know of a thread.
struct Entry {
    /// Its number; 0 while nobody has the entry.
    thread: AtomicU32,
    /// The event.
    file: AtomicI32,
    /// Where its stack is; empty while that is not known.
    bottom: AtomicU64,
    limit: AtomicU64,
    /// The number of the slot in which it says what it polls.
    slot: AtomicUsize,
    /// Random numbers that it has had.
    drawn: AtomicU64,
    /// The thread's CPU time when it was to make the copy that comes; 0 while that is not known.
    due: AtomicU64,
}

static THREADS: [Entry; MOST] = [const {
    Entry {
        thread: AtomicU32::new(0),
        file: AtomicI32::new(-1),
        bottom: AtomicU64::new(0),
        limit: AtomicU64::new(0),
        slot: AtomicUsize::new(NO_SLOT),
        drawn: AtomicU64::new(0),
        due: AtomicU64::new(0),
    }
}; MOST];
/// CPU time between two copies of a thread, in nanoseconds: the mean.
static PERIOD: AtomicU64 = AtomicU64::new(0);
/// Where the copies go, once the handler stands.
static COPIES: OnceLock<Copies> = OnceLock::new();

/// Why there can be no such events here; says nothing where there can.
pub(super) fn available() -> Result<()> {
    let release = rustix::system::uname().release().to_string_lossy().into_owned();
    if !is_recent(&release) {
        let reason = format!("Linux {release} would interrupt system calls by its signals");
        return Err(unavailable(&reason, "Linux 6.11 or newer does not; `--sampler pprof` works everywhere"));
    }
    if !is_ours() && handler_of(libc::SIGTRAP) != Some(libc::SIG_DFL) {
        return Err(taken());
    }
    // It never begins, and is closed at once.
    let own = rustix::process::getpid().as_raw_nonzero().get().unsigned_abs();
    open(own, OURS, 1 << 30).map(drop).map_err(|error| {
        let paranoid = std::fs::read_to_string("/proc/sys/kernel/perf_event_paranoid").unwrap_or_default();
        let reason =
            format!("the kernel allows no events on CPU time (perf_event_paranoid {}): {error}", paranoid.trim());
        let hint = "`sysctl kernel.perf_event_paranoid=1` or the capability CAP_PERFMON allows them";
        unavailable(&reason, hint)
    })
}

fn unavailable(reason: &str, hint: &str) -> Error {
    Error::probe("cpu", format!("the jittered sampler cannot work here: {reason}"), hint)
}

fn taken() -> Error {
    unavailable("the program handles SIGTRAP itself", "take stacks with `--sampler pprof`")
}

fn is_recent(release: &str) -> bool {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map_while(|text| text.parse().ok());
    (numbers.next(), numbers.next()) >= (Some(FIRST_KERNEL.0), Some(FIRST_KERNEL.1))
}

/// Puts the handler in place and makes room for copies.
pub(super) fn install() -> Result<()> {
    available()?;
    COPIES.get_or_init(|| {
        Copies::new(|| {
            let stack = Box::<[AtomicU64]>::new_zeroed_slice(WORDS);
            // SAFETY: zeros are valid numbers. Memory that is zero already takes none until it is written.
            unsafe { stack.assume_init() }
        })
    });
    // SAFETY: `on_trap` does only what is allowed in a signal handler.
    if is_ours() || unsafe { handle(libc::SIGTRAP, on_trap) } { Ok(()) } else { Err(taken()) }
}

/// Whether the handler stands: the program may have put another in its place.
fn is_ours() -> bool {
    handler_of(libc::SIGTRAP) == Some(on_trap as *const () as usize)
}

/// Sets how much CPU time lies between two copies of a thread; events that are opened or go on later keep to it.
pub(super) fn begin(period: Duration) -> Result<()> {
    if !is_ours() {
        return Err(taken());
    }
    PERIOD.store(period.as_nanos() as u64, Ordering::Relaxed);
    // What came after the last end.
    copies().for_each(drop);
    lost();
    Ok(())
}

/// The copies that were made since the last time.
pub(super) fn copies() -> impl Iterator<Item = Copied> {
    COPIES.get().into_iter().flat_map(Copies::take)
}

/// Copies for which there was no room, since the last time.
pub(super) fn lost() -> u64 {
    COPIES.get().map_or(0, Copies::lost)
}

/// The event of one thread. Closed when it is dropped: only of a thread that has ended, because Linux before 6.15 waits there until
/// the thread goes on.
pub(super) struct Event {
    file: File,
    place: usize,
}

impl Event {
    /// Copies begin, the first at a random moment. `None` where the thread has ended, or there are too many.
    pub(super) fn open(thread: u32) -> Option<Self> {
        let place = THREADS.iter().position(|entry| entry.thread.load(Ordering::Acquire) == 0)?;
        let entry = &THREADS[place];
        let file = open(thread, OURS | place as u64, PERIOD.load(Ordering::Relaxed)).ok()?;
        entry.file.store(file.as_raw_fd(), Ordering::Relaxed);
        entry.slot.store(NO_SLOT, Ordering::Relaxed);
        entry.limit.store(0, Ordering::Relaxed);
        entry.thread.store(thread, Ordering::Release);
        let event = Self { file, place };
        event.go_on();
        Some(event)
    }

    /// Copies go on after a stop.
    pub(super) fn go_on(&self) {
        THREADS[self.place].due.store(0, Ordering::Relaxed);
        set_period(self.file.as_raw_fd(), part_of_period(first(random(self.place))));
        // SAFETY: the file is an event's, and the call takes no memory.
        unsafe { sys::ioctls::ENABLE(self.file.as_raw_fd(), 0) };
    }

    /// No copies any more.
    pub(super) fn stop(&self) {
        // SAFETY: the file is an event's, and the call takes no memory.
        unsafe { sys::ioctls::DISABLE(self.file.as_raw_fd(), 0) };
    }

    /// Where the thread's stack is. The handler copies what it may read of it; where this is not known, some pages.
    pub(super) fn lies_in(&self, stack: &Range<u64>) {
        THREADS[self.place].bottom.store(stack.start, Ordering::Relaxed);
        THREADS[self.place].limit.store(stack.end, Ordering::Relaxed);
    }

    /// Whether it is known where the thread's stack is.
    pub(super) fn is_known(&self) -> bool {
        THREADS[self.place].limit.load(Ordering::Relaxed) != 0
    }

    /// In which slot the thread says what it polls.
    pub(super) fn polls_in(&self, slot: usize) {
        THREADS[self.place].slot.store(slot, Ordering::Relaxed);
    }
}

impl Drop for Event {
    fn drop(&mut self) {
        self.stop();
        THREADS[self.place].thread.store(0, Ordering::Release);
    }
}

/// An event that has not begun.
fn open(thread: u32, mark: u64, period: u64) -> io::Result<File> {
    let mut attributes = perf_event_attr {
        type_: PERF_TYPE_SOFTWARE,
        size: size_of::<perf_event_attr>() as u32,
        config: PERF_COUNT_SW_CPU_CLOCK.into(),
        sig_data: mark,
        ..Default::default()
    };
    attributes.sample_period = period.max(1);
    attributes.set_disabled(1);
    attributes.set_exclude_hv(1);
    attributes.set_sigtrap(1);
    // What the kernel asks for with `sigtrap`: another program has no handler.
    attributes.set_remove_on_exec(1);
    let (any_processor, no_group) = (-1, -1);
    // SAFETY: the attributes are valid and live until the call returns; signals go to a thread of this process, whose handler knows
    // the mark. What comes back is a file of its own, or less than 0.
    unsafe {
        let flags = PERF_FLAG_FD_CLOEXEC.into();
        let file = sys::perf_event_open(&raw mut attributes, thread as i32, any_processor, no_group, flags);
        if file < 0 { Err(io::Error::last_os_error()) } else { Ok(File::from_raw_fd(file)) }
    }
}

/// The CPU time until the next copy starts again from now. May be called in a signal handler.
fn set_period(file: i32, nanoseconds: u64) {
    // SAFETY: the kernel reads one number, which lives until the call returns. Of a file that is no event's it does nothing.
    unsafe { libc::ioctl(file, sys::bindings::PERIOD.into(), &raw const nanoseconds) };
}

/// A part of the period, in nanoseconds.
fn part_of_period(part: f64) -> u64 {
    (PERIOD.load(Ordering::Relaxed) as f64 * part) as u64
}

/// The thread's next random number: the same for the same process, so that a run can be repeated.
fn random(place: usize) -> f64 {
    let number = THREADS[place].drawn.fetch_add(1, Ordering::Relaxed);
    Random::new((place as u64) << 32 | number & 0xffff_ffff).uniform()
}

/// The CPU time of this thread, in nanoseconds. May be called in a signal handler.
fn cpu_time() -> u64 {
    // SAFETY: zeros are a valid `timespec`, which the call fills in; it is on POSIX's list of what a handler may call.
    let time = unsafe {
        let mut time: libc::timespec = std::mem::zeroed();
        libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time);
        time
    };
    time.tv_sec.unsigned_abs() * 1_000_000_000 + time.tv_nsec.unsigned_abs()
}

/// What the kernel tells with the signal of an event.
#[repr(C)]
struct Info {
    signal: i32,
    errno: i32,
    code: i32,
    _unused: i32,
    address: u64,
    mark: u64,
}

/// The code of a SIGTRAP that an event sends.
const TRAP_PERF: i32 = 6;

/// The handler.
extern "C" fn on_trap(_signal: i32, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    // SAFETY: it is this thread's own `errno`, which what follows may change and the interrupted code may be about to read.
    let errno = unsafe { libc::__errno_location() };
    // SAFETY: as above.
    let before = unsafe { *errno };
    // SAFETY: with SA_SIGINFO the kernel passes a valid `siginfo_t`, which is larger and begins so, and a valid `ucontext_t`.
    let (info, context) = unsafe { (&*info.cast::<Info>(), &*context.cast::<libc::ucontext_t>()) };
    if info.code != TRAP_PERF {
        end_as_without_us();
    } else if info.mark & !0xffff == OURS {
        let place = (info.mark & 0xffff) as usize;
        // SAFETY: a raw system call without arguments; it cannot fail.
        let own = unsafe { libc::syscall(libc::SYS_gettid) } as u32;
        if let Some(entry) = THREADS.get(place).filter(|entry| entry.thread.load(Ordering::Acquire) == own) {
            let due = entry.due.load(Ordering::Relaxed);
            let late = if due == 0 { 0 } else { cpu_time().saturating_sub(due) };
            let (count, left) = passed(late, || part_of_period(next(random(place))));
            copy(own, entry, count, context);
            // What the copy took is not watched.
            entry.due.store(cpu_time() + left, Ordering::Relaxed);
            set_period(entry.file.load(Ordering::Relaxed), left);
        }
    }
    // SAFETY: as above.
    unsafe { *errno = before };
}

/// A SIGTRAP that is not ours, a breakpoint's, ends the program as it does where nobody handles it.
fn end_as_without_us() {
    // SAFETY: valid numbers and structures; both calls are allowed in a signal handler. The signal comes when the handler returns.
    unsafe {
        libc::signal(libc::SIGTRAP, libc::SIG_DFL);
        libc::raise(libc::SIGTRAP);
    }
}

/// This thread copies its registers, its stack and its place.
fn copy(own: u32, entry: &Entry, count: u64, context: &libc::ucontext_t) {
    let Some(copies) = COPIES.get() else { return };
    let mut name = [0_u64; 2];
    // SAFETY: the kernel writes sixteen bytes, and there are.
    unsafe { libc::prctl(libc::PR_GET_NAME, name.as_mut_ptr()) };
    let registers = registers(context);
    let slot = slot::at(entry.slot.load(Ordering::Relaxed)).filter(|slot| slot.thread() == Some(own));
    let stack = entry.bottom.load(Ordering::Relaxed)..entry.limit.load(Ordering::Relaxed);
    copies.make(&Told { thread: own, registers, name, count, slot }, |room| read_stack(registers[1], &stack, room));
}

/// Copies a stack from its pointer on, and says how many words. Reading what is not mapped is an error to the kernel, not a fault:
/// the thread may be on a stack that nobody knows, a coroutine's.
fn read_stack(sp: u64, stack: &Range<u64>, room: &[AtomicU64]) -> usize {
    if !sp.is_multiple_of(8) {
        return 0;
    }
    let room_bytes = size_of_val(room);
    let part = |from: u64, to: u64| libc::iovec { iov_base: from as *mut _, iov_len: (to - from) as usize };
    // What lies beyond an end that is not known must not spoil what lies before it: what cannot be read is left out by the page.
    let mut parts = [part(0, 0); PAGES];
    let mut count = 1;
    if stack.contains(&sp) {
        parts[0] = part(sp, stack.end.min(sp.saturating_add(room_bytes as u64)));
    } else {
        let mut from = sp;
        for part_of in &mut parts {
            let to = (from | (PAGE - 1)).saturating_add(1);
            *part_of = part(from, to);
            from = to;
        }
        count = PAGES;
    }
    let to = libc::iovec { iov_base: room.as_ptr() as *mut _, iov_len: room_bytes };
    // SAFETY: the kernel writes only into the room, of which nobody else has a part while this copy is made, and whose numbers may be
    // written through a shared reference. What it reads it checks.
    let read = unsafe {
        let pid = libc::getpid();
        libc::process_vm_readv(pid, &raw const to, 1, parts.as_ptr(), count as libc::c_ulong, 0)
    };
    usize::try_from(read).map_or(0, |bytes| bytes / 8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_of_linux_are_compared_by_their_numbers() {
        let recent = ["6.11.0-1-generic", "6.18.44-fc", "7.0", "10.2-rc1"];
        let old = ["6.10.14", "5.15.0-91-generic", "6.9", "6", "", "x"];
        assert_eq!(recent.map(is_recent), [true; 4]);
        assert_eq!(old.map(is_recent), [false; 6]);
    }
}
