//! The bytes below a transport: a socket, in clear or with TLS over it.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use crate::os::lock;

use super::read_after_reset::ReadAfterReset;
use super::socket::{ByteCounts, Socket};
use super::tls_stream::TlsStream;
use super::write_timeout::{Sign, WriteTimeout};

/// A connected socket, with or without TLS.
#[derive(Debug)]
pub struct Stream {
    kind: Kind,
    hints: Arc<HandshakeHints>,
}

#[derive(Debug)]
enum Kind {
    Clear(ReadAfterReset),
    Tls(TlsStream),
}

/// The signs that a connection has shown of the other side; looked into when a handshake over it
/// fails.
#[derive(Debug, Default)]
pub(super) struct HandshakeHints {
    /// Above the byte, a bit that there is one.
    first_byte: AtomicU16,
    /// The wish of a TLS server for a client certificate.
    pub(super) certificate: Certificate,
}

/// The wish of a TLS server for a client certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Certificate {
    /// It has not.
    #[default]
    NotAsked,
    /// It has, and we had none.
    Missing,
    /// It has, and we gave one.
    Given,
}

impl HandshakeHints {
    /// The first byte that the other side sent in clear was that of a TLS alert.
    pub(super) fn tls_alert(&self) -> bool {
        const ALERT: u16 = 21;
        self.first_byte.load(Ordering::Relaxed) == FIRST | ALERT
    }
}

const FIRST: u16 = 0x100;

impl Stream {
    #[cfg(feature = "tls")]
    pub(super) fn tls(stream: impl Into<TlsStream>, certificate: Certificate) -> Stream {
        let hints = HandshakeHints { certificate, ..HandshakeHints::default() };
        Stream::new(Kind::Tls(stream.into()), Arc::new(hints))
    }

    fn new(kind: Kind, hints: Arc<HandshakeHints>) -> Stream {
        Stream { kind, hints }
    }

    /// It fails once something is on its way to the peer, and for so long nothing of this has been
    /// seen.
    pub(crate) fn with_write_timeout(mut self, limit: Duration, wanted: Sign) -> Stream {
        let write_timeout = WriteTimeout::new(limit, wanted);
        match &mut self.kind {
            Kind::Clear(socket) => socket.set_write_timeout(write_timeout),
            // Below TLS, which takes some of what is written although nobody takes anything of it.
            Kind::Tls(tls) => tls.below_mut().set_write_timeout(write_timeout),
        }
        self
    }

    /// See [`super::Transport::byte_counts`].
    pub(super) fn byte_counts(&self) -> ByteCounts {
        self.socket().byte_counts()
    }

    /// See [`super::Transport::taken`].
    pub(super) fn taken(&self) -> i64 {
        self.socket().taken()
    }

    pub(super) fn hints(&self) -> Arc<HandshakeHints> {
        self.hints.clone()
    }

    #[cfg(test)]
    pub(super) fn is_resumed(&self) -> bool {
        matches!(&self.kind, Kind::Tls(tls) if tls.is_resumed())
    }

    /// The other end, in words.
    pub(super) fn peer(&self) -> String {
        let address = self.tcp().and_then(|tcp| tcp.peer_addr().ok());
        address.map_or_else(|| "a client".to_owned(), |address| address.to_string())
    }

    /// The TCP connection below, if it is one.
    pub(crate) fn tcp(&self) -> Option<&TcpStream> {
        self.socket().tcp()
    }

    fn socket(&self) -> &Socket {
        match &self.kind {
            Kind::Clear(socket) => socket.socket(),
            Kind::Tls(tls) => tls.below().socket(),
        }
    }

    pub(super) fn socket_mut(&mut self) -> &mut Socket {
        match &mut self.kind {
            Kind::Clear(socket) => socket.socket_mut(),
            Kind::Tls(tls) => tls.below_mut().socket_mut(),
        }
    }

    /// The socket, if it is TCP in clear.
    pub(super) fn into_tcp(self) -> Option<Socket> {
        match self.kind {
            Kind::Clear(socket) => {
                Some(socket.into_inner()).filter(|socket| socket.tcp().is_some())
            }
            Kind::Tls(_) => None,
        }
    }

    /// See [`super::Transport::peer_certificate`].
    pub(super) fn peer_certificate(&self) -> Option<&[u8]> {
        match &self.kind {
            Kind::Clear(_) => None,
            Kind::Tls(tls) => tls.peer_certificate(),
        }
    }

    /// See [`super::Transport::channel_id`].
    pub(super) fn channel_id(&self) -> Option<[u8; 32]> {
        match &self.kind {
            Kind::Clear(_) => None,
            Kind::Tls(tls) => tls.channel_id(),
        }
    }
}

impl<S: Into<Socket>> From<S> for Stream {
    fn from(socket: S) -> Stream {
        Stream::new(Kind::Clear(socket.into().into()), Arc::default())
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let before = buffer.filled().len();
        ready!(match &mut this.kind {
            Kind::Clear(socket) => Pin::new(socket).poll_read(cx, buffer),
            Kind::Tls(tls) => Pin::new(tls).poll_read(cx, buffer),
        })?;
        if matches!(this.kind, Kind::Clear(_))
            && this.hints.first_byte.load(Ordering::Relaxed) == 0
            && let Some(byte) = buffer.filled().get(before)
        {
            this.hints.first_byte.store(FIRST | u16::from(*byte), Ordering::Relaxed);
        }
        Poll::Ready(Ok(()))
    }
}

/// One of the functions of [`AsyncWrite`], on whatever is there.
macro_rules! forward {
    ($self:ident.$function:ident($($argument:expr),*)) => {
        match &mut $self.kind {
            Kind::Clear(stream) => Pin::new(stream).$function($($argument),*),
            Kind::Tls(stream) => Pin::new(stream).$function($($argument),*),
        }
    };
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        forward!(self.poll_write(cx, bytes))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        forward!(self.poll_write_vectored(cx, slices))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        forward!(self.poll_flush(cx))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        forward!(self.poll_shutdown(cx))
    }
}

/// A stream at which somebody looks while somebody else, such as hyper, reads and writes.
#[derive(Debug, Clone)]
pub(super) struct SharedStream(Arc<Mutex<Stream>>);

impl SharedStream {
    /// See [`super::Transport::taken`].
    pub(super) fn taken(&self) -> i64 {
        self.lock().taken()
    }

    /// See [`super::Transport::byte_counts`].
    pub(super) fn byte_counts(&self) -> ByteCounts {
        self.lock().byte_counts()
    }

    fn lock(&self) -> MutexGuard<'_, Stream> {
        lock(&self.0)
    }
}

impl From<Stream> for SharedStream {
    fn from(stream: Stream) -> SharedStream {
        SharedStream(Arc::new(Mutex::new(stream)))
    }
}

impl AsyncRead for SharedStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.lock()).poll_read(cx, buffer)
    }
}

impl AsyncWrite for SharedStream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.lock()).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.lock()).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.lock()).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.lock()).poll_shutdown(cx)
    }
}
