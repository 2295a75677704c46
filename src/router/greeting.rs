//! The greeting of a listener's clients: which protocol they are to speak, with or without TLS.

use std::sync::Arc;

use crate::transport::longpoll::Server;
use crate::transport::tls::Acceptor;
use crate::transport::{ConnectError, Stream};

/// The handshakes that clients of a listener have to go through first.
#[derive(Debug)]
pub(super) struct Greeting {
    pub(super) kind: ListenerKind,
    /// Only programs of this machine can reach it.
    pub(super) is_loopback: bool,
    pub(super) tls: Option<Acceptor>,
}

/// The protocol that is spoken there.
#[derive(Debug)]
pub(super) enum ListenerKind {
    /// WebSocket, at this path.
    WebSocket(String),
    RawSocket,
    LongPoll(Arc<Server>),
}

impl Greeting {
    /// Shakes hands over TLS, where that is wanted.
    pub(super) async fn secure(&self, stream: Stream) -> Result<Stream, ConnectError> {
        match &self.tls {
            None => Ok(stream),
            Some(tls) => tls.accept(stream).await,
        }
    }
}
