//! The way in: from a connection's first byte to a client in the router's list.
//!
//! Handshakes have the time of `hello_timeout`, and messages are small until a session is joined,
//! since nobody knows yet who speaks. What clients say then is [`super::connection`]'s.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use tokio::time::{Instant, timeout_at};

use crate::codec::Encoding;
use crate::transport::longpoll::{Server, ServerTransport};
use crate::transport::{ConnectError, Sign, Stream, Transport, rawsocket, websocket};

use super::Shared;
use super::auth::Origin;
use super::connection::Connection;
use super::greeting::{Greeting, ListenerKind};
use super::peer::{CLOSE_TIMEOUT, Peer};

/// The largest message before a session is joined, where nobody knows yet who speaks.
const UNJOINED_SIZE: usize = 64 * 1024;

/// Serves a client from its first byte to its end.
pub(super) async fn serve(
    shared: Arc<Shared>,
    stream: Stream,
    origin: Origin,
    greeting: Arc<Greeting>,
) {
    let due = Instant::now() + shared.config.hello_timeout;
    if let ListenerKind::LongPoll(server) = &greeting.kind {
        if let Ok(Ok(stream)) = timeout_at(due, greeting.secure(stream)).await {
            let stream = stream.with_write_timeout(shared.config.write_timeout, Sign::Takes);
            serve_requests(&shared, stream, origin, server).await;
        }
        return;
    }
    let Some(accepted) = Accepted::enter(&shared, origin) else {
        return;
    };
    let limit = shared.config.max_message_size;
    let handshakes = async {
        let stream = greeting
            .secure(stream)
            .await?
            .with_write_timeout(shared.config.write_timeout, Sign::Takes);
        let mut transport: Box<dyn Transport> = match &greeting.kind {
            ListenerKind::WebSocket(path) => {
                let deflate = shared.config.deflate.as_ref();
                Box::new(websocket::accept(stream, Some(path), limit, deflate).await?)
            }
            _ => Box::new(rawsocket::accept(stream, &Encoding::ALL, limit).await?),
        };
        transport.limit(UNJOINED_SIZE);
        Ok(transport)
    };
    if let Some(transport) = in_time(&accepted, due, handshakes).await {
        carry(&accepted, transport, due).await;
    }
}

/// Serves the requests of HTTP clients: each transport that they open is a client of its own.
async fn serve_requests(
    shared: &Arc<Shared>,
    stream: Stream,
    origin: Origin,
    server: &Arc<Server>,
) {
    let opened = |mut transport: ServerTransport| {
        transport.limit(UNJOINED_SIZE);
        let Some(accepted) = Accepted::enter(shared, origin) else {
            return;
        };
        let due = Instant::now() + shared.config.hello_timeout;
        tokio::spawn(async move { carry(&accepted, Box::new(transport), due).await });
    };
    let mut closed = shared.closed.subscribe();
    let end = async {
        let _ = closed.wait_for(|closed| *closed).await;
        tokio::time::sleep(CLOSE_TIMEOUT).await;
    };
    tokio::select! {
        () = server.serve(stream, opened) => {}
        () = end => {}
    }
}

/// The outcome of the handshakes; `None` if they fail, take too long, or the router closes
/// meanwhile.
async fn in_time<T>(
    accepted: &Accepted,
    due: Instant,
    handshake: impl Future<Output = Result<T, ConnectError>>,
) -> Option<T> {
    let peer = &accepted.peer;
    let mut handshake = std::pin::pin!(timeout_at(due, handshake));
    let done = poll_fn(|cx| {
        peer.bell().fall_asleep(cx);
        match peer.take_command() {
            Some(_) => Poll::Ready(None),
            None => handshake.as_mut().poll(cx).map(Some),
        }
    });
    done.await?.ok()?.ok()
}

async fn carry(accepted: &Accepted, transport: Box<dyn Transport>, hello_due: Instant) {
    let Accepted { shared, peer, origin } = accepted;
    let mut connection = Connection::new(shared, peer, *origin, transport, hello_due);
    poll_fn(|cx| connection.poll(cx)).await;
}

/// An accepted client: its entry in the router's list of clients, for as long as this lives.
struct Accepted {
    shared: Arc<Shared>,
    peer: Arc<Peer>,
    origin: Origin,
}

impl Accepted {
    fn enter(shared: &Arc<Shared>, origin: Origin) -> Option<Accepted> {
        let peer = shared.admit()?;
        Some(Accepted { shared: shared.clone(), peer, origin })
    }
}

impl Drop for Accepted {
    fn drop(&mut self) {
        self.shared.dismiss(&self.peer);
    }
}
