//! Requests in a row, over a connection that is made when one is needed.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HOST, HeaderMap, HeaderValue};
use hyper::{Request, Response, StatusCode};
use tokio::time::{Instant, timeout};

use crate::transport::http::{self, Link, Unanswered, Unread};
use crate::transport::stream::Clues;
use crate::transport::{ConnectError, Target, reach};

/// How long a connection is kept without a request: less than servers keep it, which is 5 s and
/// more, so that none is sent into a connection that is being closed.
const KEPT: Duration = Duration::from_secs(4);

/// Where requests go one after the other.
pub(super) struct Lane {
    target: Arc<Target>,
    kept: Option<Kept>,
}

/// A connection that waits for the next request.
struct Kept {
    link: Link,
    clues: Arc<Clues>,
    since: Instant,
}

/// A request.
pub(super) struct Post<'a> {
    pub(super) path: &'a str,
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

impl Lane {
    pub(super) fn new(target: Arc<Target>) -> Lane {
        Lane { target, kept: None }
    }

    /// Sends a request, and takes its answer.
    pub(super) async fn post(&mut self, post: &Post<'_>) -> Result<Answer, LaneError> {
        let target = self.target.clone();
        let kept = self.kept.take().filter(|kept| kept.since.elapsed() < KEPT);
        let was_kept = kept.is_some();
        let (mut link, mut clues) = match kept {
            Some(Kept { link, clues, .. }) => (link, clues),
            None => connect(&target).await?,
        };
        let mut response = request(&target, &mut link, post).await?;
        // A connection that the server has closed meanwhile has not carried the request.
        if was_kept && response.as_ref().is_err_and(|failed| !failed.sent) {
            (link, clues) = connect(&target).await?;
            response = request(&target, &mut link, post).await?;
        }
        let failed = |error: hyper::Error| LaneError::Http(error, clues.clone());
        let (head, incoming) = response.map_err(|response| failed(response.error))?.into_parts();
        if let Some(cookies) = &target.cookies {
            cookies.take(&target.endpoint, post.path, &head.headers);
        }
        let mut answer = Answer { status: head.status, headers: head.headers, body: Bytes::new() };
        if !answer.status.is_success() {
            // Whatever page may come with it; the connection ends with it.
            return Ok(answer);
        }
        let body = link.wait(http::read(incoming, post.limit, target.connect_timeout)).await;
        answer.body = body.map_err(|unread| match unread {
            Unread::TooLarge => LaneError::TooLarge,
            Unread::Late => LaneError::Late,
            Unread::Broken(error) => failed(error),
        })?;
        if !link.is_closed() {
            self.kept = Some(Kept { link, clues, since: Instant::now() });
        }
        Ok(answer)
    }
}

/// The head of the answer to a request.
async fn request(
    target: &Target,
    link: &mut Link,
    post: &Post<'_>,
) -> Result<Result<Response<Incoming>, Unanswered>, LaneError> {
    let request = made(target, post);
    let progress = request.body().progress();
    let mut response = pin!(link.request(request));
    let Some(patience) = post.patience else {
        return Ok(response.await);
    };
    // The first piece goes at once.
    let mut taken = 1;
    loop {
        if let Ok(response) = timeout(patience, response.as_mut()).await {
            return Ok(response);
        }
        let now = progress.load(Ordering::Relaxed);
        if now <= taken {
            return Err(LaneError::Late);
        }
        taken = now;
    }
}

fn made(target: &Target, post: &Post<'_>) -> Request<http::Body> {
    let mut request = Request::new(http::Body::new(post.body.clone()));
    *request.method_mut() = hyper::Method::POST;
    // Its parts have been checked.
    *request.uri_mut() = post.path.parse().unwrap_or_default();
    let headers = request.headers_mut();
    if let Ok(host) = HeaderValue::try_from(target.endpoint.host_header()) {
        headers.insert(HOST, host);
    }
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(post.content_type));
    http::add_headers(headers, target, post.path);
    request
}

async fn connect(target: &Target) -> Result<(Link, Arc<Clues>), LaneError> {
    let stream = in_time(target, reach(target)).await?.map_err(LaneError::Connect)?;
    if let Some(keepalive) = target.keepalive {
        // Without it a loss is noticed later; that is no reason not to connect.
        let _ = keepalive.watch(&stream);
    }
    let clues = stream.clues();
    match Link::new(stream).await {
        Ok(link) => Ok((link, clues)),
        Err(error) => Err(LaneError::Http(error, clues)),
    }
}

/// For what may take as long as connecting may.
async fn in_time<T>(target: &Target, wanted: impl Future<Output = T>) -> Result<T, LaneError> {
    timeout(target.connect_timeout, wanted).await.map_err(|_| LaneError::Late)
}
