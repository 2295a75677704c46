//! Carries whole WAMP messages over the network.
//!
//! A [`Transport`] is an open connection that takes and gives messages as bytes; what is in them
//! is left to [`crate::protocol`], and when to read and write is left to the task that owns it.
//!
//! * [`websocket`]: `ws://`, both the client's and the server's side.
//! * [`doorbell`]: how other threads tell the owning task that there is something to write.

pub mod doorbell;
pub mod websocket;

use std::task::{Context, Poll};

use bytes::Bytes;

use crate::codec::Batch;

pub use doorbell::Doorbell;

/// An open connection to a peer.
pub trait Transport: Send {
    /// The next thing that came in. After an error or [`Incoming::End`] nothing more comes.
    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<Result<Incoming, TransportError>>;

    /// Writes the messages of `batch` from the `next`-th on and flushes; moves `next` forward.
    /// Ready when all has been given to the operating system.
    fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        batch: &Batch,
        next: &mut usize,
    ) -> Poll<Result<(), TransportError>>;

    /// Writes what earlier calls have left in buffers.
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), TransportError>>;

    /// Asks the peer for a sign of life, which comes as [`Incoming::Alive`]; to be flushed.
    fn ping(&mut self, payload: Bytes) -> Result<(), TransportError>;

    /// Closes in order. Ready when our side of the closing handshake is written.
    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), TransportError>>;
}

/// What a transport received.
#[derive(Debug)]
pub enum Incoming {
    /// One message.
    Message(Bytes),
    /// A ping or pong: the peer is alive.
    Alive,
    /// The peer closed in order.
    End {
        /// The WebSocket close code, if there is one.
        code: Option<u16>,
        /// The peer's words, possibly empty.
        reason: String,
    },
}

/// Why a transport failed after it was open.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TransportError {
    /// The connection broke: end of stream without a closing handshake, reset, time-out.
    #[error("the connection was lost: {0}")]
    Lost(String),
    /// The peer broke the rules of the transport.
    #[error("the peer broke the transport's protocol: {0}")]
    Protocol(String),
    /// A message of another kind than was agreed on.
    #[error("the peer broke the protocol: {0}")]
    Message(String),
    /// A message beyond our limit came in.
    #[error("a received message is larger than `max_message_size` allows: {0}")]
    TooLarge(String),
}

/// Why a connection could not be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConnectError {
    /// No connection: refused, no route, no such host.
    #[error("cannot reach {url}: {reason}; is the router running there?")]
    Unreachable {
        /// Where to.
        url: String,
        /// What the operating system says.
        reason: String,
    },
    /// The server answered the upgrade with another HTTP status.
    #[error("{url} answered HTTP {status} instead of upgrading to WebSocket; {hint}")]
    Http {
        /// Where to.
        url: String,
        /// The status it answered.
        status: u16,
        /// What to check.
        hint: &'static str,
    },
    /// The server speaks WebSocket, but none of our subprotocols.
    #[error(
        "{url} speaks WebSocket but not {offered}; is this a WAMP router, and that path its WAMP endpoint?"
    )]
    Subprotocol {
        /// Where to.
        url: String,
        /// What we offered.
        offered: &'static str,
    },
    /// The server's answer is no WebSocket handshake.
    #[error(
        "{url} did not answer with a WebSocket handshake ({reason}); is another service there?"
    )]
    Handshake {
        /// Where to.
        url: String,
        /// What was wrong with the answer.
        reason: String,
    },
}
