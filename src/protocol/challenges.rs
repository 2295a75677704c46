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
//! The application and [`crate::auth`] know what to answer, and whether to trust the router.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

use crate::codec::{Dict, PayloadRef};

use super::error::{RequestError, Violation};
use super::event::{Event, EventKind, c_text};
use super::link::Link;
use super::message;

/// A look at WELCOME.Details; an error says why not to trust the router.
type Look = dyn Fn(Dict<'_>) -> Result<(), String> + Send + Sync;

/// A look at WELCOME.Details before the session is open.
#[derive(Clone)]
pub struct Gate(pub Arc<Look>);

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Gate")
    }
}

/// The challenges so far, and the gate behind them.
#[derive(Debug)]
pub(super) struct Challenges {
    count: u64,
    /// The last one waits for its answer.
    waiting: bool,
    gate: Option<Gate>,
}

impl Challenges {
    /// No challenges so far.
    pub(super) fn new(gate: Option<Gate>) -> Challenges {
        Challenges { count: 0, waiting: false, gate }
    }

    /// True if there has been one.
    pub(super) fn any(&self) -> bool {
        self.count > 0
    }

    /// Answers the challenge whose event had the id `round`.
    pub(super) fn authenticate<H>(
        &mut self,
        link: &mut Link<H>,
        round: u64,
        signature: &str,
        extra: Dict<'_>,
    ) -> Result<(), RequestError> {
        self.take(round)?;
        link.send_control(|out| {
            message::Authenticate { signature: signature.into(), extra }.write(out);
        });
        Ok(())
    }

    /// Takes the challenge that waits, to answer it or not.
    pub(super) fn take(&mut self, round: u64) -> Result<(), RequestError> {
        if round != self.count || !self.waiting {
            return Err(RequestError::Answered);
        }
        self.waiting = false;
        Ok(())
    }

    /// Hands a challenge to the application.
    pub(super) fn on_challenge<H>(
        &mut self,
        link: &mut Link<H>,
        frame: &Bytes,
        challenge: &message::Challenge<'_>,
    ) -> Result<(), Violation> {
        if self.waiting {
            return Err(Violation("a second CHALLENGE before the first was answered".to_owned()));
        }
        self.waiting = true;
        self.count += 1;
        let mut event = Event::new(EventKind::Challenge, 0, None);
        event.wamp_id = self.count;
        event.uri = Some(c_text(&challenge.method));
        event.attach(frame, challenge.extra, PayloadRef::NONE);
        link.emit(event);
        Ok(())
    }

    /// Looks at the details of a WELCOME; an error says why the router is not who it should be.
    pub(super) fn check_router(&mut self, details: Dict<'_>) -> Result<(), String> {
        match self.gate.take() {
            Some(Gate(look)) => look(details),
            None => Ok(()),
        }
    }
}
