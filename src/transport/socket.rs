//! A connected socket, as the operating system has it: the one place where bytes are given to it.
//!
//! A write to a socket whose peer has gone raises SIGPIPE, which ends a process that does not
//! expect it; and what becomes of signals is the host's decision, not a library's. So every write
//! here is a `sendmsg` that asks for the error alone.

use std::io::{self, ErrorKind, IoSlice};
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::task::spawn_blocking;

use crate::os::{self, Descriptor, Detached, LocalStream, Returned, Watched};

/// See the module's text.
#[derive(Debug)]
pub struct Socket {
    state: State,
    byte_counts: ByteCounts,
}

/// The numbers of bytes that a socket has carried so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ByteCounts {
    /// From the peer.
    pub read: u64,
    /// To the operating system, on their way to the peer.
    pub written: u64,
}

#[derive(Debug)]
enum State {
    Watched(Watched),
    Detached(Detached),
    Returned(Returned),
    /// It could not go from one to the other.
    Gone,
}

impl Socket {
    fn new(socket: Watched) -> Socket {
        if let Some(room) = os::Room::lacking(socket.fd()) {
            // Without a thread for it somebody waits when it is needed.
            let make = || drop(spawn_blocking(|| room.make()));
            let _ = catch_unwind(AssertUnwindSafe(make));
        }
        Socket { state: State::Watched(socket), byte_counts: ByteCounts::default() }
    }

    /// The TCP connection, if it is one that has not been detached yet.
    pub(super) fn tcp(&self) -> Option<&TcpStream> {
        match &self.state {
            State::Watched(socket) => socket.tcp(),
            State::Detached(_) | State::Returned(_) | State::Gone => None,
        }
    }

    /// See [`super::Transport::detach`].
    pub(super) fn detach(&mut self) -> io::Result<Descriptor> {
        self.state = match mem::replace(&mut self.state, State::Gone) {
            State::Watched(socket) => State::Detached(socket.detach()?),
            State::Returned(socket) => State::Detached(socket.detach()?),
            state => state,
        };
        Ok(self.fd())
    }

    /// See [`super::Transport::attach`].
    pub(super) fn attach(&mut self) -> io::Result<()> {
        self.state = match mem::replace(&mut self.state, State::Gone) {
            State::Detached(socket) => State::Returned(socket.attach()?),
            state => state,
        };
        Ok(())
    }

    /// Has a socket that was returned watched for when it can be written, too.
    #[cold]
    fn watch_writes(&mut self, cx: &Context<'_>) -> io::Result<&mut Watched> {
        if let State::Returned(socket) = mem::replace(&mut self.state, State::Gone) {
            self.state = State::Watched(socket.watch()?);
        }
        // Whoever waits to read has said so where it is no longer heard.
        cx.waker().wake_by_ref();
        match &mut self.state {
            State::Watched(socket) => Ok(socket),
            _ => Err(ErrorKind::NotConnected.into()),
        }
    }

    /// See [`ByteCounts`].
    pub(super) fn byte_counts(&self) -> ByteCounts {
        self.byte_counts
    }

    /// The number of the bytes written that are still on their way: see [`os::unacknowledged`].
    pub(super) fn unacknowledged(&self) -> u64 {
        os::unacknowledged(self.fd())
    }

    /// The progress of the peer's system with what was written. Grows as the peer takes bytes, and
    /// only then; on a Unix socket it also shrinks, as more is written.
    pub(super) fn taken(&self) -> i64 {
        self.byte_counts.written as i64 - self.unacknowledged() as i64
    }

    /// For how long the peer's machine has been silent although it was asked. `None` where the
    /// system does not tell.
    pub(super) fn silence(&self) -> Option<Duration> {
        os::tcp_silence(self.fd())
    }

    fn fd(&self) -> Descriptor {
        match &self.state {
            State::Watched(socket) => socket.fd(),
            State::Detached(socket) => socket.fd(),
            State::Returned(socket) => socket.fd(),
            State::Gone => os::NO_DESCRIPTOR,
        }
    }

    /// Gives bytes to the system as soon as it takes some; tells how many.
    fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut sent = match &self.state {
            State::Watched(socket) => socket.poll_send(cx, slices),
            State::Detached(socket) => socket.send(slices),
            State::Returned(socket) => socket.send(slices),
            State::Gone => Poll::Ready(Err(ErrorKind::NotConnected.into())),
        };
        if sent.is_pending() && matches!(self.state, State::Returned(_)) {
            sent = self.watch_writes(cx)?.poll_send(cx, slices);
        }
        let sent = ready!(sent);
        self.byte_counts.written += *sent.as_ref().unwrap_or(&0) as u64;
        Poll::Ready(sent)
    }
}

