//! Sockets that listen already: somebody else has bound them, as systemd does for who it starts.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
#[cfg(unix)]
use std::os::unix::net::UnixListener;

use socket2::{Domain, SockRef, Type};

/// A socket that listens already.
#[derive(Debug)]
pub enum ReadySocket {
    /// On TCP.
    Tcp(TcpListener),
    /// On a Unix socket, whose file is its maker's.
    #[cfg(unix)]
    Unix(UnixListener),
}

impl ReadySocket {
    /// Takes a descriptor, which has to be a stream socket that listens.
    pub fn new(descriptor: OwnedFd) -> io::Result<ReadySocket> {
        let socket = SockRef::from(&descriptor);
        if socket.r#type()? != Type::STREAM || !socket.is_listener()? {
            return Err(io::Error::other("it is not a stream socket that listens"));
        }
        let domain = socket.domain()?;
        match domain {
            Domain::IPV4 | Domain::IPV6 => Ok(ReadySocket::Tcp(descriptor.into())),
            #[cfg(unix)]
            Domain::UNIX => Ok(ReadySocket::Unix(descriptor.into())),
            _ => Err(io::Error::other("it is neither a TCP nor a Unix socket")),
        }
    }

    /// The URL at which WebSocket clients find it, with `path`.
    pub fn websocket_url(&self, path: &str) -> io::Result<String> {
        match self {
            ReadySocket::Tcp(listener) => {
                let address: SocketAddr = listener.local_addr()?;
                Ok(format!("ws://{address}{path}"))
            }
            #[cfg(unix)]
            ReadySocket::Unix(listener) => {
                let address = listener.local_addr()?;
                let file = address.as_pathname().and_then(|file| file.to_str());
                let file = file.ok_or_else(|| io::Error::other("its path is not UTF-8"))?;
                Ok(format!("ws+unix://{file}:{path}"))
            }
        }
    }
}
