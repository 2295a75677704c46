//! Pages for browsers, on the port where they speak WebSocket, too: the program has them.

use std::fmt::Debug;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::{Request, Response};

use crate::transport::{Page, PageBody};

use super::Router;
use super::due::Due;

/// The pages of a program.
pub trait Site: Debug + Send + Sync {
    /// Answers a request that does not ask for WebSocket; `None`: it is told that it should.
    fn answer(&self, request: &Request<Incoming>) -> Option<Page>;
}

impl Router {
    /// Says who has pages for browsers; before the first [`Router::listen`], and once.
    pub fn set_site(&self, site: Arc<dyn Site>) {
        // It is taken once.
        let _ = self.shared.site.set(site);
    }
}

/// The time that one page may take to be given.
const PAGE: Duration = Duration::from_secs(3600);

/// A page that gives its client more time, and `rest` when it is through.
pub(super) fn extend(page: Page, due: Due, rest: Duration) -> Page {
    due.renew(PAGE);
    Box::pin(async move {
        let timed = Timed { due, rest };
        page.await.map(|body| Extending { body, _timed: timed }.boxed_unsync())
    })
}

/// Gives the client `rest` when it is dropped.
struct Timed {
    due: Due,
    rest: Duration,
}

impl Drop for Timed {
    fn drop(&mut self) {
        self.due.renew(self.rest);
    }
}

struct Extending {
    body: PageBody,
    _timed: Timed,
}

impl Body for Extending {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A page that says why there is none.
pub(super) fn refusal(status: hyper::StatusCode, why: String) -> Page {
    let body = http_body_util::Full::new(Bytes::from(why));
    let mut page = Response::new(body.map_err(|never| match never {}).boxed_unsync());
    *page.status_mut() = status;
    Box::pin(std::future::ready(page))
}
