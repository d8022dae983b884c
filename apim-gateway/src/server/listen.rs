//! Listening sockets: one per worker on one port.

use std::io;
use std::net::{SocketAddr, TcpListener};

use socket2::{Domain, Protocol, Socket, Type};

use super::ServerError;

/// Connections that may wait in the system's queue, per worker.
const BACKLOG: i32 = 1024;

/// The sockets of all workers.
pub(super) struct Listeners {
    pub(super) address: SocketAddr,
    pub(super) sockets: Vec<TcpListener>,
}

impl Listeners {
    pub(super) fn bind(address: SocketAddr, workers: usize) -> Result<Self, ServerError> {
        let failed = |source| ServerError::Listen { address, source };
        // With SO_REUSEPORT a second server on the same port would silently get half of the connections.
        // A socket without it cannot be bound next to one that listens, so it is tried first.
        let probe = bound(address, false).map_err(failed)?;
        let taken = probe.local_addr().and_then(|address| {
            address.as_socket().ok_or_else(|| io::Error::other("the socket has no address"))
        });
        let taken = taken.map_err(failed)?;
        drop(probe);
        let socket = |_| {
            let socket = bound(taken, true)?;
            socket.listen(BACKLOG)?;
            Ok(socket.into())
        };
        let sockets = (0..workers.max(1)).map(socket).collect::<io::Result<_>>().map_err(failed)?;
        Ok(Self { address: taken, sockets })
    }
}

fn bound(address: SocketAddr, shared: bool) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // Connections of an earlier run that linger in TIME_WAIT are no reason not to start.
    socket.set_reuse_address(true)?;
    if shared {
        socket.set_reuse_port(true)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    if !shared {
        // Two bound sockets do not collide with SO_REUSEADDR; two that listen do.
        socket.listen(1)?;
    }
    Ok(socket)
}

/// The system's error in words that help.
pub(super) fn explain(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse => "another program uses this port".to_owned(),
        io::ErrorKind::AddrNotAvailable => "this machine has no such address".to_owned(),
        io::ErrorKind::PermissionDenied => "permission denied (ports below 1024 need a privilege)".to_owned(),
        _ => error.to_string(),
    }
}
