//! Carries whole WAMP messages over the network.
//!
//! A [`Transport`] is an open connection that takes and gives messages as bytes; what is in them
//! is left to [`crate::protocol`], and when to read and write is left to the task that owns it.
//!
//! * [`websocket`]: `ws://` and `wss://`, both the client's and the server's side.
//! * [`rawsocket`]: `rs://` and `rss://`, both sides too.
//! * [`longpoll`]: `http://` and `https://`, both sides.
//! * `serializer`: what can be agreed on; `framing`: messages and batches of them.
//! * `http`, [`cookies`]: what WebSocket begins with, and long-poll consists of.
//! * `pages`: answers to browsers on a WebSocket listener.
//! * `recv_buffer`: what was received and not yet taken.
//! * `tcp_keepalive`: a watch over connections without pings; `write_timeout`: an end to those
//!   whose peer takes nothing.
//! * [`tls`]: what is below `wss://`, `rss://` and `https://`; `tls_stream`: its bytes.
//! * [`endpoint`]: URLs; `dial`: connections to them; `stream`, `read_after_reset`, `socket`,
//!   `watch`: the layers that these are made of.
//! * [`proxy`]: what may stand between us and the router.
//! * [`error`]: what goes wrong with all this.
//! * [`doorbell`]: how other threads tell the owning task that there is something to write.
//!
//! Some of these may be left out of a build (`crate::parts`): a file `left_out.rs` in the folder
//! of each stands in for it then.

#[cfg(feature = "cookies")]
pub mod cookies;
#[cfg(not(feature = "cookies"))]
#[path = "cookies/left_out.rs"]
pub mod cookies;
mod dial;
pub mod doorbell;
pub mod endpoint;
pub mod error;
mod framing;
mod http;
#[cfg(feature = "longpoll")]
pub mod longpoll;
#[cfg(not(feature = "longpoll"))]
#[path = "longpoll/left_out.rs"]
pub mod longpoll;
#[cfg(feature = "router")]
mod pages;
#[cfg(feature = "proxy")]
pub mod proxy;
#[cfg(not(feature = "proxy"))]
#[path = "proxy/left_out.rs"]
pub mod proxy;
pub mod rawsocket;
mod read_after_reset;
mod recv_buffer;
mod round;
mod serializer;
mod socket;
mod stream;
mod tcp_keepalive;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(feature = "tls")]
pub mod tls;
#[cfg(not(feature = "tls"))]
#[path = "tls/left_out.rs"]
pub mod tls;
#[cfg(feature = "tls")]
mod tls_stream;
#[cfg(not(feature = "tls"))]
#[path = "tls_stream/left_out.rs"]
mod tls_stream;
pub mod websocket;
mod write_timeout;

use std::io;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;

use crate::codec::{Batch, Encoding};
use crate::os::{self, Descriptor};

pub use self::http::check_header;
pub use cookies::Jar;
pub use doorbell::{Doorbell, yield_turn};
pub use endpoint::{Address, Endpoint, Protocol};
pub use error::{ConnectError, Refusal, TransportError};
pub use framing::{CROSSBAR_SEPARATOR, SEPARATOR};
#[cfg(feature = "router")]
pub use pages::{FindPage, Page, PageBody};
pub use proxy::{Proxy, ProxyChoice, ProxyError};
pub use round::{begin_round, end_round, round_time};
pub use serializer::Serializer;
pub use socket::ByteCounts;
pub use stream::Stream;
pub use tcp_keepalive::Keepalive;

pub use tls::{TlsError, TlsOptions};
pub use websocket::DeflateOptions;
pub(crate) use write_timeout::Sign;

/// An open connection to a peer.
pub trait Transport: Send {
    /// The next thing that came in. After [`Incoming::Closed`] and after an error nothing more
    /// comes, but for [`TransportError::Message`], behind which it goes on.
    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<Result<Incoming, TransportError>>;

