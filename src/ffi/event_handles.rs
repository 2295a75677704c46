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
pub(super) struct EventHandles {
    /// NULL where none is lent.
    session: *mut wamp_session_t,
    more: Lent,
}

/// The handle that is lent beside the session's, with what is to be done when the event is over.
enum Lent {
    Nothing,
    /// Of an invocation, whose loan ends.
    Invocation(*mut wamp_invocation_t, Input),
    /// Of an invocation whose interruption has been heard then.
    Interrupted(*mut wamp_invocation_t, Arc<Session>, u64),
    Challenge(*mut wamp_challenge_t),
    Attempt(*mut wamp_attempt_t),
    /// None, but the loan of the session ends.
    EndOfSession,
}

impl EventHandles {
    /// No handles.
    pub(super) const NONE: EventHandles =
        EventHandles { session: ptr::null_mut(), more: Lent::Nothing };

    /// Lends what belongs to `notice`.
    #[inline]
    pub(super) fn new(notice: &Notice) -> EventHandles {
        let session = match &notice.session {
            Some(session) => loan::lend_session(session),
            None => ptr::null_mut(),
        };
        let more = match notice.kind {
            NoticeKind::Session(EventKind::Event | EventKind::Result) => Lent::Nothing,
            _ => Lent::new(notice),
        };
        EventHandles { session, more }
    }

    /// The handle of the session; NULL where none is lent, as the next ones.
    #[inline]
    pub(super) fn session(&self) -> *mut wamp_session_t {
        self.session
    }

    /// The handle to answer a call with.
    #[inline]
    pub(super) fn invocation(&self) -> *mut wamp_invocation_t {
        match self.more {
            Lent::Invocation(invocation, _) | Lent::Interrupted(invocation, ..) => invocation,
            _ => ptr::null_mut(),
        }
    }

    /// The handle to answer a challenge with.
    #[inline]
    pub(super) fn challenge(&self) -> *mut wamp_challenge_t {
        match self.more {
            Lent::Challenge(challenge) => challenge,
            _ => ptr::null_mut(),
        }
    }

    /// The handle to decide on an attempt with.
    #[inline]
    pub(super) fn attempt(&self) -> *mut wamp_attempt_t {
        match self.more {
            Lent::Attempt(attempt) => attempt,
            _ => ptr::null_mut(),
        }
    }
}

impl Lent {
    fn new(notice: &Notice) -> Lent {
        let id = notice.event.wamp_id;
        match (notice.kind, &notice.session, &notice.attempt) {
            (NoticeKind::Connect, _, Some(attempt)) => {
                Lent::Attempt(loan::lend(PendingAttempt(attempt.clone())))
            }
            (NoticeKind::Close, Some(_), _) => Lent::EndOfSession,
            (NoticeKind::Session(EventKind::Invocation), Some(session), _) => {
                let input = match (notice.event.more_input, notice.event.continues_input) {
                    (true, _) => Input::MoreFollows,
                    (false, true) => Input::LastPiece,
                    (false, false) => Input::Whole,
                };
                Lent::Invocation(loan::lend_invocation(session, notice), input)
            }
            (NoticeKind::Session(EventKind::Interrupt), Some(session), _) => {
                Lent::Interrupted(loan::known_invocation(session, id), session.clone(), id)
            }
            (NoticeKind::Session(EventKind::Challenge), Some(session), _) => {
                Lent::Challenge(loan::lend(Challenge { session: session.clone(), round: id }))
            }
            _ => Lent::Nothing,
        }
    }

    fn end(&self, session: *mut wamp_session_t) {
        match self {
            Lent::Nothing => {}
            Lent::Invocation(invocation, input) => loan::end_invocation(*invocation, *input),
            Lent::Interrupted(_, session, request) => {
                session.finish_interrupt(*request);
                // With more input to come an invocation needs no handle: nobody else ends it then.
                if session.invocation_tag(*request) == 0 {
                    session.release_invocation(*request, uri::CANCELED, PayloadRef::NONE);
                }
            }
            Lent::Challenge(challenge) => loan::end(*challenge),
            Lent::Attempt(attempt) => loan::end(*attempt),
            Lent::EndOfSession => loan::end_session(session),
        }
    }
}

impl Drop for EventHandles {
    #[inline]
    fn drop(&mut self) {
        if !matches!(self.more, Lent::Nothing) {
            self.more.end(self.session);
        }
    }
}
