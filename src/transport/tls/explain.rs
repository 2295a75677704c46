//! The failures of TLS behind the errors of rustls.

use std::io;

use tokio_rustls::rustls::pki_types::UnixTime;
use tokio_rustls::rustls::{
    AlertDescription as Alert, CertificateError, Error as RustlsError, PeerIncompatible,
};

use crate::codec::Timestamp;
use crate::transport::stream::Certificate;

use super::error::{TlsError, explain_loss};
use super::verify::PinMismatch;

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
