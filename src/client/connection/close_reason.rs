//! The end of an attempt or a session: why it came, whether to try again, and how on_close is told.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde_json::json;

use crate::client::options::Options;
use crate::client::retry::{AUTH_FAILURES, Next};
use crate::client::session::callbacks::Slot;
use crate::client::session::{Notice, NoticeKind, Session, Shared};
use crate::client::status::{Failure, Status};
use crate::codec::{Payload, PayloadRef, Span};
use crate::protocol::event::c_text;
use crate::protocol::{SessionEnd, uri};
use crate::transport::TransportError;

/// Kind of an end, as on_close names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CloseClass {
    /// In order, or by a refusal or a violation: the same would happen again.
    Closed,
    /// After there was a session.
    Lost,
    /// Before there was one.
    Unreachable,
}

impl CloseClass {
    /// The word of on_close.
    pub fn name(self) -> &'static str {
        match self {
            CloseClass::Closed => "closed",
            CloseClass::Lost => "lost",
            CloseClass::Unreachable => "unreachable",
        }
    }
}

impl fmt::Display for CloseClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Why a connection ended, for on_close.
#[derive(Debug, Clone)]
pub struct CloseReason {
    /// Kind of end.
    pub class: CloseClass,
    /// Cause; [`Status::Ok`] for a close in order.
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

impl CloseReason {
    /// An end that is a failure.
    pub(super) fn failed(class: CloseClass, failure: Failure) -> CloseReason {
        CloseReason { class, status: failure.status, text: failure.text, ..CloseReason::closed("") }
    }

    /// An end in order.
    pub(super) fn closed(text: impl Into<String>) -> CloseReason {
        let text = text.into();
        let (reason, message, rest) = (None, None, None);
        let (class, status) = (CloseClass::Closed, Status::Ok);
        CloseReason { class, status, text, reason, message, by_router: false, rest }
    }

    /// An end with a URI.
    fn told(status: Status, text: &str, reason: String, message: String) -> CloseReason {
        let text = format!("{text}: {reason} {message}").trim_end().to_owned();
        let (reason, message) = (Some(reason), Some(message));
        CloseReason { status, reason, message, by_router: true, ..CloseReason::closed(text) }
    }

    /// The end of a session that may never have been open.
    pub(super) fn from_session(ended: SessionEnd, was_open: bool) -> CloseReason {
        match ended {
            SessionEnd::Goodbye { by_us: true, reason, message } => {
                let (reason, message) = (Some(reason), Some(message));
                CloseReason { reason, message, ..CloseReason::closed("closed by the application") }
            }
            SessionEnd::Goodbye { by_us: false, reason, message } => {
                CloseReason::told(Status::Ok, "closed by the router", reason, message)
            }
            SessionEnd::Refused { reason, message, challenged } => {
                let status = match challenged || AUTH_FAILURES.contains(&reason.as_str()) {
                    true => Status::Auth,
                    false => Status::Aborted,
                };
                CloseReason::told(status, "the router refused the session", reason, message)
            }
            SessionEnd::Aborted { reason, message } => CloseReason::told(
                Status::Aborted,
                "the router aborted the session",
                reason,
                message,
            ),
            SessionEnd::NotAuthenticated { reason, message } => {
                let text = format!("no authentication: {message}");
                let (reason, message) = (Some(reason), Some(message));
                CloseReason { status: Status::Auth, reason, message, ..CloseReason::closed(text) }
            }
            SessionEnd::Violation { message } => {
                CloseReason::failed(CloseClass::Closed, Failure::new(Status::Protocol, message))
            }
            SessionEnd::Lost if was_open => {
                CloseReason::failed(CloseClass::Lost, Status::Lost.into())
            }
            SessionEnd::Lost => CloseReason::failed(CloseClass::Unreachable, Status::Lost.into()),
        }
    }

    /// The end of a transport in the middle of a session that may never have been open.
    pub(super) fn from_transport(error: TransportError, was_open: bool) -> CloseReason {
        let rest = match &error {
            TransportError::Busy { rest, .. } => Some(*rest),
            _ => None,
        };
        let class = match &error {
            TransportError::Lost(_) | TransportError::Busy { .. } if was_open => CloseClass::Lost,
            TransportError::Lost(_) | TransportError::Busy { .. } => CloseClass::Unreachable,
            TransportError::Protocol(_)
            | TransportError::Message(_)
            | TransportError::TooLarge(_)
            | TransportError::Refused(_)
            | TransportError::PeerLimit { .. } => CloseClass::Closed,
        };
        CloseReason { rest, ..CloseReason::failed(class, error.into()) }
    }

