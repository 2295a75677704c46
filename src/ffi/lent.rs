//! What an event lends beside what it shows: handles, for as long as it is seen.

use std::ptr;
use std::sync::Arc;

use crate::client::{Notice, NoticeKind, Session};
use crate::codec::PayloadRef;
use crate::protocol::{EventKind, uri};

use super::invocation::Input;
use super::types::*;
use super::{attempt, challenge, invocation, loan, session};

/// The handles that an event lends; given back when dropped.
#[derive(Default)]
pub struct Lent {
    session: Option<*mut wamp_session_t>,
    invocation: Option<*mut wamp_invocation_t>,
    challenge: Option<*mut wamp_challenge_t>,
    attempt: Option<*mut wamp_attempt_t>,
    /// What is to be done when the event is over.
    last: Last,
}

#[derive(Default, Clone)]
enum Last {
    #[default]
    Nothing,
    /// The invocation's loan ends.
    EndInvocation(Input),
    /// The interruption of a request has been heard.
    FinishInterrupt(Arc<Session>, u64),
    /// The session's loan ends.
    EndSession,
}

impl Lent {
    /// Lends what belongs to `notice`.
    pub fn new(notice: &Notice) -> Lent {
        let mut lent = Lent::default();
        if let Some(session) = &notice.session {
            lent.session = Some(session::lend(session));
            lent.lend_of(session, notice);
        }
        if let (NoticeKind::Connect, Some(attempt)) = (notice.kind, &notice.attempt) {
            lent.attempt = Some(attempt::lend(attempt));
        }
        lent
    }

    fn lend_of(&mut self, session: &Arc<Session>, notice: &Notice) {
        let id = notice.event.wamp_id;
        match notice.kind {
            NoticeKind::Close => self.last = Last::EndSession,
            NoticeKind::Session(EventKind::Invocation) => {
                self.invocation = Some(invocation::lend(session, notice));
                self.last = Last::EndInvocation(
                    match (notice.event.more_input, notice.event.continues_input) {
                        (true, _) => Input::MoreFollows,
                        (false, true) => Input::LastPiece,
                        (false, false) => Input::Whole,
                    },
                );
            }
            NoticeKind::Session(EventKind::Interrupt) => {
                self.invocation = Some(invocation::known(session, id));
                self.last = Last::FinishInterrupt(session.clone(), id);
            }
            NoticeKind::Session(EventKind::Challenge) => {
                self.challenge = Some(challenge::lend(session, id));
            }
            _ => {}
        }
    }
}

impl Lent {
    /// NULL where none is lent, as the next ones.
    pub fn session(&self) -> *mut wamp_session_t {
        self.session.unwrap_or(ptr::null_mut())
    }

    /// To answer a call with.
    pub fn invocation(&self) -> *mut wamp_invocation_t {
        self.invocation.unwrap_or(ptr::null_mut())
    }

    /// To answer a challenge with.
    pub fn challenge(&self) -> *mut wamp_challenge_t {
        self.challenge.unwrap_or(ptr::null_mut())
    }

    /// To decide on an attempt with.
    pub fn attempt(&self) -> *mut wamp_attempt_t {
        self.attempt.unwrap_or(ptr::null_mut())
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        match &self.last {
            Last::Nothing => {}
            Last::EndInvocation(input) => {
                if let Some(invocation) = self.invocation {
                    invocation::end_loan(invocation, *input);
                }
            }
            Last::FinishInterrupt(session, request) => {
                session.finish_interrupt(*request);
                // With more input to come an invocation needs no handle: nobody else ends it then.
                if session.invocation_tag(*request) == 0 {
                    session.forget_invocation(*request, uri::CANCELED, PayloadRef::NONE);
                }
            }
            Last::EndSession => {
                if let Some(session) = self.session.filter(|session| !session.is_null()) {
                    session::end_loan(session);
                }
            }
        }
        if let Some(challenge) = self.challenge {
            loan::end_loan::<challenge::Challenge, _>(challenge);
        }
        if let Some(attempt) = self.attempt {
            loan::end_loan::<attempt::Asked, _>(attempt);
        }
    }
}
