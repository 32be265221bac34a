//! What a blocked thread waits in, and what does the same without holding it. Told by the functions on its stack, else by
//! the system call; never by names of the program's own, which may mean anything.

use crate::record::stacks::Frame;
use crate::record::{Stall, name};

/// Whether a call waits for another thread to let go of a lock, or for something outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::analysis) enum Kind {
    Lock,
    Wait,
}

/// A call that blocks.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::analysis) struct Call {
    pub(in crate::analysis) kind: Kind,
    /// What it is, for a sentence.
    pub(in crate::analysis) what: &'static str,
    /// The next step.
    pub(in crate::analysis) instead: &'static str,
    /// Beginnings of its functions' names, or its system calls.
    marks: &'static [&'static str],
}

const fn wait(what: &'static str, instead: &'static str, marks: &'static [&'static str]) -> Call {
    Call { kind: Kind::Wait, what, instead, marks }
}

/// Of a function's calls the first that fits. A mark ends with a name or with `::`.
const FUNCTIONS: &[Call] = &[
    wait(
        "std::thread::sleep",
        "use tokio::time::sleep(…).await in place of std::thread::sleep",
        &[
            "std::thread::sleep",
            "std::thread::sleep_until",
            "std::thread::functions::sleep",
            "std::thread::functions::sleep_until",
            "std::sys::thread::unix::sleep",
            "std::sys::pal::unix::thread::Thread::sleep",
        ],
    ),
    wait(
        "the synchronous client of redis",
        "use redis::aio::MultiplexedConnection (Client::get_multiplexed_async_connection) and AsyncCommands",
        &[
            "redis::connection::",
            "redis::commands::Commands::",
            "redis::cmd::Cmd::query",
            "redis::cmd::Cmd::exec",
            "redis::pipeline::Pipeline::query",
            "redis::pipeline::Pipeline::exec",
            "redis::client::Client::get_connection",
            "redis::client::Client::get_connection_with_timeout",
        ],
    ),
    wait(
        "a blocking HTTP client",
        "use the async reqwest::Client, one for all requests",
        &["reqwest::blocking::", "ureq::", "attohttpc::", "minreq::"],
    ),
    wait(
        "r2d2, a pool that blocks until a connection is free",
        "use an async pool (bb8, deadpool) with an async client",
        &["r2d2::"],
    ),
    wait(
        "a blocking database client",
        "use an async client (tokio-postgres, sqlx, diesel-async), or tokio::task::spawn_blocking",
        &["postgres::", "rusqlite::", "diesel::", "mysql::"],
    ),
    wait(
        "a child process, by std::process",
        "use tokio::process::Command, whose output() and wait() are awaited",
        &["std::process::", "std::sys::process::"],
    ),
    wait(
        "a file's way to the disk (fsync)",
        "move the writing and its sync_all to tokio::task::spawn_blocking, or to one thread for all writers",
        &[
            "std::fs::File::sync_all",
            "std::fs::File::sync_data",
            "std::sys::fs::unix::File::fsync",
            "fsync",
            "fdatasync",
        ],
    ),
    wait(
        "a file, by std::fs",
        "use tokio::fs, or do all of the file's work in one tokio::task::spawn_blocking",
        &["std::fs::", "std::sys::fs::", "std::path::Path::", "std::path::PathBuf::"],
    ),
    wait(
        "the resolver (to_socket_addrs, getaddrinfo)",
        "use tokio::net::lookup_host, or give tokio's connect the name itself",
        &[
            "std::net::socket_addr::",
            "std::sys::net::connection::socket::LookupHost",
            "std::sys::net::connection::socket::lookup_host",
            "getaddrinfo",
        ],
    ),
    wait(
        "a socket, by std::net",
        "use tokio::net: TcpStream, UdpSocket, UnixStream",
        &["std::net::", "std::sys::net::", "std::os::unix::net::"],
    ),
    wait(
        "a channel whose recv or send blocks",
        "use tokio::sync::mpsc, whose recv and send are awaited; from a plain thread send with blocking_send",
        &["std::sync::mpsc::", "std::sync::mpmc::", "crossbeam_channel::", "flume::"],
    ),
    wait(
        "another thread (a condition variable, park, join)",
        "use tokio::sync::Notify, or a JoinHandle of tokio::task::spawn_blocking that is awaited",
        &[
            "std::sync::condvar::",
            "std::sync::poison::condvar::",
            "std::sys::sync::condvar::",
            "std::sync::barrier::",
            "parking_lot::condvar::",
            "std::thread::park",
            "std::thread::park_timeout",
            "std::thread::functions::park",
            "std::thread::functions::park_timeout",
            "std::thread::Thread::park",
            "std::thread::JoinHandle::join",
            "std::thread::JoinInner::join",
            "std::thread::join_handle::",
            "std::thread::lifecycle::",
            "std::thread::scoped::",
            "pthread_cond_wait",
            "pthread_cond_timedwait",
            "pthread_join",
        ],
    ),
    wait(
        "a future that is driven to its end by block_on",
        "await the future in place of block_on",
        &[
            "futures_executor::",
            "pollster::",
            "tokio::runtime::handle::Handle::block_on",
            "tokio::runtime::runtime::Runtime::block_on",
        ],
    ),
    wait(
        "a value that another thread makes for the first time (OnceLock, LazyLock)",
        "make it before the runtime starts, or use tokio::sync::OnceCell where making it takes an await",
        &["std::sync::once::", "std::sync::once_lock::", "std::sync::lazy_lock::", "once_cell::"],
    ),
    wait(
        "standard input or output",
        "write through a thread of its own (tracing-appender's non_blocking), or use tokio::io::stdout and stdin",
        &["std::io::stdio::"],
    ),
    Call {
        kind: Kind::Lock,
        what: "a lock",
        instead: "hold it shorter",
        marks: &[
            "std::sync::mutex::",
            "std::sync::poison::mutex::",
            "std::sys::sync::mutex::",
            "std::sync::rwlock::",
            "std::sync::poison::rwlock::",
            "std::sys::sync::rwlock::",
            "std::sync::reentrant_lock::",
            "parking_lot::",
            "parking_lot_core::",
            "lock_api::",
            "dashmap::",
            "pthread_mutex_lock",
            "pthread_rwlock_rdlock",
            "pthread_rwlock_wrlock",
        ],
    },
];