    /// True if another attempt is to follow, where the application has not given up: always after a
    /// loss, with the option `retry_if_unreachable` where there never was a session, and for what
    /// is in `retry_reasons` wherever the router says it, after a challenge too. All else would
    /// happen again: a violation, a refusal of what we are.
    pub(super) fn is_retried(&self, if_unreachable: bool, reasons: &[String]) -> bool {
        match self.class {
            CloseClass::Lost => true,
            CloseClass::Unreachable => if_unreachable,
            CloseClass::Closed => self.is_listed(reasons),
        }
    }

    /// True if the router has ended it with one of `reasons`.
    pub(super) fn is_listed(&self, reasons: &[String]) -> bool {
        let by_router = self.by_router && self.class == CloseClass::Closed;
        by_router && self.reason.as_ref().is_some_and(|reason| reasons.contains(reason))
    }

    /// True if on_internal_error is to hear of it: nothing that the router or the network decides.
    pub(super) fn is_internal(&self) -> bool {
        let not_authenticated =
            self.status == Status::Auth && self.reason.as_deref() == Some(uri::CANNOT_AUTHENTICATE);
        matches!(self.status, Status::Protocol | Status::Internal) || not_authenticated
    }

    /// The notices of it: for on_close, and for on_internal_error where that is to hear of it.
    pub(super) fn notices(
        &self,
        shared: &Shared,
        session: Option<Arc<Session>>,
        next: Option<Next>,
    ) -> Vec<Notice> {
        let details = json!({
            "reason": self.reason,
            "message": self.message,
            "retry_delay": next.map(|next| next.delay.as_secs_f64()),
            "retry_count": next.map(|next| next.count),
            "will_retry": next.is_some(),
        });
        let frame = Bytes::from(details.to_string());
        let mut event = shared.plain_event(Slot::Close);
        event.uri = Some(c_text(self.class.name()));
        event.details = Span::new(&frame, Some(&frame));
        event.payload = Payload::from_frame(&frame, PayloadRef::NONE);
        let internal = self.is_internal().then(|| Notice {
            session: session.clone(),
            status: self.status,
            text: Some(c_text(&self.text)),
            ..shared.notice(NoticeKind::InternalError, shared.plain_event(Slot::InternalError))
        });
        let close = Notice {
            session,
            status: self.status,
            text: Some(c_text(&self.text)),
            ..shared.notice(NoticeKind::Close, event)
        };
        internal.into_iter().chain([close]).collect()
    }
}

/// The failure when the time for connecting is up; `hint` says what to check.
pub(super) fn slow_connect(options: &Options, url: &str, hint: &str) -> Failure {
    let limit = options.connect_timeout.as_secs_f64();
    let text = match options.transports.len() {
        1 => format!("{url} opened no session within {limit} s (option `connect_timeout`){hint}"),
        several => format!(
            "{url} opened no session in its share of {limit} s for {several} transports (option \
             `connect_timeout`){hint}"
        ),
    };
    Failure::new(Status::Timeout, text)
}

/// A closing handshake of the peer, in words.
pub(super) fn closed_by_peer(code: Option<u16>, reason: &str) -> String {
    match (code, reason) {
        (None, _) => "closed by the router without a GOODBYE".to_owned(),
        (Some(code), "") => format!("closed by the router with WebSocket code {code}"),
        (Some(code), reason) => {
            format!("closed by the router with WebSocket code {code} ({reason})")
        }
    }
}

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
                        let end = CloseReason::from_session(ended.clone(), was_open);
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
            (CloseClass::Closed, [false, false]),
            (CloseClass::Unreachable, [false, true]),
            (CloseClass::Lost, [true, true]),
        ] {
            let end = CloseReason::failed(class, Status::Internal.into());
            assert_eq!([false, true].map(|option| end.is_retried(option, &[])), retried, "{class}");
        }
    }
}
