//! `tls` in a build without: every connection is in clear, and what asks for more is refused when
//! it is read, by [`Endpoint`](crate::transport::Endpoint) and here.

mod error;

use std::convert::Infallible;
use std::io;

use serde_json::{Map, Value};

use crate::parts::Part;
use crate::transport::ConnectError;
use crate::transport::socket::Socket;
use crate::transport::stream::{Certificate, Stream};

pub use error::TlsError;

pub(super) use error::explain_loss;

/// The options of TLS connections, of which there are none.
#[derive(Debug, Default)]
pub struct TlsOptions(());

impl TlsOptions {
    /// Refuses the option.
    pub fn parse(_object: &Map<String, Value>) -> Result<TlsOptions, String> {
        Err(Part::Tls.left_out())
    }

    /// None: nothing is left unverified.
    pub fn warning(&self) -> Option<&'static str> {
        None
    }

    /// Loads nothing.
    pub fn prepare(&self) {}
}

pub(super) async fn connect(
    _options: &TlsOptions,
    _host: &str,
    _tcp: impl Into<Socket>,
) -> Result<Stream, TlsError> {
    Err(TlsError::Other(Part::Tls.left_out()))
}

pub(super) fn explain(_error: &io::Error, asked: Certificate) -> Option<TlsError> {
    explain_loss(asked)
}

/// The server's side, which nobody can have.
#[derive(Debug, Clone)]
pub struct Acceptor(Infallible);

/// The authorities that sign the certificates of clients.
#[derive(Debug, Clone, Copy)]
pub struct ClientCa<'a> {
    /// A PEM text or the path of a PEM file.
    pub pem: &'a str,
    /// Clients may do without a certificate.
    pub is_optional: bool,
}

impl Acceptor {
    /// Refuses.
    pub fn new(
        _cert: &str,
        _key: &str,
        _client_ca: Option<ClientCa<'_>>,
    ) -> Result<Acceptor, String> {
        Err(Part::Tls.left_out())
    }

    /// Never asked.
    pub fn asks_for_certificate(&self) -> bool {
        match self.0 {}
    }

    /// Never asked.
    pub fn needs_certificate(&self) -> bool {
        match self.0 {}
    }

    /// Never asked.
    pub async fn accept(&self, _stream: impl Into<Stream>) -> Result<Stream, ConnectError> {
        match self.0 {}
    }
}
