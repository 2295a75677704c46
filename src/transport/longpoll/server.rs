//! The server's side: the requests of HTTP clients, by hyper.

use std::collections::HashMap;
use std::convert::Infallible;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::Incoming;
use hyper::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderMap, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::time::{Instant, timeout};

use crate::os::lock;
use crate::transport::framing::max_unit;
use crate::transport::http::{self, Body, Unread};
use crate::transport::{Serializer, Stream, TransportError};

use super::cors;
use super::shared::{Reply, ServerTransport, Shared, Writing};
use super::written::{Taken, Watched};
use super::{MAX_OPENED, Open, Opened, content_type};

/// The time that a receive hangs: less than clients and proxies wait for an answer. AutobahnJS
/// gives up after 12 s.
const RECEIVE_TIMEOUT: Duration = Duration::from_secs(10);

/// The time that a connection may be without a request.
const IDLE: Duration = Duration::from_secs(90);

/// The times that clients may take.
#[derive(Debug, Clone, Copy)]
pub struct Times {
    /// Without a receive, and between the parts of a request: 30 s.
    pub expiry: Duration,
    /// For the body of `open` as a whole, and for that of each message that comes while the
    /// transport is limited (see [`crate::transport::Transport::limit`]): 10 s.
    pub opening: Duration,
    /// For any other body that comes with less than 1024 bytes a second: 60 s.
    pub body: Duration,
}

/// The bytes a second that are enough, of a body that takes longer than it may.
const LEAST_RATE: f64 = 1024.0;

impl Default for Times {
    fn default() -> Times {
        let seconds = Duration::from_secs;
        Times { expiry: seconds(30), opening: seconds(10), body: seconds(60) }
    }
}

/// The transports that are open at one place.
#[derive(Debug)]
pub struct Server {
    path: String,
    max_message_size: usize,
    times: Times,
    transports: Mutex<HashMap<String, Arc<Shared>>>,
}

impl Server {
    /// Transports below `path`, which has no slash at its end.
    pub fn new(path: &str, max_message_size: usize, times: Times) -> Arc<Server> {
        let transports = Mutex::default();
        Arc::new(Server { path: path.to_owned(), max_message_size, times, transports })
    }

    /// Answers the requests that come over a connection, until it ends. `opened` is given each
    /// transport that is opened by one of them.
    pub async fn serve(
        self: &Arc<Self>,
        stream: impl Into<Stream>,
        opened: impl Fn(ServerTransport),
    ) {
        let opened = |_: &HeaderMap, transport| {
            opened(transport);
            Ok(())
        };
        self.serve_if(stream, |_| Ok(None), opened).await;
    }

    /// As [`Server::serve`]; `opened` also gets the head of the request, and may have something
    /// against it. So has `inspect` of each request, and else says which other origin may read what
    /// it is answered.
    pub async fn serve_if(
        self: &Arc<Self>,
        stream: impl Into<Stream>,
        inspect: impl Fn(&HeaderMap) -> Result<Option<HeaderValue>, String>,
        opened: impl Fn(&HeaderMap, ServerTransport) -> Result<(), String>,
    ) {
        let taken = Taken::default();
        let stream = Watched { stream: stream.into(), taken: taken.clone() };
        let service = service_fn(async |request: Request<Incoming>| {
            let origin = match inspect(request.headers()) {
                Ok(origin) => origin,
                Err(why) => return Ok::<_, Infallible>(http::refuse(StatusCode::FORBIDDEN, &why)),
            };
            let asks_first = cors::is_preflight(request.method(), request.headers());
            let mut answer = match (&origin, asks_first) {
                (Some(_), true) => cors::preflight(),
                _ => self.answer(request, &taken, &opened).await,
            };
            if let Some(origin) = origin {
                cors::allow(&mut answer, origin);
            }
            Ok(answer)
        });
        let mut builder = http1::Builder::new();
        builder.max_buf_size(http::MAX_HEAD).timer(TokioTimer::new()).header_read_timeout(IDLE);
        // How it ends matters to nobody: the transports live longer than connections.
        let _ = builder.serve_connection(TokioIo::new(stream), service).await;
    }

    pub(super) fn expiry(&self) -> Duration {
        self.times.expiry
    }

    pub(super) fn max_message_size(&self) -> usize {
        self.max_message_size
    }

    pub(super) fn remove(&self, id: &str) {
        self.transports().remove(id);
    }

