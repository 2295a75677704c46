//! The bytes of a TLS connection, on top of those of its socket.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::rustls::ProtocolVersion;

use super::read_after_reset::ReadAfterReset;

type Inner = tokio_rustls::TlsStream<ReadAfterReset>;

/// The label of a channel binding by RFC 9266, "tls-exporter".
const BINDING: &[u8] = b"EXPORTER-Channel-Binding";

/// A TLS connection after its handshake. TLS has much state: a connection in clear shall not carry
/// its size about.
#[derive(Debug)]
pub(super) struct TlsStream(Box<Inner>);

impl<T: Into<Inner>> From<T> for TlsStream {
    fn from(stream: T) -> TlsStream {
        TlsStream(Box::new(stream.into()))
    }
}

impl TlsStream {
    /// The socket, which carries what is encrypted.
    pub(super) fn below(&self) -> &ReadAfterReset {
        self.0.get_ref().0
    }

    pub(super) fn below_mut(&mut self) -> &mut ReadAfterReset {
        self.0.get_mut().0
    }

    #[cfg(test)]
    pub(super) fn is_resumed(&self) -> bool {
        use tokio_rustls::rustls::HandshakeKind::Resumed;
        self.0.get_ref().1.handshake_kind() == Some(Resumed)
    }

    /// See [`super::Transport::peer_certificate`].
    pub(super) fn peer_certificate(&self) -> Option<&[u8]> {
        let chain = match &*self.0 {
            Inner::Client(tls) => tls.get_ref().1.peer_certificates(),
            Inner::Server(tls) => tls.get_ref().1.peer_certificates(),
        };
        chain?.first().map(|certificate| &**certificate)
    }

    /// See [`super::Transport::channel_id`].
    pub(super) fn channel_id(&self) -> Option<[u8; 32]> {
        // With TLS 1.2 it would be unique only where both sides know the extended master secret.
        let exported = match &*self.0 {
            Inner::Client(tls) => {
                let (_, tls) = tls.get_ref();
                (tls.protocol_version(), tls.export_keying_material([0; 32], BINDING, None))
            }
            Inner::Server(tls) => {
                let (_, tls) = tls.get_ref();
                (tls.protocol_version(), tls.export_keying_material([0; 32], BINDING, None))
            }
        };
        match exported {
            (Some(ProtocolVersion::TLSv1_3), id) => id.ok(),
            _ => None,
        }
    }
}

impl AsyncRead for TlsStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }
}

impl AsyncWrite for TlsStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(cx, slices)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
