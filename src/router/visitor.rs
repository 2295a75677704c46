//! The address that a connection really comes from: its own, or that of the client for whom a
//! trusted proxy speaks.

use std::net::IpAddr;

use hyper::header::HeaderMap;

use super::auth::Origin;
use super::gate::{Full, Pass, Source};
use super::networks::Networks;

/// The header in which proxies of HTTP tell of clients.
const FORWARDED: &str = "x-forwarded-for";

/// A connection, and who speaks there as far as that is known.
#[derive(Debug)]
pub(super) struct Visitor {
    pub(super) pass: Pass,
    /// `None` on a Unix socket.
    address: Option<IpAddr>,
}

/// The source of connections from an address, or else of those of this listener.
pub(super) fn source(address: Option<IpAddr>, listener: u64, trusted: &Networks) -> Source {
    match address {
        None => Source { origin: Origin::Listener(listener), is_shared: true },
        Some(address) => {
            let is_shared = address.to_canonical().is_loopback() || trusted.contains(address);
            Source { origin: Origin::of(address), is_shared }
        }
    }
}

impl Visitor {
    pub(super) fn new(pass: Pass, address: Option<IpAddr>) -> Visitor {
        Visitor { pass, address }
    }

    /// True for a proxy that is believed.
    pub(super) fn is_proxy(&self, trusted: &Networks) -> bool {
        self.address.is_some_and(|address| trusted.contains(address))
    }

    /// A proxy says that it speaks for `client`.
    pub(super) fn speaks_for(&mut self, client: IpAddr, trusted: &Networks) -> Result<(), Full> {
        self.address = Some(client);
        self.pass.comes_from(source(Some(client), 0, trusted))
    }

    /// The source that the head of a request tells of, where it comes from a trusted proxy.
    pub(super) fn forwarded(&self, headers: &HeaderMap, trusted: &Networks) -> Option<IpAddr> {
        if !self.is_proxy(trusted) {
            return None;
        }
        let values = headers.get_all(FORWARDED).into_iter();
        let values: Vec<_> = values.filter_map(|value| value.to_str().ok()).collect();
        trusted.client(values.into_iter())
    }

    /// The source of a client whose request has this head.
    pub(super) fn source_of(&self, headers: &HeaderMap, trusted: &Networks) -> Source {
        match self.forwarded(headers, trusted) {
            Some(client) => source(Some(client), 0, trusted),
            None => self.pass.source(),
        }
    }
}
