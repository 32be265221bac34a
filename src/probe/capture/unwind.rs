//! From a copied stack to the addresses of its calls, with the unwind tables of the mapped files (framehop). Names are given
//! later, by `symbols`; nothing here runs in a signal handler.

use std::collections::HashMap;
use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;

use framehop::{
    CacheNative, ExplicitModuleSectionInfo, MayAllocateDuringUnwind, Module, Unwinder as _, UnwinderNative,
};
use object::{Object, ObjectSection, ReadCache, ReadRef};
use procfs::process::{MMPermissions, MMapPath, MemoryMap};

use super::Snapshot;
use super::memory::{Memory, maps};

type Bytes = Arc<[u8]>;
/// The unwind tables of files, which several threads may use at once.
pub(in crate::probe) type Tables = UnwinderNative<Bytes, MayAllocateDuringUnwind>;
/// What a thread has looked up in them.
pub(in crate::probe) type Cache = CacheNative<MayAllocateDuringUnwind>;

/// Frames of a stack that are kept.
const MOST_FRAMES: usize = 256;
/// Words of the stack that are looked through for a frame pointer that is not known.
const SEARCHED: usize = 4096;

/// A frame pointer that is not known: an address at which nothing can be read. Not 0, which says that there is no caller.
const NOWHERE: u64 = 8;

/// The unwind tables of everything that is mapped.
pub(super) struct Unwinder {
    native: Tables,
    cache: Cache,
    /// The start of each module that is known, with its end.
    known: HashMap<u64, u64>,
}

/// The addresses of a stack, the innermost first: all but the first are return addresses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Trace {
    pub(super) addresses: Vec<u64>,
    /// Whether it reaches the start of the thread.
    pub(super) complete: bool,
}

impl Unwinder {
    /// Reads the tables of what is mapped now.
    pub(super) fn load(memory: Option<&Memory>) -> Self {
        let mut unwinder = Self { native: Tables::new(), cache: Cache::new(), known: HashMap::new() };
        unwinder.refresh(memory);
        unwinder
    }

    /// Reads the tables of what was mapped since.
    pub(super) fn refresh(&mut self, memory: Option<&Memory>) {
        let maps = maps();
        let mut bases: HashMap<PathBuf, u64> = HashMap::new();
        for map in &maps {
            if let MMapPath::Path(path) = &map.pathname {
                bases.entry(path.clone()).or_insert(map.address.0.saturating_sub(map.offset));
            }
            let (start, end) = map.address;
            if !map.perms.contains(MMPermissions::EXECUTE) || self.known.get(&start) == Some(&end) {
                continue;
            }
            if self.known.insert(start, end).is_some() {
                self.native.remove_module(start);
            }
            if let Some((name, base, sections)) = sections(map, &bases, memory) {
                self.native.add_module(Module::new(name, start..end, base, sections));
            }
        }
    }

    /// The tables, for threads that unwind themselves.
    pub(super) fn into_tables(self) -> Tables {
        self.native
    }

    /// Whether an address is in code that is known.
    pub(super) fn is_code(&self, address: u64) -> bool {
        self.known.iter().any(|(start, end)| (*start..*end).contains(&address))
    }

    /// Unwinds a copied stack. Where the frame pointer is not known, the first place of the stack is taken for it with which the
    /// start of the thread is reached: behind it lies a return address. What lies at it is the caller's register, which may hold
    /// anything where the caller was compiled without frame pointers.
    pub(super) fn unwind(&mut self, snapshot: &Snapshot, memory: Option<&Memory>) -> Trace {
        if let Some(bp) = snapshot.bp {
            return self.walk(snapshot, bp);
        }
        let mut best = self.walk(snapshot, NOWHERE);
        if best.complete {
            return best;
        }
        for (index, word) in snapshot.stack.iter().enumerate().skip(1).take(SEARCHED) {
            if !self.is_code(*word) || !memory.is_some_and(|memory| follows_a_call(memory, *word)) {
                continue;
            }
            let trace = self.walk(snapshot, snapshot.sp + (index as u64 - 1) * 8);
            if trace.complete {
                return trace;
            }
            if trace.addresses.len() > best.addresses.len() {
                best = trace;
            }
        }
        best
    }

    fn walk(&mut self, snapshot: &Snapshot, bp: u64) -> Trace {
        let registers = framehop::x86_64::UnwindRegsX86_64::new(snapshot.pc, snapshot.sp, bp);
        let mut read = |address: u64| snapshot.word(address).ok_or(());
        let mut frames = self.native.iter_frames(snapshot.pc, registers, &mut self.cache, &mut read);
        let mut trace = Trace::default();
        while trace.addresses.len() < MOST_FRAMES {
            match frames.next() {
                Ok(Some(frame)) => trace.addresses.push(frame.address()),
                Ok(None) => {
                    trace.complete = true;
                    break;
                }
                Err(_) => break,
            }
        }
        trace
    }
}

/// Whether the instruction before an address is a call: a direct one of five bytes, or one through a register or memory.
fn follows_a_call(memory: &Memory, address: u64) -> bool {
    let Some(bytes) = address.checked_sub(7).and_then(|from| memory.bytes(from, 7)) else { return false };
    let through = |at: usize| bytes[at] == 0xff && (bytes[at + 1] >> 3) & 7 == 2;
    bytes[2] == 0xe8 || [0, 1, 3, 4, 5].into_iter().any(through)
}

type Sections = ExplicitModuleSectionInfo<Bytes>;

/// The name of what is mapped there, where its address 0 lies, and its unwind tables.
fn sections(
    map: &MemoryMap,
    bases: &HashMap<PathBuf, u64>,
    memory: Option<&Memory>,
) -> Option<(String, u64, Sections)> {
    match &map.pathname {
        MMapPath::Path(path) => {
            let cache = ReadCache::new(File::open(path).ok()?);
            let base = *bases.get(path)?;
            Some((path.display().to_string(), base, tables(&cache)?))
        }
        MMapPath::Vdso => {
            let (start, end) = map.address;
            let bytes = memory?.bytes(start, usize::try_from(end - start).ok()?)?;
            Some(("[vdso]".to_owned(), start, tables(bytes.as_slice())?))
        }
        _ => None,
    }
}

fn tables<'data>(data: impl ReadRef<'data>) -> Option<Sections> {
    let file = object::File::parse(data).ok()?;
    let range =
        |name: &str| file.section_by_name(name).map(|section| section.address()..section.address() + section.size());
    let data = |name: &str| file.section_by_name(name)?.data().ok().map(Bytes::from);
    Some(Sections {
        base_svma: file.relative_address_base(),
        text_svma: range(".text"),
        got_svma: range(".got"),
        eh_frame_svma: range(".eh_frame"),
        eh_frame: data(".eh_frame"),
        eh_frame_hdr_svma: range(".eh_frame_hdr"),
        eh_frame_hdr: data(".eh_frame_hdr"),
        ..Sections::default()
    })
}
