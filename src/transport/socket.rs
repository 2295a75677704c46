//! A connected socket, as the operating system has it: the one place where bytes are given to it.
//!
//! A write to a socket whose peer has gone raises SIGPIPE, which ends a process that does not
//! expect it; and what becomes of signals is the host's decision, not a library's. So every write
//! here is a `sendmsg` that asks for the error alone.

use std::io::{self, ErrorKind, IoSlice};
use std::os::fd::{AsRawFd, RawFd};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;
#[cfg(unix)]
use tokio::net::UnixStream;

use crate::os;

/// See the module's text.
#[derive(Debug)]
pub struct Socket {
    kind: Kind,
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
enum Kind {
    Tcp(os::Ours<TcpStream>),
    #[cfg(unix)]
    Unix(os::Ours<UnixStream>),
}

impl Socket {
    fn new(kind: Kind) -> Socket {
        Socket { kind, byte_counts: ByteCounts::default() }
    }

    /// The TCP connection, if it is one.
    pub(super) fn tcp(&self) -> Option<&TcpStream> {
        match &self.kind {
            Kind::Tcp(tcp) => Some(tcp),
            #[cfg(unix)]
            Kind::Unix(_) => None,
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

    fn fd(&self) -> RawFd {
        self.kind.fd()
    }

    /// Gives bytes to the system as soon as it takes some; tells how many.
    fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        loop {
            let sent = match &self.kind {
                Kind::Tcp(tcp) => {
                    ready!(tcp.poll_write_ready(cx))?;
                    tcp.try_io(Interest::WRITABLE, || send(SockRef::from(&**tcp), slices))
                }
                #[cfg(unix)]
                Kind::Unix(unix) => {
                    ready!(unix.poll_write_ready(cx))?;
                    unix.try_io(Interest::WRITABLE, || send(SockRef::from(&**unix), slices))
                }
            };
            match sent {
                // It was writable when somebody looked last, and no longer is.
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                sent => {
                    self.byte_counts.written += *sent.as_ref().unwrap_or(&0) as u64;
                    return Poll::Ready(sent);
                }
            }
        }
    }
}

impl Kind {
    fn fd(&self) -> RawFd {
        match self {
            Kind::Tcp(tcp) => tcp.as_raw_fd(),
            #[cfg(unix)]
            Kind::Unix(unix) => unix.as_raw_fd(),
        }
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

impl From<TcpStream> for Socket {
    fn from(tcp: TcpStream) -> Socket {
        Socket::new(Kind::Tcp(os::Ours::new(tcp)))
    }
}

#[cfg(unix)]
impl From<UnixStream> for Socket {
    fn from(unix: UnixStream) -> Socket {
        Socket::new(Kind::Unix(os::Ours::new(unix)))
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(match &mut self.kind {
            Kind::Tcp(tcp) => Pin::new(&mut **tcp).poll_read(cx, buffer),
            #[cfg(unix)]
            Kind::Unix(unix) => Pin::new(&mut **unix).poll_read(cx, buffer),
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
        match &mut self.kind {
            Kind::Tcp(tcp) => Pin::new(&mut **tcp).poll_shutdown(cx),
            #[cfg(unix)]
            Kind::Unix(unix) => Pin::new(&mut **unix).poll_shutdown(cx),
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    /// Both kinds, each with its peer.
    async fn pairs() -> Vec<(Socket, Socket)> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let tcp = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (peer, _) = listener.accept().await.unwrap();
        let mut pairs = vec![(tcp.into(), peer.into())];
        #[cfg(unix)]
        {
            let (unix, peer) = UnixStream::pair().unwrap();
            pairs.push((unix.into(), peer.into()));
        }
        pairs
    }

    #[tokio::test]
    async fn what_does_not_fit_waits_until_the_peer_has_read() {
        const SIZE: usize = 32 * 1024 * 1024;
        for (mut socket, mut peer) in pairs().await {
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
        for (mut socket, mut peer) in pairs().await {
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
        for (mut socket, peer) in pairs().await {
            let held = os::NoSigpipe::begin();
            drop(peer);
            for vectored in [false, true] {
                let error = loop {
                    let bytes = [IoSlice::new(b"one"), IoSlice::new(b"two")];
                    let written = match vectored {
                        true => socket.write_vectored(&bytes).await,
                        false => socket.write(&bytes[0]).await,
                    };
                    match written {
                        Ok(_) => tokio::task::yield_now().await,
                        Err(error) if error.kind() == ErrorKind::BrokenPipe => break error,
                        // The first word of a TCP peer that has gone.
                        Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
                    }
                };
                assert!(!held.is_raised(), "{error}");
            }
        }
    }
}
