//! One thread of this process as the kernel shows it below /proc: its name, its clocks, where it waits. Reads only.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// A thread, with the files that are read again and again.
pub(in crate::probe) struct Thread {
    number: u32,
    schedstat: File,
    syscall: Option<File>,
    stat: File,
}

/// What a thread has had of the processors, since it began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::probe) struct Clocks {
    /// Nanoseconds on a processor; a running thread's are brought up to date at the kernel's tick.
    pub(in crate::probe) cpu_ns: u64,
    /// Nanoseconds ready but not on one; counted when the thread gets one again.
    pub(in crate::probe) waited_ns: u64,
}

/// Where a thread is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::probe) enum Place {
    /// On a processor, or ready for one.
    Running,
    /// In the kernel: in a system call, or else on a page of memory.
    Waiting { syscall: Option<u32>, sp: u64, pc: u64 },
    /// The kernel does not tell.
    Unknown,
}

impl Thread {
    /// A thread of this process.
    pub(in crate::probe) fn open(number: u32) -> io::Result<Self> {
        let open = |file: &str| File::open(format!("/proc/self/task/{number}/{file}"));
        Ok(Self { number, schedstat: open("schedstat")?, syscall: open("syscall").ok(), stat: open("stat")? })
    }

    /// The thread that asks.
    pub(in crate::probe) fn own() -> io::Result<Self> {
        Self::open(rustix::thread::gettid().as_raw_nonzero().get().unsigned_abs())
    }

    /// Its number in the kernel.
    pub(in crate::probe) fn number(&self) -> u32 {
        self.number
    }

    /// Its name; empty where it has ended.
    pub(in crate::probe) fn name(&self) -> String {
        let text = std::fs::read_to_string(format!("/proc/self/task/{}/comm", self.number));
        text.map(|text| text.trim_end().to_owned()).unwrap_or_default()
    }

    /// Its clocks; `None` where it has ended.
    pub(in crate::probe) fn clocks(&self) -> Option<Clocks> {
        let mut text = [0; 96];
        let length = self.schedstat.read_at(&mut text, 0).ok()?;
        let text = std::str::from_utf8(text.get(..length)?).ok()?;
        let mut numbers = text.split_ascii_whitespace().map(str::parse);
        Some(Clocks { cpu_ns: numbers.next()?.ok()?, waited_ns: numbers.next()?.ok()? })
    }

    /// Where it is.
    pub(in crate::probe) fn place(&self) -> Place {
        let mut text = [0; 256];
        let length = self.syscall.as_ref().and_then(|file| file.read_at(&mut text, 0).ok());
        let text = length.and_then(|length| std::str::from_utf8(text.get(..length)?).ok());
        text.and_then(place).unwrap_or(Place::Unknown)
    }

    /// Whether it is on a processor, or ready for one.
    pub(in crate::probe) fn is_running(&self) -> bool {
        self.processor().is_some()
    }

    /// The processor that it is on, or was last on and is ready for; `None` where it waits or has ended.
    pub(in crate::probe) fn processor(&self) -> Option<usize> {
        let mut text = [0; 1024];
        let length = self.stat.read_at(&mut text, 0).ok()?;
        processor(text.get(..length)?)
    }
}

/// The processor of a running thread, of its line in `stat`.
fn processor(text: &[u8]) -> Option<usize> {
    // Fields after the name, which stands in brackets and may hold anything, brackets too: the state, …, the processor.
    const PROCESSOR: usize = 36;
    let after = text.iter().rposition(|byte| *byte == b')')? + 1;
    let mut fields = std::str::from_utf8(text.get(after..)?).ok()?.split_ascii_whitespace();
    (fields.next()? == "R").then(|| fields.nth(PROCESSOR - 1)?.parse().ok())?
}

/// `running`, `-1 SP PC`, or `NUMBER ARGUMENTS… SP PC`.
fn place(text: &str) -> Option<Place> {
    let mut words = text.split_ascii_whitespace();
    let first = words.next()?;
    if first == "running" {
        return Some(Place::Running);
    }
    let number: i64 = first.parse().ok()?;
    let mut last = words.rev().map(|word| u64::from_str_radix(word.trim_start_matches("0x"), 16));
    let (pc, sp) = (last.next()?.ok()?, last.next()?.ok()?);
    Some(Place::Waiting { syscall: u32::try_from(number).ok(), sp, pc })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_lines_are_read() {
        assert_eq!(place("running\n"), Some(Place::Running));
        assert_eq!(place("-1 0x7ffc 0x55aa"), Some(Place::Waiting { syscall: None, sp: 0x7ffc, pc: 0x55aa }));
        let text = "230 0x0 0x0 0x7f1 0x7f1 0x0 0x0 0x7f00 0x7f11";
        assert_eq!(place(text), Some(Place::Waiting { syscall: Some(230), sp: 0x7f00, pc: 0x7f11 }));
        assert_eq!((place(""), place("x"), place("1 0xzz 1")), (None, None, None));
    }

    #[test]
    fn a_running_threads_processor_is_read_whatever_its_name_is() {
        let rest = (4..=52).map(|field| field.to_string()).collect::<Vec<_>>().join(" ");
        assert_eq!(processor(format!("7 (a) S) R {rest}\n").as_bytes()), Some(39));
        assert_eq!(processor(format!("7 (a) S {rest}\n").as_bytes()), None);
        assert_eq!((processor(b"7 (a) R 1"), processor(b""), processor(b"7 (\xff) R")), (None, None, None));
    }

    #[test]
    fn a_thread_reads_its_own_clocks() {
        let own = Thread::own().unwrap();
        assert!(own.clocks().is_some() && own.is_running() && !own.name().is_empty());
    }
}
