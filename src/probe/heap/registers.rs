//! The calling thread's own stack: where it is now, and words of it. Refuses every address outside the stack.

#![allow(
    unsafe_code,
    reason = "part of the allocator: registers and words of a stack are read by address; each block says why it is sound"
)]

use std::ops::Range;

/// Where a function is that is being executed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Registers {
    /// The instruction.
    pub(super) pc: u64,
    /// The stack pointer.
    pub(super) sp: u64,
    /// The frame pointer, or what the register holds where there is none.
    pub(super) bp: u64,
}

/// The registers of the function this is inlined into.
#[expect(clippy::inline_always, reason = "the registers are wanted that the caller has")]
#[inline(always)]
pub(super) fn here() -> Registers {
    let (pc, sp, bp): (u64, u64, u64);
    // SAFETY: three registers are read; no memory, no flags and no stack are touched.
    unsafe {
        std::arch::asm!(
            "lea {pc}, [rip]",
            "mov {sp}, rsp",
            "mov {bp}, rbp",
            pc = out(reg) pc, sp = out(reg) sp, bp = out(reg) bp,
            options(nomem, nostack, preserves_flags)
        );
    }
    Registers { pc, sp, bp }
}

/// The part of a thread's stack that is in use.
pub(super) struct Used(Range<u64>);

impl Used {
    /// From the stack pointer of a function that is being executed by this thread to the end of the thread's stack. `None` where
    /// the pointer is not on that stack.
    pub(super) fn of(registers: &Registers, stack: &Range<u64>) -> Option<Self> {
        stack.contains(&registers.sp).then_some(Self(registers.sp..stack.end))
    }

    /// The word at an address of it.
    #[inline]
    pub(super) fn word(&self, address: u64) -> Option<u64> {
        let inside = address >= self.0.start && address.checked_add(8)? <= self.0.end && address.is_multiple_of(8);
        // SAFETY: the address lies between the stack pointer of a function that has not returned (`Used` never leaves the call
        // that made it) and the end of the mapping that is this thread's stack: mapped and readable. Volatile, because the
        // functions whose frames these are know nothing of this reading.
        inside.then(|| unsafe { (address as *const u64).read_volatile() })
    }
}
