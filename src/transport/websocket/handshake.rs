//! The upgrade from HTTP (RFC 6455, section 4), both sides of it, by hyper.

use std::convert::Infallible;
use std::sync::{Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{
    CONNECTION, HOST, HeaderMap, HeaderName, HeaderValue, SEC_WEBSOCKET_ACCEPT,
    SEC_WEBSOCKET_EXTENSIONS, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION,
    UPGRADE,
};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::upgrade::{self, OnUpgrade, Upgraded};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use sha1::{Digest, Sha1};

use crate::transport::framing::Framing;
use crate::transport::http::{self, Body, Link};
use crate::transport::inbox::Inbox;
use crate::transport::{ConnectError, Serializer, Stream, Target};

use super::deflate::{self, Agreed, Deflate, DeflateOptions};
use super::keys::Keys;
use super::{Socket, WebSocket};

const VERSION: HeaderValue = HeaderValue::from_static("13");

/// Shakes hands with the server at the other end of `stream`.
pub async fn connect(stream: Stream, target: &Target) -> Result<WebSocket, ConnectError> {
    let url = || target.endpoint.to_string();
    let no_random = |_| ConnectError::Unreachable {
        url: url(),
        reason: "the operating system has no random numbers".to_owned(),
    };
    let mut nonce = [0; 16];
    getrandom::fill(&mut nonce).map_err(no_random)?;
    let keys = Keys::new().map_err(no_random)?;
    let key = BASE64.encode(nonce);
    let offered = listed(&target.serializers);

    let clues = stream.clues();
    let failed = |error: hyper::Error| http::failed(target, &error, &clues);
    let mut link = Link::new(stream).await.map_err(failed)?;
    let request = request(target, &key, &offered)?;
    let response = link.request(request).await;
    let mut response = response.map_err(|unanswered| failed(unanswered.error))?;
    let (status, headers) = (response.status(), response.headers());
    if let Some(cookies) = &target.cookies {
        cookies.take(&target.endpoint, headers);
    }
    if status != StatusCode::SWITCHING_PROTOCOLS {
        let hint = "is this a WAMP router, and that path its WebSocket endpoint?";
        return Err(http::refused(url(), status, headers, hint));
    }
    let handshake = |reason: String| ConnectError::Handshake { url: url(), reason };
    check_upgrade(headers, &key).map_err(|reason| handshake(reason.to_owned()))?;
    let agreed = header(headers, &SEC_WEBSOCKET_PROTOCOL).and_then(Serializer::of_subprotocol);
    let serializer = agreed
        .filter(|agreed| target.serializers.contains(agreed))
        .ok_or_else(|| ConnectError::Subprotocol { url: url(), offered })?;
    let deflate = match (header(headers, &SEC_WEBSOCKET_EXTENSIONS), &target.deflate) {
        (None | Some(""), _) => None,
        (Some(answer), Some(options)) => {
            let agreed = deflate::agree(options, answer).map_err(handshake)?;
            Some(Deflate::new(agreed, options, true))
        }
        (Some(answer), None) => {
            return Err(handshake(format!("it wants the extension \"{answer}\", unasked")));
        }
    };
    let upgraded = link.wait(upgrade::on(&mut response)).await.map_err(failed)?;
    let (stream, inbox) = parts(upgraded).ok_or_else(|| handshake("no upgrade".to_owned()))?;
    let socket = Socket::new(stream, inbox, target.max_message_size, Some(keys), deflate);
    let framing = Framing::new(serializer, target.json_batch_separator);
    Ok(WebSocket::new(socket, framing, target.max_message_size))
}

/// Answers the handshake of a client that has connected to `path`; `None` takes any path. Without
/// `deflate` nothing is compressed.
pub async fn accept(
    stream: impl Into<Stream>,
    path: Option<&str>,
    max_message_size: usize,
    deflate: Option<&DeflateOptions>,
) -> Result<WebSocket, ConnectError> {
    let stream = stream.into();
    let url = stream.peer();
    let failed = |reason: String| ConnectError::Handshake { url: url.clone(), reason };
    let accepted = Mutex::new(None);
    let service = service_fn(|mut request: Request<Incoming>| {
        let answer = match answer(&request, path, deflate) {
            Ok(answer) => answer,
            Err(refusal) => return std::future::ready(Ok::<_, Infallible>(*refusal)),
        };
        let upgrade = upgrade::on(&mut request);
        let mut accepted = accepted.lock().unwrap_or_else(PoisonError::into_inner);
        *accepted =
            Some(Accepted { upgrade, serializer: answer.serializer, deflate: answer.deflate });
        std::future::ready(Ok(answer.response))
    });
    let mut builder = http1::Builder::new();
    builder.max_buf_size(http::MAX_HEAD).header_read_timeout(None);
    let served = builder.serve_connection(TokioIo::new(stream), service).with_upgrades().await;
    served.map_err(|error| failed(error.to_string()))?;
    let accepted = accepted.into_inner().unwrap_or_else(PoisonError::into_inner);
    let Some(Accepted { upgrade, serializer, deflate: agreed }) = accepted else {
        return Err(failed("it was refused".to_owned()));
    };
    let upgraded = upgrade.await.map_err(|error| failed(error.to_string()))?;
    let (stream, inbox) = parts(upgraded).ok_or_else(|| failed("no upgrade".to_owned()))?;
    let deflate = deflate.zip(agreed).map(|(options, agreed)| Deflate::new(agreed, options, false));
    let socket = Socket::new(stream, inbox, max_message_size, None, deflate);
    Ok(WebSocket::new(socket, Framing::following(serializer), max_message_size))
}

// ===== the client =====

fn request(target: &Target, key: &str, offered: &str) -> Result<Request<Body>, ConnectError> {
    let mut headers = HeaderMap::new();
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(SEC_WEBSOCKET_VERSION, VERSION);
    let extensions = target.deflate.as_ref().map(deflate::offer);
    for (name, value) in [
        (HOST, Some(target.endpoint.host_header().as_str())),
        (SEC_WEBSOCKET_KEY, Some(key)),
        (SEC_WEBSOCKET_PROTOCOL, Some(offered)),
        (SEC_WEBSOCKET_EXTENSIONS, extensions.as_deref()),
    ] {
        if let Some(value) = value.and_then(|value| HeaderValue::try_from(value).ok()) {
            headers.insert(name, value);
        }
    }
    http::add_headers(&mut headers, target);
    let mut request = Request::get(target.endpoint.path());
    if let Some(all) = request.headers_mut() {
        *all = headers;
    }
    request.body(Full::default()).map_err(|error| ConnectError::Unreachable {
        url: target.endpoint.to_string(),
        reason: error.to_string(),
    })
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

struct Accepted {
    upgrade: OnUpgrade,
    serializer: Serializer,
    deflate: Option<Agreed>,
}

struct Answer {
    response: Response<Body>,
    serializer: Serializer,
    deflate: Option<Agreed>,
}

fn answer(
    request: &Request<Incoming>,
    path: Option<&str>,
    options: Option<&DeflateOptions>,
) -> Result<Answer, Box<Response<Body>>> {
    let headers = request.headers();
    if path.is_some_and(|path| path != request.uri().path()) {
        return Err(Box::new(http::refuse(StatusCode::NOT_FOUND, "nothing is here\n")));
    }
    if request.method() != Method::GET
        || !has_token(headers, &UPGRADE, "websocket")
        || !has_token(headers, &CONNECTION, "upgrade")
        || header(headers, &SEC_WEBSOCKET_VERSION) != VERSION.to_str().ok()
    {
        let mut refusal =
            http::refuse(StatusCode::UPGRADE_REQUIRED, "this is for WebSocket clients\n");
        refusal.headers_mut().insert(UPGRADE, HeaderValue::from_static("websocket"));
        refusal.headers_mut().insert(SEC_WEBSOCKET_VERSION, VERSION);
        return Err(Box::new(refusal));
    }
    let Some(key) = header(headers, &SEC_WEBSOCKET_KEY) else {
        let why = "Sec-WebSocket-Key is missing\n";
        return Err(Box::new(http::refuse(StatusCode::BAD_REQUEST, why)));
    };
    // The client's preference decides.
    let agreed = values(headers, &SEC_WEBSOCKET_PROTOCOL).find_map(Serializer::of_subprotocol);
    let Some(serializer) = agreed else {
        let known = listed(&Serializer::ALL);
        let why = format!("this router speaks {known}\n");
        return Err(Box::new(http::refuse(StatusCode::BAD_REQUEST, &why)));
    };
    let offers: Vec<_> = headers.get_all(SEC_WEBSOCKET_EXTENSIONS).iter().collect();
    let offers: Vec<_> = offers.iter().filter_map(|value| value.to_str().ok()).collect();
    let deflate = options.and_then(|options| deflate::accept(options, &offers.join(",")));

    let mut response = Response::new(Full::default());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    let protocol = HeaderValue::from_static(serializer.subprotocol());
    headers.insert(SEC_WEBSOCKET_PROTOCOL, protocol);
    let extensions = deflate.as_ref().map(|(_, answer)| answer.as_str());
    for (name, value) in [
        (SEC_WEBSOCKET_ACCEPT, Some(accept_key(key).as_str())),
        (SEC_WEBSOCKET_EXTENSIONS, extensions),
    ] {
        if let Some(value) = value.and_then(|value| HeaderValue::try_from(value).ok()) {
            headers.insert(name, value);
        }
    }
    Ok(Answer { response, serializer, deflate: deflate.map(|(agreed, _)| agreed) })
}

// ===== both =====

/// What is left of HTTP after an upgrade: the stream, and what was read from it too early.
fn parts(upgraded: Upgraded) -> Option<(Stream, Inbox)> {
    let parts = upgraded.downcast::<TokioIo<Stream>>().ok()?;
    Some((parts.io.into_inner(), Inbox::with(&parts.read_buf)))
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
