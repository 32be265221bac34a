//! The memory of this process as the kernel shows it: what is mapped where, and words of it. Reading what is no longer mapped
//! is an error here, not a fault.

use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;

use procfs::process::{MMPermissions, MMapPath, MemoryMap, Process};

/// Reads this process's own memory.
pub(super) struct Memory(File);

impl Memory {
    /// `None` where the kernel does not show it.
    pub(super) fn open() -> Option<Self> {
        File::open("/proc/self/mem").ok().map(Self)
    }

    /// The words from an address up to a limit, at most so many.
    pub(super) fn words(&self, from: u64, limit: u64, most: usize) -> Option<Vec<u64>> {
        let count = usize::try_from(limit.checked_sub(from)? / 8).ok()?.min(most);
        let mut bytes = vec![0; count * 8];
        self.0.read_exact_at(&mut bytes, from).ok()?;
        Some(bytes.chunks_exact(8).map(|word| u64::from_ne_bytes(word.try_into().unwrap_or_default())).collect())
    }

    /// Bytes at an address.
    pub(super) fn bytes(&self, from: u64, length: usize) -> Option<Vec<u8>> {
        let mut bytes = vec![0; length];
        self.0.read_exact_at(&mut bytes, from).ok()?;
        Some(bytes)
    }
}

/// Everything that is mapped now.
pub(super) fn maps() -> Vec<MemoryMap> {
    Process::myself().and_then(|process| process.maps()).map(|maps| maps.0).unwrap_or_default()
}

/// The stack that an address lies in, as far as it may grow.
pub(super) fn stack_of(maps: &[MemoryMap], address: u64) -> Option<Range<u64>> {
    // What the kernel grants the first thread, whose mapping grows downwards, unless it is told otherwise.
    const FIRST: u64 = 8 << 20;
    let around = maps.iter().find(|map| (map.address.0..map.address.1).contains(&address))?;
    let writable = around.perms.contains(MMPermissions::READ | MMPermissions::WRITE);
    let (start, end) = around.address;
    // Stacks are mapped for themselves; what is mapped from a file, or is the heap, belongs to somebody else's stack.
    match around.pathname {
        MMapPath::Stack => Some(end.saturating_sub(FIRST).min(start)..end),
        MMapPath::Anonymous | MMapPath::Other(_) => Some(start..end),
        _ => None,
    }
    .filter(|_| writable)
}
