//! Unix sockets.

use std::fs;
use std::io::{self, ErrorKind};
use std::mem::offset_of;
use std::os::unix::net::{UnixListener as StdListener, UnixStream as StdStream};
use std::path::{Path, PathBuf};

use tokio::net::{UnixListener, UnixSocket};

use super::descriptors::raised;
use super::inherited::ReadySocket;

pub(crate) use tokio::net::UnixStream as LocalStream;

/// True if the system has sockets that are files.
#[cfg(test)]
pub(crate) const HAS_LOCAL_SOCKETS: bool = true;

/// Connects to a socket that is a file.
pub(crate) async fn connect_local(path: &Path) -> io::Result<LocalStream> {
    check_size(path)?;
    raised(UnixSocket::new_stream()?).connect(path).await
}

/// A socket that is a file, where clients are awaited.
#[derive(Debug)]
pub(crate) struct LocalListener {
    socket: UnixListener,
    /// Its own, or else somebody else's.
    _file: Option<File>,
}

impl LocalListener {
    /// Takes clients at this path. Watched by the runtime in whose context this is called.
    pub(crate) fn bind(path: &Path) -> io::Result<LocalListener> {
        let socket = bind(path)?;
        LocalListener::new(socket, Some(File(path.to_owned())))
    }

    /// Takes clients at a socket whose file stays. Watched as with [`LocalListener::bind`].
    pub(crate) fn from_ready(ready: ReadySocket) -> io::Result<LocalListener> {
        LocalListener::new(ready.into_local()?, None)
    }

    fn new(socket: StdListener, file: Option<File>) -> io::Result<LocalListener> {
        socket.set_nonblocking(true)?;
        Ok(LocalListener { socket: UnixListener::from_std(socket)?, _file: file })
    }

    /// The next client.
    pub(crate) async fn accept(&self) -> io::Result<LocalStream> {
        Ok(self.socket.accept().await?.0)
    }
}

/// The file of a socket, removed in the end.
#[derive(Debug)]
struct File(PathBuf);

impl Drop for File {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// Refuses a path that the system has no room for. It would say no more than that.
fn check_size(path: &Path) -> io::Result<()> {
    // With the NUL at its end.
    const ROOM: usize = size_of::<libc::sockaddr_un>() - offset_of!(libc::sockaddr_un, sun_path);
    let size = path.as_os_str().len();
    if size < ROOM {
        return Ok(());
    }
    let most = ROOM - 1;
    let text = format!("its path has {size} bytes, and that of a Unix socket at most {most}");
    Err(io::Error::new(ErrorKind::InvalidFilename, text))
}

/// Takes the place of a router that was killed and has left its file behind.
fn bind(path: &Path) -> io::Result<StdListener> {
    check_size(path)?;
    match StdListener::bind(path) {
        Err(error) if error.kind() == ErrorKind::AddrInUse => {
            let nobody = StdStream::connect(path)
                .is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused);
            if !nobody {
                return Err(error);
            }
            fs::remove_file(path)?;
            StdListener::bind(path)
        }
        bound => bound,
    }
}
