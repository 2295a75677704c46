//! Errors: a request that is refused, and a message that the session ends over.

use crate::codec::{CodecError, TooLarge, Unsendable};

use super::uri::UriError;

/// The reason why a request is refused at once: nothing was sent and no id was used.
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
    #[error("{0}; raise `max_message_size` if the router accepts more, or send less")]
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
    #[error("the caller has canceled the call: no answer is expected")]
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
    #[error("the router does not have the {0} role")]
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

/// A message that cannot be meant for this session, with what is wrong about it.
#[derive(Debug)]
pub(super) struct Violation(pub String);

impl From<CodecError> for Violation {
    fn from(error: CodecError) -> Self {
        Violation(format!("malformed message: {error}"))
    }
}
