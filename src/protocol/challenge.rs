//! Authentication within joining (advanced profile, "Authentication"): the router's challenges, our
//! answers, and a last look at who the router is.
//!
//! ```text
//!   HELLO sent --CHALLENGE--> challenged --authenticate: AUTHENTICATE--> answered
//!                                 |                                       |    |
//!                                 | refuse: ABORT              CHALLENGE -+    | WELCOME
//!                                 v                                            v
//!                               Closed <-------- the gate shuts: ABORT ------ gate --> Open
//! ```
//!
//! What an answer is, and whether the router is to be trusted, is left to the application and to
//! [`crate::auth`].

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

use crate::codec::{Dict, Payload, PayloadRef, Span};

use super::ended::Ended;
use super::event::{Event, EventKind, RequestError, c_text};
use super::message;
use super::session::{Phase, Session, Violation};
use super::uri;

/// What looks at WELCOME.Details; an error says why not to trust the router.
type Look = dyn Fn(Dict<'_>) -> Result<(), String> + Send + Sync;

/// Looks at WELCOME.Details before the session is open.
#[derive(Clone)]
pub struct Gate(pub Arc<Look>);

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Gate")
    }
}

/// The challenges so far.
#[derive(Debug, Default)]
pub(super) struct Challenges {
    count: u64,
    /// The last one waits for its answer.
    waiting: bool,
}

impl Challenges {
    /// True if there has been one.
    pub(super) fn any(&self) -> bool {
        self.count > 0
    }
}

impl<H: Clone> Session<H> {
    /// Answers the challenge whose event had the id `round`.
    pub fn authenticate(
        &mut self,
        round: u64,
        signature: &str,
        extra: Dict<'_>,
    ) -> Result<(), RequestError> {
        self.take_challenge(round)?;
        self.send(|out| {
            message::Authenticate { signature: signature.into(), extra }.write(out);
        });
        Ok(())
    }

    /// Gives no answer to a challenge: the session ends with an ABORT.
    pub fn refuse_challenge(
        &mut self,
        round: u64,
        reason: &str,
        text: &str,
    ) -> Result<(), RequestError> {
        uri::check(reason, uri::Match::Exact)?;
        self.take_challenge(round)?;
        self.break_off(reason, text);
        Ok(())
    }

    pub(super) fn on_challenge(
        &mut self,
        frame: &Bytes,
        challenge: &message::Challenge<'_>,
    ) -> Result<(), Violation> {
        if self.challenges.waiting {
            return Err(Violation("a second CHALLENGE before the first was answered".to_owned()));
        }
        self.challenges.waiting = true;
        self.challenges.count += 1;
        let mut event = Event::new(EventKind::Challenge, 0, None);
        event.wamp_id = self.challenges.count;
        event.uri = Some(c_text(&challenge.method));
        event.payload = Payload::from_frame(frame, PayloadRef::NONE);
        event.details = Span::from_dict(frame, challenge.extra);
        self.emit(event);
        Ok(())
    }

    /// False if the session has ended, because the router is not who it should be.
    pub(super) fn passes_gate(&mut self, details: Dict<'_>) -> bool {
        let Some(Gate(gate)) = self.config.gate.take() else {
            return true;
        };
        match gate(details) {
            Ok(()) => true,
            Err(why) => {
                self.break_off(uri::AUTHENTICATION_FAILED, &why);
                false
            }
        }
    }

    fn take_challenge(&mut self, round: u64) -> Result<(), RequestError> {
        if self.phase != Phase::Joining {
            return Err(RequestError::Closed);
        }
        if round != self.challenges.count || !self.challenges.waiting {
            return Err(RequestError::Answered);
        }
        self.challenges.waiting = false;
        Ok(())
    }

    fn break_off(&mut self, reason: &str, text: &str) {
        self.send_abort(reason, text);
        let (reason, message) = (reason.to_owned(), text.to_owned());
        self.end(Ended::NotAuthenticated { reason, message });
    }
}
