//! Events: what a session tells the application.

use std::borrow::Cow;
use std::ffi::{CStr, CString};
use std::sync::Arc;

use bytes::Bytes;

use crate::codec::{Dict, Payload, PayloadRef, Span};

use super::message;
use super::uri::Match;

/// The kinds of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventKind {
    /// The router wants to know who we are.
    Challenge,
    /// The session is open.
    Joined,
    /// A subscription is active.
    Subscribed,
    /// A subscription has ended: asked for, or revoked by the router.
    Unsubscribed,
    /// Somebody published to a subscribed topic.
    Event,
    /// The broker acknowledged a publication.
    Published,
    /// A registration is active.
    Registered,
    /// A registration has ended: asked for, or revoked by the router.
    Unregistered,
    /// Somebody calls a registered procedure.
    Invocation,
    /// The caller has canceled an invocation.
    Interrupt,
    /// A call's result.
    Result,
    /// A request failed.
    Error,
    /// Nothing happened, but this `H` will not be used any more.
    Released,
}

/// The causes of a request's failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// The router or the peer answered ERROR.
    Remote,
    /// The session ended before the request was given to the transport: safe to repeat.
    NotSent,
    /// The session ended after the request was given to the transport.
    OutcomeUnknown,
    /// The application canceled the request.
    Canceled,
    /// Its time limit has passed.
    Timeout,
}

/// One thing that happened, for the application.
#[derive(Debug, Clone)]
pub struct Event<H> {
    /// The kind, which says which of the other fields are used.
    pub kind: EventKind,
    /// The local id of the subscription, registration, call or publication.
    pub id: u64,
    /// The id that the router gave: publication, subscription, registration, invocation, session.
    pub wamp_id: u64,
    /// Result: more results follow. Invocation: progressive results are welcome.
    pub progress: bool,
    /// Invocation: more input of the same call follows.
    pub more_input: bool,
    /// Invocation: input of the same call came before.
    pub continues_input: bool,
    /// Error: why.
    pub cause: Option<Cause>,
    /// Topic, procedure, error URI or reason.
    pub uri: Option<Arc<CStr>>,
    /// The details dict, in the payload's frame.
    pub details: Span,
    /// Args and kwargs.
    pub payload: Payload,
    /// The application's own, given with the request; `None` for [`EventKind::Joined`].
    pub target: Option<H>,
}

impl<H> Event<H> {
    /// An event that says no more than its kind.
    pub fn new(kind: EventKind, id: u64, target: Option<H>) -> Event<H> {
        Event {
            kind,
            id,
            wamp_id: 0,
            progress: false,
            more_input: false,
            continues_input: false,
            cause: None,
            uri: None,
            details: Span::default(),
            payload: Payload::default(),
            target,
        }
    }

    /// A failure that the session itself has to tell.
    pub(super) fn failed(id: u64, target: H, cause: Cause, uri: &str) -> Event<H> {
        let mut event = Event::new(EventKind::Error, id, Some(target));
        event.cause = Some(cause);
        event.uri = Some(c_text(uri));
        event
    }

    /// A failure that the router has answered with.
    pub(super) fn from_error(
        id: u64,
        target: H,
        frame: &Bytes,
        error: &message::Error<'_>,
    ) -> Event<H> {
        let mut event = Event::failed(id, target, Cause::Remote, &error.error);
        event.attach(frame, error.details, error.payload);
        event
    }

    /// Shows the details and the payload of the message that the event tells of.
    pub(super) fn attach(&mut self, frame: &Bytes, details: Dict<'_>, payload: PayloadRef<'_>) {
        self.details = Span::from_dict(frame, details);
        self.payload = Payload::from_frame(frame, payload);
    }

    /// The details dict as it was received.
    pub fn details(&self) -> Option<&[u8]> {
        self.details.slice(self.payload.frame())
    }
}

/// The topic of an EVENT or the procedure of an INVOCATION: behind a pattern the router names it.
pub(super) fn concrete(
    subscribed: &Arc<CStr>,
    matching: Match,
    named: Option<Cow<'_, str>>,
) -> Arc<CStr> {
    match (matching, named) {
        (Match::Prefix | Match::Wildcard, Some(named)) => c_text(&named),
        _ => subscribed.clone(),
    }
}

/// A text for C: NUL characters inside, which only a hostile peer sends, become U+FFFD.
pub fn c_text(text: &str) -> Arc<CStr> {
    let owned = CString::new(text)
        .or_else(|_| CString::new(text.replace('\0', "\u{fffd}")))
        .unwrap_or_default();
    Arc::from(owned)
}
