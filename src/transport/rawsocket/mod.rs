//! RawSocket: a handshake of four bytes, and four bytes before each message.
//!
//! ```text
//!   handshake   0x7f | largest message, serializer | 0 | 0
//!   frame       kind | length, 3 bytes | payload        kind: 0 message, 1 ping, 2 pong
//! ```
//!
//! * `handshake`: both sides of it.
//! * `frame`: the heads of frames, and the received bytes between the network and a message.
//!
//! A ping is answered. One is sent only where the router is known to answer it, since one that
//! knows no pings, such as Crossbar.io, closes the connection. Elsewhere the operating system
//! watches it (TCP keep-alive).

mod frame;
mod handshake;

#[cfg(test)]
mod tests;

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, BytesMut};
use tokio::io::AsyncWrite;

use crate::codec::{Batch, Encoding, is_utf8};
use crate::os::Descriptor;

use super::{ByteCounts, Incoming, Serializer, Stream, Transport, TransportError};
use frame::{Frames, HEAD, Kind, MAX_SIZE, head};

pub use handshake::{NO_ROOM, accept, connect};

/// The serializers by their ids, which begin with 1.
const SERIALIZERS: [Encoding; 3] = [Encoding::Json, Encoding::MsgPack, Encoding::Cbor];

/// The number of messages that one system call writes: two slices each, of which systems take 1024.
const GATHERED: usize = 256;

/// The bytes of pongs that may wait. A peer that pings and does not read is no longer read then.
const PONG_BYTES: usize = 1024 * 1024;

/// An open RawSocket connection.
#[derive(Debug)]
pub struct RawSocket {
    stream: Stream,
    encoding: Encoding,
    frames: Frames,
    max_send: usize,
    /// The peer is known to answer pings.
    pings: bool,
    /// The bytes of the message being written that are, those of its head among them.
    written: usize,
    /// Pings and pongs, to be written between two messages.
    control: BytesMut,
    /// Something was written that TLS may still hold.
    unflushed: bool,
}

impl RawSocket {
    fn new(stream: Stream, encoding: Encoding, max_receive: usize, max_send: usize) -> RawSocket {
        RawSocket {
            stream,
            encoding,
            frames: Frames::new(max_receive),
            // The 25th bit of the length, which 2^24 itself needs, is not known to all peers.
            max_send: max_send.min(MAX_SIZE - 1),
            pings: false,
            written: 0,
            control: BytesMut::new(),
            unflushed: false,
        }
    }

    /// Writes pings and pongs, unless half a message stands before them, and flushes.
    fn poll_control(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.written > 0 {
            // Who writes the message waits already.
            return Poll::Pending;
        }
        while !self.control.is_empty() {
            let size = ready!(Pin::new(&mut self.stream).poll_write(cx, &self.control))?;
            self.control.advance(not_zero(size)?);
            self.unflushed = true;
        }
        self.poll_flush_stream(cx)
    }

    fn poll_flush_stream(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.unflushed {
            ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
            self.unflushed = false;
        }
        Poll::Ready(Ok(()))
    }

    fn push_control(&mut self, kind: Kind, payload: &[u8]) {
        self.control.extend_from_slice(&head(kind, payload.len()));
        self.control.extend_from_slice(payload);
    }

    /// Writes from the `next`-th message on, as many as one system call takes; tells how many bytes
    /// it took.
    fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        batch: &Batch,
        next: usize,
    ) -> Poll<Result<usize, TransportError>> {
        let messages = next..batch.count().min(next + GATHERED);
        let mut heads = [[0; HEAD]; GATHERED];
        for (head_bytes, index) in heads.iter_mut().zip(messages.clone()) {
            let (size, limit) = (batch.message_bytes(index).len(), self.max_send);
            if size > limit {
                return Poll::Ready(Err(TransportError::PeerLimit { size, limit }));
            }
            *head_bytes = head(Kind::Message, size);
        }
        let mut slices = [IoSlice::new(&[]); 2 * GATHERED];
        let mut count = 0;
        for (head_bytes, index) in heads.iter().zip(messages) {
            slices[count] = IoSlice::new(head_bytes);
            slices[count + 1] = IoSlice::new(batch.message_bytes(index));
            count += 2;
        }
        let mut slices = &mut slices[..count];
        IoSlice::advance_slices(&mut slices, self.written);
        let size = ready!(Pin::new(&mut self.stream).poll_write_vectored(cx, slices))?;
        Poll::Ready(Ok(not_zero(size)?))
    }
}

