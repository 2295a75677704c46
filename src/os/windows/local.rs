//! Unix sockets: Windows has them, the libraries that this one stands on do not.

use std::io::{self, ErrorKind};
use std::path::Path;

use super::inherited::ReadySocket;

/// True if there are sockets that are files.
#[cfg(test)]
pub(crate) const HAS_LOCAL_SOCKETS: bool = false;

/// A connection that is never made.
#[derive(Debug)]
pub(crate) enum LocalStream {}

/// A socket at which nobody is awaited.
#[derive(Debug)]
pub(crate) enum LocalListener {}

/// Connects to nobody.
pub(crate) async fn connect_local(_path: &Path) -> io::Result<LocalStream> {
    Err(refusal())
}

impl LocalListener {
    /// Takes no clients.
    pub(crate) fn bind(_path: &Path) -> io::Result<LocalListener> {
        Err(refusal())
    }

    /// Takes no clients.
    pub(crate) fn from_ready(ready: ReadySocket) -> io::Result<LocalListener> {
        match ready {}
    }

    /// The next client.
    pub(crate) async fn accept(&self) -> io::Result<LocalStream> {
        match *self {}
    }
}

#[cfg(test)]
impl LocalStream {
    /// Two that are connected: there are none.
    pub(crate) fn pair() -> io::Result<(LocalStream, LocalStream)> {
        Err(refusal())
    }
}

fn refusal() -> io::Error {
    let text = "Unix sockets are not supported on Windows: use an address like rs://127.0.0.1:8080";
    io::Error::new(ErrorKind::Unsupported, text)
}
