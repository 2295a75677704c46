//! The upgrade from HTTP (RFC 6455, section 4): the server's side of it, by hyper.

use std::convert::Infallible;
use std::sync::Mutex;

use futures_util::FutureExt;
use futures_util::future::Either;
use hyper::body::Incoming;
use hyper::header::{
    CONNECTION, HeaderMap, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_EXTENSIONS,
    SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::upgrade::Upgraded;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;

use crate::os::{lock, unpoisoned};
use crate::transport::framing::Framing;
use crate::transport::http::{self, Body};
use crate::transport::recv_buffer::RecvBuffer;
use crate::transport::{ConnectError, FindPage, Serializer, Stream};

use super::deflate::Deflate;
use super::extension::{self, DeflateOptions};
use super::handshake::{VERSION, accept_key, has_token, header, listed, values};
use super::{Socket, WebSocket};

/// Answers the handshake of a client that has connected to `path`; `None` takes any path. Without
/// `deflate` nothing is compressed.
pub async fn accept(
    stream: impl Into<Stream>,
    path: Option<&str>,
    max_message_size: usize,
    deflate: Option<&DeflateOptions>,
) -> Result<WebSocket, ConnectError> {
    accept_if(stream, path, max_message_size, deflate, |_| Ok(()), None).await
}

/// As [`accept`], of a client against whose request `inspect` has nothing. Otherwise it is told the
/// status and the words that `inspect` has for it. Requests that do not ask for WebSocket get the
/// pages that there are.
pub async fn accept_if(
    stream: impl Into<Stream>,
    path: Option<&str>,
    max_message_size: usize,
    deflate: Option<&DeflateOptions>,
    inspect: impl Fn(&HeaderMap) -> Result<(), (StatusCode, String)>,
    pages: Option<&FindPage<'_>>,
) -> Result<WebSocket, ConnectError> {
    // The client's preference decides.
    let decide = |headers: &HeaderMap, offered: &[&str]| {
        inspect(headers)?;
        let chosen = offered.iter().find_map(|name| Serializer::from_subprotocol(name));
        let known = || format!("this router speaks {}\n", listed(&Serializer::ALL));
        let chosen = chosen.ok_or_else(|| (StatusCode::BAD_REQUEST, known()))?;
        Ok(Some(chosen.subprotocol()))
    };
    let (socket, agreed) =
        answer_if(stream.into(), path, max_message_size, deflate, decide, pages).await?;
    let serializer = agreed.and_then(Serializer::from_subprotocol).unwrap_or_default();
    let framing = Framing::following(serializer, max_message_size);
    Ok(WebSocket::new(socket, framing, max_message_size))
}

/// The same below WAMP. `choose` takes one of the subprotocols that the client offers, or none, or
/// says why it takes none.
pub async fn answer(
    stream: impl Into<Stream>,
    path: Option<&str>,
    max_message_size: usize,
    deflate: Option<&DeflateOptions>,
    choose: impl Fn(&[&str]) -> Result<Option<&'static str>, String>,
) -> Result<(Socket, Option<&'static str>), ConnectError> {
    let decide = |_: &HeaderMap, offered: &[&str]| {
        choose(offered).map_err(|why| (StatusCode::BAD_REQUEST, why))
    };
    answer_if(stream.into(), path, max_message_size, deflate, decide, None).await
}

async fn answer_if(
    stream: Stream,
    path: Option<&str>,
    max_message_size: usize,
    deflate: Option<&DeflateOptions>,
    decide: impl Fn(&HeaderMap, &[&str]) -> Result<Option<&'static str>, (StatusCode, String)>,
    pages: Option<&FindPage<'_>>,
) -> Result<(Socket, Option<&'static str>), ConnectError> {
    let url = stream.peer();
    let failed = |reason: String| ConnectError::Handshake { url: url.clone(), reason };
    let accepted = Mutex::new(None);
    let service = service_fn(|mut request: Request<Incoming>| {
        let is_plain = !has_token(request.headers(), &UPGRADE, "websocket");
        if let Some(page) = pages.filter(|_| is_plain).and_then(|find| find(&request)) {
            return Either::Right(page.map(|page| Ok(page.map(http_body_util::Either::Right))));
        }
        let answered = |answer: Response<Body>| {
            let answer = answer.map(http_body_util::Either::Left);
            Either::Left(std::future::ready(Ok::<_, Infallible>(answer)))
        };
        let checked = check_request(&request, path).and_then(|key| {
            let offered: Vec<_> = values(request.headers(), &SEC_WEBSOCKET_PROTOCOL).collect();
            let decided = decide(request.headers(), &offered);
            let subprotocol =
                decided.map_err(|(status, why)| Box::new(http::refuse(status, &why)))?;
            Ok((accept_key(key), subprotocol))
        });
        let (accept, subprotocol) = match checked {
            Ok(checked) => checked,
            Err(refusal) => return answered(*refusal),
        };
        let offers = request.headers().get_all(SEC_WEBSOCKET_EXTENSIONS).into_iter();
        let offers: Vec<_> = offers.filter_map(|value| value.to_str().ok()).collect();
        let deflate = deflate.and_then(|options| extension::accept(options, &offers.join(",")));
        let (agreed, extensions) = deflate.unzip();
        let response = switch(&accept, subprotocol, extensions.as_deref());
        let mut accepted = lock(&accepted);
        *accepted = Some((hyper::upgrade::on(&mut request), subprotocol, agreed));
        answered(response)
    });
    let mut builder = http1::Builder::new();
    builder.max_buf_size(http::MAX_HEAD).header_read_timeout(None);
    let served = builder.serve_connection(TokioIo::new(stream), service).with_upgrades().await;
    served.map_err(|error| failed(error.to_string()))?;
    let accepted = unpoisoned(accepted.into_inner());
    let Some((upgrade, subprotocol, agreed)) = accepted else {
        return Err(failed("it was refused".to_owned()));
    };
    let upgraded = upgrade.await.map_err(|error| failed(error.to_string()))?;
    let (stream, buffer) = parts(upgraded).ok_or_else(|| failed("no upgrade".to_owned()))?;
    let deflate = deflate.zip(agreed).map(|(options, agreed)| Deflate::new(agreed, options, false));
    Ok((Socket::new(stream, buffer, max_message_size, None, deflate), subprotocol))
}

/// Checks that a request asks for WebSocket; gives its key.
fn check_request<'a>(
    request: &'a Request<Incoming>,
    path: Option<&str>,
) -> Result<&'a str, Box<Response<Body>>> {
    let headers = request.headers();
    if path.is_some_and(|path| path != request.uri().path()) {
        return Err(Box::new(http::refuse(StatusCode::NOT_FOUND, "nothing is here\n")));
    }
    if request.method() != Method::GET
        || !has_token(headers, &UPGRADE, "websocket")
        || !has_token(headers, &CONNECTION, "upgrade")
        || header(headers, &SEC_WEBSOCKET_VERSION) != VERSION.to_str().ok()
    {
        let why = "this is for WebSocket clients\n";
        let mut refusal = http::refuse(StatusCode::UPGRADE_REQUIRED, why);
        refusal.headers_mut().insert(UPGRADE, HeaderValue::from_static("websocket"));
        refusal.headers_mut().insert(SEC_WEBSOCKET_VERSION, VERSION);
        return Err(Box::new(refusal));
    }
    let why = "Sec-WebSocket-Key is missing\n";
    let missing = || Box::new(http::refuse(StatusCode::BAD_REQUEST, why));
    header(headers, &SEC_WEBSOCKET_KEY).ok_or_else(missing)
}

/// The answer that upgrades.
fn switch(accept: &str, subprotocol: Option<&str>, extensions: Option<&str>) -> Response<Body> {
    let mut response = http::answer(StatusCode::SWITCHING_PROTOCOLS, "");
    let headers = response.headers_mut();
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    for (name, value) in [
        (SEC_WEBSOCKET_ACCEPT, Some(accept)),
        (SEC_WEBSOCKET_PROTOCOL, subprotocol),
        (SEC_WEBSOCKET_EXTENSIONS, extensions),
    ] {
        if let Some(value) = value.and_then(|value| HeaderValue::try_from(value).ok()) {
            headers.insert(name, value);
        }
    }
    response
}

/// The remains of HTTP after an upgrade: the stream, and what was read from it too early.
fn parts(upgraded: Upgraded) -> Option<(Stream, RecvBuffer)> {
    let parts = upgraded.downcast::<TokioIo<Stream>>().ok()?;
    Some((parts.io.into_inner(), RecvBuffer::with(&parts.read_buf)))
}
