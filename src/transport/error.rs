//! Why a transport could not be opened, or failed: each reason told apart, in words that say what
//! to change.

use std::time::Duration;

use super::proxy::ProxyError;
use super::tls::TlsError;

/// Why a transport failed after it was open.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TransportError {
    /// The connection broke: end of stream without a closing handshake, reset, time-out.
    #[error("the connection was lost: {0}")]
    Lost(String),
    /// The connection is of no use for a while, as who stands between says.
    #[error("the connection was lost: {text}")]
    Busy {
        /// What was said.
        text: String,
        /// How long the while is.
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
        "the peer does not take a message as large as one of ours ({0}); set `max_message_size` \
         to what it takes"
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

/// Why a RawSocket server says no.
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
    #[error("it has as many connections as it takes; try again later")]
    TooMany,
    /// Another one.
    #[error("it refuses with the unknown code {0}")]
    Unknown(u8),
}

/// Why a connection could not be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConnectError {
    /// No connection: refused, no route, no such host.
    #[error("cannot reach {url}: {reason}; is the router running there?")]
    Unreachable {
        /// Where to.
        url: String,
        /// What the operating system says.
        reason: String,
    },
    /// The system has nothing left to make a connection of.
    #[error("no connection to {url} can be made here: {reason}; raise the limits, or use less")]
    Exhausted {
        /// Where to.
        url: String,
        /// What the operating system says.
        reason: String,
    },
    /// The descriptors of the I/O threads are gone.
    #[error(
        "no connection to {url} can be made: the library's I/O threads have failed; has the program \
         closed descriptors that are not its own?"
    )]
    Descriptors {
        /// Where to.
        url: String,
    },
    /// The proxy did not make the connection.
    #[error("cannot reach {url} through the proxy {proxy}: {error}")]
    Proxy {
        /// Where to.
        url: String,
        /// Through which proxy, without user and password.
        proxy: String,
        /// What it says.
        error: ProxyError,
    },
    /// The environment does not say well which proxy to use.
    #[error("cannot reach {url}: {why}; correct it, or see the option `proxy`")]
    NoProxy {
        /// Where to.
        url: String,
        /// What is wrong.
        why: String,
    },
    /// The TLS handshake failed, or what follows it for want of a client certificate.
    #[error("{url}: {error}")]
    Tls {
        /// Where to.
        url: String,
        /// What was wrong.
        error: TlsError,
    },
    /// We spoke in clear, and the server answered with TLS.
    #[error("{url} speaks TLS; write {scheme}:// instead")]
    SpeaksTls {
        /// Where to.
        url: String,
        /// The scheme to use.
        scheme: &'static str,
    },
    /// HTTP 401: the server wants credentials before it opens a transport.
    #[error(
        "{url} answered HTTP 401: it wants credentials; give them in the option `headers`, for \
         instance as \"Authorization\""
    )]
    Unauthorized {
        /// Where to.
        url: String,
    },
    /// HTTP 403: the server knows what we gave, and does not let us in.
    #[error(
        "{url} answered HTTP 403: it does not let us in; are the credentials in the option \
         `headers` right, and does it take this origin?"
    )]
    Forbidden {
        /// Where to.
        url: String,
    },
    /// HTTP 404: nothing is there.
    #[error("{url} answered HTTP 404: nothing is there; is the path right?")]
    NotFound {
        /// Where to.
        url: String,
    },
    /// HTTP 3xx: the server sends us elsewhere, where we do not go by ourselves.
    #[error("{url} answered HTTP {status}: a redirect{}; redirects are not followed: give the \
             final URL", location.as_ref().map_or(String::new(), |to| format!(" to {to}")))]
    Redirect {
        /// Where to.
        url: String,
        /// The status it answered.
        status: u16,
        /// Where it sends us.
        location: Option<String>,
    },
    /// The server answered with another HTTP status.
    #[error("{url} answered HTTP {status} instead of opening a WAMP transport; {hint}")]
    Http {
        /// Where to.
        url: String,
        /// The status it answered.
        status: u16,
        /// What to check.
        hint: &'static str,
        /// For how long the server wants to be left alone.
        rest: Option<Duration>,
    },
    /// The server speaks the transport, but none of our subprotocols.
    #[error(
        "{url} does not speak {offered}; is this a WAMP router that offers one of the `serializers`, \
         and that path its WAMP endpoint?"
    )]
    Subprotocol {
        /// Where to.
        url: String,
        /// What we offered.
        offered: String,
    },
    /// The server's answer is no WebSocket handshake.
    #[error(
        "{url} did not answer with a WebSocket handshake ({reason}); is another service there?"
    )]
    Handshake {
        /// Where to.
        url: String,
        /// What was wrong with the answer.
        reason: String,
    },
    /// The server speaks RawSocket, and says no.
    #[error("{url} opens no RawSocket connection: {refusal}")]
    RawSocketRefused {
        /// Where to.
        url: String,
        /// Why.
        refusal: Refusal,
    },
    /// The server's answer is no RawSocket handshake.
    #[error("{url} did not open a RawSocket connection: {reason}")]
    RawSocket {
        /// Where to.
        url: String,
        /// What was wrong with the answer, and what to check.
        reason: String,
    },
    /// The server's answer opens no long-poll transport.
    #[error("{url} did not open a long-poll transport: {reason}; is another service there?")]
    LongPoll {
        /// Where to.
        url: String,
        /// What was wrong with the answer.
        reason: String,
    },
}
