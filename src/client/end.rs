//! How an attempt or a session ended, in the words of on_close.

use std::time::Duration;

use crate::protocol::Ended;

use super::status::{Failure, Status};

/// Why a connection ended, for on_close.
#[derive(Debug, Clone)]
pub struct End {
    /// `closed`, `lost` or `unreachable`.
    pub class: &'static str,
    /// What went wrong; [`Status::Ok`] for a close in order.
    pub status: Status,
    /// A sentence for people.
    pub text: String,
    /// The URI of the router's ABORT or GOODBYE, or of our own ABORT.
    pub reason: Option<String>,
    /// The router's words.
    pub message: Option<String>,
    /// The router ended it, with this reason.
    pub(super) by_router: bool,
    /// The peer wants to be left alone for so long.
    pub(super) rest: Option<Duration>,
}

impl End {
    /// An end that is a failure.
    pub(super) fn failed(class: &'static str, failure: Failure) -> End {
        End { class, status: failure.status, text: failure.text, ..End::closed("") }
    }

    /// An end in order.
    pub(super) fn closed(text: impl Into<String>) -> End {
        let text = text.into();
        let (reason, message, rest) = (None, None, None);
        End { class: "closed", status: Status::Ok, text, reason, message, by_router: false, rest }
    }

    /// An end with a URI.
    fn told(status: Status, text: &str, reason: String, message: String) -> End {
        let text = format!("{text}: {reason} {message}").trim_end().to_owned();
        let (reason, message) = (Some(reason), Some(message));
        End { status, reason, message, by_router: true, ..End::closed(text) }
    }

    /// The end of a session that may never have been open.
    pub(super) fn of_session(ended: Ended, was_open: bool) -> End {
        match ended {
            Ended::Goodbye { by_us: true, reason, message } => {
                let (reason, message) = (Some(reason), Some(message));
                End { reason, message, ..End::closed("closed by the application") }
            }
            Ended::Goodbye { by_us: false, reason, message } => {
                End::told(Status::Ok, "closed by the router", reason, message)
            }
            Ended::Refused { reason, message, challenged } => {
                let status = match challenged || AUTH_FAILURES.contains(&reason.as_str()) {
                    true => Status::Auth,
                    false => Status::Aborted,
                };
                End::told(status, "the router refused the session", reason, message)
            }
            Ended::Aborted { reason, message } => {
                End::told(Status::Aborted, "the router aborted the session", reason, message)
            }
            Ended::NotAuthenticated { reason, message } => {
                let text = format!("no authentication: {message}");
                let (reason, message) = (Some(reason), Some(message));
                End { status: Status::Auth, reason, message, ..End::closed(text) }
            }
            Ended::Violation { message } => {
                End::failed("closed", Failure::new(Status::Protocol, message))
            }
            Ended::Lost if was_open => End::failed("lost", Status::Lost.into()),
            Ended::Lost => End::failed("unreachable", Status::Lost.into()),
        }
    }

    /// True if on_internal_error is to hear of it: nothing that the router or the network decides.
    pub(super) fn is_internal(&self) -> bool {
        let not_authenticated = self.status == Status::Auth
            && self.reason.as_deref() == Some(crate::protocol::uri::CANNOT_AUTHENTICATE);
        matches!(self.status, Status::Protocol | Status::Internal) || not_authenticated
    }
}

/// What routers refuse credentials with: trying again would not help, and may lock an account.
pub(super) const AUTH_FAILURES: &[&str] = &[
    "wamp.error.authentication_denied",
    "wamp.error.authentication_failed",
    "wamp.error.authentication_required",
    "wamp.error.authorization_denied",
    "wamp.error.authorization_failed",
    "wamp.error.authorization_required",
    "wamp.error.cannot_authenticate",
    "wamp.error.no_auth_method",
    "wamp.error.no_matching_auth_method",
    "wamp.error.no_such_principal",
    "wamp.error.not_authorized",
];
