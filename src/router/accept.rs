//! The way in: from a connection's first byte to a client in the router's list.
//!
//! Handshakes have the time of `hello_timeout`, and messages are small until a session is joined,
//! since nobody knows yet who speaks. What clients say then is [`super::connection`]'s.

use std::future::poll_fn;
use std::sync::{Arc, Mutex};
use std::task::Poll;

use hyper::body::Incoming;
use hyper::header::HeaderMap;
use hyper::{Request, StatusCode};
use tokio::time::{Instant, timeout_at};

use crate::codec::Encoding;
use crate::os::{lock, unpoisoned};
use crate::transport::longpoll::{Server, ServerTransport};
use crate::transport::{
    ConnectError, FindPage, Page, Sign, Stream, Transport, rawsocket, websocket,
};

use super::Shared;
use super::config::Config;
use super::connection::Connection;
use super::door::Door;
use super::due::Due;
use super::gate::Pass;
use super::greeting::{Greeting, ListenerKind};
use super::peer::{CLOSE_TIMEOUT, Peer};
use super::rounds::{Party, Place, in_turn};
use super::site::Site;
use super::visitor::Visitor;
use super::{failed_handshake, proxy_protocol, refusal, site};

/// Serves a client from its first byte to its end, in a task that ends where there are too many
/// whose handshakes go on.
pub(super) fn serve(
    shared: Arc<Shared>,
    stream: Stream,
    visitor: Visitor,
    greeting: Arc<Greeting>,
) {
    let (gate, key) = (shared.gate.clone(), visitor.pass.key());
    let place = visitor.pass.place().clone();
    let greeted = async move { greet(&shared, stream, visitor, &greeting).await };
    let task = tokio::spawn(in_turn(place, greeted));
    Pass::is_served_by(&gate, key, task.abort_handle());
}

async fn greet(shared: &Arc<Shared>, stream: Stream, mut visitor: Visitor, greeting: &Greeting) {
    let config = shared.config();
    let due = Due::new(config.hello_timeout);
    let trusted = config.at(Some(&greeting.door)).trusted_proxies();
    if visitor.is_proxy(trusted)
        && let Some(tcp) = stream.tcp()
    {
        visitor.pass.may_speak(true);
        match timeout_at(due.at(), proxy_protocol::read(tcp)).await {
            Ok(Ok(None)) => visitor.pass.may_speak(false),
            Ok(Ok(Some(client))) => {
                if let Err(full) = visitor.speaks_for(client, trusted) {
                    let full = shared.turn_away(Some(client), full);
                    return refusal::tell(stream, greeting, full).await;
                }
            }
            Ok(Err(_)) | Err(_) => return,
        }
    }
    let write_timeout = config.write_timeout;
    // It may be the last one that has it: connections last longer than configurations.
    drop(config);
    match &greeting.kind {
        ListenerKind::LongPoll(server) => {
            let secured = timeout_at(due.at(), greeting.secure(stream)).await;
            if let Ok(Err(error)) = &secured {
                let why = failed_handshake::describe(error);
                shared.note_failed(visitor.pass.origin().address(), why);
            }
            if let Ok(Ok(stream)) = secured {
                let stream = stream.with_write_timeout(write_timeout, Sign::Takes);
                // Its requests have time limits of their own.
                visitor.pass.is_in();
                serve_requests(shared, stream, &visitor, greeting, server).await;
            }
        }
        ListenerKind::WebSocket(path) => {
            serve_one(shared, stream, visitor, greeting, Some(path), due).await;
        }
        ListenerKind::RawSocket => serve_one(shared, stream, visitor, greeting, None, due).await,
    }
}

