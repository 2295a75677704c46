//! Sockets that listen already, as systemd's socket activation hands them over.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixListener;
use std::sync::atomic::{AtomicBool, Ordering};

use socket2::{Domain, SockRef, Type};

/// The first descriptor of those that are handed over (sd_listen_fds(3)).
const FIRST: RawFd = 3;

/// A socket that listens already: somebody else has bound it.
#[derive(Debug)]
pub struct ReadySocket(Kind);

/// See [`ReadySocket`].
#[derive(Debug)]
enum Kind {
    Tcp(TcpListener),
    /// On a Unix socket, whose file is its maker's.
    Local(UnixListener),
}

/// The sockets that the process was started with, as many as `count` says, as far as they are
/// open; children will not have them. The second call gives none.
pub(crate) fn inherited(count: usize) -> io::Result<Vec<ReadySocket>> {
    static TAKEN: AtomicBool = AtomicBool::new(false);
    if TAKEN.swap(true, Ordering::Relaxed) {
        return Ok(Vec::new());
    }
    let numbers = FIRST..FIRST.saturating_add(RawFd::try_from(count).unwrap_or(RawFd::MAX));
    // SAFETY: these numbers were given to this process for it to own, and are taken once.
    let taken = numbers.map_while(|fd| is_kept(fd).then(|| unsafe { OwnedFd::from_raw_fd(fd) }));
    taken.map(ReadySocket::new).collect()
}

/// Keeps a descriptor from children; false if there is none under this number.
fn is_kept(fd: RawFd) -> bool {
    // SAFETY: it takes numbers alone; one that is no descriptor is an error.
    unsafe { libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC) == 0 }
}

impl ReadySocket {
    /// Takes a descriptor, which has to be a stream socket that listens.
    fn new(descriptor: OwnedFd) -> io::Result<ReadySocket> {
        let socket = SockRef::from(&descriptor);
        if socket.r#type()? != Type::STREAM || !socket.is_listener()? {
            return Err(io::Error::other("it is not a stream socket that listens"));
        }
        let domain = socket.domain()?;
        match domain {
            Domain::IPV4 | Domain::IPV6 => Ok(ReadySocket(Kind::Tcp(descriptor.into()))),
            Domain::UNIX => Ok(ReadySocket(Kind::Local(descriptor.into()))),
            _ => Err(io::Error::other("it is neither a TCP nor a Unix socket")),
        }
    }

    /// The URL at which WebSocket clients find it, with `path`.
    pub fn websocket_url(&self, path: &str) -> io::Result<String> {
        match &self.0 {
            Kind::Tcp(listener) => {
                let address: SocketAddr = listener.local_addr()?;
                Ok(format!("ws://{address}{path}"))
            }
            Kind::Local(listener) => {
                let address = listener.local_addr()?;
                let file = address.as_pathname().and_then(|file| file.to_str());
                let file = file.ok_or_else(|| io::Error::other("its path is not UTF-8"))?;
                Ok(format!("ws+unix://{file}:{path}"))
            }
        }
    }

    /// As a TCP socket, which it has to be.
    pub(crate) fn into_tcp(self) -> io::Result<TcpListener> {
        match self.0 {
            Kind::Tcp(listener) => Ok(listener),
            Kind::Local(_) => Err(of_another_kind()),
        }
    }

    /// As a Unix socket, which it has to be.
    pub(super) fn into_local(self) -> io::Result<UnixListener> {
        match self.0 {
            Kind::Tcp(_) => Err(of_another_kind()),
            Kind::Local(listener) => Ok(listener),
        }
    }
}

fn of_another_kind() -> io::Error {
    io::Error::other("the socket that was handed over is of another kind")
}
