//! A socket that is read to its end after a reset: its writes do not fail for what its reads can
//! tell better.
//!
//! A peer that ends a connection often says why, and then closes without reading on: the system
//! answers our next write with a reset, while the reason waits to be read: an ABORT, a GOODBYE, a
//! close code, a TLS alert. So a write to a peer that is gone goes nowhere, and the error is kept
//! until everything that came has been read.
//!
//! Being next to the system, below TLS, it is also where a [`WriteTimeout`] can be kept.

use std::io::{self, ErrorKind, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::socket::Socket;
use super::write_timeout::WriteTimeout;

/// See the module's text.
#[derive(Debug)]
pub(super) struct ReadAfterReset {
    socket: Socket,
    peer: Peer,
    write_timeout: Option<WriteTimeout>,
}

#[derive(Debug)]
enum Peer {
    There,
    /// It is gone; with the error of the first write that it did not take, until that is told.
    Gone(Option<io::Error>),
}

impl ReadAfterReset {
    pub(super) fn socket(&self) -> &Socket {
        &self.socket
    }

    pub(super) fn socket_mut(&mut self) -> &mut Socket {
        &mut self.socket
    }

    /// Makes it fail once the peer has shown nothing for too long.
    pub(super) fn set_write_timeout(&mut self, write_timeout: WriteTimeout) {
        self.write_timeout = Some(write_timeout);
    }

    /// Ready when the peer has shown nothing for too long.
    fn poll_timeout(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        match &mut self.write_timeout {
            Some(write_timeout) => write_timeout.poll_end(cx, &self.socket),
            None => Poll::Pending,
        }
    }

    pub(super) fn into_inner(self) -> Socket {
        self.socket
    }

    /// The outcome of a write of `size` bytes.
    fn wrote(
        &mut self,
        cx: &mut Context<'_>,
        size: usize,
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if let Some(write_timeout) = &mut self.write_timeout {
            write_timeout.wrote(cx, &self.socket, written.is_ready());
        }
        match written {
            Poll::Ready(Err(error)) if is_gone(&error) => {
                self.peer = Peer::Gone(Some(error));
                Poll::Ready(Ok(size))
            }
            Poll::Ready(written) => Poll::Ready(written),
            Poll::Pending => self.poll_timeout(cx).map(Err),
        }
    }
}

fn is_gone(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe)
}

impl<S: Into<Socket>> From<S> for ReadAfterReset {
    fn from(socket: S) -> ReadAfterReset {
        ReadAfterReset { socket: socket.into(), peer: Peer::There, write_timeout: None }
    }
}

impl AsyncRead for ReadAfterReset {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        match Pin::new(&mut self.socket).poll_read(cx, buffer) {
            Poll::Ready(read) => read?,
            Poll::Pending => return self.poll_timeout(cx).map(Err),
        }
        let is_end = buffer.filled().len() == before && buffer.remaining() > 0;
        match &mut self.peer {
            Peer::Gone(error) if is_end => Poll::Ready(error.take().map_or(Ok(()), Err)),
            _ => Poll::Ready(Ok(())),
        }
    }
}

impl AsyncWrite for ReadAfterReset {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if let Peer::Gone(_) = self.peer {
            return Poll::Ready(Ok(bytes.len()));
        }
        let written = Pin::new(&mut self.socket).poll_write(cx, bytes);
        self.wrote(cx, bytes.len(), written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let size = slices.iter().map(|slice| slice.len()).sum();
        if let Peer::Gone(_) = self.peer {
            return Poll::Ready(Ok(size));
        }
        let written = Pin::new(&mut self.socket).poll_write_vectored(cx, slices);
        self.wrote(cx, size, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.peer {
            Peer::There => Pin::new(&mut self.socket).poll_shutdown(cx),
            Peer::Gone(_) => Poll::Ready(Ok(())),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};

    use super::*;

    #[tokio::test]
    async fn last_words_are_read_after_a_reset() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut socket = ReadAfterReset::from(TcpStream::connect(address).await.unwrap());
        let (mut peer, _) = listener.accept().await.unwrap();
        socket.write_all(b"unread").await.unwrap();
        peer.readable().await.unwrap();
        peer.write_all(b"because").await.unwrap();
        // With unread data: this is a reset.
        drop(peer);

        let gone = async {
            while !matches!(socket.peer, Peer::Gone(_)) {
                socket.write_all(b"more").await.unwrap();
                tokio::task::yield_now().await;
            }
            socket.write_all(b"and more").await.unwrap();
            let mut heard = Vec::new();
            let end = socket.read_to_end(&mut heard).await;
            (heard, end, socket.read(&mut [0]).await, socket.shutdown().await)
        };
        let (heard, end, again, shut) =
            tokio::time::timeout(Duration::from_secs(20), gone).await.expect("it goes on");
        assert_eq!(heard, b"because");
        assert!(is_gone(&end.unwrap_err()));
        assert_eq!((again.unwrap(), shut.is_ok()), (0, true));
    }
}
