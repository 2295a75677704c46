//! A connected socket, and who watches it for news: the runtime, as long as a task has it
//! ([`Watched`], [`Returned`]), or a thread that waits for it by itself ([`Detached`]).

use std::io::{self, ErrorKind, IoSlice};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use socket2::SockRef;
use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

use super::kernel::NO_SIGPIPE;
use super::ours::Ours;

/// A socket that the runtime watches.
#[derive(Debug)]
pub(crate) enum Watched {
    Tcp(Ours<TcpStream>),
    Local(Ours<UnixStream>),
}

/// A socket that nobody watches but who waits for it.
#[derive(Debug)]
pub(crate) struct Detached {
    socket: Ours<OwnedFd>,
    is_tcp: bool,
    /// The last read has taken all there was.
    is_drained: bool,
}

/// A socket that has been detached, and is watched by the runtime again: for what can be read, as
/// otherwise the runtime would be woken at once, to learn that it can be written.
#[derive(Debug)]
pub(crate) struct Returned {
    socket: AsyncFd<Ours<OwnedFd>>,
    is_tcp: bool,
}

impl From<TcpStream> for Watched {
    fn from(tcp: TcpStream) -> Watched {
        Watched::Tcp(Ours::new(tcp))
    }
}

impl From<UnixStream> for Watched {
    fn from(unix: UnixStream) -> Watched {
        Watched::Local(Ours::new(unix))
    }
}

impl Watched {
    /// Takes it from the runtime.
    pub(crate) fn detach(self) -> io::Result<Detached> {
        let is_tcp = self.tcp().is_some();
        let socket = match self {
            Watched::Tcp(tcp) => tcp.try_map(|tcp| tcp.into_std().map(OwnedFd::from))?,
            Watched::Local(unix) => unix.try_map(|unix| unix.into_std().map(OwnedFd::from))?,
        };
        Ok(Detached { socket, is_tcp, is_drained: false })
    }

    /// The TCP connection, if it is one.
    pub(crate) fn tcp(&self) -> Option<&TcpStream> {
        match self {
            Watched::Tcp(tcp) => Some(tcp),
            Watched::Local(_) => None,
        }
    }

    pub(crate) fn fd(&self) -> RawFd {
        match self {
            Watched::Tcp(tcp) => tcp.as_raw_fd(),
            Watched::Local(unix) => unix.as_raw_fd(),
        }
    }

    pub(crate) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self {
            Watched::Tcp(tcp) => Pin::new(&mut **tcp).poll_read(cx, buffer),
            Watched::Local(unix) => Pin::new(&mut **unix).poll_read(cx, buffer),
        }
    }

    /// Gives bytes to the system as soon as it takes some; tells how many.
    pub(crate) fn poll_send(
        &self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        loop {
            let sent = match self {
                Watched::Tcp(tcp) => {
                    ready!(tcp.poll_write_ready(cx))?;
                    tcp.try_io(Interest::WRITABLE, || send(SockRef::from(&**tcp), slices))
                }
                Watched::Local(unix) => {
                    ready!(unix.poll_write_ready(cx))?;
                    unix.try_io(Interest::WRITABLE, || send(SockRef::from(&**unix), slices))
                }
            };
            match sent {
                // It was writable when somebody looked last, and no longer is.
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                sent => return Poll::Ready(sent),
            }
        }
    }

    pub(crate) fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Watched::Tcp(tcp) => Pin::new(&mut **tcp).poll_shutdown(cx),
            Watched::Local(unix) => Pin::new(&mut **unix).poll_shutdown(cx),
        }
    }
}

impl Detached {
    /// Gives it to the runtime in whose context this is called.
    pub(crate) fn attach(self) -> io::Result<Returned> {
        Ok(Returned { socket: watch_reads(self.socket)?, is_tcp: self.is_tcp })
    }