/// Where no function of the stack is known.
const SYSCALLS: &[Call] = &[
    wait("a sleep", "use tokio::time::sleep(…).await", &["clock_nanosleep", "nanosleep"]),
    wait(
        "a file's way to the disk",
        "move the writing and its sync to tokio::task::spawn_blocking",
        &["fsync", "fdatasync", "sync_file_range", "syncfs", "msync", "sync"],
    ),
    wait(
        "a file",
        "use tokio::fs, or do all of the file's work in one tokio::task::spawn_blocking",
        &[
            "open",
            "openat",
            "openat2",
            "stat",
            "lstat",
            "fstat",
            "newfstatat",
            "statx",
            "unlink",
            "unlinkat",
            "rename",
            "renameat",
            "renameat2",
            "mkdir",
            "mkdirat",
            "getdents64",
            "pread64",
            "pwrite64",
            "preadv",
            "preadv2",
            "pwritev",
            "pwritev2",
            "ftruncate",
            "fallocate",
            "copy_file_range",
            "readlink",
            "readlinkat",
            "access",
            "faccessat2",
        ],
    ),
    wait(
        "a socket",
        "use tokio::net, or the async form of the client that owns the socket",
        &["connect", "accept", "accept4", "recvfrom", "recvmsg", "recvmmsg", "sendto", "sendmsg", "sendmmsg"],
    ),
    wait(
        "a file, a pipe or a socket",
        "use tokio::net or tokio::fs for it, or tokio::task::spawn_blocking",
        &["read", "write", "readv", "writev", "sendfile", "splice"],
    ),
    wait("a child process", "use tokio::process::Command", &["wait4", "waitid", "vfork"]),
    wait(
        "the readiness of a file descriptor",
        "let the runtime wait for it: tokio::net, or tokio::io::unix::AsyncFd",
        &["poll", "ppoll", "select", "pselect6", "epoll_wait", "epoll_pwait", "epoll_pwait2"],
    ),
    wait("the lock of a file", "take it in tokio::task::spawn_blocking", &["flock", "fcntl"]),
    wait(
        "another thread (futex)",
        "use the form in tokio::sync that is awaited, or tokio::task::spawn_blocking",
        &["futex", "futex_wait", "futex_waitv"],
    ),
];

