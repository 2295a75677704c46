//! The outcomes that an application sees: a number, its name, and what to do about it.

use crate::protocol::RequestError;
use crate::transport::{ConnectError, Refusal, TransportError};

/// The outcome of a call into the library, or of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i32)]
#[expect(missing_docs, reason = "they are named like the constants of the header")]
pub enum Status {
    Ok = 0,
    Handle = -1,
    Argument = -2,
    Utf8 = -3,
    Uri = -4,
    Payload = -5,
    Option = -6,
    TooLarge = -7,
    Again = -8,
    Closed = -9,
    State = -10,
    NoSuchId = -11,
    Deadlock = -12,
    Timeout = -13,
    Forked = -14,
    Internal = -15,
    Remote = -16,
    NotSent = -17,
    OutcomeUnknown = -18,
    Unreachable = -19,
    Http = -20,
    Subprotocol = -21,
    Protocol = -22,
    Aborted = -23,
    Lost = -24,
    Canceled = -25,
    Auth = -26,
    Unsupported = -27,
    Tls = -28,
    Exhausted = -29,
}

/// Every status with its name and the sentence about it, NUL-terminated for C.
const TABLE: &[(Status, &str, &str)] = &[
    (Status::Ok, "WAMP_OK\0", "success\0"),
    (
        Status::Handle,
        "WAMP_ERR_HANDLE\0",
        "the handle is NULL, freed, or of another type: use one that the library has returned, and not after it was freed\0",
    ),
    (
        Status::Argument,
        "WAMP_ERR_ARGUMENT\0",
        "an argument is missing or out of range: see the function's text in wamp.h\0",
    ),
    (Status::Utf8, "WAMP_ERR_UTF8\0", "a text is not UTF-8: encode it as UTF-8\0"),
    (
        Status::Uri,
        "WAMP_ERR_URI\0",
        "the URI is empty or invalid: use components separated by dots, without white space or '#'\0",
    ),
    (
        Status::Payload,
        "WAMP_ERR_PAYLOAD\0",
        "the payload is malformed: args must be one JSON list, kwargs one JSON object\0",
    ),
    (
        Status::Option,
        "WAMP_ERR_OPTION\0",
        "an option is unknown or has the wrong type, or the options are not a JSON object\0",
    ),
    (
        Status::TooLarge,
        "WAMP_ERR_TOO_LARGE\0",
        "the message is larger than max_message_size: send less, or raise the option\0",
    ),
    (
        Status::Again,
        "WAMP_ERR_AGAIN\0",
        "the send queue is full: wait for on_writable or wamp_connection_flush, then try again\0",
    ),
    (
        Status::Closed,
        "WAMP_ERR_CLOSED\0",
        "the connection or session is not open: wait for on_open, or open it again\0",
    ),
    (
        Status::State,
        "WAMP_ERR_STATE\0",
        "not possible in this state: opened or answered twice, or the wrong dispatch mode\0",
    ),
    (
        Status::NoSuchId,
        "WAMP_ERR_NO_SUCH_ID\0",
        "there is no subscription, registration or call with this id (any more)\0",
    ),
    (
        Status::Deadlock,
        "WAMP_ERR_DEADLOCK\0",
        "waiting here would never end: use the function without _sync, or call it outside callbacks\0",
    ),
    (Status::Timeout, "WAMP_ERR_TIMEOUT\0", "the time limit has passed\0"),
    (
        Status::Forked,
        "WAMP_ERR_FORKED\0",
        "the library's threads do not exist here, after fork() or at the end of the process\0",
    ),
    (
        Status::Internal,
        "WAMP_ERR_INTERNAL\0",
        "a bug in libwamp: please report it, with a log at level debug\0",
    ),
    (
        Status::Remote,
        "WAMP_ERR_REMOTE\0",
        "the router or the peer answered with an error: see its URI\0",
    ),
    (
        Status::NotSent,
        "WAMP_ERR_NOT_SENT\0",
        "the session ended before the request was sent: it is safe to repeat\0",
    ),
    (
        Status::OutcomeUnknown,
        "WAMP_ERR_OUTCOME_UNKNOWN\0",
        "the session ended after the request was sent: it may or may not have taken effect\0",
    ),
    (
        Status::Unreachable,
        "WAMP_ERR_UNREACHABLE\0",
        "no connection could be made: check the URL, and that the router is running\0",
    ),
    (
        Status::Http,
        "WAMP_ERR_HTTP\0",
        "the server answered with another HTTP status: check the path of the URL and the headers\0",
    ),
    (
        Status::Subprotocol,
        "WAMP_ERR_SUBPROTOCOL\0",
        "the server chose none of the serializers that were offered: check the URL\0",
    ),
    (
        Status::Protocol,
        "WAMP_ERR_PROTOCOL\0",
        "the peer violated the protocol: is it a WAMP router?\0",
    ),
    (
        Status::Aborted,
        "WAMP_ERR_ABORTED\0",
        "the router refused the session: check the realm and the credentials\0",
    ),
    (Status::Lost, "WAMP_ERR_LOST\0", "the connection was lost: open it again\0"),
    (Status::Canceled, "WAMP_ERR_CANCELED\0", "the request was canceled\0"),
    (
        Status::Auth,
        "WAMP_ERR_AUTH\0",
        "the authentication failed: check authid, credentials, and the methods that the router offers\0",
    ),
    (
        Status::Unsupported,
        "WAMP_ERR_UNSUPPORTED\0",
        "the library or the router cannot do this: see wamp_session_features\0",
    ),
    (
        Status::Tls,
        "WAMP_ERR_TLS\0",
        "TLS failed: check the certificates, and that the scheme of the URL fits the port\0",
    ),
    (
        Status::Exhausted,
        "WAMP_ERR_EXHAUSTED\0",
        "the system is out of threads, file descriptors or memory: raise the limits, or use less\0",
    ),
];

