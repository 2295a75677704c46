//! The greeting of a listener's clients: which protocol they are to speak, with or without TLS.

use std::sync::{Arc, Mutex};

use crate::os::lock;
use crate::transport::longpoll::Server;
use crate::transport::tls::Acceptor;
use crate::transport::{ConnectError, Stream};

use super::door::Door;

/// The handshakes that clients of a listener have to go through first.
#[derive(Debug)]
pub(super) struct Greeting {
    pub(super) kind: ListenerKind,
    /// The door that it is at.
    pub(super) door: Arc<Door>,
    /// Only programs of this machine can reach it.
    pub(super) is_loopback: bool,
    /// As the present configuration has it, where they speak TLS.
    tls: Option<Mutex<Acceptor>>,
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
    pub(super) fn new(
        kind: ListenerKind,
        door: Arc<Door>,
        is_loopback: bool,
        tls: Option<Acceptor>,
    ) -> Greeting {
        Greeting { kind, door, is_loopback, tls: tls.map(Mutex::new) }
    }

    /// True if clients speak TLS.
    pub(super) fn is_secure(&self) -> bool {
        self.tls.is_some()
    }

    /// Uses another certificate from now on, where clients speak TLS.
    pub(super) fn renew(&self, tls: &Acceptor) {
        if let Some(present) = &self.tls {
            *lock(present) = tls.clone();
        }
    }

    /// Shakes hands over TLS, where that is wanted.
    pub(super) async fn secure(&self, stream: Stream) -> Result<Stream, ConnectError> {
        match &self.tls {
            None => Ok(stream),
            Some(tls) => {
                let tls = lock(tls).clone();
                tls.accept(stream).await
            }
        }
    }
}
