//! Requests and answers with their bodies, by hyper.
//!
//! For a client a [`Link`] is one connection. It has no task of its own: hyper's half of it runs
//! while somebody waits for an answer.

use std::any::Any;
use std::convert::Infallible;
use std::error::Error;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::{Frame, Incoming, SizeHint};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{CONNECTION, HeaderValue};
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;

use super::{MAX_HEAD, NoAnswer};

/// The size of the pieces in which a body is given to a connection.
const PIECE: usize = 64 * 1024;

/// The body of a request or an answer.
#[derive(Default)]
pub(in crate::transport) struct Body {
    rest: Bytes,
    /// Dropped once a connection has taken all.
    _taken: Option<Box<dyn Any + Send>>,
}

impl Body {
    pub(in crate::transport) fn new(bytes: Bytes) -> Body {
        Body { rest: bytes, _taken: None }
    }

    /// Drops `taken` once a connection has taken all.
    pub(in crate::transport) fn telling(self, taken: impl Any + Send) -> Body {
        Body { _taken: Some(Box::new(taken)), ..self }
    }
}

impl hyper::body::Body for Body {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.rest.is_empty() {
            return Poll::Ready(None);
        }
        let size = self.rest.len().min(PIECE);
        let piece = self.rest.split_to(size);
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.rest.len() as u64)
    }
}

/// Hyper's half of a connection.
type Connection = Pin<Box<dyn Future<Output = Result<(), hyper::Error>> + Send>>;

/// A connection that takes one request after the other.
pub(in crate::transport) struct Link {
    sender: SendRequest<Body>,
    running: Running,
}

/// A connection that runs while it is driven.
struct Running {
    /// `None` after its end.
    connection: Option<Connection>,
    /// The error that ended it, where no request was there to be told.
    failure: Option<hyper::Error>,
}

impl Link {
    /// Over a [`Stream`](crate::transport::Stream), or what is made of one.
    pub(in crate::transport) async fn new<S>(stream: S) -> Result<Link, hyper::Error>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let mut builder = http1::Builder::new();
        builder.max_buf_size(MAX_HEAD).title_case_headers(true);
        let (sender, connection) = builder.handshake(TokioIo::new(stream)).await?;
        let connection: Connection = Box::pin(connection.with_upgrades());
        let running = Running { connection: Some(connection), failure: None };
        Ok(Link { sender, running })
    }

    /// True once the server has closed it, as far as anybody has looked.
    pub(in crate::transport) fn is_closed(&self) -> bool {
        self.running.connection.is_none() || self.sender.is_closed()
    }

    /// Sends a request; returns the head of the answer.
    pub(in crate::transport) async fn request(
        &mut self,
        request: Request<Body>,
    ) -> Result<Response<Incoming>, Unanswered> {
        let ready = self.running.drive(self.sender.ready()).await;
        ready.map_err(|error| Unanswered { error: self.running.cause(error), sent: false })?;
        let response = self.sender.try_send_request(request);
        self.running.drive(response).await.map_err(|mut failed| Unanswered {
            sent: failed.take_message().is_none(),
            error: self.running.cause(failed.into_error()),
        })
    }

    /// Waits for something that comes over this connection.
    pub(in crate::transport) async fn wait<T>(&mut self, wanted: impl Future<Output = T>) -> T {
        self.running.drive(wanted).await
    }
}

/// A request has failed.
pub(in crate::transport) struct Unanswered {
    pub(in crate::transport) error: hyper::Error,
    /// False if the server cannot have seen any of it.
    pub(in crate::transport) sent: bool,
}

impl Running {
    /// Runs until there is what is wanted.
    async fn drive<T>(&mut self, wanted: impl Future<Output = T>) -> T {
        let mut wanted = pin!(wanted);
        poll_fn(|cx| {
            self.go_on(cx);
            match wanted.as_mut().poll(cx) {
                // What was wanted may have given the connection work.
                Poll::Pending if self.go_on(cx) => wanted.as_mut().poll(cx),
                polled => polled,
            }
        })
        .await
    }

    /// Tells whether it has ended now.
    fn go_on(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(connection) = &mut self.connection else {
            return false;
        };
        let Poll::Ready(end) = connection.as_mut().poll(cx) else {
            return false;
        };
        self.connection = None;
        self.failure = end.err();
        true
    }

    /// The reason why a request failed that was told this.
    fn cause(&mut self, told: hyper::Error) -> hyper::Error {
        match self.failure.take() {
            Some(failure) if told.is_closed() || told.is_canceled() => failure,
            _ => told,
        }
    }
}