    /// Writes the messages of `batch` from the `next`-th on and flushes; moves `next` forward.
    /// Ready when all has been given to the operating system.
    fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        batch: &Batch,
        next: &mut usize,
    ) -> Poll<Result<(), TransportError>>;

    /// True if the last words are with the system, or it takes no more for now; `taken` says that
    /// [`Transport::poll_send`] has taken all of them. Where they wait for the peer to ask, and
    /// where somebody else writes them, the task is woken when there is news.
    fn is_written(&self, _taken: bool, _cx: &mut Context<'_>) -> bool {
        true
    }

    /// Writes what earlier calls have left in buffers.
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), TransportError>>;

    /// The bytes that have come and gone so far, also those of messages that are not complete. Not
    /// counted where there are no pings.
    fn byte_counts(&self) -> ByteCounts {
        ByteCounts::default()
    }

    /// The number of bytes that have come of a message that is not there as a whole; at least 1
    /// where one has begun.
    fn partial(&self) -> usize {
        0
    }

    /// The memory that such a message takes, with the answers to pings that wait to be written.
    fn held(&self) -> usize {
        0
    }

    /// The progress of the peer's system with the bytes that are written: it may have acknowledged
    /// them although the peer itself is frozen. Asks the operating system.
    fn taken(&self) -> i64 {
        0
    }

    /// True if the peer is known to answer pings. Otherwise none is sent: the operating system
    /// watches the connection instead.
    fn pings(&self) -> bool {
        false
    }

    /// True if any thread may send, in the context of the task's runtime, and not only its task.
    fn writes_anywhere(&self) -> bool {
        false
    }

    /// Takes the socket from the runtime, for a thread that watches it by itself: until
    /// [`Transport::attach`] nobody is woken for it. Returns its descriptor; `None` where it has
    /// to stay with the runtime.
    fn detach(&mut self) -> Option<io::Result<Descriptor>> {
        None
    }

    /// Gives the socket back to the runtime in whose context this is called. Its task is woken for
    /// it once it has been polled in the task's context.
    fn attach(&mut self) -> io::Result<()> {
        Ok(())
    }

    /// Asks the peer for a sign of life, which comes as [`Incoming::Pong`]; to be flushed. Does
    /// nothing where there are no pings.
    fn ping(&mut self, _payload: &[u8]) {}

    /// Closes in order. Ready when our side of the closing handshake is written.
    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), TransportError>>;

    /// Takes no messages above this size from now on, nor above what was agreed on.
    fn limit(&mut self, _max_message_size: usize) {}

    /// The encoding and the framing of the messages, as both sides have agreed.
    fn serializer(&self) -> Serializer;

    /// The largest message that the peer accepts, in bytes; a larger one must not be sent.
    fn max_send(&self) -> usize {
        usize::MAX
    }

    /// The largest message that the peer has said to take, where the transport has words for it.
    fn announced(&self) -> Option<usize> {
        None
    }

    /// The certificate that the peer has shown, in DER; `None` without one.
    fn peer_certificate(&self) -> Option<&[u8]> {
        None
    }

    /// The binding of an authentication to this very TLS connection: "tls-exporter" of RFC 9266.
    /// `None` without TLS 1.3.
    fn channel_id(&self) -> Option<[u8; 32]> {
        None
    }
}

/// A message, or another sign of the peer.
#[derive(Debug)]
pub enum Incoming {
    /// One message.
    Message(Bytes),
    /// The peer is alive: a ping of its own, a part of a message, or a receive without any.
    Alive,
    /// The answer to our ping.
    Pong,
    /// The peer closed in order.
    Closed {
        /// The WebSocket close code, if there is one.
        code: Option<u16>,
        /// The peer's words, possibly empty.
        reason: String,
    },
}

/// The router to connect to, and the terms on which to do so.
#[derive(Debug, Clone)]
pub struct ConnectOptions {
    /// The router's URL.
    pub endpoint: Endpoint,
    /// The serializers that may be agreed on, the best first; at least one.
    pub serializers: Vec<Serializer>,
    /// The end of a message in a batch of JSON that we send.
    pub json_batch_separator: u8,
    /// HTTP headers for the upgrade to WebSocket and the requests of long-poll.
    pub headers: Vec<(String, String)>,
    /// Cookies that were set by earlier connections, and those that this one sets.
    pub cookies: Option<Arc<Jar>>,
    /// Compression of WebSocket messages, where the server takes part.
    pub deflate: Option<DeflateOptions>,
    /// The largest message to accept, in bytes.
    pub max_message_size: usize,
    /// Of use where the endpoint is secure.
    pub tls: Arc<TlsOptions>,
    /// The proxy to go through.
    pub proxy: ProxyChoice,
    /// The time that each connection may take that an open transport makes for itself.
    pub connect_timeout: Duration,
    /// The times after which a silent peer counts as lost, where the operating system has to find
    /// that out.
    pub keepalive: Option<Keepalive>,
    /// The router is known to answer pings on RawSocket.
    pub rawsocket_pings: bool,
}

