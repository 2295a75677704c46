//! The failures of TLS, in words that say what to change.

use crate::transport::stream::Certificate;

/// The reason why a TLS connection failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TlsError {
    /// The certificate's time is over.
    #[error(
        "the server's certificate has expired{0}; it needs a new one, unless this machine's clock \
         is wrong"
    )]
    Expired(String),
    /// The certificate's time has not begun.
    #[error(
        "the server's certificate is not valid yet{0}; set this machine's clock, if it is wrong"
    )]
    NotYetValid(String),
    /// The certificate is for somebody else.
    #[error(
        "the server's certificate is not for {expected} but for {presented}; connect under a name \
         in the certificate, or name it in `server_name` of `tlsConfiguration`"
    )]
    WrongHost {
        /// The name that we wanted.
        expected: String,
        /// The names in the certificate.
        presented: String,
    },
    /// A certificate without the names of servers.
    #[error(
        "the server's certificate names no host as a subjectAltName, and a common name (CN) alone \
         no longer counts; it needs a new one, or pin its key by `pins` with `verify` false"
    )]
    Nameless,
    /// Signed by nobody we trust, such as by itself.
    #[error(
        "the server's certificate is signed by nobody we trust; give the certificate of its \
         authority (or of itself, if it is self-signed) as `ca` in `tlsConfiguration`"
    )]
    UnknownCa,
    /// A certificate of an authority, used as a server's.
    #[error(
        "the server's certificate is that of an authority (CA:TRUE), which may sign but not serve; \
         make one with CA:FALSE, or pin its key by `pins` with `verify` false"
    )]
    Authority,
    /// Its key is none of the pins.
    #[error("the server's key is {found}, which is none of `pins` in `tlsConfiguration`")]
    Pin {
        /// The server's key, as it would be written in `pins`.
        found: String,
    },
    /// The certificate cannot be used for another reason.
    #[error("the server's certificate is not acceptable: {0}")]
    Certificate(String),
    /// The server wants to know who we are.
    #[error(
        "the server asks for a client certificate, and closes the connection without one; give \
         `cert` and `key` in `tlsConfiguration`, or, if it does not need one, check the router \
         behind it"
    )]
    CertificateRequired,
    /// The server does not take our certificate.
    #[error(
        "the server refuses our client certificate ({0}); is `cert` in `tlsConfiguration` signed \
         by an authority that it trusts, and not expired?"
    )]
    CertificateRefused(String),
    /// The server went when it had our certificate, without a word about it.
    #[error(
        "the server closed the connection after it received our client certificate; does it accept \
         `cert` in `tlsConfiguration`, and is a router behind it?"
    )]
    ClosedOnCertificate,
    /// There is no version of TLS that both sides speak.
    #[error(
        "the server speaks no version of TLS that we accept ({0}); see `min_version` in \
         `tlsConfiguration`, or have the server offer TLS 1.2 or 1.3"
    )]
    Version(String),
    /// A server is there that does not speak TLS.
    #[error(
        "the server there does not speak TLS; is the port right? (ws:// and rs:// are not \
         encrypted)"
    )]
    NotTls,
    /// The other side has gone in the middle of the handshake.
    #[error(
        "the server closed the connection during the TLS handshake ({0}); does it speak TLS at \
         that port?"
    )]
    Closed(String),
    /// Nothing to verify certificates against.
    #[error(
        "this system has no root certificates ({0}); install them (package ca-certificates), name \
         their file in SSL_CERT_FILE, or give `ca` in `tlsConfiguration`"
    )]
    NoRoots(String),
    /// Something else.
    #[error("TLS failed: {0}")]
    Other(String),
}

/// The meaning of a loss right after the handshake. With TLS 1.3 a server looks at our certificate
/// when the handshake is over for us; it then sends an alert, which a reset can overtake.
pub(in crate::transport) fn explain_loss(asked: Certificate) -> Option<TlsError> {
    match asked {
        Certificate::NotAsked => None,
        Certificate::Missing => Some(TlsError::CertificateRequired),
        Certificate::Given => Some(TlsError::ClosedOnCertificate),
    }
}