/// Reads a body of at most `limit` bytes to its end, however long that takes, as long as it goes on
/// within `max_wait`.
pub(in crate::transport) async fn read(
    body: Incoming,
    limit: usize,
    max_wait: Duration,
) -> Result<Bytes, Unread> {
    read_while(body, limit, max_wait, |_| true).await
}

/// As [`read`], as long as `goes_on` says so of the number of bytes that have come.
pub(in crate::transport) async fn read_while(
    mut body: Incoming,
    limit: usize,
    max_wait: Duration,
    goes_on: impl Fn(usize) -> bool,
) -> Result<Bytes, Unread> {
    let mut read = BytesMut::new();
    while let Some(frame) = timeout(max_wait, body.frame()).await.map_err(|_| Unread::Late)? {
        let frame = frame.map_err(Unread::Broken)?;
        let Some(piece) = frame.data_ref() else {
            continue;
        };
        if read.len() + piece.len() > limit {
            return Err(Unread::TooLarge);
        }
        read.extend_from_slice(piece);
        if !goes_on(read.len()) {
            return Err(Unread::Late);
        }
    }
    Ok(read.freeze())
}

/// The reason why there is no body.
pub(in crate::transport) enum Unread {
    TooLarge,
    Late,
    Broken(hyper::Error),
}

impl<'a> From<&'a hyper::Error> for NoAnswer<&'a io::Error> {
    fn from(error: &'a hyper::Error) -> Self {
        let is_parse = |error: &&hyper::Error| error.is_parse();
        let parse = || Some(error).filter(is_parse).or_else(|| source(error).filter(is_parse));
        match (io_error(error), parse()) {
            (Some(error), _) => NoAnswer::Io(error),
            (None, Some(error)) => NoAnswer::Broken(error.to_string()),
            (None, None) => NoAnswer::Closed,
        }
    }
}

/// The error of the operating system, or of TLS, below one of hyper.
pub(in crate::transport) fn io_error(error: &hyper::Error) -> Option<&io::Error> {
    source(error)
}

/// An error of this type behind another one.
fn source<T: Error + 'static>(error: &hyper::Error) -> Option<&T> {
    let mut error = error.source();
    while let Some(inner) = error {
        if let Some(wanted) = inner.downcast_ref() {
            return Some(wanted);
        }
        error = inner.source();
    }
    None
}

/// An answer of a server, for people.
pub(in crate::transport) fn answer(status: StatusCode, text: &str) -> Response<Body> {
    let mut response = Response::new(Body::new(Bytes::copy_from_slice(text.as_bytes())));
    *response.status_mut() = status;
    response
}

/// An answer after which the connection is closed.
pub(in crate::transport) fn refuse(status: StatusCode, text: &str) -> Response<Body> {
    let mut response = answer(status, text);
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    response
}

#[cfg(test)]
mod tests {
    use tokio::net::{TcpListener, TcpStream};

    use super::super::failed;
    use super::*;
    use crate::transport::tls::testing::{Authority, Time};
    use crate::transport::tls::{self, Acceptor};
    use crate::transport::{ConnectOptions, TlsOptions};

    #[tokio::test]
    async fn why_a_connection_has_ended_before_the_request() {
        let ca = Authority::new("ours");
        let pair = ca.sign(&["127.0.0.1"], Time::Now);
        let acceptor = Acceptor::new(&pair.cert, &pair.key, Some((&*ca.pem()).into())).unwrap();
        let own = Authority::new("another").sign(&["client"], Time::Now);
        let options = serde_json::json!({"ca": ca.pem(), "cert": own.cert, "key": own.key});
        let options = TlsOptions::parse(options.as_object().unwrap()).unwrap();

        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = async { acceptor.accept(listener.accept().await.unwrap().0).await };
        let client = async {
            let tcp = TcpStream::connect(address).await.unwrap();
            tls::connect(&options, "127.0.0.1", tcp).await.unwrap()
        };
        let (client, refused) = tokio::join!(client, server);
        assert!(refused.is_err());
        // Hyper looks there before it sends, and is to find what ends the connection.
        client.tcp().unwrap().readable().await.unwrap();
        let hints = client.hints();
        let options = ConnectOptions::plain(&format!("wss://{address}/ws"));
        let mut link = Link::new(client).await.unwrap();
        let unanswered = link.request(Request::new(Body::default())).await.err().unwrap();
        let told = failed(&options, NoAnswer::from(&unanswered.error), &hints).to_string();
        assert!(told.contains("refuses our client certificate"), "{told}");
    }
}
