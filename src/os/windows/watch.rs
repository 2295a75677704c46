//! A connected socket, and who watches it for news: the runtime, as long as a task has it
//! ([`Watched`], [`Returned`]), or a thread that waits for it by itself ([`Detached`]).

use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::net::TcpStream as StdStream;
use std::os::windows::io::AsRawSocket;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::Descriptor;
use super::local::LocalStream;

/// A socket that the runtime watches.
#[derive(Debug)]
pub(crate) struct Watched(TcpStream);

/// A socket that nobody watches but who waits for it.
#[derive(Debug)]
pub(crate) struct Detached {
    socket: StdStream,
    /// The last read has taken all there was.
    is_drained: bool,
}

/// A socket that has been detached, and is watched by the runtime again.
#[derive(Debug)]
pub(crate) struct Returned(TcpStream);

impl From<TcpStream> for Watched {
    fn from(tcp: TcpStream) -> Watched {
        Watched(tcp)
    }
}

impl From<LocalStream> for Watched {
    fn from(local: LocalStream) -> Watched {
        match local {}
    }
}

impl Watched {
    /// Takes it from the runtime.
    pub(crate) fn detach(self) -> io::Result<Detached> {
        Ok(Detached { socket: self.0.into_std()?, is_drained: false })
    }

    /// The TCP connection, if it is one.
    pub(crate) fn tcp(&self) -> Option<&TcpStream> {
        Some(&self.0)
    }

    pub(crate) fn fd(&self) -> Descriptor {
        self.0.as_raw_socket()
    }

    pub(crate) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }

    /// Gives bytes to the system as soon as it takes some; tells how many.
    pub(crate) fn poll_send(
        &self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.0.poll_write_ready(cx))?;
            match self.0.try_write_vectored(slices) {
                // It was writable when somebody looked last, and no longer is.
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                sent => return Poll::Ready(sent),
            }
        }
    }

    pub(crate) fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

impl Detached {
    /// Gives it to the runtime in whose context this is called.
    pub(crate) fn attach(self) -> io::Result<Returned> {
        TcpStream::from_std(self.socket).map(Returned)
    }

    pub(crate) fn fd(&self) -> Descriptor {
        self.socket.as_raw_socket()
    }

    /// Reads what is there. The read after one that has taken all finds nothing, without asking.
    pub(crate) fn read(&mut self, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if std::mem::take(&mut self.is_drained) {
            return Poll::Pending;
        }
        let room = buffer.remaining();
        let read = (&self.socket).read(buffer.initialize_unfilled());
        if let Ok(read) = read {
            buffer.advance(read);
            self.is_drained = (1..room).contains(&read);
        }
        done(read.map(drop))
    }

    /// Gives bytes to the system, if it takes some at once; tells how many.
    pub(crate) fn send(&self, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        done((&self.socket).write_vectored(slices))
    }
}

impl Returned {
    /// Takes it from the runtime again.
    pub(crate) fn detach(self) -> io::Result<Detached> {
        Watched(self.0).detach()
    }

    /// Has the runtime, in whose context this is called, watch for everything.
    pub(crate) fn watch(self) -> io::Result<Watched> {
        Ok(Watched(self.0))
    }

    pub(crate) fn fd(&self) -> Descriptor {
        self.0.as_raw_socket()
    }

    pub(crate) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }

    /// Gives bytes to the system, if it takes some at once; tells how many. Otherwise nobody
    /// watches for when it does: see [`Returned::watch`].
    pub(crate) fn send(&self, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        done(self.0.try_write_vectored(slices))
    }
}

fn done<T>(outcome: io::Result<T>) -> Poll<io::Result<T>> {
    match outcome {
        Err(error) if error.kind() == ErrorKind::WouldBlock => Poll::Pending,
        outcome => Poll::Ready(outcome),
    }
}