impl ConnectOptions {
    /// The options that tests begin with.
    #[cfg(test)]
    pub(crate) fn plain(url: &str) -> ConnectOptions {
        ConnectOptions::new(Endpoint::parse(url).unwrap())
    }

    /// With JSON, messages of up to 1 MiB, and nothing that need not be.
    pub fn new(endpoint: Endpoint) -> ConnectOptions {
        ConnectOptions {
            endpoint,
            serializers: vec![Encoding::Json.into()],
            json_batch_separator: SEPARATOR,
            headers: Vec::new(),
            cookies: None,
            deflate: None,
            max_message_size: 1 << 20,
            tls: Arc::new(TlsOptions::default()),
            proxy: ProxyChoice::Direct,
            connect_timeout: Duration::from_secs(30),
            keepalive: None,
            rawsocket_pings: false,
        }
    }

    /// The encodings, for transports that know no batches, which carry the plain messages then.
    fn encodings(&self) -> Vec<Encoding> {
        let mut encodings = Vec::new();
        for serializer in &self.serializers {
            if !encodings.contains(&serializer.encoding) {
                encodings.push(serializer.encoding);
            }
        }
        encodings
    }
}

/// Connects, with all the handshakes there are. Takes as long as it takes: the caller has a time
/// limit.
pub async fn connect(options: &ConnectOptions) -> Result<Box<dyn Transport>, ConnectError> {
    match options.endpoint.protocol {
        Protocol::WebSocket { .. } => {
            let stream = reach(options).await?;
            return Ok(Box::new(websocket::connect(stream, options).await?));
        }
        Protocol::LongPoll { .. } => return Ok(Box::new(longpoll::connect(options).await?)),
        Protocol::RawSocket => {}
    }
    // A RawSocket handshake names one serializer; who does not want it closes the connection.
    let mut refused = None;
    for encoding in options.encodings() {
        let stream = reach(options).await?;
        match rawsocket::connect(stream, options, encoding).await {
            Ok(transport) => return Ok(Box::new(transport)),
            // Over TLS that may look as if it did not want the certificate.
            Err(
                error @ (ConnectError::RawSocket { .. }
                | ConnectError::RawSocketRefused { .. }
                | ConnectError::Unreachable { .. }
                | ConnectError::Tls {
                    error: TlsError::ClosedOnCertificate | TlsError::CertificateRequired,
                    ..
                }),
            ) => {
                refused.get_or_insert(error);
            }
            Err(error) => return Err(error),
        }
    }
    Err(refused.unwrap_or_else(|| {
        let url = options.endpoint.url().to_owned();
        ConnectError::RawSocket { url, reason: "no serializer is left to offer".to_owned() }
    }))
}

/// The connection on which the transport's own handshake begins.
async fn reach(options: &ConnectOptions) -> Result<Stream, ConnectError> {
    let url = || options.endpoint.url().to_owned();
    let unreachable = |error: io::Error| {
        let reason = error.to_string();
        match (os::is_exhausted(&error), os::is_closed(&error)) {
            (true, _) => ConnectError::Exhausted { url: url(), reason },
            (_, true) => ConnectError::Descriptors { url: url() },
            _ => ConnectError::Unreachable { url: url(), reason },
        }
    };
    match &options.endpoint.address {
        Address::Tcp { host, port, secure } => {
            let proxy = options.proxy.proxy_for(&options.endpoint);
            let proxy = proxy.map_err(|why| ConnectError::NoProxy { url: url(), why })?;
            let tcp = match proxy {
                None => dial::tcp(host, *port).await.map_err(unreachable)?,
                Some(proxy) => {
                    let dialled = proxy.dial(host, *port).await;
                    let proxy = proxy.to_string();
                    dialled.map_err(|error| ConnectError::Proxy { url: url(), proxy, error })?
                }
            };
            if !secure {
                return Ok(tcp.into());
            }
            let connected = tls::connect(&options.tls, host, tcp).await;
            connected.map_err(|error| ConnectError::Tls { url: url(), error })
        }
        Address::Unix(path) => dial::unix(path).await.map_err(unreachable),
    }
}
