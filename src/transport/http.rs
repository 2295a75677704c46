//! HTTP/1.1, over our own streams: what WebSocket begins with and what long-poll consists of.
//!
//! Here is what all of it needs, a client's upgrade to WebSocket too, which has no body to care
//! for. `messages`: requests and answers with bodies, by hyper.

#[cfg(any(feature = "longpoll", feature = "router"))]
mod messages;

use std::borrow::Borrow;
use std::io;
use std::time::Duration;

use http::StatusCode;
use http::header::{
    CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, EXPECT, HeaderMap, HeaderName, HeaderValue, LOCATION,
    RETRY_AFTER, TE, TRANSFER_ENCODING, UPGRADE, USER_AGENT,
};

use super::stream::HandshakeHints;
use super::{ConnectError, ConnectOptions, Protocol, tls};

#[cfg(any(feature = "longpoll", feature = "router"))]
pub(super) use messages::*;

/// The name that we call ourselves.
const AGENT: &str = concat!("libwamp/", env!("CARGO_PKG_VERSION"));

/// The size up to which the head of an answer is read.
pub(super) const MAX_HEAD: usize = 64 * 1024;

/// The headers that frame requests and make a WebSocket of a connection: an own value would break
/// that.
const RESERVED: [HeaderName; 7] =
    [CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, EXPECT, TE, TRANSFER_ENCODING, UPGRADE];

/// Checks the name and value of an HTTP header that the application wants to add.
pub fn check_header(name: &str, value: &str) -> Result<(), String> {
    let known = HeaderName::try_from(name);
    let known = known.map_err(|_| format!("\"{name}\" is not an HTTP header name"))?;
    HeaderValue::try_from(value).map_err(|_| format!("header \"{name}\": not an HTTP value"))?;
    if RESERVED.contains(&known) || known.as_str().starts_with("sec-websocket-") {
        return Err(format!("header \"{name}\" is set by the transport itself; leave it out"));
    }
    Ok(())
}

/// Adds what every request of ours has, and what the application wants, which counts more.
pub(super) fn add_headers(headers: &mut HeaderMap, options: &ConnectOptions, path: &str) {
    headers.insert(USER_AGENT, HeaderValue::from_static(AGENT));
    if let Some(cookies) = &options.cookies {
        cookies.give(&options.endpoint, path, headers);
    }
    for (name, value) in &options.headers {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            headers.insert(name, value);
        }
    }
}

/// For how long a server wants to be left alone. A date in place of seconds is not looked at.
pub(super) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}

/// The error of an answer with this status, which is none to go on with; `hint` is for what nobody
/// expects.
pub(super) fn refused(
    url: String,
    status: StatusCode,
    headers: &HeaderMap,
    hint: &'static str,
) -> ConnectError {
    let hint = match status.as_u16() {
        401 => return ConnectError::Unauthorized { url },
        403 => return ConnectError::Forbidden { url },
        404 => return ConnectError::NotFound { url },
        status @ 300..=399 => {
            let location = headers.get(LOCATION);
            let location = location.and_then(|to| to.to_str().ok()).map(str::to_owned);
            return ConnectError::Redirect { url, status, location };
        }
        400 => "is this a WAMP router that offers one of the `serializers`, and not a TLS port?",
        502..=504 => "a proxy is there, but the router behind it does not answer",
        _ => hint,
    };
    ConnectError::Http { url, status: status.as_u16(), hint, rest: retry_after(headers) }
}

/// The reason why there is no answer that can be understood; `E` is an [`io::Error`], or refers to
/// one.
#[derive(Debug)]
pub(super) enum NoAnswer<E> {
    /// The operating system, or TLS, has ended it.
    Io(E),
    /// This is wrong with what came.
    Broken(String),
    /// The server has closed the connection.
    Closed,
}

/// The error where there is no answer that can be understood.
pub(super) fn failed(
    options: &ConnectOptions,
    why: NoAnswer<impl Borrow<io::Error>>,
    hints: &HandshakeHints,
) -> ConnectError {
    let url = options.endpoint.to_string();
    if hints.tls_alert() {
        let scheme = options.endpoint.secure_scheme();
        return ConnectError::SpeaksTls { url, scheme };
    }
    match why {
        NoAnswer::Io(error) => {
            let error = error.borrow();
            match tls::explain(error, hints.certificate) {
                Some(error) => ConnectError::Tls { url, error },
                None if error.kind() == io::ErrorKind::InvalidData => {
                    no_handshake(options, &error.to_string())
                }
                None => unanswered(url, &error.to_string()),
            }
        }
        NoAnswer::Broken(why) => no_handshake(options, &why),
        NoAnswer::Closed => match tls::explain_loss(hints.certificate) {
            Some(error) => ConnectError::Tls { url, error },
            None => unanswered(url, "it closed the connection before it answered"),
        },
    }
}

fn no_handshake(options: &ConnectOptions, why: &str) -> ConnectError {
    let url = options.endpoint.to_string();
    match options.endpoint.protocol {
        Protocol::LongPoll { .. } => {
            let reason = format!("its answer is not understood: {why}");
            ConnectError::LongPoll { url, reason }
        }
        _ => ConnectError::Handshake { url, reason: why.to_owned() },
    }
}

/// Not every server with TLS says so to who speaks in clear, and no RawSocket says what it is.
fn unanswered(url: String, why: &str) -> ConnectError {
    let hint = match url.split_once("://") {
        Some(("ws", _)) => {
            " (if it wants TLS there, write wss://, and rs:// if it speaks RawSocket)"
        }
        Some(("http", _)) => " (if it wants TLS there, write https://)",
        _ => "",
    };
    ConnectError::Unreachable { url, reason: format!("{why}{hint}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_checked() {
        assert!(check_header("X-Token", "abc").is_ok());
        assert!(check_header("X Token", "abc").is_err());
        assert!(check_header("X-Token", "a\r\nb").is_err());
        for own in ["Content-Length", "UPGRADE", "connection", "Sec-WebSocket-Key"] {
            let told = check_header(own, "5").unwrap_err();
            assert!(told.contains("set by the transport itself"), "{own}");
        }
        for taken in ["Host", "Origin", "User-Agent", "Cookie", "Authorization"] {
            assert!(check_header(taken, "a").is_ok(), "{taken}");
        }
    }
}