const UNKNOWN: &Call =
    &wait("the kernel", "move the call to tokio::task::spawn_blocking, or use its async form where there is one", &[]);
const PAGE: &Call = &wait(
    "the kernel outside of any system call: as a rule for a page of a mapped file or of swapped memory",
    "read the file in tokio::task::spawn_blocking in place of mapping it, and see that memory suffices",
    &[],
);

/// What a blocked stall waits in.
pub(in crate::analysis) fn of(stall: &Stall) -> &'static Call {
    // Of all calls between the program's function and the kernel the outermost says most: that of a client, not of its socket.
    let known = inner(stall).iter().rev().find_map(by_function);
    known.unwrap_or_else(|| match stall.syscall.as_deref() {
        Some(syscall) => SYSCALLS.iter().find(|call| call.marks.contains(&syscall)).unwrap_or(UNKNOWN),
        None => PAGE,
    })
}

/// The frames from the innermost to the one to look at; all of them where that is none of the program's.
fn inner(stall: &Stall) -> &[Frame] {
    let Some(culprit) = stall.culprit() else { return &[] };
    if name::is_plumbing(&culprit.function, true) {
        return &stall.stack;
    }
    let place = stall.stack.iter().position(|frame| std::ptr::eq(frame, culprit));
    place.map_or(&stall.stack[..], |place| &stall.stack[..=place])
}

fn by_function(frame: &Frame) -> Option<&'static Call> {
    let readable = name::readable(&frame.function);
    let path = readable.trim_start_matches(['<', '&']).trim_start_matches("mut ");
    let fits = |mark: &&&str| match path.strip_prefix(**mark) {
        Some(rest) => {
            mark.ends_with("::") || !rest.starts_with(|letter: char| letter.is_alphanumeric() || letter == '_')
        }
        None => false,
    };
    FUNCTIONS.iter().find(|call| call.marks.iter().any(|mark| fits(&mark)))
}

#[cfg(test)]
mod tests {
    use super::super::super::summary::sample::{blocked, frame, library, locked};
    use super::*;

    /// A stall in these functions of libraries, the innermost first, called by the program.
    fn stall(functions: &[&str], syscall: &str) -> Stall {
        let mut stack: Vec<Frame> = functions.iter().map(|function| library(function)).collect();
        stack.push(frame("shop::cart::load", 12));
        stack.push(library("tokio::runtime::task::core::Core<T,S>::poll"));
        let syscall = Some(syscall.to_owned()).filter(|syscall| !syscall.is_empty());
        Stall { syscall, stack, ..blocked("shop::cart::load", 12) }
    }

