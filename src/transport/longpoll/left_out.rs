//! `longpoll` in a build without. No URL leads here: [`Endpoint`](crate::transport::Endpoint)
//! refuses those that ask for it.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::{HeaderMap, HeaderValue};

use crate::codec::Batch;
use crate::parts::Part;
use crate::transport::{
    ConnectError, ConnectOptions, Incoming, Serializer, Stream, Transport, TransportError,
};

/// An open transport, of which there is none.
#[derive(Debug)]
pub enum LongPoll {}

/// The same on the server's side.
pub type ServerTransport = LongPoll;

pub(in crate::transport) async fn connect(
    options: &ConnectOptions,
) -> Result<LongPoll, ConnectError> {
    let url = options.endpoint.to_string();
    Err(ConnectError::LongPoll { url, reason: Part::LongPoll.left_out() })
}

/// The times that clients may take.
#[derive(Debug, Clone, Copy, Default)]
#[expect(missing_docs, reason = "fields are named as in the room itself")]
pub struct Times {
    pub opening: Duration,
    pub body: Duration,
    /// The rest of the room's times, which nobody sets.
    pub expiry: Duration,
}

/// A place without transports.
#[derive(Debug)]
pub struct Server;

impl Server {
    /// A place where nobody is served.
    pub fn new(_path: &str, _max_message_size: usize, _times: Times) -> Arc<Server> {
        Arc::new(Server)
    }

    /// Closes a connection.
    pub async fn serve_if(
        self: &Arc<Self>,
        _stream: impl Into<Stream>,
        _inspect: impl Fn(&HeaderMap) -> Result<Option<HeaderValue>, String>,
        _opened: impl Fn(&HeaderMap, ServerTransport) -> Result<(), String>,
    ) {
    }
}

impl Transport for LongPoll {
    fn poll_receive(&mut self, _: &mut Context<'_>) -> Poll<Result<Incoming, TransportError>> {
        match *self {}
    }

    fn poll_send(
        &mut self,
        _: &mut Context<'_>,
        _: &Batch,
        _: &mut usize,
    ) -> Poll<Result<(), TransportError>> {
        match *self {}
    }

    fn poll_flush(&mut self, _: &mut Context<'_>) -> Poll<Result<(), TransportError>> {
        match *self {}
    }

    fn poll_close(&mut self, _: &mut Context<'_>) -> Poll<Result<(), TransportError>> {
        match *self {}
    }

    fn serializer(&self) -> Serializer {
        match *self {}
    }
}
