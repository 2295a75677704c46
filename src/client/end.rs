//! How an attempt or a session ended, in the words of on_close.

use std::fmt;
use std::time::Duration;

use crate::protocol::SessionEnd;

use super::status::{Failure, Status};

/// Kind of an end, as on_close names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndClass {
    /// In order, or by a refusal or a violation: the same would happen again.
    Closed,
    /// After there was a session.
    Lost,
    /// Before there was one.
    Unreachable,
}

impl EndClass {
    /// The word of on_close.
    pub fn name(self) -> &'static str {
        match self {
            EndClass::Closed => "closed",
            EndClass::Lost => "lost",
            EndClass::Unreachable => "unreachable",
        }
    }
}

impl fmt::Display for EndClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Why a connection ended, for on_close.
#[derive(Debug, Clone)]
pub struct End {
    /// What kind of end it is.
    pub class: EndClass,
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
    pub(super) fn failed(class: EndClass, failure: Failure) -> End {
        End { class, status: failure.status, text: failure.text, ..End::closed("") }
    }

    /// An end in order.
    pub(super) fn closed(text: impl Into<String>) -> End {
        let text = text.into();
        let (reason, message, rest) = (None, None, None);
        let (class, status) = (EndClass::Closed, Status::Ok);
        End { class, status, text, reason, message, by_router: false, rest }
    }

    /// An end with a URI.
    fn told(status: Status, text: &str, reason: String, message: String) -> End {
        let text = format!("{text}: {reason} {message}").trim_end().to_owned();
        let (reason, message) = (Some(reason), Some(message));
        End { status, reason, message, by_router: true, ..End::closed(text) }
    }

    /// The end of a session that may never have been open.
    pub(super) fn of_session(ended: SessionEnd, was_open: bool) -> End {
        match ended {
            SessionEnd::Goodbye { by_us: true, reason, message } => {
                let (reason, message) = (Some(reason), Some(message));
                End { reason, message, ..End::closed("closed by the application") }
            }
            SessionEnd::Goodbye { by_us: false, reason, message } => {
                End::told(Status::Ok, "closed by the router", reason, message)
            }
            SessionEnd::Refused { reason, message, challenged } => {
                let status = match challenged || AUTH_FAILURES.contains(&reason.as_str()) {
                    true => Status::Auth,
                    false => Status::Aborted,
                };
                End::told(status, "the router refused the session", reason, message)
            }
            SessionEnd::Aborted { reason, message } => {
                End::told(Status::Aborted, "the router aborted the session", reason, message)
            }
            SessionEnd::NotAuthenticated { reason, message } => {
                let text = format!("no authentication: {message}");
                let (reason, message) = (Some(reason), Some(message));
                End { status: Status::Auth, reason, message, ..End::closed(text) }
            }
            SessionEnd::Violation { message } => {
                End::failed(EndClass::Closed, Failure::new(Status::Protocol, message))
            }
            SessionEnd::Lost if was_open => End::failed(EndClass::Lost, Status::Lost.into()),
            SessionEnd::Lost => End::failed(EndClass::Unreachable, Status::Lost.into()),
        }
    }

    /// True if another attempt is to follow, where the application has not given up: always after a loss,
    /// with the option `retry_if_unreachable` where there never was a session, and for what is in
    /// `retry_reasons` wherever the router says it, after a challenge too. All else would happen again:
    /// a violation, a refusal of what we are.
    pub(super) fn is_retried(&self, if_unreachable: bool, reasons: &[String]) -> bool {
        match self.class {
            EndClass::Lost => true,
            EndClass::Unreachable => if_unreachable,
            EndClass::Closed => self.is_listed(reasons),
        }
    }

    /// True if the router has ended it with one of `reasons`.
    pub(super) fn is_listed(&self, reasons: &[String]) -> bool {
        let by_router = self.by_router && self.class == EndClass::Closed;
        by_router && self.reason.as_ref().is_some_and(|reason| reasons.contains(reason))
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

#[cfg(test)]
mod tests {
    use super::*;

    const DOWN: &str = "wamp.close.system_shutdown";

    /// Every way in which a session can end, before and after it was open.
    fn sessions() -> Vec<(SessionEnd, &'static str)> {
        let text = |text: &str| text.to_owned();
        vec![
            (SessionEnd::Goodbye { by_us: true, reason: text(DOWN), message: text("") }, "ours"),
            (SessionEnd::Goodbye { by_us: false, reason: text(DOWN), message: text("") }, "listed"),
            (
                SessionEnd::Goodbye { by_us: false, reason: text("x.y"), message: text("") },
                "router",
            ),
            (SessionEnd::Aborted { reason: text(DOWN), message: text("") }, "listed"),
            (SessionEnd::Aborted { reason: text("x.y"), message: text("") }, "router"),
            (refused(DOWN, false), "listed"),
            (refused(DOWN, true), "listed"),
            (refused("wamp.error.no_such_realm", false), "router"),
            (refused("wamp.error.authentication_failed", true), "router"),
            (SessionEnd::NotAuthenticated { reason: text(DOWN), message: text("") }, "ours"),
            (SessionEnd::Violation { message: text("nonsense") }, "ours"),
            (SessionEnd::Lost, "lost"),
        ]
    }

    fn refused(reason: &str, challenged: bool) -> SessionEnd {
        SessionEnd::Refused { reason: reason.to_owned(), message: String::new(), challenged }
    }

    #[test]
    fn every_end_with_every_option() {
        let listed = [DOWN.to_owned()];
        for (ended, kind) in sessions() {
            for was_open in [false, true] {
                for if_unreachable in [false, true] {
                    for reasons in [&listed[..], &[]] {
                        let end = End::of_session(ended.clone(), was_open);
                        let wanted = match kind {
                            "listed" => !reasons.is_empty(),
                            "lost" => was_open || if_unreachable,
                            _ => false,
                        };
                        let got = end.is_retried(if_unreachable, reasons);
                        assert_eq!(got, wanted, "{end:?} {if_unreachable} {reasons:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn failures_of_transports() {
        for (class, retried) in [
            (EndClass::Closed, [false, false]),
            (EndClass::Unreachable, [false, true]),
            (EndClass::Lost, [true, true]),
        ] {
            let end = End::failed(class, Status::Internal.into());
            assert_eq!([false, true].map(|option| end.is_retried(option, &[])), retried, "{class}");
        }
    }
}
