//! The upgrade from HTTP (RFC 6455, section 4), both sides of it; the server's by hyper.

use std::convert::Infallible;
use std::sync::Mutex;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use futures_util::FutureExt;
use futures_util::future::Either;
use hyper::body::Incoming;
use hyper::header::{
    CONNECTION, HOST, HeaderMap, HeaderName, HeaderValue, SEC_WEBSOCKET_ACCEPT,
    SEC_WEBSOCKET_EXTENSIONS, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION,
    UPGRADE,
};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::upgrade::Upgraded;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use sha1::{Digest, Sha1};

use crate::os::{lock, random, unpoisoned};
use crate::transport::framing::Framing;
use crate::transport::http::{self, Body};
use crate::transport::recv_buffer::RecvBuffer;
use crate::transport::{ConnectError, ConnectOptions, FindPage, Serializer, Stream};

use super::deflate::Deflate;
use super::extension::{self, DeflateOptions};
use super::keys::Keys;
use super::{Socket, WebSocket, upgrade};

const VERSION: HeaderValue = HeaderValue::from_static("13");

/// Shakes hands with the server at the other end of `stream`; agrees on a serializer.
pub async fn connect(stream: Stream, options: &ConnectOptions) -> Result<WebSocket, ConnectError> {
    let offered = listed(&options.serializers);
    let (socket, agreed) = open(stream, options, &offered).await?;
    let serializer = agreed
        .and_then(|agreed| Serializer::from_subprotocol(&agreed))
        .filter(|agreed| options.serializers.contains(agreed))
        .ok_or_else(|| ConnectError::Subprotocol { url: options.endpoint.to_string(), offered })?;
    let limit = options.max_message_size;
    let framing = Framing::new(serializer, options.json_batch_separator, limit);
    Ok(WebSocket::new(socket, framing, limit))
}

/// The same below WAMP: offers these subprotocols, if any, and gives the one that the server names.
pub async fn open(
    stream: impl Into<Stream>,
    options: &ConnectOptions,
    subprotocols: &str,
) -> Result<(Socket, Option<String>), ConnectError> {
    let mut stream = stream.into();
    let url = || options.endpoint.to_string();
    let no_random = |_| ConnectError::Unreachable {
        url: url(),
        reason: "the operating system provides no random numbers".to_owned(),
    };
    let key = BASE64.encode(random::<16>().map_err(no_random)?);
    let keys = Keys::new().map_err(no_random)?;

    let (path, hints) = (options.endpoint.path(), stream.hints());
    let asked = upgrade::ask(&mut stream, path, &asked_headers(options, &key, subprotocols)).await;
    let (answer, buffer) = asked.map_err(|why| http::failed(options, why, &hints))?;
    let (status, headers) = (answer.status, &answer.headers);
    if let Some(cookies) = &options.cookies {
        cookies.take(&options.endpoint, path, headers);
    }
    if status != StatusCode::SWITCHING_PROTOCOLS {
        let hint = "is this a WAMP router, and that path its WebSocket endpoint?";
        return Err(http::refused(url(), status, headers, hint));
    }
    let handshake = |reason: String| ConnectError::Handshake { url: url(), reason };
    check_upgrade(headers, &key).map_err(|reason| handshake(reason.to_owned()))?;
    let agreed = header(headers, &SEC_WEBSOCKET_PROTOCOL).map(str::to_owned);
    let extensions = values(headers, &SEC_WEBSOCKET_EXTENSIONS).filter(|name| !name.is_empty());
    let extensions = extensions.collect::<Vec<_>>().join(", ");
    let deflate = match (extensions.as_str(), &options.deflate) {
        ("", _) => None,
        (answer, Some(options)) => {
            let agreed = extension::agree(options, answer).map_err(handshake)?;
            Some(Deflate::new(agreed, options, true))
        }
        (answer, None) => {
            let why = format!("it answers with the extension \"{answer}\", which was not offered");
            return Err(handshake(why));
        }
    };
    Ok((Socket::new(stream, buffer, options.max_message_size, Some(keys), deflate), agreed))
}

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

// ===== the client =====

fn asked_headers(options: &ConnectOptions, key: &str, subprotocols: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(SEC_WEBSOCKET_VERSION, VERSION);
    let extensions = options.deflate.as_ref().map(extension::offer);
    for (name, value) in [
        (HOST, Some(options.endpoint.host_header().as_str())),
        (SEC_WEBSOCKET_KEY, Some(key)),
        (SEC_WEBSOCKET_PROTOCOL, Some(subprotocols).filter(|names| !names.is_empty())),
        (SEC_WEBSOCKET_EXTENSIONS, extensions.as_deref()),
    ] {
        if let Some(value) = value.and_then(|value| HeaderValue::try_from(value).ok()) {
            headers.insert(name, value);
        }
    }
    http::add_headers(&mut headers, options, options.endpoint.path());
    headers
}

fn check_upgrade(headers: &HeaderMap, key: &str) -> Result<(), &'static str> {
    if !has_token(headers, &UPGRADE, "websocket") || !has_token(headers, &CONNECTION, "upgrade") {
        return Err("it upgrades to something else");
    }
    match header(headers, &SEC_WEBSOCKET_ACCEPT) {
        Some(accept) if accept == accept_key(key) => Ok(()),
        _ => Err("its Sec-WebSocket-Accept is missing or wrong"),
    }
}

// ===== the server =====

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

// ===== both =====

/// The remains of HTTP after an upgrade: the stream, and what was read from it too early.
fn parts(upgraded: Upgraded) -> Option<(Stream, RecvBuffer)> {
    let parts = upgraded.downcast::<TokioIo<Stream>>().ok()?;
    Some((parts.io.into_inner(), RecvBuffer::with(&parts.read_buf)))
}

/// The subprotocols of several, as HTTP lists them.
fn listed(serializers: &[Serializer]) -> String {
    let names: Vec<_> = serializers.iter().map(|serializer| serializer.subprotocol()).collect();
    names.join(", ")
}

pub(super) fn accept_key(key: &str) -> String {
    const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    BASE64.encode(Sha1::new().chain_update(key).chain_update(GUID).finalize())
}

fn header<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim)
}

/// The values of a header that is a list.
fn values<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    let lists = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    lists.flat_map(|list| list.split(',')).map(str::trim)
}

fn has_token(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    values(headers, name).any(|value| value.eq_ignore_ascii_case(token))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_of_the_specification_is_accepted() {
        assert_eq!(accept_key("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }
}
