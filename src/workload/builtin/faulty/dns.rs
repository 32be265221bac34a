//! `faulty-dns`: an async function asks for a name with a blocking socket, as `getaddrinfo` does. The name server is a plain
//! thread that answers late, so nothing leaves the machine.

use std::hint::black_box;
use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, UdpSocket};
use std::thread::sleep;
use std::time::Duration;

use super::Planted;
use super::peer::{Peer, failed};
use super::periodic::{PARAMS, Periodic};
use crate::workload::Failure;

/// What has to be found.
pub(super) const PLANTED: Planted = Planted {
    workload: "faulty-dns",
    variant: "",
    function: "faulty::dns::resolve_name",
    file: "src/workload/builtin/faulty/dns.rs",
    cause: Some("blocked"),
    syscalls: &["recvfrom"],
};

/// The workload.
pub(super) const DNS: Periodic =
    Periodic { fault: "a name looked up with a blocking socket", users: 4, params: &PARAMS, strike };

/// How long either side waits beyond the fault before it gives up.
const PATIENCE: Duration = Duration::from_secs(1);
/// A question for the address of `a.`: number, flags, one question, its name, type and class.
const QUESTION: [u8; 19] = [0x70, 0x6b, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, b'a', 0, 0, 1, 0, 1];

fn strike(hold: Duration) -> Result<u64, Failure> {
    let (resolver, server) = sockets(hold + PATIENCE).map_err(|error| failed("open a socket", &error))?;
    let server = Peer::start(move || {
        let mut question = [0; 64];
        let (length, from) = server.recv_from(&mut question)?;
        sleep(hold);
        // The bit that makes a question an answer.
        question[2] |= 0x80;
        server.send_to(&question[..length], from).map(drop)
    })?;
    let length = resolve_name(&resolver).map_err(|error| failed("resolve the name", &error))?;
    server.join()?;
    Ok(length)
}

/// The resolver's socket, which sends to the server's, and the server's.
fn sockets(timeout: Duration) -> io::Result<(UdpSocket, UdpSocket)> {
    let open = || UdpSocket::bind((Ipv4Addr::LOCALHOST, 0));
    let (resolver, server) = (open()?, open()?);
    resolver.connect(server.local_addr()?)?;
    resolver.set_read_timeout(Some(timeout))?;
    server.set_read_timeout(Some(timeout))?;
    Ok((resolver, server))
}

#[inline(never)]
fn resolve_name(resolver: &UdpSocket) -> io::Result<u64> {
    let mut answer = [0; 64];
    resolver.send(&QUESTION)?;
    let length = resolver.recv(&mut answer)?;
    if black_box(&answer)[..2] != QUESTION[..2] {
        return Err(io::Error::new(ErrorKind::InvalidData, "the answer belongs to another question"));
    }
    Ok(length as u64)
}
