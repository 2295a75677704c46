//! `cookies` in a build without them: what a router sets is ignored.

use http::HeaderMap;

use crate::transport::Endpoint;

/// Cookies, of which none is kept.
#[derive(Debug, Default)]
pub struct Jar;

impl Jar {
    /// Leaves the cookies of an answer where they are.
    pub fn take(&self, _endpoint: &Endpoint, _path: &str, _headers: &HeaderMap) {}

    /// Adds none to a request.
    pub fn give(&self, _endpoint: &Endpoint, _path: &str, _headers: &mut HeaderMap) {}
}
