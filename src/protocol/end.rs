//! The ends of a session, and the words that both sides have for them.

use crate::codec::{Dict, DictWriter};

/// The way in which a session ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SessionEnd {
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
        /// The problem, for people.
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
        /// The rule, and how it was broken.
        message: String,
    },
    /// The transport is gone.
    Lost,
}

/// The reason and the message of an ABORT or GOODBYE. A message of a wrong type is not worth
/// failing for: the session is at its end.
pub(super) fn why(reason: &str, details: Dict<'_>) -> (String, String) {
    let message = details.text("message").ok().flatten().unwrap_or_default();
    (reason.to_owned(), message.into_owned())
}

/// The details of an ABORT or GOODBYE with a message, as text.
pub(super) fn message_details(message: Option<&str>) -> Vec<u8> {
    let mut details = DictWriter::default();
    if let Some(message) = message {
        details.text("message", message);
    }
    details.finish().into_bytes()
}
