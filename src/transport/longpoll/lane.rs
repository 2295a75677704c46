//! Requests in a row, over a connection that is made when one is needed.

use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::header::{CONTENT_TYPE, HOST, HeaderMap, HeaderValue};
use hyper::{Request, StatusCode};

use crate::transport::http::{self, Link};
use crate::transport::stream::Clues;
use crate::transport::{ConnectError, Target, reach};

/// Where requests go one after the other.
pub(super) struct Lane {
    target: Arc<Target>,
    link: Option<(Link, Arc<Clues>)>,
}

/// An answer as a whole.
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
}

impl Answer {
    /// What web servers say who know nothing of WAMP.
    pub(super) fn is_page(&self) -> bool {
        let kind = self.headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        kind.is_some_and(|kind| kind.to_ascii_lowercase().starts_with("text/html"))
    }
}

impl Lane {
    pub(super) fn new(target: Arc<Target>) -> Lane {
        Lane { target, link: None }
    }

    /// Sends a request, and takes an answer of at most `limit` bytes.
    pub(super) async fn post(
        &mut self,
        path: &str,
        content_type: &'static str,
        body: Bytes,
        limit: usize,
    ) -> Result<Answer, LaneError> {
        let (mut link, clues) = self.link().await?;
        let mut response = link.request(self.request(path, content_type, body.clone())).await;
        // A connection that the server has closed meanwhile has not carried the request.
        if response.as_ref().is_err_and(|failed| !failed.sent) {
            (link, _) = Lane::connect(&self.target).await?;
            response = link.request(self.request(path, content_type, body)).await;
        }
        let failed = |error: hyper::Error| LaneError::Http(error, clues.clone());
        let (head, body) = response.map_err(|response| failed(response.error))?.into_parts();
        if let Some(cookies) = &self.target.cookies {
            cookies.take(&self.target.endpoint, &head.headers);
        }
        let body = match link.wait(Limited::new(body, limit).collect()).await {
            Ok(body) => body.to_bytes(),
            Err(error) => {
                return Err(match error.downcast() {
                    Ok(error) => failed(*error),
                    Err(_) => LaneError::TooLarge,
                });
            }
        };
        if !link.is_closed() {
            self.link = Some((link, clues));
        }
        Ok(Answer { status: head.status, headers: head.headers, body })
    }

    async fn link(&mut self) -> Result<(Link, Arc<Clues>), LaneError> {
        match self.link.take() {
            Some(kept) => Ok(kept),
            None => Lane::connect(&self.target).await,
        }
    }

    async fn connect(target: &Target) -> Result<(Link, Arc<Clues>), LaneError> {
        let stream = reach(target).await.map_err(LaneError::Connect)?;
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

    fn request(&self, path: &str, content_type: &'static str, body: Bytes) -> Request<http::Body> {
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = hyper::Method::POST;
        // Its parts have been checked.
        *request.uri_mut() = path.parse().unwrap_or_default();
        let headers = request.headers_mut();
        if let Ok(host) = HeaderValue::try_from(self.target.endpoint.host_header()) {
            headers.insert(HOST, host);
        }
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        http::add_headers(headers, &self.target);
        request
    }
}