impl Transport for RawSocket {
    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<Result<Incoming, TransportError>> {
        if self.poll_control(cx)?.is_pending() && self.control.len() > PONG_BYTES {
            return Poll::Pending;
        }
        loop {
            if let Some((kind, payload)) = self.frames.next()? {
                return Poll::Ready(Ok(match kind {
                    // The codec relies on this, as WebSocket checks its text frames.
                    Kind::Message if self.encoding == Encoding::Json && !is_utf8(&payload) => {
                        let what = "a JSON message that is not UTF-8".to_owned();
                        return Poll::Ready(Err(TransportError::Message(what)));
                    }
                    Kind::Message => Incoming::Message(payload),
                    Kind::Pong => Incoming::Pong,
                    Kind::Ping if payload.len() > self.max_send => {
                        let what = "a ping that is larger than the answer may be".to_owned();
                        return Poll::Ready(Err(TransportError::Protocol(what)));
                    }
                    Kind::Ping => {
                        self.push_control(Kind::Pong, &payload);
                        // If it must wait, whoever makes it wait wakes us.
                        let _pending = self.poll_control(cx)?;
                        Incoming::Alive
                    }
                }));
            }
            match ready!(self.frames.poll_fill(cx, &mut self.stream)) {
                Ok(0) => break,
                Ok(_) => {}
                // TLS without its "close_notify", which many peers leave out.
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => break,
                Err(error) => return Poll::Ready(Err(error.into())),
            }
        }
        Poll::Ready(match self.frames.is_empty() {
            true => Ok(Incoming::Closed { code: None, reason: String::new() }),
            false => {
                let why = "the peer closed it in the middle of a message".to_owned();
                Err(TransportError::Lost(why))
            }
        })
    }

    fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        batch: &Batch,
        next: &mut usize,
    ) -> Poll<Result<(), TransportError>> {
        while *next < batch.count() {
            if self.written == 0 && !self.control.is_empty() {
                ready!(self.poll_control(cx))?;
            }
            self.written += ready!(self.poll_write(cx, batch, *next))?;
            self.unflushed = true;
            while *next < batch.count() {
                let size = HEAD + batch.message_bytes(*next).len();
                if self.written < size {
                    break;
                }
                self.written -= size;
                *next += 1;
            }
        }
        self.poll_flush(cx)
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), TransportError>> {
        self.poll_control(cx).map_err(TransportError::from)
    }

    fn byte_counts(&self) -> ByteCounts {
        self.stream.byte_counts()
    }

    fn partial(&self) -> usize {
        self.frames.buffer().bytes().len()
    }

    fn held(&self) -> usize {
        self.frames.buffer().held() + self.control.len()
    }

    fn taken(&self) -> i64 {
        self.stream.taken()
    }

    fn pings(&self) -> bool {
        self.pings
    }

    fn writes_anywhere(&self) -> bool {
        true
    }

    fn detach(&mut self) -> Option<io::Result<Descriptor>> {
        Some(self.stream.socket_mut().detach())
    }

    fn attach(&mut self) -> io::Result<()> {
        self.stream.socket_mut().attach()
    }

    fn ping(&mut self, payload: &[u8]) {
        self.push_control(Kind::Ping, payload);
    }

    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), TransportError>> {
        ready!(self.poll_control(cx))?;
        Pin::new(&mut self.stream).poll_shutdown(cx).map_err(TransportError::from)
    }

    fn limit(&mut self, max_message_size: usize) {
        self.frames.limit(max_message_size);
    }

    fn serializer(&self) -> Serializer {
        self.encoding.into()
    }

    fn max_send(&self) -> usize {
        self.max_send
    }

    fn announced(&self) -> Option<usize> {
        Some(self.max_send)
    }

    fn peer_certificate(&self) -> Option<&[u8]> {
        self.stream.peer_certificate()
    }

    fn channel_id(&self) -> Option<[u8; 32]> {
        self.stream.channel_id()
    }
}

/// The encoding with this id.
fn encoding(id: u8) -> Option<Encoding> {
    SERIALIZERS.get(usize::from(id).checked_sub(1)?).copied()
}

fn id(encoding: Encoding) -> u8 {
    SERIALIZERS.iter().position(|known| *known == encoding).map_or(0, |at| at as u8 + 1)
}

fn not_zero(size: usize) -> io::Result<usize> {
    match size {
        0 => Err(io::ErrorKind::WriteZero.into()),
        size => Ok(size),
    }
}

impl From<io::Error> for TransportError {
    fn from(error: io::Error) -> Self {
        TransportError::Lost(error.to_string())
    }
}
