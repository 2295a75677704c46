//! The reasons why a transport could not be opened, or failed: each told apart, in words that say
//! what to change.

use std::time::Duration;

use super::proxy::ProxyError;
use super::tls::TlsError;

/// The reason why a transport failed after it was open.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TransportError {
    /// The connection broke: end of stream without a closing handshake, reset, time-out.
    #[error("the connection was lost: {0}")]
    Lost(String),
    /// The connection is of no use for a while, as who stands between says.
    #[error("the connection was lost: {text}")]
    Busy {
        /// The peer's message.
        text: String,
        /// The time to wait.
        rest: Duration,
    },
    /// The peer broke the rules of the transport.
    #[error("the peer broke the transport's protocol: {0}")]
    Protocol(String),
    /// A message of another kind than was agreed on.
    #[error("the peer broke the protocol: {0}")]
    Message(String),
    /// A message beyond our limit came in.
    #[error("a received message is larger than `max_message_size` allows: {0}")]
    TooLarge(String),
    /// The peer refuses a message for its size.
    #[error(
        "the peer does not accept a message as large as one of ours ({0}); set `max_message_size` \
         to what it accepts"
    )]
    Refused(String),
    /// We were to send a message beyond the peer's limit.
    #[error("a message of {size} bytes is larger than the peer accepts ({limit} bytes)")]
    PeerLimit {
        /// Bytes of the message.
        size: usize,
        /// Bytes that the peer accepts.
        limit: usize,
    },
}

/// The reason why a RawSocket server refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Its error 1.
    #[error("it does not offer our serializer; use one that it is configured for")]
    Serializer,
    /// Its error 2.
    #[error("it does not agree to the largest message; change `max_message_size`")]
    Length,
    /// Its error 3.
    #[error("it says that we use reserved bits")]
    ReservedBits,
    /// Its error 4.
    #[error("it has as many connections as it accepts; try again later")]
    TooMany,
    /// Another one.
    #[error("it refuses with the unknown code {0}")]
    Unknown(u8),
}

/// The reason why a connection could not be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConnectError {
    /// No connection: refused, no route, no such host.
    #[error("cannot reach {url}: {reason}; is the router running there?")]
    Unreachable {
        /// The URL.
        url: String,
        /// The operating system's message.
        reason: String,
    },
    /// The system has nothing left to make a connection of.
    #[error("no connection to {url} can be made here: {reason}; raise the limits, or use less")]
    Exhausted {
        /// The URL.
        url: String,
        /// The operating system's message.
        reason: String,
    },
    /// The descriptors of the I/O threads are gone.
    #[error(
        "no connection to {url} can be made: the library's I/O threads have failed; has the \
         program closed descriptors that are not its own?"
    )]
    Descriptors {
        /// The URL.
        url: String,
    },
    /// The proxy did not make the connection.
    #[error("cannot reach {url} through the proxy {proxy}: {error}")]
    Proxy {
        /// The URL.
        url: String,
        /// Through which proxy, without user and password.
        proxy: String,
        /// The failure at the proxy.
        error: ProxyError,
    },
    /// The environment does not say well which proxy to use.
    #[error("cannot reach {url}: {why}; correct it, or see the option `proxy`")]
    NoProxy {
        /// The URL.
        url: String,
        /// The mistake.
        why: String,
    },
    /// The TLS handshake failed, or what follows it for want of a client certificate.
    #[error("{url}: {error}")]
    Tls {
        /// The URL.
        url: String,
        /// The failure of TLS.
        error: TlsError,
    },
    /// We spoke in clear, and the server answered with TLS.
    #[error("{url} speaks TLS; write {scheme}:// instead")]
    SpeaksTls {
        /// The URL.
        url: String,
        /// The scheme to use.
        scheme: &'static str,
    },
    /// HTTP 401: the server wants credentials before it opens a transport.
    #[error(
        "{url} answered HTTP 401: it requires credentials; give them in the option `headers`, for \
         instance as \"Authorization\""
    )]
    Unauthorized {
        /// The URL.
        url: String,
    },
    /// HTTP 403: the server knows what we gave, and does not let us in.
    #[error(
        "{url} answered HTTP 403: it denies access; are the credentials in the option `headers` \
         right, and does it accept this origin?"
    )]
    Forbidden {
        /// The URL.
        url: String,
    },
    /// HTTP 404: nothing is there.
    #[error("{url} answered HTTP 404: nothing is there; is the path right?")]
    NotFound {
        /// The URL.
        url: String,
    },
    /// HTTP 3xx: the server sends us elsewhere, where we do not go by ourselves.
    #[error("{url} answered HTTP {status}: a redirect{}; redirects are not followed: give the \
             final URL", location.as_ref().map_or(String::new(), |to| format!(" to {to}")))]
    Redirect {
        /// The URL.
        url: String,
        /// The status it answered.
        status: u16,
        /// The place that it sends us to.
        location: Option<String>,
    },
    /// The server answered with another HTTP status.
    #[error("{url} answered HTTP {status} instead of opening a WAMP transport; {hint}")]
    Http {
        /// The URL.
        url: String,
        /// The status it answered.
        status: u16,
        /// A hint at what to check.
        hint: &'static str,
        /// For how long the server wants to be left alone.
        rest: Option<Duration>,
    },
    /// The server speaks the transport, but none of our subprotocols.
    #[error(
        "{url} does not speak {offered}; is this a WAMP router that offers one of the \
         `serializers`, and that path its WAMP endpoint?"
    )]
    Subprotocol {
        /// The URL.
        url: String,
        /// The subprotocols that we offered.
        offered: String,
    },
    /// The server's answer is no WebSocket handshake.
    #[error(
        "{url} did not answer with a WebSocket handshake ({reason}); is another service there?"
    )]
    Handshake {
        /// The URL.
        url: String,
        /// The fault of the answer.
        reason: String,
    },
    /// The server speaks RawSocket, and says no.
    #[error("{url} did not open a RawSocket connection: {refusal}")]
    RawSocketRefused {
        /// The URL.
        url: String,
        /// The server's reason.
        refusal: Refusal,
    },
    /// The server's answer is no RawSocket handshake.
    #[error("{url} did not open a RawSocket connection: {reason}")]
    RawSocket {
        /// The URL.
        url: String,
        /// The fault of the answer, and a hint at what to check.
        reason: String,
    },
    /// The server's answer opens no long-poll transport.
    #[error("{url} did not open a long-poll transport: {reason}; is another service there?")]
    LongPoll {
        /// The URL.
        url: String,
        /// The fault of the answer.
        reason: String,
    },
}
