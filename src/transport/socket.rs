//! A connected socket, as the operating system has it: the one place where bytes are given to it.
//!
//! A write to a socket whose peer has gone raises SIGPIPE, which ends a process that does not expect
//! it; and what becomes of signals is the host's decision, not a library's. So every write here is a
//! `sendmsg` that asks for the error alone.

use std::io::{self, ErrorKind, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;
#[cfg(unix)]
use tokio::net::UnixStream;

use crate::os;

/// See the module's text.
#[derive(Debug)]
pub enum Socket {
    /// TCP.
    Tcp(TcpStream),
    /// A Unix socket.
    #[cfg(unix)]
    Unix(UnixStream),
}

impl Socket {
    /// The TCP connection, if it is one.
    pub(super) fn tcp(&self) -> Option<&TcpStream> {
        match self {
            Socket::Tcp(tcp) => Some(tcp),
            #[cfg(unix)]
            Socket::Unix(_) => None,
        }
    }

    /// Gives bytes to the system as soon as it takes some; tells how many.
    fn poll_send(&self, cx: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        loop {
            let sent = match self {
                Socket::Tcp(tcp) => {
                    ready!(tcp.poll_write_ready(cx))?;
                    tcp.try_io(Interest::WRITABLE, || send(SockRef::from(tcp), slices))
                }
                #[cfg(unix)]
                Socket::Unix(unix) => {
                    ready!(unix.poll_write_ready(cx))?;
                    unix.try_io(Interest::WRITABLE, || send(SockRef::from(unix), slices))
                }
            };
            match sent {
                // It was writable when somebody looked last, and no longer is.
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                sent => return Poll::Ready(sent),
            }
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
        Socket::Tcp(tcp)
    }
}

#[cfg(unix)]
impl From<UnixStream> for Socket {
    fn from(unix: UnixStream) -> Socket {
        Socket::Unix(unix)
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut *self {
            Socket::Tcp(tcp) => Pin::new(tcp).poll_read(cx, buffer),
            #[cfg(unix)]
            Socket::Unix(unix) => Pin::new(unix).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_send(cx, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
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
        match &mut *self {
            Socket::Tcp(tcp) => Pin::new(tcp).poll_shutdown(cx),
            #[cfg(unix)]
            Socket::Unix(unix) => Pin::new(unix).poll_shutdown(cx),
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
