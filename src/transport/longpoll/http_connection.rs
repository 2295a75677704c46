//! Requests in a row, over a connection that is made when one is needed.

use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HOST, HeaderMap, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use tokio::time::{Instant, timeout};

use crate::os::lock;
use crate::transport::http::{self, Link, Unanswered, Unread};
use crate::transport::stream::{HandshakeHints, SharedStream};
use crate::transport::{ConnectError, ConnectOptions, reach};

/// The time that a connection is kept without a request: less than servers keep it, which is 5 s
/// and more, so that none is sent into a connection that is being closed.
const KEPT: Duration = Duration::from_secs(4);

/// The number of looks, in the time that an answer may take, whether the request is still being
/// taken.
const LOOKS: u32 = 8;

/// A series of requests, one after the other, over one connection at a time.
pub(super) struct HttpConnection {
    options: Arc<ConnectOptions>,
    kept: Option<Kept>,
    gauge: Gauge,
}

/// Tells how much has come over a connection, while somebody waits for an answer there.
#[derive(Debug, Clone, Default)]
pub(super) struct Gauge(Arc<Mutex<Option<SharedStream>>>);

/// A connection that waits for the next request.
struct Kept {
    established: Established,
    since: Instant,
}

/// A connection to the server.
struct Established {
    link: Link,
    /// The stream that the link runs on.
    stream: SharedStream,
    hints: Arc<HandshakeHints>,
}

/// A request.
pub(super) struct Parts<'a> {
    pub(super) method: Method,
    pub(super) path: &'a str,
    /// Of the body.
    pub(super) content_type: &'static str,
    pub(super) body: Bytes,
    /// The time that its answer may take to begin, once all of the request is taken; `None` is for
    /// ever.
    pub(super) answer_timeout: Option<Duration>,
    /// The limit of the answer's size.
    pub(super) limit: usize,
}

/// An answer as a whole; without its body, unless it is a success.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

/// The reason why there is no answer.
#[derive(Debug)]
pub(super) enum RequestError {
    Connect(ConnectError),
    Http(hyper::Error, Arc<HandshakeHints>),
    TooLarge,
    Late,
}

impl Answer {
    /// The transport is none, or none any more.
    pub(super) fn is_gone(&self) -> bool {
        matches!(self.status, StatusCode::NOT_FOUND | StatusCode::GONE)
    }

    /// True for the answer of a web server that knows nothing of WAMP.
    pub(super) fn is_page(&self) -> bool {
        let kind = self.headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        kind.is_some_and(|kind| kind.to_ascii_lowercase().starts_with("text/html"))
    }
}

impl Gauge {
    /// The number of bytes that the present connection has brought.
    pub(super) fn read(&self) -> u64 {
        self.lock().as_ref().map_or(0, |stream| stream.byte_counts().read)
    }

    fn lock(&self) -> MutexGuard<'_, Option<SharedStream>> {
        lock(&self.0)
    }
}

impl HttpConnection {
    pub(super) fn new(options: Arc<ConnectOptions>) -> HttpConnection {
        HttpConnection { options, kept: None, gauge: Gauge::default() }
    }

    pub(super) fn gauge(&self) -> Gauge {
        self.gauge.clone()
    }

    /// Sends a request, and takes its answer.
    pub(super) async fn ask(&mut self, parts: &Parts<'_>) -> Result<Answer, RequestError> {
        let options = self.options.clone();
        let kept = self.kept.take().filter(|kept| kept.since.elapsed() < KEPT);
        let was_kept = kept.is_some();
        let mut established = match kept {
            Some(kept) => kept.established,
            None => self.connect().await?,
        };
        let mut response = request(&options, &mut established, parts).await?;
        // A connection that the server has closed meanwhile has not carried the request.
        if was_kept && response.as_ref().is_err_and(|failed| !failed.sent) {
            established = self.connect().await?;
            response = request(&options, &mut established, parts).await?;
        }
        let Established { mut link, stream, hints } = established;
        let failed = |error: hyper::Error| RequestError::Http(error, hints.clone());
        let (head, incoming) = response.map_err(|response| failed(response.error))?.into_parts();
        if let Some(cookies) = &options.cookies {
            cookies.take(&options.endpoint, parts.path, &head.headers);
        }
        let mut answer = Answer { status: head.status, headers: head.headers, body: Bytes::new() };
        if !answer.status.is_success() {
            // Whatever page may come with it; the connection ends with it.
            return Ok(answer);
        }
        let body = link.wait(http::read(incoming, parts.limit, options.connect_timeout)).await;
        answer.body = body.map_err(|unread| match unread {
            Unread::TooLarge => RequestError::TooLarge,
            Unread::Late => RequestError::Late,
            Unread::Broken(error) => failed(error),
        })?;
        if !link.is_closed() {
            self.kept = Some(Kept {
                established: Established { link, stream, hints },
                since: Instant::now(),
            });
        }
        Ok(answer)
    }

    async fn connect(&mut self) -> Result<Established, RequestError> {
        let established = connect(&self.options).await?;
        *self.gauge.lock() = Some(established.stream.clone());
        Ok(established)
    }
}

/// The head of the answer to a request. A server that takes the request slowly has time as long as
/// it takes some of it; what its system has acknowledged as a whole is to be answered.
async fn request(
    options: &ConnectOptions,
    established: &mut Established,
    parts: &Parts<'_>,
) -> Result<Result<Response<Incoming>, Unanswered>, RequestError> {
    let (mut taken, mut since) = (established.stream.taken(), Instant::now());
    let stream = established.stream.clone();
    let mut response = pin!(established.link.request(made(options, parts)));
    let Some(answer_timeout) = parts.answer_timeout else {
        return Ok(response.await);
    };
    loop {
        if let Ok(response) = timeout(answer_timeout / LOOKS, response.as_mut()).await {
            return Ok(response);
        }
        let now = stream.taken();
        if now > taken {
            (taken, since) = (now, Instant::now());
        } else if since.elapsed() >= answer_timeout {
            return Err(RequestError::Late);
        }
    }
}

fn made(options: &ConnectOptions, parts: &Parts<'_>) -> Request<http::Body> {
    let mut request = Request::new(http::Body::new(parts.body.clone()));
    *request.method_mut() = parts.method.clone();
    // Its parts have been checked.
    *request.uri_mut() = parts.path.parse().unwrap_or_default();
    let headers = request.headers_mut();
    if let Ok(host) = HeaderValue::try_from(options.endpoint.host_header()) {
        headers.insert(HOST, host);
    }
    if parts.method == Method::POST {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(parts.content_type));
    }
    http::add_headers(headers, options, parts.path);
    request
}

async fn connect(options: &ConnectOptions) -> Result<Established, RequestError> {
    let mut stream = in_time(options, reach(options)).await?.map_err(RequestError::Connect)?;
    if let Some(keepalive) = options.keepalive {
        stream = keepalive.watch(stream);
    }
    let hints = stream.hints();
    let stream = SharedStream::from(stream);
    match Link::new(stream.clone()).await {
        Ok(link) => Ok(Established { link, stream, hints }),
        Err(error) => Err(RequestError::Http(error, hints)),
    }
}

/// For what may take as long as connecting may.
async fn in_time<T>(
    options: &ConnectOptions,
    wanted: impl Future<Output = T>,
) -> Result<T, RequestError> {
    timeout(options.connect_timeout, wanted).await.map_err(|_| RequestError::Late)
}
