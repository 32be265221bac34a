//! `faulty-file`: the thread reads a file whose content is not there yet. The file is a pipe that a plain thread feeds, so
//! that the read takes as long as it is told, whatever the page cache holds.

use std::fs::File;
use std::hint::black_box;
use std::io::{self, Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::thread::sleep;
use std::time::Duration;

use super::Planted;
use super::peer::{Peer, failed};
use super::periodic::{PARAMS, Periodic};
use crate::workload::Failure;

/// What has to be found.
pub(super) const PLANTED: Planted = Planted {
    workload: "faulty-file",
    variant: "",
    function: "faulty::file::read_file",
    file: "src/workload/builtin/faulty/file.rs",
    cause: Some("blocked"),
    syscalls: &["read"],
};

/// The workload.
pub(super) const FILE: Periodic =
    Periodic { fault: "std::fs::File read in an async function", users: 4, params: &PARAMS, strike };

fn strike(hold: Duration) -> Result<u64, Failure> {
    let (reader, mut writer) = io::pipe().map_err(|error| failed("make a pipe", &error))?;
    let mut file = File::from(OwnedFd::from(reader));
    let feeder = Peer::start(move || {
        sleep(hold);
        writer.write_all(&1_u64.to_le_bytes())
    })?;
    let content = read_file(&mut file).map_err(|error| failed("read the pipe", &error))?;
    feeder.join()?;
    Ok(content)
}

#[inline(never)]
fn read_file(file: &mut File) -> io::Result<u64> {
    let mut content = [0; 8];
    file.read_exact(&mut content)?;
    Ok(u64::from_le_bytes(black_box(content)))
}
