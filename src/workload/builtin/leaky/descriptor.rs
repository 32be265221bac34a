//! `leaky-descriptor`: files that are opened and never closed. Refuses to use up what the process may have: operations fail
//! when half of its descriptors are taken.

use std::fs::File;
use std::hint::black_box;
use std::sync::{Mutex, PoisonError};

use rustix::process::{Resource, getrlimit};

use super::Planted;
use super::periodic::Periodic;
use super::schedule::EVERY;
use crate::workload::{Failure, Param};

/// What has to be found.
pub(super) const PLANTED: Planted = Planted {
    workload: "leaky-descriptor",
    variant: "",
    function: "leaky::descriptor::open_and_keep",
    file: "src/workload/builtin/leaky/descriptor.rs",
    verdict: &["leak"],
    slope: Some(0.01),
    subject: "descriptors",
};

/// The workload.
pub(super) const DESCRIPTOR: Periodic = Periodic {
    fault: "every hundredth operation opens a file and never closes it",
    params: &[Param { default: "100", ..EVERY }],
    leak: || open_and_keep(&OPEN, most()),
};

/// The most files, however many the process may have.
const MOST_FILES: u64 = 100_000;

/// The files. They are open as long as the process lives.
static OPEN: Mutex<Vec<File>> = Mutex::new(Vec::new());

/// Half of what the process may have, so that enough are left for everything else.
fn most() -> usize {
    let limit = getrlimit(Resource::Nofile).current;
    limit.map_or(MOST_FILES, |limit| (limit / 2).min(MOST_FILES)) as usize
}

#[inline(never)]
fn open_and_keep(open: &Mutex<Vec<File>>, most: usize) -> Result<usize, Failure> {
    let mut open = open.lock().unwrap_or_else(PoisonError::into_inner);
    if open.len() >= most {
        return Err(Failure::new("bound", format!("{most} files are open already; there are to be no more")));
    }
    let file = File::open("/dev/null").map_err(|error| {
        Failure::new("open", format!("cannot open /dev/null beside {} others: {error}", open.len()))
    })?;
    open.push(file);
    Ok(black_box(open.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_stay_open_and_are_not_more_than_half_of_what_there_may_be() {
        let open = Mutex::default();
        assert_eq!([1, 2, 3].map(|_| open_and_keep(&open, 3).unwrap()), [1, 2, 3]);
        let refused = open_and_keep(&open, 3).unwrap_err();
        assert!(refused.kind() == "bound" && refused.to_string().contains("3 files"), "{refused}");
        assert!(open.into_inner().unwrap().iter().all(|file| file.metadata().is_ok()));
        let limit = getrlimit(Resource::Nofile).current;
        assert!(most() > 0 && limit.is_none_or(|limit| most() as u64 <= limit / 2));
    }
}
