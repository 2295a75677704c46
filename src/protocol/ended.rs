//! How sessions end, and what becomes of what was on its way.
//!
//! Every request that waits gets its one outcome: the session's end is a failure whose cause tells
//! whether the request had been given to the transport.

use std::mem;

use crate::codec::{Dict, DictWriter, Out, PayloadRef};

use super::cancel::Limits;
use super::event::{Cause, Event, EventKind};
use super::message;
use super::session::{Phase, Request, Session};
use super::uri;

/// How a session ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// The router refused it by ABORT.
    Refused {
        /// The URI of the refusal.
        reason: String,
        /// The router's words.
        message: String,
        /// There had been a challenge.
        challenged: bool,
    },
    /// We broke off: there was no answer to a challenge, or the router is not who it should be.
    NotAuthenticated {
        /// The URI of our ABORT.
        reason: String,
        /// What went wrong.
        message: String,
    },
    /// The router aborted the open session.
    Aborted {
        /// The URI of the reason.
        reason: String,
        /// The router's words.
        message: String,
    },
    /// GOODBYE has been said on both sides.
    Goodbye {
        /// We said it first.
        by_us: bool,
        /// The URI in the router's GOODBYE.
        reason: String,
        /// The router's words.
        message: String,
    },
    /// The peer violated the protocol.
    Violation {
        /// How.
        message: String,
    },
    /// The transport is gone.
    Lost,
}

impl<H: Clone> Session<H> {
    pub(super) fn send_abort(&mut self, reason: &str, text: &str) {
        let details = message_details(Some(text));
        self.drop_unsent();
        // Three elements: autobahn refuses the longer form.
        self.send(|out| {
            let details = Dict::from_checked(&details);
            let payload = PayloadRef::NONE;
            message::Abort { details, reason: reason.into(), payload }.write(out);
        });
    }

    /// Sends one of the messages that open and close a session: no limit applies to them.
    pub(super) fn send(&mut self, write: impl FnOnce(&mut Out<'_>)) {
        let pushed = self.outbox.push(usize::MAX, write);
        debug_assert!(pushed.is_ok());
    }

    /// Before the last word of an open session: its requests that were not sent never will be, as
    /// they are told.
    pub(super) fn drop_unsent(&mut self) {
        if self.phase == Phase::Open {
            self.outbox.clear();
        }
    }

    pub(super) fn end(&mut self, ended: Ended) {
        if self.phase == Phase::Closed {
            return;
        }
        self.phase = Phase::Closed;
        self.ended = Some(ended);
        self.fail_requests();
        self.limits = Limits::default();
        let (mut gone, leaving) = self.subscriptions.drain();
        gone.extend(self.invocations.drain());
        for (id, target) in leaving {
            self.emit(Event::new(EventKind::Unsubscribed, id, target));
        }
        gone.extend(self.registrations.drain());
        for (id, target) in gone {
            self.emit(Event::new(EventKind::Gone, id, Some(target)));
        }
    }

    fn fail_requests(&mut self) {
        let mut requests: Vec<_> = mem::take(&mut self.requests).into_iter().collect();
        requests.sort_unstable_by_key(|(id, _)| *id);
        for (request, pending) in requests {
            let cause = if request > self.given { Cause::NotSent } else { Cause::OutcomeUnknown };
            let failed = |id, target| Event::failed(id, target, cause, uri::NETWORK_FAILURE);
            let targets: Vec<(u64, Option<H>)> = match pending {
                Request::Call { target, .. } | Request::Publish { target } => {
                    vec![(self.request_local(request), Some(target))]
                }
                Request::Subscribe(pending) => pending.into_targets(),
                Request::Unsubscribe(leaving) => leaving,
                Request::Register(pending) => pending.into_targets(),
                Request::Unregister { local, target, .. } => vec![(local, target)],
            };
            for (id, target) in targets {
                if let Some(target) = target {
                    self.emit(failed(id, target));
                }
            }
        }
    }
}

/// The reason and the message of an ABORT or GOODBYE. A message of a wrong type is not worth
/// failing for: the session is at its end.
pub(super) fn why(reason: &str, details: Dict<'_>) -> (String, String) {
    let message = details.text("message").ok().flatten().unwrap_or_default();
    (reason.to_owned(), message.into_owned())
}

pub(super) fn message_details(message: Option<&str>) -> Vec<u8> {
    let mut details = DictWriter::default();
    if let Some(message) = message {
        details.text("message", message);
    }
    details.finish().into_bytes()
}
