//! A connected socket, and who watches it for news: the runtime, as long as a task has it
//! ([`Watched`], [`Returned`]), or a thread that waits for it by itself ([`Detached`]).

use std::io::{self, ErrorKind, IoSlice};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use socket2::SockRef;
use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;
#[cfg(unix)]
use tokio::net::UnixStream;

use crate::os;

/// A socket that the runtime watches.
#[derive(Debug)]
pub(super) enum Watched {
    Tcp(os::Ours<TcpStream>),
    #[cfg(unix)]
    Unix(os::Ours<UnixStream>),
}

/// A socket that nobody watches but who waits for it.
#[derive(Debug)]
pub(super) struct Detached {
    socket: os::Ours<OwnedFd>,
    is_tcp: bool,
    /// The last read has taken all there was.
    is_drained: bool,
}

/// A socket that has been detached, and is watched by the runtime again: for what can be read, as
/// otherwise the runtime would be woken at once, to learn that it can be written.
#[derive(Debug)]
pub(super) struct Returned {
    socket: AsyncFd<os::Ours<OwnedFd>>,
    is_tcp: bool,
}

impl Watched {
    /// Takes it from the runtime.
    pub(super) fn detach(self) -> io::Result<Detached> {
        let is_tcp = self.tcp().is_some();
        let socket = match self {
            Watched::Tcp(tcp) => tcp.try_map(|tcp| tcp.into_std().map(OwnedFd::from))?,
            #[cfg(unix)]
            Watched::Unix(unix) => unix.try_map(|unix| unix.into_std().map(OwnedFd::from))?,
        };
        Ok(Detached { socket, is_tcp, is_drained: false })
    }

    /// The TCP connection, if it is one.
    pub(super) fn tcp(&self) -> Option<&TcpStream> {
        match self {
            Watched::Tcp(tcp) => Some(tcp),
            #[cfg(unix)]
            Watched::Unix(_) => None,
        }
    }

    pub(super) fn fd(&self) -> RawFd {
        match self {
            Watched::Tcp(tcp) => tcp.as_raw_fd(),
            #[cfg(unix)]
            Watched::Unix(unix) => unix.as_raw_fd(),
        }
    }

    pub(super) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self {
            Watched::Tcp(tcp) => Pin::new(&mut **tcp).poll_read(cx, buffer),
            #[cfg(unix)]
            Watched::Unix(unix) => Pin::new(&mut **unix).poll_read(cx, buffer),
        }
    }

    /// Gives bytes to the system as soon as it takes some; tells how many.
    pub(super) fn poll_send(
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
                #[cfg(unix)]
                Watched::Unix(unix) => {
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

    pub(super) fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Watched::Tcp(tcp) => Pin::new(&mut **tcp).poll_shutdown(cx),
            #[cfg(unix)]
            Watched::Unix(unix) => Pin::new(&mut **unix).poll_shutdown(cx),
        }
    }
}

impl Detached {
    /// Gives it to the runtime in whose context this is called.
    pub(super) fn attach(self) -> io::Result<Returned> {
        Ok(Returned { socket: os::watch_reads(self.socket)?, is_tcp: self.is_tcp })
    }

    pub(super) fn fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }

    /// Reads what is there. The read after one that has taken all finds nothing, without asking.
    pub(super) fn read(&mut self, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if std::mem::take(&mut self.is_drained) {
            return Poll::Pending;
        }
        let room = buffer.remaining();
        let read = receive(self.fd(), buffer);
        self.is_drained = is_all(&read, room);
        done(read.map(drop))
    }

    /// Gives bytes to the system, if it takes some at once; tells how many.
    pub(super) fn send(&self, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        done(send(SockRef::from(&*self.socket), slices))
    }
}

impl Returned {
    /// Takes it from the runtime again.
    pub(super) fn detach(self) -> Detached {
        let socket = self.socket.into_inner();
        Detached { socket, is_tcp: self.is_tcp, is_drained: false }
    }

    /// Has the runtime, in whose context this is called, watch for everything.
    pub(super) fn watch(self) -> io::Result<Watched> {
        let socket = self.socket.into_inner();
        Ok(match self.is_tcp {
            true => Watched::Tcp(socket.try_map(|fd| TcpStream::from_std(fd.into()))?),
            #[cfg(unix)]
            false => Watched::Unix(socket.try_map(|fd| UnixStream::from_std(fd.into()))?),
        })
    }

    pub(super) fn fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }

    pub(super) fn poll_read(
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
    pub(super) fn send(&self, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        done(send(SockRef::from(&**self.socket.get_ref()), slices))
    }
}

fn receive(socket: RawFd, buffer: &mut ReadBuf<'_>) -> io::Result<usize> {
    loop {
        match os::receive(socket, buffer) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            read => return read,
        }
    }
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
        match socket.send_vectored_with_flags(slices, os::NO_SIGPIPE) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            sent => return sent,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::task::Waker;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use crate::transport::socket::Socket;
    use crate::transport::testing::socket_pairs;

    use super::*;

    async fn read(socket: &mut Socket) -> Vec<u8> {
        let mut bytes = vec![0; 100];
        let read = socket.read(&mut bytes).await.unwrap();
        bytes.truncate(read);
        bytes
    }

    #[tokio::test]
    async fn a_detached_socket_is_read_and_written_by_whoever_has_it() {
        for (mut socket, mut peer) in socket_pairs().await {
            for _ in 0..2 {
                let fd = socket.detach().unwrap();
                let mut block = [0; 100];
                let mut buffer = ReadBuf::new(&mut block);
                let mut cx = Context::from_waker(Waker::noop());
                let empty = Pin::new(&mut socket).poll_read(&mut cx, &mut buffer);
                assert!(empty.is_pending());
                peer.write_all(b"news").await.unwrap();
                while os::wait_readable([fd, fd], std::time::Duration::from_secs(60)).unwrap()
                    == [false; 2]
                {}
                let news = Pin::new(&mut socket).poll_read(&mut cx, &mut buffer);
                assert!(news.is_ready() && buffer.filled() == b"news");
                socket.write_all(b"answer").await.unwrap();
                assert_eq!(read(&mut peer).await, b"answer");
                socket.attach().unwrap();
                peer.write_all(b"more").await.unwrap();
                assert_eq!(read(&mut socket).await, b"more");
            }
            assert_eq!((socket.byte_counts().read, socket.byte_counts().written), (16, 12));
            peer.shutdown().await.unwrap();
            assert_eq!(read(&mut socket).await, b"");
        }
    }

    #[tokio::test]
    async fn who_waits_to_read_is_woken_after_a_return_and_also_once_a_write_has_had_to_wait() {
        for (mut socket, mut peer) in socket_pairs().await {
            socket.detach().unwrap();
            socket.attach().unwrap();
            let full = poll_fn(|cx| {
                loop {
                    match Pin::new(&mut socket).poll_write(cx, &[1; 100_000]) {
                        Poll::Ready(written) => drop(written.unwrap()),
                        Poll::Pending => return Poll::Ready(()),
                    }
                }
            });
            full.await;
            let given = socket.byte_counts().written;
            peer.write_all(b"news").await.unwrap();
            assert_eq!(read(&mut socket).await, b"news");
            let taken = async {
                let mut taken = 0;
                while taken < given + 5 {
                    taken += peer.read(&mut [0; 100_000]).await.unwrap() as u64;
                }
            };
            let (written, ()) = tokio::join!(socket.write_all(b"again"), taken);
            written.unwrap();
            socket.shutdown().await.unwrap();
            assert_eq!(read(&mut peer).await, b"");
        }
    }
}
