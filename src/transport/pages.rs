//! Pages on a WebSocket listener: the answers to requests that do not ask for WebSocket.

use std::io;
use std::pin::Pin;

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::Request;
use hyper::Response;
use hyper::body::Incoming;

/// The body of a page.
pub type PageBody = UnsyncBoxBody<Bytes, io::Error>;

/// A page on its way.
pub type Page = Pin<Box<dyn Future<Output = Response<PageBody>> + Send>>;

/// Gives a page for a request; `None` where it has none for such requests.
pub type FindPage<'a> = dyn Fn(&Request<Incoming>) -> Option<Page> + Sync + 'a;
