//! Handles that an event lends beside what it shows, for as long as it is seen.

use std::ptr;
use std::sync::Arc;

use crate::client::{Notice, NoticeKind, Session};
use crate::codec::PayloadRef;
use crate::protocol::{EventKind, uri};

use super::loan::{self, Input};
use super::objects::{Challenge, PendingAttempt};
use super::types::*;

/// The handles that an event lends; given back when dropped.
#[derive(Default)]
pub(super) struct EventHandles {
    session: Option<*mut wamp_session_t>,
    invocation: Option<*mut wamp_invocation_t>,
    challenge: Option<*mut wamp_challenge_t>,
    attempt: Option<*mut wamp_attempt_t>,
    /// The rest that is to be done when the event is over.
    on_drop: OnDrop,
}

#[derive(Default, Clone)]
enum OnDrop {
    #[default]
    Nothing,
    /// The invocation's loan ends.
    EndInvocation(Input),
    /// The interruption of a request has been heard.
    FinishInterrupt(Arc<Session>, u64),
    /// The session's loan ends.
    EndSession,
}

impl EventHandles {
    /// Lends what belongs to `notice`.
    pub(super) fn new(notice: &Notice) -> EventHandles {
        let mut handles = EventHandles::default();
        if let Some(session) = &notice.session {
            handles.session = Some(loan::lend_session(session));
            handles.lend_of(session, notice);
        }
        if let (NoticeKind::Connect, Some(attempt)) = (notice.kind, &notice.attempt) {
            handles.attempt = Some(loan::lend(PendingAttempt(attempt.clone())));
        }
        handles
    }

    fn lend_of(&mut self, session: &Arc<Session>, notice: &Notice) {
        let id = notice.event.wamp_id;
        match notice.kind {
            NoticeKind::Close => self.on_drop = OnDrop::EndSession,
            NoticeKind::Session(EventKind::Invocation) => {
                self.invocation = Some(loan::lend_invocation(session, notice));
                self.on_drop = OnDrop::EndInvocation(
                    match (notice.event.more_input, notice.event.continues_input) {
                        (true, _) => Input::MoreFollows,
                        (false, true) => Input::LastPiece,
                        (false, false) => Input::Whole,
                    },
                );
            }
            NoticeKind::Session(EventKind::Interrupt) => {
                self.invocation = Some(loan::known_invocation(session, id));
                self.on_drop = OnDrop::FinishInterrupt(session.clone(), id);
            }
            NoticeKind::Session(EventKind::Challenge) => {
                self.challenge =
                    Some(loan::lend(Challenge { session: session.clone(), round: id }));
            }
            _ => {}
        }
    }

    /// The handle of the session; NULL where none is lent, as the next ones.
    pub(super) fn session(&self) -> *mut wamp_session_t {
        self.session.unwrap_or(ptr::null_mut())
    }

    /// The handle to answer a call with.
    pub(super) fn invocation(&self) -> *mut wamp_invocation_t {
        self.invocation.unwrap_or(ptr::null_mut())
    }

    /// The handle to answer a challenge with.
    pub(super) fn challenge(&self) -> *mut wamp_challenge_t {
        self.challenge.unwrap_or(ptr::null_mut())
    }

    /// The handle to decide on an attempt with.
    pub(super) fn attempt(&self) -> *mut wamp_attempt_t {
        self.attempt.unwrap_or(ptr::null_mut())
    }
}

impl Drop for EventHandles {
    fn drop(&mut self) {
        match &self.on_drop {
            OnDrop::Nothing => {}
            OnDrop::EndInvocation(input) => {
                if let Some(invocation) = self.invocation {
                    loan::end_invocation(invocation, *input);
                }
            }
            OnDrop::FinishInterrupt(session, request) => {
                session.finish_interrupt(*request);
                // With more input to come an invocation needs no handle: nobody else ends it then.
                if session.invocation_tag(*request) == 0 {
                    session.release_invocation(*request, uri::CANCELED, PayloadRef::NONE);
                }
            }
            OnDrop::EndSession => {
                if let Some(session) = self.session.filter(|session| !session.is_null()) {
                    loan::end_session(session);
                }
            }
        }
        if let Some(challenge) = self.challenge {
            loan::end(challenge);
        }
        if let Some(attempt) = self.attempt {
            loan::end(attempt);
        }
    }
}
