//! WebSocket (RFC 6455) by tungstenite: one WAMP message per WebSocket message.
//!
//! Subprotocol `wamp.2.json` has text frames, `wamp.2.msgpack` and `wamp.2.cbor` have binary ones.
//! The client's and the server's side share the open connection; only the handshakes differ.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_util::{Sink, Stream as _};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::error::{Error as WsError, ProtocolError, SubProtocolError};
use tokio_tungstenite::tungstenite::handshake::server::{
    ErrorResponse, Request as ServerRequest, Response as ServerResponse,
};
use tokio_tungstenite::tungstenite::http::{
    HeaderName, HeaderValue, Response as HttpResponse, StatusCode,
};
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};
use tokio_tungstenite::tungstenite::protocol::{Message as WsMessage, WebSocketConfig};

use crate::codec::{Batch, Encoding};

use super::stream::{Clues, Stream};
use super::{ConnectError, Incoming, Target, Transport, TransportError, tls};

/// Room in the write buffer beside a message: a peer that pings and does not read must not fill
/// our memory with pongs. It is more than what is buffered of messages before it is written.
const PONG_BYTES: usize = 1024 * 1024;

/// An open WebSocket connection.
pub struct WebSocket {
    stream: WebSocketStream<Stream>,
    encoding: Encoding,
}

/// The subprotocol of an encoding.
pub fn subprotocol(encoding: Encoding) -> &'static str {
    match encoding {
        Encoding::Json => "wamp.2.json",
        Encoding::MsgPack => "wamp.2.msgpack",
        Encoding::Cbor => "wamp.2.cbor",
    }
}

fn of_subprotocol(name: &str) -> Option<Encoding> {
    Encoding::ALL.into_iter().find(|encoding| subprotocol(*encoding) == name)
}

/// The subprotocols of several, as HTTP lists them.
fn listed(serializers: &[Encoding]) -> String {
    let names: Vec<_> = serializers.iter().copied().map(subprotocol).collect();
    names.join(", ")
}

/// Checks the name and value of an HTTP header.
pub fn check_header(name: &str, value: &str) -> Result<(), String> {
    HeaderName::try_from(name).map_err(|_| format!("\"{name}\" is not an HTTP header name"))?;
    HeaderValue::try_from(value).map_err(|_| format!("header \"{name}\": not an HTTP value"))?;
    Ok(())
}

/// Shakes hands with the server at the other end of `stream`.
pub(super) async fn connect(stream: Stream, target: &Target) -> Result<WebSocket, ConnectError> {
    let url = target.endpoint.to_string();
    let mut request = match target.endpoint.request_url().into_client_request() {
        Ok(request) => request,
        Err(error) => return Err(ConnectError::Unreachable { url, reason: error.to_string() }),
    };
    let headers = request.headers_mut();
    let offered = listed(&target.serializers);
    if let Ok(offered) = HeaderValue::try_from(&offered) {
        headers.insert("sec-websocket-protocol", offered);
    }
    for (name, value) in &target.headers {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            headers.insert(name, value);
        }
    }
    let config = Some(config(target.max_message_size));
    let clues = stream.clues();
    let connected = tokio_tungstenite::client_async_with_config(request, stream, config).await;
    let (stream, response) = match connected {
        Ok(connected) => connected,
        Err(error) => return Err(handshake_error(url, error, &clues, offered)),
    };
    // tungstenite has checked that it is one of those offered.
    let agreed = response.headers().get("sec-websocket-protocol");
    match agreed.and_then(|agreed| agreed.to_str().ok()).and_then(of_subprotocol) {
        Some(encoding) => Ok(WebSocket { stream, encoding }),
        None => Err(ConnectError::Subprotocol { url, offered }),
    }
}

/// Answers the handshake of a client that has connected to `path`; `None` takes any path.
pub async fn accept(
    stream: impl Into<Stream>,
    path: Option<&str>,
    max_message_size: usize,
) -> Result<WebSocket, ConnectError> {
    let stream = stream.into();
    let (peer, clues) = (stream.peer(), stream.clues());
    // The error type is tungstenite's, and so is its size.
    #[allow(clippy::result_large_err)]
    let mut agreed = Encoding::default();
    // The error type is tungstenite's, and so is its size.
    #[allow(clippy::result_large_err)]
    let answer = |request: &ServerRequest, response| {
        let (encoding, response) = shake_hands(path, request, response)?;
        agreed = encoding;
        Ok(response)
    };
    let config = Some(config(max_message_size));
    let stream = tokio_tungstenite::accept_hdr_async_with_config(stream, answer, config)
        .await
        .map_err(|error| handshake_error(peer, error, &clues, listed(&Encoding::ALL)))?;
    Ok(WebSocket { stream, encoding: agreed })
}

