//! What broker and dealer have in common: how requests fail, and the checks of options and URIs.

use crate::codec::{CodecError, Dict, PayloadRef, json::text::write_string};
use crate::protocol::message::Error;
use crate::protocol::uri::{self, Match};

/// Why a message of a client is not carried out.
#[derive(Debug, PartialEq)]
pub(super) enum Fault {
    /// The request is answered by ERROR; the session goes on.
    Refused(Refusal),
    /// The session ends with ABORT `wamp.error.protocol_violation`.
    Violation(String),
}

/// The content of an ERROR.
#[derive(Debug, PartialEq)]
pub(super) struct Refusal {
    /// The error's URI.
    error: &'static str,
    /// For people.
    why: String,
}

impl Fault {
    /// Answers with `error` and a text for people.
    pub(super) fn refused(error: &'static str, why: String) -> Fault {
        Fault::Refused(Refusal::new(error, why))
    }
}

/// An option of the wrong type breaks the protocol; unknown options are ignored.
impl From<CodecError> for Fault {
    fn from(error: CodecError) -> Self {
        Fault::Violation(error.to_string())
    }
}

impl Refusal {
    /// An ERROR with a text for people.
    pub(super) fn new(error: &'static str, why: String) -> Refusal {
        Refusal { error, why }
    }

    /// Appends the ERROR for the request of type `kind`.
    pub(super) fn write(&self, kind: u64, request: u64, out: &mut Vec<u8>) {
        let mut args = vec![b'['];
        write_string(&mut args, &self.why);
        args.push(b']');
        let error = Error {
            kind,
            request,
            details: Dict::EMPTY,
            error: self.error.into(),
            payload: PayloadRef { args: Some(&args), ..PayloadRef::NONE },
        };
        error.write(out);
    }
}

/// Checks the URI of a request.
pub(super) fn check_uri(uri: &str) -> Result<(), Fault> {
    uri::check(uri, Match::Exact)
        .map_err(|error| Fault::refused(uri::INVALID_URI, format!("\"{uri}\": {error}")))
}

/// Checks a URI that the client defines: those that begin with "wamp." are the router's own.
pub(super) fn check_own_uri(uri: &str) -> Result<(), Fault> {
    check_uri(uri)?;
    if uri == "wamp" || uri.starts_with("wamp.") {
        let why = format!("\"{uri}\": URIs that begin with \"wamp.\" are reserved");
        return Err(Fault::refused(uri::INVALID_URI, why));
    }
    Ok(())
}

/// Refuses a text option with any other value than the one that this router knows.
pub(super) fn check_option(
    options: Dict<'_>,
    key: &'static str,
    only: &'static str,
) -> Result<(), Fault> {
    if options.is_empty() {
        return Ok(());
    }
    match options.text(key)? {
        Some(value) if value != only => {
            let why = format!("{key} \"{value}\": this router does \"{only}\" only");
            Err(Fault::refused(uri::OPTION_NOT_ALLOWED, why))
        }
        _ => Ok(()),
    }
}
