//! The stack of the calling thread as a chain of return addresses, by the unwind tables of the mapped files (framehop). A thread
//! remembers its last stack: of the next, only what has changed is unwound. Names nothing.

use std::cell::RefCell;
use std::ops::Range;
use std::panic::Location;
use std::sync::OnceLock;

use framehop::{FrameAddress, Unwinder as _};
use tracing::Metadata;

use super::own::OurWork;
use super::registers::{Registers, Used};
use super::sites::{self, Site};
use crate::probe::capture::{Cache, Tables, stack_at, tables};

/// Frames of a stack that are kept.
const MOST_FRAMES: usize = 256;
/// Stack that unwinding may take: some 60 KB in a program that was not optimized, where rows of the unwind tables are moved by value.
const NEEDED: usize = 128 << 10;
/// The stack it gets where less is left.
const OWN_STACK: usize = 512 << 10;
/// Sites that a thread remembers.
const REMEMBERED: usize = 1024;

/// The tables of what was mapped when tracking began first.
static TABLES: OnceLock<Tables> = OnceLock::new();

thread_local! {
    static TRACER: RefCell<Kept> = const { RefCell::new(Kept(None)) };
}

/// What a thread needs to unwind its own stack again and again.
struct Tracer {
    cache: Cache,
    stack: Range<u64>,
    /// The last stack, the outermost frame first.
    frames: Vec<Frame>,
    /// Frames that were unwound anew, the innermost first.
    fresh: Vec<Frame>,
    sites: Box<[Option<(u64, &'static Site)>]>,
}

/// A frame: where it goes on, the registers it then has, and what stands for it with all that are around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Frame {
    address: u64,
    sp: u64,
    bp: u64,
    hash: u64,
}

/// A thread's tracer, which is made when it is needed first.
struct Kept(Option<Box<Tracer>>);

impl Drop for Kept {
    fn drop(&mut self) {
        // The thread ends: what the tracer holds was never counted.
        let _ours = OurWork::begin();
        self.0 = None;
    }
}

/// Reads the unwind tables, so that no allocation has to.
pub(super) fn prepare() {
    TABLES.get_or_init(tables);
}

/// For whom something is allocated: where the task was spawned that is polled, and the phase that the thread is in.
pub(super) type Purpose = (Option<&'static Location<'static>>, Option<&'static Metadata<'static>>);

/// The site of an allocation that is made in the function with these registers. `None` where a stack cannot be had: the thread is
/// ending, or runs on a stack that is not its own.
pub(super) fn site(registers: Registers, purpose: Purpose) -> Option<&'static Site> {
    let traced = |tracer: &RefCell<Kept>| {
        let mut kept = tracer.try_borrow_mut().ok()?;
        kept.0.get_or_insert_with(|| Box::new(Tracer::new(&registers))).site(registers, purpose)
    };
    let site = || TRACER.try_with(traced).ok().flatten();
    // A thread may have a stack that is hardly larger than its work: the unwinder's is not on it then.
    if stacker::remaining_stack().is_some_and(|left| left < NEEDED) { stacker::grow(OWN_STACK, site) } else { site() }
}

impl Tracer {
    fn new(registers: &Registers) -> Self {
        Self {
            cache: Cache::new(),
            stack: stack_at(registers.sp),
            frames: Vec::with_capacity(MOST_FRAMES),
            fresh: Vec::with_capacity(MOST_FRAMES),
            sites: vec![None; REMEMBERED].into_boxed_slice(),
        }
    }

    fn site(&mut self, registers: Registers, purpose: Purpose) -> Option<&'static Site> {
        let used = Used::of(&registers, &self.stack)?;
        let stack = self.trace(registers, &used);
        let (task, phase) = purpose;
        let task = task.map_or(0, |at| std::ptr::from_ref(at).addr() as u64);
        let phase = phase.map_or(0, |phase| std::ptr::from_ref(phase).addr() as u64);
        let key = mixed(mixed(stack, task), phase);
        let place = (key % REMEMBERED as u64) as usize;
        if let Some((_, site)) = self.sites[place].filter(|(known, _)| *known == key) {
            return Some(site);
        }
        let addresses = || self.frames.iter().rev().take(MOST_FRAMES).map(|frame| frame.address).collect();
        let site = sites::of(key, purpose, addresses);
        self.sites[place] = Some((key, site));
        Some(site)
    }

    /// Brings `frames` up to date; gives what stands for all of them.
    fn trace(&mut self, registers: Registers, used: &Used) -> u64 {
        let mut unwound = framehop::x86_64::UnwindRegsX86_64::new(registers.pc, registers.sp, registers.bp);
        let mut address = FrameAddress::from_instruction_pointer(registers.pc);
        self.fresh.clear();
        let tables = TABLES.get();
        let mut known = false;
        while self.fresh.len() < MOST_FRAMES {
            let frame = Frame { address: address.address(), sp: unwound.sp(), bp: unwound.bp(), hash: 0 };
            known = self.is_known(frame, used);
            if known {
                break;
            }
            self.fresh.push(frame);
            let mut read = |address: u64| used.word(address).ok_or(());
            let next = tables
                .and_then(|tables| tables.unwind_frame(address, &mut unwound, &mut self.cache, &mut read).ok()?);
            match next.and_then(FrameAddress::from_return_address) {
                Some(next) => address = next,
                None => break,
            }
        }
        if !known {
            self.frames.clear();
        }
        let mut hash = self.frames.last().map_or(0, |frame| frame.hash);
        for frame in self.fresh.drain(..).rev() {
            hash = mixed(hash, frame.address);
            self.frames.push(Frame { hash, ..frame });
        }
        hash
    }

    /// Whether a frame is the innermost of the last stack that is still there. Forgets those that are not.
    fn is_known(&mut self, frame: Frame, used: &Used) -> bool {
        while self.frames.last().is_some_and(|last| last.sp < frame.sp) {
            self.frames.pop();
        }
        let same = |last: &Frame| (last.address, last.sp, last.bp) == (frame.address, frame.sp, frame.bp);
        if !self.frames.last().is_some_and(same) {
            return false;
        }
        // The frames around it are the same if each still returns to where it did: a return address lies below the stack pointer
        // that its frame has then.
        let returns = |frame: &Frame| used.word(frame.sp.wrapping_sub(8)) == Some(frame.address);
        let around = self.frames.len() - 1;
        match self.frames[..around].iter().position(|frame| !returns(frame)) {
            None => true,
            Some(changed) => {
                self.frames.truncate(changed);
                false
            }
        }
    }
}

/// What stands for a chain and one more link.
#[inline]
fn mixed(hash: u64, link: u64) -> u64 {
    let product = u128::from(hash ^ link ^ 0x9E37_79B9_7F4A_7C15) * 0xD6E8_FEB8_6659_FD93_u128;
    (product as u64) ^ ((product >> 64) as u64).rotate_left(32).wrapping_add(hash.rotate_left(29))
}