    #[test]
    fn each_call_is_told_by_its_functions_with_what_replaces_it() {
        let cases: &[(&[&str], &str, &str)] = &[
            (&["std::thread::functions::sleep"], "clock_nanosleep", "tokio::time::sleep"),
            (&["std::sys::fs::unix::File::open_c", "std::fs::read_to_string::inner"], "openat", "tokio::fs"),
            (&["<std::fs::File as std::io::Read>::read", "std::io::default_read_exact"], "read", "tokio::fs"),
            (&["<&std::fs::File as std::io::Write>::write"], "write", "tokio::fs"),
            (&["std::sys::fs::unix::File::fsync", "std::fs::File::sync_all"], "fsync", "spawn_blocking"),
            (
                &["<std::net::tcp::TcpStream as std::io::Read>::read", "redis::parser::f", "redis::cmd::Cmd::query"],
                "recvfrom",
                "MultiplexedConnection",
            ),
            (&["<redis::connection::Connection as redis::commands::Commands>::get"], "recvfrom", "redis::aio"),
            (&["std::net::tcp::TcpStream::connect"], "connect", "tokio::net"),
            (&["getaddrinfo", "std::sys::net::connection::socket::LookupHost::new"], "poll", "lookup_host"),
            (
                &["std::sys::process::unix::unix::Process::wait", "std::process::Command::output"],
                "wait4",
                "tokio::process",
            ),
            (&["std::thread::park", "std::sync::mpmc::list::Channel<T>::recv"], "futex", "tokio::sync::mpsc"),
            (&["std::sys::sync::condvar::futex::Condvar::wait_optional_timeout"], "futex", "Notify"),
            (&["std::thread::lifecycle::JoinInner<T>::join"], "futex", "spawn_blocking"),
            (&["std::thread::park", "reqwest::blocking::wait::timeout"], "futex", "reqwest::Client"),
            (&["std::io::stdio::_print"], "write", "tracing-appender"),
        ];
        for (functions, syscall, text) in cases {
            let call = of(&stall(functions, syscall));
            assert!(call.instead.contains(text) && call.kind == Kind::Wait, "{functions:?}: {call:?}");
        }
    }

    #[test]
    fn locks_of_every_make_are_locks_and_what_only_uses_them_is_not() {
        for functions in [
            &["std::sys::sync::mutex::futex::Mutex::lock_contended", "std::sync::poison::mutex::Mutex<T>::lock"][..],
            &["std::sys::sync::rwlock::futex::RwLock::write_contended"],
            &["parking_lot::raw_mutex::RawMutex::lock_slow", "lock_api::mutex::Mutex<R,T>::lock"],
            &["dashmap::lock::RawRwLock::lock_exclusive_slow"],
        ] {
            assert_eq!(of(&stall(functions, "futex")).kind, Kind::Lock, "{functions:?}");
        }
        assert_eq!(of(&locked("shop::x", 1)).kind, Kind::Lock);
        let condition = ["parking_lot_core::parking_lot::park", "parking_lot::condvar::Condvar::wait_until_internal"];
        assert_eq!(of(&stall(&condition, "futex")).kind, Kind::Wait);
    }

    #[test]
    fn an_unknown_stack_is_told_by_its_system_call() {
        for (syscall, text) in [
            ("clock_nanosleep", "tokio::time::sleep"),
            ("wait4", "tokio::process"),
            ("recvfrom", "tokio::net"),
            ("fdatasync", "spawn_blocking"),
            ("statx", "tokio::fs"),
            ("futex", "tokio::sync"),
            ("ioctl", "spawn_blocking"),
            ("", "mapping"),
        ] {
            let call = of(&stall(&["[libfoo.so]"], syscall));
            assert!(call.instead.contains(text), "{syscall}: {call:?}");
        }
        assert!(of(&Stall { stack: Vec::new(), ..blocked("x", 1) }).instead.contains("tokio::time::sleep"));
    }

    #[test]
    fn the_program_may_call_its_own_functions_as_it_likes() {
        let own = Stall { stack: vec![frame("shop::redis::connection::std::fs::read", 1)], ..blocked("x", 1) };
        assert_eq!(of(&own).what, "a sleep");
        let prefix = stall(&["redis::cmd::Cmd::query_async"], "futex");
        assert_eq!(of(&prefix).what, "another thread (futex)");
        // What lies outside the program's function is the harness, whatever it is made of.
        let mut outside = stall(&[], "futex");
        outside.stack.push(library("std::sync::poison::mutex::Mutex<T>::lock"));
        assert_eq!(of(&outside).kind, Kind::Wait);
    }
}