// The error type is tungstenite's, and so is its size.
#[allow(clippy::result_large_err)]
fn shake_hands(
    path: Option<&str>,
    request: &ServerRequest,
    mut response: ServerResponse,
) -> Result<(Encoding, ServerResponse), ErrorResponse> {
    let refuse = |status: StatusCode, text: &str| {
        let mut refusal = ErrorResponse::new(Some(text.to_owned()));
        *refusal.status_mut() = status;
        refusal
    };
    if path.is_some_and(|path| path != request.uri().path()) {
        return Err(refuse(StatusCode::NOT_FOUND, "nothing is here\n"));
    }
    let offered = request.headers().get_all("sec-websocket-protocol");
    // The client's preference decides.
    let agreed = offered
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .find_map(|name| of_subprotocol(name.trim()));
    let Some(agreed) = agreed else {
        let text = "this router speaks wamp.2.json, wamp.2.msgpack and wamp.2.cbor\n";
        return Err(refuse(StatusCode::BAD_REQUEST, text));
    };
    let name = HeaderValue::from_static(subprotocol(agreed));
    response.headers_mut().insert("sec-websocket-protocol", name);
    Ok((agreed, response))
}

fn config(max_message_size: usize) -> WebSocketConfig {
    // The read buffer is zeroed before each read, so that a small one is the faster one; large
    // messages get a larger one by themselves.
    WebSocketConfig::default()
        .read_buffer_size(16 * 1024)
        .max_write_buffer_size(max_message_size + PONG_BYTES)
        .max_message_size(Some(max_message_size))
        .max_frame_size(Some(max_message_size))
}

fn handshake_error(url: String, error: WsError, clues: &Clues, offered: String) -> ConnectError {
    if clues.tls_alert() {
        return ConnectError::SpeaksTls { url, scheme: "wss" };
    }
    match error {
        WsError::Http(response) => refused(url, &response),
        WsError::Protocol(ProtocolError::SecWebSocketSubProtocolError(
            SubProtocolError::NoSubProtocol | SubProtocolError::InvalidSubProtocol,
        )) => ConnectError::Subprotocol { url, offered },
        WsError::Protocol(ProtocolError::HandshakeIncomplete) => {
            if let Some(error) = tls::explain_loss(clues.certificate) {
                return ConnectError::Tls { url, error };
            }
            unanswered(url, "it closed the connection before it answered")
        }
        WsError::Io(error) => match tls::explain(&error, clues.certificate) {
            Some(error) => ConnectError::Tls { url, error },
            None if error.kind() == io::ErrorKind::InvalidData => {
                ConnectError::Handshake { url, reason: error.to_string() }
            }
            None => unanswered(url, &error.to_string()),
        },
        other => ConnectError::Handshake { url, reason: other.to_string() },
    }
}

/// Not every server with TLS says so to who speaks in clear, and no RawSocket says what it is.
fn unanswered(url: String, why: &str) -> ConnectError {
    let hint = match url.starts_with("ws://") {
        true => " (if it wants TLS there, write wss://, and rs:// if it speaks RawSocket)",
        false => "",
    };
    ConnectError::Unreachable { url, reason: format!("{why}{hint}") }
}

fn refused(url: String, response: &HttpResponse<Option<Vec<u8>>>) -> ConnectError {
    let hint = match response.status().as_u16() {
        401 => return ConnectError::Unauthorized { url },
        403 => return ConnectError::Forbidden { url },
        404 => return ConnectError::NotFound { url },
        status @ 300..=399 => {
            let location = response.headers().get("location");
            let location = location.and_then(|to| to.to_str().ok()).map(str::to_owned);
            return ConnectError::Redirect { url, status, location };
        }
        400 => {
            "is this a WAMP router that offers one of the `serializers`, and no port for TLS (wss://) alone?"
        }
        502..=504 => "a proxy is there, but the router behind it does not answer",
        _ => "is this a WAMP router?",
    };
    ConnectError::Http { url, status: response.status().as_u16(), hint }
}

