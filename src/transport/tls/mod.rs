//! TLS over a socket, by rustls: the client's side, and the server's for the embedded router.
//!
//! * `options`: what an application can set, parsed and loaded once.
//! * `verify`: whether a server's certificate is good enough.
//! * `pem`: certificates and keys out of texts and files.
//! * `identity`: the client's certificate, and whether a server wanted it.
//! * `error`: what can go wrong, each told apart; `explain`: which of it an error is.
//!
//! A server's certificate is verified against the roots of the system, or against those that the
//! application gives; who wants less must spell it out. The provider of cryptography is named
//! where it is used, so that a host with another rustls in it is not disturbed.

mod error;
mod explain;
mod identity;
mod options;
mod pem;
mod verify;

#[cfg(test)]
#[expect(dead_code, reason = "tests/hostile uses more of it")]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{ProtocolVersion, ServerConfig};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::ConnectError;
use super::read_after_reset::ReadAfterReset;
use super::socket::Socket;
use super::stream::{Certificate, Stream};

pub use error::TlsError;
pub use options::TlsOptions;

pub(super) use error::explain_loss;
pub(super) use explain::explain;

/// Shakes hands with the server at `host` (a name, or an address without brackets).
pub(super) async fn connect(
    options: &TlsOptions,
    host: &str,
    tcp: impl Into<Socket>,
) -> Result<Stream, TlsError> {
    // The network interface matters on this machine alone.
    let host = host.split('%').next().unwrap_or(host);
    let name = match &options.server_name {
        Some(name) => name.clone(),
        None => ServerName::try_from(host.to_owned())
            .map_err(|_| TlsError::Other(format!("\"{host}\" is not a valid TLS server name")))?,
    };
    let connector = TlsConnector::from(options.config()?);
    // Of a handshake that was given up.
    options.identity.take_note();
    let connected = connector.connect(name, ReadAfterReset::from(tcp)).await;
    let certificate = options.identity.take_note();
    match connected {
        // In TLS 1.2 the server has looked at our certificate, or lived with none, by now.
        Ok(tls) if tls.get_ref().1.protocol_version() == Some(ProtocolVersion::TLSv1_2) => {
            Ok(Stream::tls(tls, Certificate::NotAsked))
        }
        Ok(tls) => Ok(Stream::tls(tls, certificate)),
        Err(error) => {
            Err(explain(&error, certificate).unwrap_or_else(|| TlsError::Closed(error.to_string())))
        }
    }
}

/// The server's side: a certificate with its key and, where clients must have a certificate too,
/// the authorities that sign theirs.
#[derive(Clone)]
pub struct Acceptor {
    tls: TlsAcceptor,
    asks_for_certificate: bool,
    needs_certificate: bool,
}

/// The authorities that sign the certificates of clients.
#[derive(Debug, Clone, Copy)]
pub struct ClientCa<'a> {
    /// A PEM text or the path of a PEM file.
    pub pem: &'a str,
    /// Clients may do without a certificate.
    pub is_optional: bool,
}

/// Clients must have a certificate.
impl<'a> From<&'a str> for ClientCa<'a> {
    fn from(pem: &'a str) -> Self {
        ClientCa { pem, is_optional: false }
    }
}

/// The private key is not shown.
impl fmt::Debug for Acceptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Acceptor")
    }
}

impl Acceptor {
    /// Each is a PEM text or the path of a PEM file. With `client_ca` a client without a
    /// certificate that it has signed is refused, unless it may do without any.
    pub fn new(cert: &str, key: &str, client_ca: Option<ClientCa<'_>>) -> Result<Acceptor, String> {
        let identity = pem::identity(cert, key)?;
        let (chain, key) = (identity.chain, identity.key);
        let builder = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?;
        let builder = match client_ca {
            None => builder.with_no_client_auth(),
            Some(ca) => {
                let roots =
                    Arc::new(pem::roots(ca.pem).map_err(|why| format!("`client_ca`: {why}"))?);
                let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider());
                let verifier = match ca.is_optional {
                    true => verifier.allow_unauthenticated(),
                    false => verifier,
                };
                let verifier = verifier.build().map_err(|error| format!("`client_ca`: {error}"))?;
                builder.with_client_cert_verifier(verifier)
            }
        };
        let config = builder
            .with_single_cert(chain, key)
            .map_err(|error| format!("`cert` and `key` do not go together: {error}"))?;
        let asks_for_certificate = client_ca.is_some();
        let needs_certificate = client_ca.is_some_and(|ca| !ca.is_optional);
        Ok(Acceptor { asks_for_certificate, needs_certificate, ..Acceptor::from(config) })
    }

    /// True if clients have to show a certificate, or may.
    pub fn asks_for_certificate(&self) -> bool {
        self.asks_for_certificate
    }

    /// True if clients have to show a certificate.
    pub fn needs_certificate(&self) -> bool {
        self.needs_certificate
    }

    /// Shakes hands with a client that has connected by TCP.
    pub async fn accept(&self, stream: impl Into<Stream>) -> Result<Stream, ConnectError> {
        let stream = stream.into();
        let url = stream.peer();
        let Some(tcp) = stream.into_tcp() else {
            let error = TlsError::Other("TLS is supported over TCP only".to_owned());
            return Err(ConnectError::Tls { url, error });
        };
        let tls = self.tls.accept(ReadAfterReset::from(tcp)).await.map_err(|error| {
            let error = explain(&error, Certificate::NotAsked);
            ConnectError::Tls { url, error: error.unwrap_or(TlsError::Closed(String::new())) }
        })?;
        Ok(Stream::tls(tls, Certificate::NotAsked))
    }
}

impl From<ServerConfig> for Acceptor {
    fn from(config: ServerConfig) -> Acceptor {
        let tls = Arc::new(config).into();
        Acceptor { tls, asks_for_certificate: false, needs_certificate: false }
    }
}

/// The cryptography of every connection here.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}
