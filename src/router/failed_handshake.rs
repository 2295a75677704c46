//! The failures of handshakes, as the operator of a router is told of them. (The errors themselves
//! speak to clients.)

use crate::transport::{ConnectError, TlsError};

/// The reason why somebody has come no further.
pub(super) fn describe(error: &ConnectError) -> String {
    match error {
        ConnectError::Tls { error: TlsError::NotTls, .. } => "it does not speak TLS".to_owned(),
        ConnectError::Tls { error: TlsError::Closed(_), .. } | ConnectError::Unreachable { .. } => {
            "it closed the connection before the handshake was over".to_owned()
        }
        ConnectError::Tls { error: TlsError::Other(why), .. } => format!("TLS has failed: {why}"),
        ConnectError::Tls { error, .. } => format!("TLS has failed: {error}"),
        ConnectError::RawSocket { .. } => {
            "it does not speak RawSocket, or wants a serializer that there is not".to_owned()
        }
        _ => "it has not asked for WebSocket and WAMP at this path".to_owned(),
    }
}
