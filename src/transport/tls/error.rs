//! The failures of TLS, in words that say what to change.

use std::io;

use tokio_rustls::rustls::pki_types::UnixTime;
use tokio_rustls::rustls::{
    AlertDescription as Alert, CertificateError, Error as RustlsError, PeerIncompatible,
};

use super::verify::PinMismatch;
use crate::codec::Timestamp;
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

/// The failure of TLS behind an error on a stream; `None` if that is not where it comes from.
/// `asked` is whether the server wanted our certificate.
pub(in crate::transport) fn explain(error: &io::Error, asked: Certificate) -> Option<TlsError> {
    let Some(inner) = error.get_ref().and_then(|inner| inner.downcast_ref::<RustlsError>()) else {
        return explain_loss(asked);
    };
    let explained = match inner {
        RustlsError::InvalidCertificate(error) => certificate(error),
        RustlsError::AlertReceived(alert) => alerted(*alert, asked),
        RustlsError::PeerIncompatible(
            PeerIncompatible::ServerDoesNotSupportTls12Or13
            | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig
            | PeerIncompatible::Tls12NotOffered
            | PeerIncompatible::Tls12NotOfferedOrEnabled,
        ) => TlsError::Version("it offers an older one".to_owned()),
        RustlsError::InvalidMessage(_) => TlsError::NotTls,
        other => TlsError::Other(other.to_string()),
    };
    Some(explained)
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

fn certificate(error: &CertificateError) -> TlsError {
    match error {
        CertificateError::Expired => TlsError::Expired(String::new()),
        CertificateError::ExpiredContext { time, not_after } => {
            TlsError::Expired(ago(*time, *not_after))
        }
        CertificateError::NotValidYet => TlsError::NotYetValid(String::new()),
        CertificateError::NotValidYetContext { time, not_before } => {
            let (begins, now) = (moment(*not_before), moment(*time));
            TlsError::NotYetValid(format!(" but from {begins} on, and it is {now} here"))
        }
        CertificateError::NotValidForName => TlsError::WrongHost {
            expected: "this host".to_owned(),
            presented: "another".to_owned(),
        },
        CertificateError::NotValidForNameContext { expected, presented } => {
            let presented = match presented.as_slice() {
                [] => return TlsError::Nameless,
                names => names.iter().map(|name| plain(name)).collect::<Vec<_>>().join(", "),
            };
            TlsError::WrongHost { expected: expected.to_str().into_owned(), presented }
        }
        // The others mean that an authority of the issuer's name is trusted, but did not sign it.
        CertificateError::UnknownIssuer
        | CertificateError::BadSignature
        | CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
            TlsError::UnknownCa
        }
        CertificateError::Other(other) => match other.0.downcast_ref::<PinMismatch>() {
            Some(PinMismatch { found }) => TlsError::Pin { found: found.clone() },
            // The error's type is not exported; its name is what there is.
            None if format!("{other:?}").contains("CaUsedAsEndEntity") => TlsError::Authority,
            None => TlsError::Certificate(other.to_string()),
        },
        other => TlsError::Certificate(other.to_string()),
    }
}

fn alerted(alert: Alert, asked: Certificate) -> TlsError {
    let name = format!("{alert:?}");
    match (alert, asked) {
        (Alert::ProtocolVersion, _) => TlsError::Version("it says so".to_owned()),
        (Alert::CertificateRequired, _) => TlsError::CertificateRequired,
        (Alert::HandshakeFailure | Alert::BadCertificate, Certificate::Missing) => {
            TlsError::CertificateRequired
        }
        (
            Alert::HandshakeFailure
            | Alert::BadCertificate
            | Alert::UnsupportedCertificate
            | Alert::CertificateRevoked
            | Alert::CertificateExpired
            | Alert::CertificateUnknown
            | Alert::UnknownCA
            | Alert::AccessDenied
            | Alert::DecryptError,
            Certificate::Given,
        ) => TlsError::CertificateRefused(name),
        (Alert::HandshakeFailure | Alert::InsufficientSecurity, _) => {
            TlsError::Other("the server shares no cipher suite with us".to_owned())
        }
        (Alert::UnrecognisedName, _) => {
            TlsError::Other("the server does not know the name that we ask for".to_owned())
        }
        _ => TlsError::Other(format!("the server says {name}")),
    }
}

fn ago(now: UnixTime, then: UnixTime) -> String {
    let ago = match now.as_secs().saturating_sub(then.as_secs()) / 86_400 {
        0 => "today".to_owned(),
        1 => "yesterday".to_owned(),
        days => format!("{days} days ago"),
    };
    format!(" {ago}, as it is {} here", moment(now))
}

/// A machine without a clock of its own begins in 1970, which is best seen from the date.
fn moment(time: UnixTime) -> String {
    let seconds = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
    let text = Timestamp { seconds, nanos: 0 }.text();
    text.unwrap_or_else(|| format!("{seconds} s after 1970"))
}

/// rustls writes names as in `DnsName("localhost")`.
fn plain(name: &str) -> String {
    name.split('"').nth(1).unwrap_or(name).to_owned()
}
