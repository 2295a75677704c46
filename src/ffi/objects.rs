//! Objects that handles lead to, and the references of those that events lend.
//!
//! The slabs that keep them are in [`super::handles`], which this file knows nothing of.

use std::collections::VecDeque;
use std::ffi::CStr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use crate::client::on_connect::Attempt;
use crate::client::{Connection, Failure, Notice, Session, lock};
use crate::codec::{Builder, PayloadRef};
use crate::protocol::{RequestError, uri};
use crate::router::{Question, Router};

use super::lens::View;
use super::router_host::{Loan as Loaned, RouterHost};
use super::types::{wamp_event_t, wamp_payload_t};

/// An object that events lend. Once nobody has a reference any more, unanswered, it answers itself.
pub(super) trait Loan: Send + Sync + 'static {
    /// Gives the answer that nobody has given.
    fn answer_itself(&self);
}

/// An object with its references.
pub(super) struct Lendable<T> {
    pub(super) what: T,
    pub(super) refs: Refs,
}

/// The references to a lent object: those of the host, and the loan. It ends once, with the last.
pub(super) struct Refs(Mutex<(usize, bool)>);

impl Refs {
    /// A loan alone.
    pub(super) const fn lent() -> Refs {
        Refs(Mutex::new((0, true)))
    }

    /// One more of the host; false if all have ended.
    pub(super) fn retain(&self) -> bool {
        let (retained, lent) = &mut *lock(&self.0);
        let alive = *retained > 0 || *lent;
        *retained += usize::from(alive);
        alive
    }

    /// One less of the host. `Some(true)`: it was the last of all; `None`: there was none.
    pub(super) fn release(&self) -> Option<bool> {
        let (retained, lent) = &mut *lock(&self.0);
        *retained = retained.checked_sub(1)?;
        Some(*retained == 0 && !*lent)
    }

    /// Lends what the host has retained once more; false if all have ended.
    pub(super) fn lend_again(&self) -> bool {
        let (retained, lent) = &mut *lock(&self.0);
        let alive = *retained > 0 || *lent;
        *lent = alive;
        alive
    }

    /// The loan ends. True if it was the last of all.
    pub(super) fn end_loan(&self) -> bool {
        let (retained, lent) = &mut *lock(&self.0);
        std::mem::take(lent) && *retained == 0
    }
}

/// A connection of the program.
pub(super) struct ConnectionObject {
    pub(super) client: Arc<Connection>,
    /// The keys of the sessions that it lends; `None` once it is freed.
    pub(super) lent: Mutex<Option<Vec<u64>>>,
    /// The events that the last poll has shown.
    pub(super) polled: Mutex<Option<Box<dyn Polled>>>,
}

/// Events that a poll has shown. What they keep ends with them.
pub(super) trait Polled: Send + Sync {
    /// Ends them, and gives back the room that they had.
    fn end(self: Box<Self>) -> VecDeque<Notice>;
}

impl ConnectionObject {
    /// Ends what the last poll has shown.
    pub(super) fn end_polled(&self) {
        let polled = lock(&self.polled).take();
        if let Some(polled) = polled {
            self.client.recycle(polled.end());
        }
    }
}

/// An invocation that the program is to answer.
pub(super) struct Invocation {
    pub(super) session: Arc<Session>,
    pub(super) request: u64,
    /// The registration, as the application knows it.
    pub(super) registration: u64,
    /// It has its final answer: the router may use its id for another one.
    answered: AtomicBool,
}

impl Invocation {
    /// An invocation without an answer.
    pub(super) fn new(session: &Arc<Session>, request: u64, registration: u64) -> Invocation {
        let answered = AtomicBool::new(false);
        Invocation { session: session.clone(), request, registration, answered }
    }

    /// Gives the final answer, which an invocation has once.
    pub(super) fn answer(&self, give: impl FnOnce() -> Result<(), Failure>) -> Result<(), Failure> {
        self.check()?;
        give()?;
        self.answered.store(true, Ordering::Release);
        Ok(())
    }

    /// Refuses what comes after the final answer.
    pub(super) fn check(&self) -> Result<(), Failure> {
        match self.answered.load(Ordering::Acquire) {
            true => Err(RequestError::Answered.into()),
            false => Ok(()),
        }
    }
}

impl Loan for Invocation {
    fn answer_itself(&self) {
        if self.answered.load(Ordering::Acquire) {
            return;
        }
        let text = PayloadRef::args("[\"the callee did not answer\"]");
        self.session.release_invocation(self.request, uri::RUNTIME_ERROR, text);
    }
}

/// A challenge of the router.
pub(super) struct Challenge {
    pub(super) session: Arc<Session>,
    pub(super) round: u64,
}

impl Loan for Challenge {
    fn answer_itself(&self) {
        // Refused if there was an answer, or the session is over: then all is well.
        let text = "the challenge was not answered";
        let _ = self.session.refuse_challenge(self.round, uri::CANNOT_AUTHENTICATE, text);
    }
}

/// An attempt to connect that the program may decide on.
pub(super) struct PendingAttempt(pub(super) Arc<Attempt>);

impl Loan for PendingAttempt {
    fn answer_itself(&self) {
        // Refused if there was a word on it: then that holds.
        let _ = self.0.proceed(None);
    }
}

/// An event that the program keeps.
pub(super) trait Message: Send + Sync {
    /// The view of it, which lives as long as the message.
    fn event(&self) -> &wamp_event_t;
}

/// A builder of the program.
pub(super) struct BuilderObject {
    pub(super) builder: Builder,
    /// The payload that wamp_builder_payload has lent.
    pub(super) payload: wamp_payload_t,
}

// SAFETY: the payload points into the builder, and is only read by the program that got it.
unsafe impl Send for BuilderObject {}

/// A router of the program.
pub(super) struct RouterObject {
    pub(super) router: Arc<Router>,
    /// The URLs that it listens at, in the order in which it was told to.
    pub(super) urls: Mutex<Vec<Arc<CStr>>>,
    /// The side of the program that it asks.
    pub(super) host: Arc<RouterHost>,
    /// The events that the last poll has shown, and what they lend.
    pub(super) polled: Mutex<Option<PolledQuestions>>,
}

/// The events of one poll, and what they lend.
pub(super) type PolledQuestions = (Box<dyn Polled>, Vec<Loaned>);

impl RouterObject {
    /// Ends what the last poll has shown.
    pub(super) fn end_polled(&self) {
        let polled = lock(&self.polled).take();
        drop(polled.map(|(polled, loans)| (polled.end(), loans)));
    }
}

/// A question of a router.
pub(super) struct RouterQuestion(pub(super) Arc<Question>);

impl Loan for RouterQuestion {
    fn answer_itself(&self) {
        // Refused if there was an answer: then that holds.
        let _ = self.0.deny(None, None);
    }
}

/// A session of the program.
pub(super) struct SessionObject {
    pub(super) session: Arc<Session>,
    pub(super) refs: Refs,
    /// WELCOME.Details, once somebody has looked.
    pub(super) details: OnceLock<Option<View>>,
}