impl From<TcpStream> for Socket {
    fn from(tcp: TcpStream) -> Socket {
        Socket::new(tcp.into())
    }
}

impl From<LocalStream> for Socket {
    fn from(local: LocalStream) -> Socket {
        Socket::new(local.into())
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(match &mut self.state {
            State::Watched(socket) => socket.poll_read(cx, buffer),
            State::Detached(socket) => socket.read(buffer),
            State::Returned(socket) => socket.poll_read(cx, buffer),
            State::Gone => Poll::Ready(Err(ErrorKind::NotConnected.into())),
        })?;
        self.byte_counts.read += (buffer.filled().len() - before) as u64;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_send(cx, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_send(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.state {
            State::Watched(socket) => socket.poll_shutdown(cx),
            State::Returned(_) => self.watch_writes(cx)?.poll_shutdown(cx),
            State::Detached(_) | State::Gone => Poll::Ready(Err(ErrorKind::NotConnected.into())),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::task::Waker;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;
    use crate::transport::testing::socket_pairs;

    #[tokio::test]
    async fn what_does_not_fit_waits_until_the_peer_has_read() {
        const SIZE: usize = 32 * 1024 * 1024;
        for (mut socket, mut peer) in socket_pairs().await {
            let writing = async {
                let half = vec![7; SIZE / 2];
                socket.write_all(&half).await.unwrap();
                let mut left = SIZE / 2;
                while left > 0 {
                    let slices =
                        [IoSlice::new(&half[..left / 2]), IoSlice::new(&half[left / 2..left])];
                    left -= socket.write_vectored(&slices).await.unwrap();
                }
                socket.shutdown().await.unwrap();
            };
            let reading = async {
                let mut read = Vec::new();
                peer.read_to_end(&mut read).await.unwrap();
                read
            };
            let ((), read) = tokio::join!(writing, reading);
            assert!(read.len() == SIZE && read.iter().all(|byte| *byte == 7));
        }
    }

    #[tokio::test]
    async fn what_the_peer_takes_is_known_and_what_it_has_not() {
        for (mut socket, mut peer) in socket_pairs().await {
            assert_eq!((socket.taken(), socket.unacknowledged()), (0, 0));
            // More than both systems keep.
            let mut given = 0;
            let filled = async {
                loop {
                    given += socket.write(&[1; 100_000]).await.unwrap();
                }
            };
            assert!(tokio::time::timeout(Duration::from_millis(200), filled).await.is_err());
            let byte_counts = socket.byte_counts();
            assert_eq!(byte_counts, ByteCounts { read: 0, written: given as u64 });
            let before = socket.taken();
            assert!(socket.unacknowledged() > 0 && before < given as i64, "{before} of {given}");
            let mut read = 0;
            while read < given {
                read += peer.read(&mut [0; 100_000]).await.unwrap();
            }
            assert_eq!(peer.byte_counts(), ByteCounts { read: given as u64, written: 0 });
            while socket.taken() < given as i64 {
                assert!(socket.taken() >= before);
                tokio::task::yield_now().await;
            }
            assert_eq!(socket.unacknowledged(), 0);
            assert_eq!(socket.silence(), socket.tcp().map(|_| Duration::ZERO));
        }
    }

    #[tokio::test]
    async fn a_write_to_nobody_is_an_error_and_no_signal() {
        for (mut socket, peer) in socket_pairs().await {
            let held = os::NoSigpipe::begin();
            drop(peer);
            for vectored in [false, true] {
                let mut resets = 0;
                let error = loop {
                    let bytes = [IoSlice::new(b"one"), IoSlice::new(b"two")];
                    let written = match vectored {
                        true => socket.write_vectored(&bytes).await,
                        false => socket.write(&bytes[0]).await,
                    };
                    match written {
                        Ok(_) => tokio::task::yield_now().await,
                        Err(error) if error.kind() == ErrorKind::BrokenPipe => break error,
                        // The first word of a TCP peer that has gone, and on Windows the last.
                        Err(error) if resets > 0 => break error,
                        Err(error) => {
                            assert_eq!(error.kind(), ErrorKind::ConnectionReset);
                            resets += 1;
                        }
                    }
                };
                assert!(!held.is_raised(), "{error}");
            }
        }
    }

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
                while os::wait_readable([fd, fd], Duration::from_secs(60)).unwrap() == [false; 2] {}
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
