//! `tls_stream` in a build without TLS: there are none.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::transport::read_after_reset::ReadAfterReset;

/// A TLS connection, of which there is none.
#[derive(Debug)]
pub(super) enum TlsStream {}

impl TlsStream {
    pub(super) fn below(&self) -> &ReadAfterReset {
        match *self {}
    }

    pub(super) fn below_mut(&mut self) -> &mut ReadAfterReset {
        match *self {}
    }

    pub(super) fn peer_certificate(&self) -> Option<&[u8]> {
        match *self {}
    }

    pub(super) fn channel_id(&self) -> Option<[u8; 32]> {
        match *self {}
    }
}

impl AsyncRead for TlsStream {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        _: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match *self.get_mut() {}
    }
}

impl AsyncWrite for TlsStream {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, _: &[u8]) -> Poll<io::Result<usize>> {
        match *self.get_mut() {}
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        match *self.get_mut() {}
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        match *self.get_mut() {}
    }
}