impl Status {
    /// The status with this number.
    pub fn from_number(number: i32) -> Option<Status> {
        TABLE.iter().map(|row| row.0).find(|status| *status as i32 == number)
    }

    /// The name in wamp.h, NUL-terminated.
    pub fn name(self) -> &'static str {
        self.row().1
    }

    /// One sentence, NUL-terminated.
    pub fn text(self) -> &'static str {
        self.row().2
    }

    fn row(self) -> &'static (Status, &'static str, &'static str) {
        TABLE.iter().find(|row| row.0 == self).unwrap_or(&TABLE[0])
    }
}

/// A status with the detail that [`Status::text`] cannot know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Kind of failure.
    pub status: Status,
    /// One line for people; says what to change.
    pub text: String,
}

impl Failure {
    /// A failure with its own words.
    pub fn new(status: Status, text: impl Into<String>) -> Failure {
        Failure { status, text: text.into() }
    }
}

impl From<Status> for Failure {
    fn from(status: Status) -> Self {
        Failure::new(status, status.text().trim_end_matches('\0'))
    }
}

impl From<RequestError> for Failure {
    fn from(error: RequestError) -> Self {
        let status = match error {
            RequestError::Closed => Status::Closed,
            RequestError::Uri(_) => Status::Uri,
            RequestError::Option(..) => Status::Option,
            RequestError::TooLarge(_) => Status::TooLarge,
            RequestError::Payload(_) => Status::Payload,
            RequestError::NoSuchId => Status::NoSuchId,
            RequestError::Interrupted => Status::Canceled,
            RequestError::NotAnnounced(_) => Status::Unsupported,
            RequestError::AlreadyRegistered
            | RequestError::Answered
            | RequestError::NoMoreInput
            | RequestError::NoProgress
            | RequestError::NoRole(_) => Status::State,
        };
        Failure::new(status, error.to_string())
    }
}

impl From<ConnectError> for Failure {
    fn from(error: ConnectError) -> Self {
        let status = match error {
            ConnectError::Unreachable { .. }
            | ConnectError::Proxy { .. }
            | ConnectError::NoProxy { .. }
            | ConnectError::RawSocketRefused { refusal: Refusal::TooMany, .. } => {
                Status::Unreachable
            }
            ConnectError::Exhausted { .. } => Status::Exhausted,
            ConnectError::Descriptors { .. } => Status::Internal,
            ConnectError::Tls { .. } | ConnectError::SpeaksTls { .. } => Status::Tls,
            ConnectError::Http { .. }
            | ConnectError::Unauthorized { .. }
            | ConnectError::Forbidden { .. }
            | ConnectError::NotFound { .. }
            | ConnectError::Redirect { .. } => Status::Http,
            ConnectError::Subprotocol { .. }
            | ConnectError::RawSocketRefused { refusal: Refusal::Serializer, .. } => {
                Status::Subprotocol
            }
            ConnectError::RawSocketRefused { refusal: Refusal::Length, .. } => Status::TooLarge,
            ConnectError::Handshake { .. }
            | ConnectError::RawSocket { .. }
            | ConnectError::RawSocketRefused { .. }
            | ConnectError::LongPoll { .. } => Status::Protocol,
        };
        Failure::new(status, error.to_string())
    }
}

impl From<TransportError> for Failure {
    fn from(error: TransportError) -> Self {
        let status = match error {
            TransportError::Lost(_) | TransportError::Busy { .. } => Status::Lost,
            TransportError::Protocol(_) | TransportError::Message(_) => Status::Protocol,
            TransportError::TooLarge(_)
            | TransportError::Refused(_)
            | TransportError::PeerLimit { .. } => Status::TooLarge,
        };
        Failure::new(status, error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_has_a_name_and_a_sentence() {
        for (number, row) in TABLE.iter().enumerate() {
            assert_eq!(row.0 as i32, -(number as i32));
            assert_eq!(Status::from_number(row.0 as i32), Some(row.0));
            assert!(row.1.starts_with("WAMP_") && row.1.ends_with('\0'));
            assert!(row.2.len() > 5 && row.2.ends_with('\0'));
        }
        assert_eq!(Status::from_number(1), None);
        assert_eq!(Status::from_number(-1000), None);
    }
}