    pub(crate) fn fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }

    /// Reads what is there. The read after one that has taken all finds nothing, without asking.
    pub(crate) fn read(&mut self, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if std::mem::take(&mut self.is_drained) {
            return Poll::Pending;
        }
        let room = buffer.remaining();
        let read = receive(self.fd(), buffer);
        self.is_drained = is_all(&read, room);
        done(read.map(drop))
    }

    /// Gives bytes to the system, if it takes some at once; tells how many.
    pub(crate) fn send(&self, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        done(send(SockRef::from(&*self.socket), slices))
    }
}

impl Returned {
    /// Takes it from the runtime again.
    pub(crate) fn detach(self) -> io::Result<Detached> {
        let socket = self.socket.into_inner();
        Ok(Detached { socket, is_tcp: self.is_tcp, is_drained: false })
    }

    /// Has the runtime, in whose context this is called, watch for everything.
    pub(crate) fn watch(self) -> io::Result<Watched> {
        let socket = self.socket.into_inner();
        Ok(match self.is_tcp {
            true => Watched::Tcp(socket.try_map(|fd| TcpStream::from_std(fd.into()))?),
            false => Watched::Local(socket.try_map(|fd| UnixStream::from_std(fd.into()))?),
        })
    }

    pub(crate) fn fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }

    pub(crate) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            let mut ready = ready!(self.socket.poll_read_ready(cx))?;
            let room = buffer.remaining();
            let read = receive(ready.get_ref().as_raw_fd(), buffer);
            let is_blocked = is_blocked(&read);
            if is_blocked || is_all(&read, room) {
                ready.clear_ready();
            }
            if !is_blocked {
                return Poll::Ready(read.map(drop));
            }
        }
    }

    /// Gives bytes to the system, if it takes some at once; tells how many. Otherwise nobody
    /// watches for when it does: see [`Returned::watch`].
    pub(crate) fn send(&self, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        done(send(SockRef::from(&**self.socket.get_ref()), slices))
    }
}

/// Reads what is there; 0 bytes are the end of the stream.
fn receive(socket: RawFd, buffer: &mut ReadBuf<'_>) -> io::Result<usize> {
    loop {
        match receive_once(socket, buffer) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            read => return read,
        }
    }
}

fn receive_once(socket: RawFd, buffer: &mut ReadBuf<'_>) -> io::Result<usize> {
    // SAFETY: nothing but initialized bytes is written to it, by the system.
    let room = unsafe { buffer.unfilled_mut() };
    // SAFETY: the system writes at most as many bytes as there is room for.
    let read = unsafe { libc::recv(socket, room.as_mut_ptr().cast(), room.len(), 0) };
    let Ok(read) = usize::try_from(read) else {
        return Err(io::Error::last_os_error());
    };
    // SAFETY: the system has written so many.
    unsafe { buffer.assume_init(read) };
    buffer.advance(read);
    Ok(read)
}

/// Has the runtime in whose context this is called watch for what can be read.
fn watch_reads(socket: Ours<OwnedFd>) -> io::Result<AsyncFd<Ours<OwnedFd>>> {
    // SAFETY: the socket owns its descriptor, always the same, and stays open until it is dropped.
    let watched = unsafe { AsyncFd::register_with_interest(socket, Interest::READABLE) };
    watched.map_err(io::Error::from)
}

/// True if a read with so much room has taken all there was.
fn is_all(read: &io::Result<usize>, room: usize) -> bool {
    read.as_ref().is_ok_and(|read| (1..room).contains(read))
}

fn is_blocked<T>(outcome: &io::Result<T>) -> bool {
    outcome.as_ref().is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
}

fn done<T>(outcome: io::Result<T>) -> Poll<io::Result<T>> {
    match is_blocked(&outcome) {
        true => Poll::Pending,
        false => Poll::Ready(outcome),
    }
}

/// Writes to a socket without SIGPIPE.
fn send(socket: SockRef<'_>, slices: &[IoSlice<'_>]) -> io::Result<usize> {
    loop {
        match socket.send_vectored_with_flags(slices, NO_SIGPIPE) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            sent => return sent,
        }
    }
}
