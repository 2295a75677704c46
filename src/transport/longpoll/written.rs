//! A server's connection that says when an answer is with the system: hyper tells no more than that
//! it has taken the body, and flushes what it has encoded afterwards.

use std::io::{self, IoSlice};
use std::mem;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::os::lock;
use crate::transport::Stream;

use super::shared::Writing;

/// The messages that hyper has taken, but may not have written.
#[derive(Debug, Clone, Default)]
pub(super) struct Taken(Arc<Mutex<Vec<Writing>>>);

/// Goes with the body of an answer, and ends when hyper has taken all of it.
pub(super) struct Taking {
    writing: Option<Writing>,
    taken: Taken,
}

impl Taken {
    /// To go with the body that has these messages.
    pub(super) fn taking(&self, writing: Writing) -> Taking {
        Taking { writing: Some(writing), taken: self.clone() }
    }

    fn take(&self) -> Vec<Writing> {
        mem::take(&mut lock(&self.0))
    }
}

impl Drop for Taking {
    fn drop(&mut self) {
        let mut taken = lock(&self.taken.0);
        taken.extend(self.writing.take());
    }
}

/// The connection.
#[derive(Debug)]
pub(super) struct Watched {
    pub(super) stream: Stream,
    pub(super) taken: Taken,
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Watched {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
        // hyper flushes once it has written all that it has taken.
        drop(self.taken.take());
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
