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
        let mut text = [0; 1024];
        let length = self.stat.read_at(&mut text, 0).ok();
        length.and_then(|length| text.get(..length)).is_some_and(runs)
    }
}

/// Whether a thread's line in `stat` says that it runs.
fn runs(text: &[u8]) -> bool {
    // The state stands after the name, which is in brackets and may hold anything, brackets too.
    let end_of_name = text.iter().rposition(|byte| *byte == b')');
    end_of_name.is_some_and(|end| text[end..].starts_with(b") R "))
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
    fn a_running_thread_is_known_whatever_its_name_is() {
        assert!(runs(b"7 (a) S) R 4 5"));
        assert!(![&b"7 (a) R) S 4 5"[..], b"", b"7 a R 1", b"7 (a)"].into_iter().any(runs));
    }

    #[test]
    fn a_thread_reads_its_own_clocks() {
        let own = Thread::own().unwrap();
        assert!(own.clocks().is_some() && own.is_running() && !own.name().is_empty());
    }
}
