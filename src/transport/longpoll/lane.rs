//! Requests in a row, over a connection that is made when one is needed.

use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HOST, HeaderMap, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use tokio::time::{Instant, timeout};

use crate::transport::http::{self, Link, Unanswered, Unread};
use crate::transport::stream::{Clues, SharedStream};
use crate::transport::{ConnectError, Target, reach};

/// How long a connection is kept without a request: less than servers keep it, which is 5 s and
/// more, so that none is sent into a connection that is being closed.
const KEPT: Duration = Duration::from_secs(4);

/// How often to look, in the time that an answer may take, whether the request is still being taken.
const LOOKS: u32 = 8;

/// Where requests go one after the other.
pub(super) struct Lane {
    target: Arc<Target>,
    kept: Option<Kept>,
    gauge: Gauge,
}

/// Tells how much has come over a lane, while somebody waits for an answer there.
#[derive(Debug, Clone, Default)]
pub(super) struct Gauge(Arc<Mutex<Option<SharedStream>>>);

/// A connection that waits for the next request.
struct Kept {
    way: Way,
    since: Instant,
}

/// A connection to the server.
struct Way {
    link: Link,
    /// What the link runs on.
    stream: SharedStream,
    clues: Arc<Clues>,
}

/// A request.
pub(super) struct Parts<'a> {
    pub(super) method: Method,
    pub(super) path: &'a str,
    /// Of the body.
    pub(super) content_type: &'static str,
    pub(super) body: Bytes,
    /// How long its answer may take to begin, once all of the request is taken; `None` is for ever.
    pub(super) patience: Option<Duration>,
    /// How large the answer may be.
    pub(super) limit: usize,
}

/// An answer as a whole; without its body, unless it is a success.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum LaneError {
    Connect(ConnectError),
    Http(hyper::Error, Arc<Clues>),
    TooLarge,
    Late,
}

impl Answer {
    /// The transport is none, or none any more.
    pub(super) fn is_forgotten(&self) -> bool {
        matches!(self.status, StatusCode::NOT_FOUND | StatusCode::GONE)
    }

    /// What web servers say who know nothing of WAMP.
    pub(super) fn is_page(&self) -> bool {
        let kind = self.headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        kind.is_some_and(|kind| kind.to_ascii_lowercase().starts_with("text/html"))
    }
}

impl Gauge {
    /// How many bytes the connection has brought that is there now.
    pub(super) fn read(&self) -> u64 {
        self.lock().as_ref().map_or(0, |stream| stream.moved().read)
    }

    fn lock(&self) -> MutexGuard<'_, Option<SharedStream>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lane {
    pub(super) fn new(target: Arc<Target>) -> Lane {
        Lane { target, kept: None, gauge: Gauge::default() }
    }

    pub(super) fn gauge(&self) -> Gauge {
        self.gauge.clone()
    }

    /// Sends a request, and takes its answer.
    pub(super) async fn ask(&mut self, parts: &Parts<'_>) -> Result<Answer, LaneError> {
        let target = self.target.clone();
        let kept = self.kept.take().filter(|kept| kept.since.elapsed() < KEPT);
        let was_kept = kept.is_some();
        let mut way = match kept {
            Some(kept) => kept.way,
            None => self.connect().await?,
        };
        let mut response = request(&target, &mut way, parts).await?;
        // A connection that the server has closed meanwhile has not carried the request.
        if was_kept && response.as_ref().is_err_and(|failed| !failed.sent) {
            way = self.connect().await?;
            response = request(&target, &mut way, parts).await?;
        }
        let Way { mut link, stream, clues } = way;
        let failed = |error: hyper::Error| LaneError::Http(error, clues.clone());
        let (head, incoming) = response.map_err(|response| failed(response.error))?.into_parts();
        if let Some(cookies) = &target.cookies {
            cookies.take(&target.endpoint, parts.path, &head.headers);
        }
        let mut answer = Answer { status: head.status, headers: head.headers, body: Bytes::new() };
        if !answer.status.is_success() {
            // Whatever page may come with it; the connection ends with it.
            return Ok(answer);
        }
        let body = link.wait(http::read(incoming, parts.limit, target.connect_timeout)).await;
        answer.body = body.map_err(|unread| match unread {
            Unread::TooLarge => LaneError::TooLarge,
            Unread::Late => LaneError::Late,
            Unread::Broken(error) => failed(error),
        })?;
        if !link.is_closed() {
            self.kept = Some(Kept { way: Way { link, stream, clues }, since: Instant::now() });
        }
        Ok(answer)
    }

    async fn connect(&mut self) -> Result<Way, LaneError> {
        let way = connect(&self.target).await?;
        *self.gauge.lock() = Some(way.stream.clone());
        Ok(way)
    }
}

/// The head of the answer to a request. A server that takes the request slowly has time as long as
/// it takes some of it; what its system has acknowledged as a whole is to be answered.
async fn request(
    target: &Target,
    way: &mut Way,
    parts: &Parts<'_>,
) -> Result<Result<Response<Incoming>, Unanswered>, LaneError> {
    let (mut taken, mut since) = (way.stream.taken(), Instant::now());
    let stream = way.stream.clone();
    let mut response = pin!(way.link.request(made(target, parts)));
    let Some(patience) = parts.patience else {
        return Ok(response.await);
    };
    loop {
        if let Ok(response) = timeout(patience / LOOKS, response.as_mut()).await {
            return Ok(response);
        }
        let now = stream.taken();
        if now > taken {
            (taken, since) = (now, Instant::now());
        } else if since.elapsed() >= patience {
            return Err(LaneError::Late);
        }
    }
}

fn made(target: &Target, parts: &Parts<'_>) -> Request<http::Body> {
    let mut request = Request::new(http::Body::new(parts.body.clone()));
    *request.method_mut() = parts.method.clone();
    // Its parts have been checked.
    *request.uri_mut() = parts.path.parse().unwrap_or_default();
    let headers = request.headers_mut();
    if let Ok(host) = HeaderValue::try_from(target.endpoint.host_header()) {
        headers.insert(HOST, host);
    }
    if parts.method == Method::POST {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(parts.content_type));
    }
    http::add_headers(headers, target, parts.path);
    request
}

async fn connect(target: &Target) -> Result<Way, LaneError> {
    let mut stream = in_time(target, reach(target)).await?.map_err(LaneError::Connect)?;
    if let Some(keepalive) = target.keepalive {
        stream = keepalive.watch(stream);
    }
    let clues = stream.clues();
    let stream = SharedStream::from(stream);
    match Link::new(stream.clone()).await {
        Ok(link) => Ok(Way { link, stream, clues }),
        Err(error) => Err(LaneError::Http(error, clues)),
    }
}

/// For what may take as long as connecting may.
async fn in_time<T>(target: &Target, wanted: impl Future<Output = T>) -> Result<T, LaneError> {
    timeout(target.connect_timeout, wanted).await.map_err(|_| LaneError::Late)
}
