//! What a session tells the application, and why it refuses a request.

use std::ffi::CStr;
use std::sync::Arc;

use crate::codec::{CodecError, Payload, Span, TooLarge, Unsendable};

use super::uri::UriError;

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
    /// The caller has given an invocation up.
    Interrupt,
    /// A call's result.
    Result,
    /// A request failed.
    Error,
    /// Nothing happened, but this `H` will not be used any more.
    Released,
}

/// Why a request failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// The router or the peer answered ERROR.
    Remote,
    /// The session ended before the request was given to the transport: safe to repeat.
    NotSent,
    /// The session ended after the request was given to the transport.
    OutcomeUnknown,
    /// The application gave the request up.
    Canceled,
    /// Its time limit has passed.
    Timeout,
}

/// One thing that happened, for the application.
#[derive(Debug, Clone)]
pub struct Event<H> {
    /// What happened.
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
    /// What the application gave with the request; `None` for [`EventKind::Joined`].
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

    pub(super) fn failed(id: u64, target: H, cause: Cause, uri: &str) -> Event<H> {
        let mut event = Event::new(EventKind::Error, id, Some(target));
        event.cause = Some(cause);
        event.uri = Some(c_text(uri));
        event
    }

    /// The details dict as it was received.
    pub fn details(&self) -> Option<&[u8]> {
        self.details.slice(self.payload.frame())
    }
}

/// A text for C: NUL characters inside, which only a hostile peer sends, become U+FFFD.
pub fn c_text(text: &str) -> Arc<CStr> {
    let owned = std::ffi::CString::new(text)
        .or_else(|_| std::ffi::CString::new(text.replace('\0', "\u{fffd}")))
        .unwrap_or_default();
    Arc::from(owned)
}

/// Why a request was refused at once; nothing was sent and no id was used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// The session is not open.
    #[error("the session is not open")]
    Closed,
    /// The URI does not meet the rules.
    #[error(transparent)]
    Uri(#[from] UriError),
    /// An option of a wrong kind.
    #[error("option `{0}`: {1}")]
    Option(&'static str, &'static str),
    /// The message is too large for the limit.
    #[error("{0}; raise `max_message_size`, if the router takes more, or send less")]
    TooLarge(#[from] TooLarge),
    /// The encoding of the connection cannot carry the payload.
    #[error("the payload cannot be sent on this connection: {0}")]
    Payload(CodecError),
    /// No such subscription, registration or call.
    #[error("there is no subscription, registration or call with this id (any more)")]
    NoSuchId,
    /// This session has registered the very same procedure.
    #[error("this session has registered that procedure already; unregister it first")]
    AlreadyRegistered,
    /// The invocation or challenge has its final answer.
    #[error("it has been answered already")]
    Answered,
    /// The caller has given the invocation up.
    #[error("the caller has given the call up: nobody waits for an answer")]
    Interrupted,
    /// The router does not announce what the request needs.
    #[error("the router does not announce `{0}`")]
    NotAnnounced(&'static str),
    /// All input of the call has been sent.
    #[error("the call was made without `progress`, or its last input has been sent")]
    NoMoreInput,
    /// The caller did not ask for progressive results.
    #[error("the caller did not ask for progressive results (see WAMP_FLAG_PROGRESS)")]
    NoProgress,
    /// The router announced no such role.
    #[error("the router is no {0}")]
    NoRole(&'static str),
}

impl From<Unsendable> for RequestError {
    fn from(error: Unsendable) -> Self {
        match error {
            Unsendable::TooLarge(error) => RequestError::TooLarge(error),
            Unsendable::Payload(error) => RequestError::Payload(error),
        }
    }
}
