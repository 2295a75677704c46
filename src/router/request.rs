//! The common parts of broker and dealer: failures of requests, and the checks of options and URIs.

use std::borrow::Cow;

use crate::codec::{Dict, Out, PayloadRef, Unsendable, json::text::write_string};
use crate::protocol::message::Error;
use crate::protocol::uri::{self, Match};

use super::budget::{Budget, FLAT};
use super::pattern::MAX_COMPONENTS;

/// The reason why a message of a client is not carried out.
#[derive(Debug, PartialEq)]
pub(super) enum Fault {
    /// The request is answered by ERROR; the session goes on.
    Refused(Refusal),
    /// The request comes to nothing; its client did not want to hear of it.
    Unheard,
    /// The session ends with ABORT `wamp.error.protocol_violation`.
    Violation(String),
}

/// The content of an ERROR.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Refusal {
    /// The error's URI.
    error: Cow<'static, str>,
    /// For people.
    why: String,
}

impl Fault {
    /// Answers with `error` and a text for people.
    pub(super) fn refused(error: &'static str, why: String) -> Fault {
        Fault::Refused(Refusal::new(error, why))
    }
}

impl From<Refusal> for Fault {
    fn from(refusal: Refusal) -> Self {
        Fault::Refused(refusal)
    }
}

impl Refusal {
    /// An ERROR with a text for people.
    pub(super) fn new(error: impl Into<Cow<'static, str>>, why: String) -> Refusal {
        Refusal { error: error.into(), why }
    }

    /// The error's URI, and the text for people.
    pub(super) fn parts(&self) -> (&str, &str) {
        (&self.error, &self.why)
    }

    /// For a message that cannot be passed on to whom it is for.
    pub(super) fn unsendable(error: Unsendable) -> Refusal {
        let reason = match error {
            Unsendable::Payload(_) => uri::INVALID_ARGUMENT,
            Unsendable::TooLarge(_) => uri::PAYLOAD_SIZE_EXCEEDED,
        };
        Refusal::new(reason, format!("this cannot be sent to the other side: {error}"))
    }

    /// Appends the ERROR for the request of type `kind`.
    pub(super) fn write(&self, kind: u64, request: u64, out: &mut Out<'_>) {
        let mut args = vec![b'['];
        write_string(&mut args, &self.why);
        args.push(b']');
        let error = Error {
            kind,
            request,
            details: Dict::EMPTY,
            error: self.error.as_ref().into(),
            payload: PayloadRef { args: Some(&args), ..PayloadRef::NONE },
        };
        error.write(out);
    }
}

/// True for a payload that is counted by itself.
#[inline]
pub(super) fn is_large(payload: PayloadRef<'_>) -> bool {
    payload.len() > FLAT
}

/// The words for what the router has no memory for.
pub(super) const NO_MEMORY: &str =
    "the router has no memory left for this (memory_limit); try again later";

/// Refuses a large payload for which the router has no memory left.
#[inline]
pub(super) fn check_memory(budget: &Budget, payload: PayloadRef<'_>) -> Result<(), Fault> {
    if is_large(payload) && !budget.admits(payload.len()) {
        return Err(Fault::refused(uri::UNAVAILABLE, NO_MEMORY.to_owned()));
    }
    Ok(())
}

/// The limit of a URI in a request, in bytes.
pub(super) const MAX_URI: usize = 8192;

/// Checks the URI of a request.
pub(super) fn check_uri(uri: &str) -> Result<(), Fault> {
    check_pattern(uri, Match::Exact)
}

/// Refuses what is too long for a URI, before anybody does something with it or repeats it.
#[inline]
pub(super) fn check_length(uri: &str) -> Result<(), Fault> {
    if uri.len() > MAX_URI {
        let why = format!("a URI of {} bytes; at most {MAX_URI} are accepted", uri.len());
        return Err(Fault::refused(uri::INVALID_URI, why));
    }
    Ok(())
}

/// Checks a URI or pattern.
pub(super) fn check_pattern(uri: &str, matching: Match) -> Result<(), Fault> {
    check_length(uri)?;
    uri::check(uri, matching)
        .map_err(|error| format!("\"{uri}\": {error}"))
        .and_then(|()| check_components(uri, matching))
        .map_err(|why| Fault::refused(uri::INVALID_URI, why))
}

/// Refuses a wildcard of more components than can be looked for.
#[inline]
pub(super) fn check_components(uri: &str, matching: Match) -> Result<(), String> {
    if matching != Match::Wildcard {
        return Ok(());
    }
    match uri.split('.').count() {
        0..=MAX_COMPONENTS => Ok(()),
        count => {
            Err(format!("a wildcard of {count} components; at most {MAX_COMPONENTS} are accepted"))
        }
    }
}

/// Checks a URI or pattern that the client defines: those that begin with "wamp." are the router's
/// own.
pub(super) fn check_own_uri(uri: &str, matching: Match) -> Result<(), Fault> {
    check_pattern(uri, matching)?;
    if is_reserved(uri) {
        let why = format!("\"{uri}\": URIs that begin with \"wamp.\" are reserved");
        return Err(Fault::refused(uri::INVALID_URI, why));
    }
    Ok(())
}

/// The topics of the router itself: all that begin with "wamp." and have events.
pub(super) const META_TOPICS: [&str; 10] = [
    "wamp.session.on_join",
    "wamp.session.on_leave",
    "wamp.subscription.on_create",
    "wamp.subscription.on_subscribe",
    "wamp.subscription.on_unsubscribe",
    "wamp.subscription.on_delete",
    "wamp.registration.on_create",
    "wamp.registration.on_register",
    "wamp.registration.on_unregister",
    "wamp.registration.on_delete",
];

/// True for the URIs that the router defines itself.
#[inline]
pub(super) fn is_reserved(uri: &str) -> bool {
    uri.strip_prefix("wamp").is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}