impl WebSocket {
    /// A message, unless it came in frames of the wrong kind.
    #[inline]
    fn take(&self, is_text: bool, message: Bytes) -> Result<Incoming, TransportError> {
        if is_text == (self.encoding == Encoding::Json) {
            return Ok(Incoming::Message(message));
        }
        Err(self.wrong_kind(is_text))
    }

    #[cold]
    fn wrong_kind(&self, is_text: bool) -> TransportError {
        let (sent, has) = if is_text { ("text", "binary") } else { ("binary", "text") };
        let name = subprotocol(self.encoding);
        TransportError::Message(format!("a {sent} frame, where {name} has {has} frames"))
    }
}

impl Transport for WebSocket {
    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<Result<Incoming, TransportError>> {
        let received = match ready!(Pin::new(&mut self.stream).poll_next(cx)) {
            None => Ok(Incoming::End { code: None, reason: String::new() }),
            Some(Ok(WsMessage::Text(text))) => self.take(true, text.into()),
            Some(Ok(WsMessage::Binary(bytes))) => self.take(false, bytes),
            Some(Ok(WsMessage::Close(frame))) => {
                // The answer to a closing frame, which RFC 6455 demands, waits in a buffer.
                let _ = Pin::new(&mut self.stream).poll_flush(cx);
                let code = frame.as_ref().map(|frame| frame.code.into());
                let reason = frame.map(|frame| frame.reason.to_string()).unwrap_or_default();
                Ok(Incoming::End { code, reason })
            }
            Some(Ok(WsMessage::Ping(_) | WsMessage::Pong(_))) => Ok(Incoming::Alive),
            // Never received.
            Some(Ok(WsMessage::Frame(frame))) => self.take(false, frame.into_payload()),
            Some(Err(error)) => Err(error.into()),
        };
        Poll::Ready(received)
    }

    fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        batch: &Batch,
        next: &mut usize,
    ) -> Poll<Result<(), TransportError>> {
        let kind = if self.encoding == Encoding::Json { Data::Text } else { Data::Binary };
        let mut sink = Pin::new(&mut self.stream);
        while *next < batch.count() {
            ready!(sink.as_mut().poll_ready(cx))?;
            // A raw frame spares the UTF-8 check of a text message: the codec writes nothing else.
            let frame = Frame::message(batch.message(*next), OpCode::Data(kind), true);
            match sink.as_mut().start_send(WsMessage::Frame(frame)) {
                Ok(()) => *next += 1,
                // Pongs have taken the room: it comes back when they are written.
                Err(WsError::WriteBufferFull(_)) => ready!(sink.as_mut().poll_flush(cx))?,
                Err(error) => return Poll::Ready(Err(error.into())),
            }
        }
        sink.poll_flush(cx).map_err(TransportError::from)
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), TransportError>> {
        Pin::new(&mut self.stream).poll_flush(cx).map_err(TransportError::from)
    }

    fn ping(&mut self, payload: Bytes) -> Result<(), TransportError> {
        Pin::new(&mut self.stream).start_send(WsMessage::Ping(payload)).map_err(Into::into)
    }

    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), TransportError>> {
        Pin::new(&mut self.stream).poll_close(cx).map_err(TransportError::from)
    }

    fn encoding(&self) -> Encoding {
        self.encoding
    }

    fn channel_id(&self) -> Option<[u8; 32]> {
        self.stream.get_ref().channel_id()
    }
}

impl From<WsError> for TransportError {
    fn from(error: WsError) -> Self {
        match error {
            // What rustls says of a stream that ends without its "close_notify".
            WsError::Io(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                TransportError::Lost("the peer closed it without a word".to_owned())
            }
            WsError::Io(error) => TransportError::Lost(error.to_string()),
            WsError::ConnectionClosed | WsError::AlreadyClosed => {
                TransportError::Lost("closed".to_owned())
            }
            WsError::Protocol(ProtocolError::ResetWithoutClosingHandshake) => {
                TransportError::Lost("the peer closed it without a word".to_owned())
            }
            WsError::Protocol(
                error @ (ProtocolError::SendAfterClosing | ProtocolError::ReceivedAfterClosing),
            ) => TransportError::Lost(error.to_string()),
            WsError::Capacity(error) => TransportError::TooLarge(error.to_string()),
            other => TransportError::Protocol(other.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_checked() {
        assert!(check_header("X-Token", "abc").is_ok());
        assert!(check_header("X Token", "abc").is_err());
        assert!(check_header("X-Token", "a\r\nb").is_err());
    }
}
