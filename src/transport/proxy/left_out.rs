//! `proxy` in a build without: every connection is a direct one. What the environment says of
//! proxies is not read.

use std::fmt;

use crate::parts::Part;
use crate::transport::Endpoint;
use crate::transport::socket::Socket;

/// A proxy, which nobody can have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Proxy {}

/// The reason why a proxy did not make a connection: never.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProxyError {}

/// The application's wish about proxies, of which there are none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProxyChoice {
    /// Whatever the environment says: none.
    Environment(Environment),
    /// None.
    Direct,
    /// No value.
    Through(Proxy),
}

/// The variables about proxies, unread.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Environment;

impl Environment {
    /// Reads nothing.
    pub fn read() -> Environment {
        Environment
    }
}

impl ProxyChoice {
    pub(in crate::transport) fn proxy_for(
        &self,
        _endpoint: &Endpoint,
    ) -> Result<Option<Proxy>, String> {
        match self {
            ProxyChoice::Environment(_) | ProxyChoice::Direct => Ok(None),
            ProxyChoice::Through(proxy) => match *proxy {},
        }
    }
}

impl Proxy {
    /// Refuses every URL, and does not repeat it.
    pub fn parse(_url: &str) -> Result<Proxy, String> {
        Err(Part::Proxy.left_out())
    }

    pub(in crate::transport) async fn dial(
        &self,
        _host: &str,
        _port: u16,
    ) -> Result<Socket, ProxyError> {
        match *self {}
    }
}

impl fmt::Display for Proxy {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {}
    }
}
