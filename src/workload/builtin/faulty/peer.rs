//! The other side of a fault: a plain thread that answers, feeds or lets go when the time has come. It is none of the
//! runtime's, so what it does is no stall. Refuses to outlive its operation unnoticed.

use std::io;
use std::thread::{Builder, JoinHandle};

use crate::workload::Failure;

/// A thread that has one thing to do.
pub(super) struct Peer(JoinHandle<io::Result<()>>);

impl Peer {
    /// Starts it.
    pub(super) fn start(body: impl FnOnce() -> io::Result<()> + Send + 'static) -> Result<Self, Failure> {
        let thread = Builder::new().name("faulty-peer".to_owned()).spawn(body);
        thread.map(Self).map_err(|error| failed("start the thread of the other side", &error))
    }

    /// Waits for its end.
    pub(super) fn join(self) -> Result<(), Failure> {
        match self.0.join() {
            Ok(ended) => ended.map_err(|error| failed("do the other side's part", &error)),
            Err(_) => Err(Failure::new("peer", "the other side's thread panicked")),
        }
    }
}

/// The failure of something that a fault is made of.
pub(super) fn failed(what: &str, error: &dyn std::error::Error) -> Failure {
    Failure::new("peer", format!("cannot {what}: {error}"))
}