    fn transports(&self) -> MutexGuard<'_, HashMap<String, Arc<Shared>>> {
        lock(&self.transports)
    }

    async fn answer(
        self: &Arc<Self>,
        request: Request<Incoming>,
        taken: &Taken,
        opened: &impl Fn(&HeaderMap, ServerTransport) -> Result<(), String>,
    ) -> Response<Body> {
        let (head, body) = request.into_parts();
        let place = head.uri.path().strip_prefix(&self.path).and_then(|rest| {
            let (id, what) = rest.strip_prefix('/')?.rsplit_once('/').unwrap_or(("", &rest[1..]));
            Some((id, what))
        });
        match place {
            Some(("", "open")) if head.method == Method::POST => {
                self.open(body, |transport| opened(&head.headers, transport)).await
            }
            Some((id, what @ ("receive" | "send" | "close"))) if head.method == Method::POST => {
                let shared = self.transports().get(id).cloned();
                match (shared, what) {
                    (None, _) => http::answer(StatusCode::NOT_FOUND, "no such transport\n"),
                    (Some(shared), "receive") => self.receive(&shared, taken).await,
                    (Some(shared), "send") => self.send(&shared, body).await,
                    (Some(shared), _) => {
                        shared.leave();
                        http::answer(StatusCode::NO_CONTENT, "")
                    }
                }
            }
            Some(("", "open") | (_, "receive" | "send" | "close")) => {
                let why = "only POST is accepted\n";
                let mut answer = http::answer(StatusCode::METHOD_NOT_ALLOWED, why);
                answer.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
                answer
            }
            _ => http::answer(StatusCode::NOT_FOUND, "nothing is here\n"),
        }
    }

    async fn open(
        self: &Arc<Self>,
        body: Incoming,
        opened: impl Fn(ServerTransport) -> Result<(), String>,
    ) -> Response<Body> {
        let body = match self.read(body, MAX_OPENED, Some(self.times.opening)).await {
            Ok(body) => body,
            Err(refusal) => return *refusal,
        };
        let Ok(Open { protocols }) = serde_json::from_slice(&body) else {
            let wanted = "the body must be {\"protocols\": [...]}\n";
            return http::answer(StatusCode::BAD_REQUEST, wanted);
        };
        // The client's preference decides.
        let mut names = protocols.iter();
        let Some(serializer) = names.find_map(|name| Serializer::from_subprotocol(name)) else {
            let known = Serializer::ALL.map(Serializer::subprotocol).join(", ");
            let known = format!("this router speaks {known}\n");
            return http::answer(StatusCode::BAD_REQUEST, &known);
        };
        let Some(id) = random_id() else {
            let why = "the operating system provides no random numbers\n";
            return http::answer(StatusCode::INTERNAL_SERVER_ERROR, why);
        };
        let shared = Shared::new(serializer);
        self.transports().insert(id.clone(), shared.clone());
        if let Err(why) = opened(ServerTransport::new(self.clone(), id.clone(), shared)) {
            return http::answer(StatusCode::SERVICE_UNAVAILABLE, &why);
        }
        let protocol = serializer.subprotocol().to_owned();
        let body = serde_json::to_vec(&Opened { protocol, transport: id }).unwrap_or_default();
        with_body(Body::new(body.into()), "application/json")
    }

    async fn receive(&self, shared: &Arc<Shared>, taken: &Taken) -> Response<Body> {
        let kind = content_type(shared.serializer);
        match shared.receive(RECEIVE_TIMEOUT.min(self.times.expiry)).await {
            Reply::Messages(body) => {
                let body = Body::new(body).telling(taken.taking(Writing::new(shared)));
                with_body(body, kind)
            }
            Reply::Later => http::answer(StatusCode::NO_CONTENT, ""),
            Reply::End => with_body(Body::default(), kind),
        }
    }

    async fn send(&self, shared: &Shared, body: Incoming) -> Response<Body> {
        let limit = shared.limit();
        let whole = (limit != usize::MAX).then_some(self.times.opening);
        let limit = limit.min(max_unit(shared.serializer, self.max_message_size));
        let body = match self.read(body, limit, whole).await {
            Ok(body) => body,
            Err(refusal) => {
                if refusal.status() == StatusCode::PAYLOAD_TOO_LARGE {
                    let why = format!("a request has more than {limit} bytes");
                    shared.fail(TransportError::TooLarge(why));
                }
                return *refusal;
            }
        };
        match shared.send(body).await {
            true => http::answer(StatusCode::NO_CONTENT, ""),
            false => http::answer(StatusCode::NOT_FOUND, "the transport is closed\n"),
        }
    }

    /// Reads a body that may take as long as it likes as long as it goes on, or `whole` altogether.
    async fn read(
        &self,
        body: Incoming,
        limit: usize,
        whole: Option<Duration>,
    ) -> Result<Bytes, Box<Response<Body>>> {
        let Times { expiry, body: time, .. } = self.times;
        let begun = Instant::now();
        let goes_on = |size: usize| {
            let elapsed = begun.elapsed();
            elapsed < time || size as f64 >= elapsed.as_secs_f64() * LEAST_RATE
        };
        let body = http::read_while(body, limit, expiry, goes_on);
        let body = match whole {
            None => body.await,
            Some(whole) => timeout(whole, body).await.unwrap_or(Err(Unread::Late)),
        };
        let (status, why) = match body {
            Ok(body) => return Ok(body),
            Err(Unread::TooLarge) => {
                (StatusCode::PAYLOAD_TOO_LARGE, format!("at most {limit} bytes are accepted\n"))
            }
            Err(Unread::Broken(error)) => (StatusCode::BAD_REQUEST, format!("{error}\n")),
            Err(Unread::Late) => (StatusCode::REQUEST_TIMEOUT, "it came too slowly\n".to_owned()),
        };
        Err(Box::new(http::refuse(status, &why)))
    }
}

fn with_body(body: Body, kind: &'static str) -> Response<Body> {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// A random id; whoever knows it can use the transport.
fn random_id() -> Option<String> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).ok()?;
    let mut id = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        let _ = write!(id, "{byte:02x}");
    }
    Some(id)
}
