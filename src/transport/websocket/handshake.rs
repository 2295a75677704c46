//! The upgrade from HTTP (RFC 6455, section 4): the client's side of it, and what both have.

use ::http::StatusCode;
use ::http::header::{
    CONNECTION, HOST, HeaderMap, HeaderName, HeaderValue, SEC_WEBSOCKET_ACCEPT,
    SEC_WEBSOCKET_EXTENSIONS, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION,
    UPGRADE,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use sha1::{Digest, Sha1};

use crate::os::random;
use crate::transport::framing::Framing;
use crate::transport::http;
use crate::transport::{ConnectError, ConnectOptions, Serializer, Stream};

use super::deflate::Deflate;
use super::extension;
use super::keys::Keys;
use super::{Socket, WebSocket, upgrade};

pub(super) const VERSION: HeaderValue = HeaderValue::from_static("13");

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

// ===== both =====

/// The subprotocols of several, as HTTP lists them.
pub(super) fn listed(serializers: &[Serializer]) -> String {
    let names: Vec<_> = serializers.iter().map(|serializer| serializer.subprotocol()).collect();
    names.join(", ")
}

pub(super) fn accept_key(key: &str) -> String {
    const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    BASE64.encode(Sha1::new().chain_update(key).chain_update(GUID).finalize())
}

pub(super) fn header<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim)
}

/// The values of a header that is a list.
pub(super) fn values<'a>(
    headers: &'a HeaderMap,
    name: &HeaderName,
) -> impl Iterator<Item = &'a str> {
    let lists = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    lists.flat_map(|list| list.split(',')).map(str::trim)
}

pub(super) fn has_token(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
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
