//! WebSocket (RFC 6455) with permessage-deflate (RFC 7692): one WAMP message, or a batch of them,
//! in a WebSocket message.
//!
//! Subprotocol `wamp.2.json` has text messages, `wamp.2.msgpack` and `wamp.2.cbor` have binary
//! ones. The client's and the server's side share the open connection; only the handshakes differ.
//!
//! * `handshake`: the upgrade from HTTP; `upgrade`: what a client says and hears in it; `accept`:
//!   the server's side of it.
//! * `socket`: messages over frames; `frame`: the heads of frames; `keys`: their masks.
//! * `extension`: the parameters of compression; `deflate`: compression itself; `left_out`: both of
//!   them, in builds without.

#[cfg(feature = "router")]
mod accept;
#[cfg(feature = "deflate")]
mod deflate;
#[cfg(feature = "deflate")]
mod extension;
mod frame;
mod handshake;
mod keys;
#[cfg(not(feature = "deflate"))]
mod left_out;
mod socket;
mod upgrade;

#[cfg(test)]
mod tests;

use std::io;
use std::task::{Context, Poll, ready};

use bytes::Bytes;

use crate::codec::{Batch, Encoding};
use crate::os::Descriptor;

use super::framing::Framing;
use super::{ByteCounts, Incoming, Serializer, Transport, TransportError};

#[cfg(not(feature = "deflate"))]
use {left_out as deflate, left_out as extension};

#[cfg(feature = "router")]
pub use accept::{accept, accept_if, answer};
pub use extension::DeflateOptions;
pub use handshake::{connect, open};
pub use socket::{Received, Socket};

/// The room that a buffer keeps when all of it is written.
const KEPT: usize = 256 * 1024;

/// About how large a batch gets.
const BATCH: usize = 64 * 1024;

/// An open WebSocket connection that carries WAMP.
#[derive(Debug)]
pub struct WebSocket {
    socket: Socket,
    framing: Framing,
    is_text: bool,
    /// No batch becomes larger, as long as each message of it is not.
    max_batch: usize,
    batch: Vec<u8>,
}

impl WebSocket {
    fn new(mut socket: Socket, framing: Framing, max_message_size: usize) -> WebSocket {
        socket.limit(framing.max_unit());
        let is_text = framing.serializer().encoding == Encoding::Json;
        let max_batch = max_message_size.min(BATCH);
        WebSocket { socket, framing, is_text, max_batch, batch: Vec::new() }
    }

    /// Puts out the next message, or as many as a batch takes.
    fn send(&mut self, batch: &Batch, next: &mut usize) {
        if !self.framing.serializer().batched {
            self.socket.send(self.is_text, batch.message_bytes(*next));
            *next += 1;
            return;
        }
        self.batch.clear();
        self.framing.gather(&mut self.batch, batch, next, self.max_batch);
        self.socket.send(self.is_text, &self.batch);
        if self.batch.capacity() > 4 * BATCH {
            self.batch = Vec::new();
        }
    }

    /// A message out of a unit, which may be larger than a message.
    #[inline]
    fn taken(
        &mut self,
        message: Result<Bytes, TransportError>,
    ) -> Result<Incoming, TransportError> {
        message.map(Incoming::Message).map_err(|error| match error {
            TransportError::TooLarge(why) => self.socket.refuse(why).into(),
            error => error,
        })
    }

    #[cold]
    fn wrong_kind(&self, is_text: bool) -> TransportError {
        let (sent, has) = if is_text { ("text", "binary") } else { ("binary", "text") };
        let name = self.framing.serializer().subprotocol();
        TransportError::Message(format!("a {sent} frame, where {name} has {has} frames"))
    }
}

impl Transport for WebSocket {
    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<Result<Incoming, TransportError>> {
        if let Some(message) = self.framing.next().transpose() {
            return Poll::Ready(self.taken(message));
        }
        Poll::Ready(match ready!(self.socket.poll_receive(cx))? {
            Received::Message { is_text, payload } if is_text == self.is_text => {
                let message = self.framing.open(payload);
                self.taken(message)
            }
            Received::Message { is_text, .. } => Err(self.wrong_kind(is_text)),
            Received::Alive => Ok(Incoming::Alive),
            Received::Pong => Ok(Incoming::Pong),
            Received::Close { code, reason } => Ok(Incoming::Closed { code, reason }),
        })
    }

    fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        batch: &Batch,
        next: &mut usize,
    ) -> Poll<Result<(), TransportError>> {
        while *next < batch.count() {
            ready!(self.socket.poll_ready(cx))?;
            self.send(batch, next);
        }
        self.poll_flush(cx)
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), TransportError>> {
        self.socket.poll_flush(cx).map_err(TransportError::from)
    }

    fn byte_counts(&self) -> ByteCounts {
        self.socket.stream().byte_counts()
    }

    fn partial(&self) -> usize {
        self.socket.partial()
    }

    fn held(&self) -> usize {
        self.socket.held()
    }

    fn taken(&self) -> i64 {
        self.socket.stream().taken()
    }

    fn pings(&self) -> bool {
        true
    }

    fn writes_anywhere(&self) -> bool {
        true
    }

    fn detach(&mut self) -> Option<io::Result<Descriptor>> {
        Some(self.socket.stream_mut().socket_mut().detach())
    }

    fn attach(&mut self) -> io::Result<()> {
        self.socket.stream_mut().socket_mut().attach()
    }

    fn ping(&mut self, payload: &[u8]) {
        self.socket.ping(payload);
    }

    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), TransportError>> {
        self.socket.poll_close(cx).map_err(TransportError::from)
    }

    fn limit(&mut self, max_message_size: usize) {
        self.socket.limit(max_message_size.min(self.framing.max_unit()));
    }

    fn serializer(&self) -> Serializer {
        self.framing.serializer()
    }

    fn max_send(&self) -> usize {
        self.framing.max_send()
    }

    fn peer_certificate(&self) -> Option<&[u8]> {
        self.socket.stream().peer_certificate()
    }

    fn channel_id(&self) -> Option<[u8; 32]> {
        self.socket.stream().channel_id()
    }
}

/// The reason why it is over.
#[derive(Debug)]
pub enum Broken {
    /// The peer broke the rules.
    Protocol(&'static str),
    /// A text that is not UTF-8.
    Text,
    /// A message beyond the limit.
    TooLarge(String),
    /// The stream broke, or ended without a word.
    Lost(io::Error),
}

impl Broken {
    /// The close code that tells the peer.
    fn code(&self) -> u16 {
        match self {
            Broken::Protocol(_) => 1002,
            Broken::Text => 1007,
            Broken::TooLarge(_) => 1009,
            Broken::Lost(_) => 1000,
        }
    }
}

impl From<Broken> for TransportError {
    fn from(broken: Broken) -> Self {
        match broken {
            Broken::Protocol(what) => TransportError::Protocol(what.to_owned()),
            Broken::Text => TransportError::Protocol("a text that is not UTF-8".to_owned()),
            Broken::TooLarge(text) => TransportError::TooLarge(text),
            // It is also what rustls says of a stream that ends without its "close_notify".
            Broken::Lost(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                TransportError::Lost("the peer closed it without a closing handshake".to_owned())
            }
            Broken::Lost(error) => TransportError::Lost(error.to_string()),
        }
    }
}