/// Serves a client to whom the connection belongs: on WebSocket at this path, or else RawSocket.
async fn serve_one(
    shared: &Arc<Shared>,
    stream: Stream,
    visitor: Visitor,
    greeting: &Greeting,
    path: Option<&String>,
    due: Due,
) {
    let Some(peer) = shared.admit() else {
        return;
    };
    let accepted = Accepted { shared: shared.clone(), peer };
    let config = shared.config();
    let limit = config.max_message_size;
    let visitor = Mutex::new(visitor);
    let inspect =
        |headers: &HeaderMap| inspect(shared, greeting, &config, &mut lock(&visitor), headers);
    let pages = shared.site.get().map(|site| {
        |request: &Request<Incoming>| {
            let page = page(shared, greeting, &config, &**site, request)?;
            Some(site::extend(page, due.clone(), config.hello_timeout))
        }
    });
    let pages = pages.as_ref().map(|pages| pages as &FindPage<'_>);
    let handshakes = async {
        let stream = greeting.secure(stream).await?;
        let stream = stream.with_write_timeout(config.write_timeout, Sign::Takes);
        let mut transport: Box<dyn Transport> = match path {
            Some(path) => {
                let deflate = config.deflate.as_ref();
                let accepted =
                    websocket::accept_if(stream, Some(path), limit, deflate, inspect, pages);
                Box::new(accepted.await?)
            }
            None => Box::new(rawsocket::accept(stream, &Encoding::ALL, limit).await?),
        };
        transport.limit(config.max_unjoined_size);
        Ok(transport)
    };
    let transport = in_time(&accepted, &due, Box::pin(handshakes)).await;
    drop(config);
    shared.note_dropped();
    let pass = unpoisoned(visitor.into_inner()).pass;
    match transport {
        Some(Ok(transport)) => {
            carry(&accepted, &pass, greeting.door.clone(), transport, due.at()).await;
        }
        Some(Err(why)) => shared.note_failed(pass.origin().address(), why),
        None => {}
    }
}

/// Judges a request by its head: a page has to be allowed, and a proxy says whom it speaks for.
fn inspect(
    shared: &Shared,
    greeting: &Greeting,
    config: &Config,
    visitor: &mut Visitor,
    headers: &HeaderMap,
) -> Result<(), (StatusCode, String)> {
    let terms = config.at(Some(&greeting.door));
    let checked = terms.allowed_origins().check(headers, greeting.is_loopback);
    checked.map_err(|why| (StatusCode::FORBIDDEN, shared.refuse_page(why)))?;
    let Some(client) = visitor.forwarded(headers, terms.trusted_proxies()) else {
        return Ok(());
    };
    let entered = visitor.speaks_for(client, terms.trusted_proxies());
    entered.map_err(|full| {
        let full = shared.turn_away(Some(client), full);
        (StatusCode::SERVICE_UNAVAILABLE, format!("{full}\n"))
    })
}

/// The answer to a request that does not ask for WebSocket, if there is any.
fn page(
    shared: &Shared,
    greeting: &Greeting,
    config: &Config,
    site: &dyn Site,
    request: &Request<Incoming>,
) -> Option<Page> {
    let origins = config.at(Some(&greeting.door)).allowed_origins();
    match origins.check(request.headers(), greeting.is_loopback) {
        Ok(()) => site.answer(request),
        Err(why) => Some(site::refusal(StatusCode::FORBIDDEN, shared.refuse_page(why))),
    }
}

/// Serves the requests of HTTP clients: each transport that they open is a client of its own.
async fn serve_requests(
    shared: &Arc<Shared>,
    stream: Stream,
    visitor: &Visitor,
    greeting: &Greeting,
    server: &Arc<Server>,
) {
    let inspect = |headers: &HeaderMap| {
        let config = shared.config();
        let origins = config.at(Some(&greeting.door)).allowed_origins();
        let checked = origins.check(headers, greeting.is_loopback);
        checked.map_err(|why| shared.refuse_page(why))?;
        Ok(origins.cross_origin(headers).cloned())
    };
    let door = greeting.door.clone();
    let opened = |headers: &HeaderMap, mut transport: ServerTransport| {
        let config = shared.config();
        let source = visitor.source_of(headers, config.at(Some(&door)).trusted_proxies());
        let entered = shared.enter(source);
        let pass = entered.map_err(|full| {
            let full = shared.turn_away(source.origin.address(), full);
            format!("{full}\n")
        })?;
        transport.limit(config.max_unjoined_size);
        let peer = shared.admit().ok_or_else(|| "this router is closed\n".to_owned())?;
        let accepted = Accepted { shared: shared.clone(), peer };
        let due = Instant::now() + config.hello_timeout;
        let (key, place, door) = (pass.key(), pass.place().clone(), door.clone());
        let carried = async move { carry(&accepted, &pass, door, Box::new(transport), due).await };
        let task = tokio::spawn(in_turn(place, carried));
        Pass::is_served_by(&shared.gate, key, task.abort_handle());
        Ok(())
    };
    let mut closed = shared.closed.subscribe();
    let end = async {
        let _ = closed.wait_for(|closed| *closed).await;
        tokio::time::sleep(CLOSE_TIMEOUT).await;
    };
    tokio::select! {
        () = server.serve_if(stream, inspect, opened) => {}
        () = end => {}
    }
}

/// The outcome of the handshakes, or the reason why there is none; `None` if the router closes
/// meanwhile.
async fn in_time<T>(
    accepted: &Accepted,
    due: &Due,
    handshake: impl Future<Output = Result<T, ConnectError>>,
) -> Option<Result<T, String>> {
    let peer = &accepted.peer;
    let mut handshake = std::pin::pin!(due.limit(handshake));
    let done = poll_fn(|cx| {
        peer.bell().fall_asleep(cx);
        match peer.take_command() {
            Some(_) => Poll::Ready(None),
            None => handshake.as_mut().poll(cx).map(Some),
        }
    });
    Some(match done.await? {
        Some(outcome) => outcome.map_err(|error| failed_handshake::describe(&error)),
        None => Err("it has taken too long (hello_timeout)".to_owned()),
    })
}

async fn carry(
    accepted: &Accepted,
    pass: &Pass,
    door: Arc<Door>,
    transport: Box<dyn Transport>,
    hello_due: Instant,
) {
    let Accepted { shared, peer } = accepted;
    let mut connection = Connection::new(shared, peer, pass, door, transport, hello_due);
    poll_fn(|cx| connection.poll(cx)).await;
    drop(connection);
    give_back(peer);
}

/// Gives back what has waited for a client that has gone, where it is much bit by bit.
fn give_back(peer: &Peer) {
    let mut waiting = peer.take_full().peekable();
    if waiting.peek().is_some() {
        let place = Place::new(Party::Departed);
        tokio::spawn(in_turn(place.clone(), async move {
            for piece in waiting {
                drop(piece);
                place.let_others().await;
            }
        }));
    }
}

/// An accepted client: its entry in the router's list of clients, for as long as this lives.
struct Accepted {
    shared: Arc<Shared>,
    peer: Arc<Peer>,
}

impl Drop for Accepted {
    fn drop(&mut self) {
        self.shared.dismiss(&self.peer);
    }
}
