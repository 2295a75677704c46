//! URIs: the rules for them, and those that the specification and its implementations predefine.
//!
//! We check the *loose* rule (basic profile, "URIs"): components between dots, without white space
//! and `#`. Crossbar.io drops the connection of a client that sends anything else. The strict rule
//! is left to routers that want it.

/// The ways in which subscriptions and registrations match (advanced profile, "Pattern-based ...").
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Match {
    /// The very URI.
    #[default]
    Exact,
    /// Every URI that begins with this text.
    Prefix,
    /// Every URI that has anything where this one has an empty component.
    Wildcard,
}

impl Match {
    /// Reads the value of the `match` option; `None` for an unknown one.
    pub fn parse(text: &str) -> Option<Match> {
        match text {
            "exact" => Some(Match::Exact),
            "prefix" => Some(Match::Prefix),
            "wildcard" => Some(Match::Wildcard),
            _ => None,
        }
    }

    /// The value of the `match` option.
    pub fn name(self) -> &'static str {
        match self {
            Match::Exact => "exact",
            Match::Prefix => "prefix",
            Match::Wildcard => "wildcard",
        }
    }
}

/// A breach of the rules for URIs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UriError {
    /// Nothing at all.
    #[error("a URI cannot be empty")]
    Empty,
    /// White space or `#`.
    #[error("a URI holds neither white space nor '#'")]
    Character,
    /// Two dots in a row, or one at an end.
    #[error(
        "a URI component between two dots cannot be empty, except with \"match\": \"wildcard\""
    )]
    Component,
}

/// Checks `uri` for use with `matching`.
pub fn check(uri: &str, matching: Match) -> Result<(), UriError> {
    let bytes = uri.as_bytes();
    let mut empty_component = false;
    let mut component_len = 0;
    for byte in bytes {
        match byte {
            b'.' => {
                empty_component |= component_len == 0;
                component_len = 0;
            }
            b'#' | b'\t'..=b'\r' | b' ' => return Err(UriError::Character),
            0x80.. => return check_unicode(uri, matching),
            _ => component_len += 1,
        }
    }
    conclude(bytes.is_empty(), empty_component, component_len == 0, matching)
}

fn check_unicode(uri: &str, matching: Match) -> Result<(), UriError> {
    if uri.chars().any(|character| character == '#' || character.is_whitespace()) {
        return Err(UriError::Character);
    }
    let mut components = uri.split('.').rev();
    let last_empty = components.next().is_none_or(str::is_empty);
    conclude(uri.is_empty(), components.any(str::is_empty), last_empty, matching)
}

fn conclude(
    empty: bool,
    inner_empty: bool,
    last_empty: bool,
    matching: Match,
) -> Result<(), UriError> {
    match matching {
        Match::Wildcard => Ok(()),
        Match::Prefix if inner_empty => Err(UriError::Component),
        Match::Prefix => Ok(()),
        Match::Exact if empty => Err(UriError::Empty),
        Match::Exact if inner_empty || last_empty => Err(UriError::Component),
        Match::Exact => Ok(()),
    }
}

/// The peer violated the protocol.
pub const PROTOCOL_VIOLATION: &str = "wamp.error.protocol_violation";
/// The answer to a GOODBYE.
pub const GOODBYE_AND_OUT: &str = "wamp.close.goodbye_and_out";
/// The reason of a close where the application gives none.
pub const GOODBYE_NORMAL: &str = "wamp.goodbye.normal";
/// We are challenged and have no credentials.
pub const CANNOT_AUTHENTICATE: &str = "wamp.error.cannot_authenticate";
/// The other side is not who it should be.
pub const AUTHENTICATION_FAILED: &str = "wamp.error.authentication_failed";
/// A callee's error without a URI of its own.
pub const RUNTIME_ERROR: &str = "wamp.error.runtime_error";
/// The request was given up.
pub const CANCELED: &str = "wamp.error.canceled";
/// The request's time limit has passed.
pub const TIMEOUT: &str = "wamp.error.timeout";
/// A message is larger than who is to get it takes.
pub const PAYLOAD_SIZE_EXCEEDED: &str = "wamp.error.payload_size_exceeded";
/// No such registration.
pub const NO_SUCH_REGISTRATION: &str = "wamp.error.no_such_registration";
/// No such subscription.
pub const NO_SUCH_SUBSCRIPTION: &str = "wamp.error.no_such_subscription";
/// Nobody has registered the procedure.
pub const NO_SUCH_PROCEDURE: &str = "wamp.error.no_such_procedure";
/// Somebody has registered the procedure already.
pub const PROCEDURE_ALREADY_EXISTS: &str = "wamp.error.procedure_already_exists";
/// The router has no such realm.
pub const NO_SUCH_REALM: &str = "wamp.error.no_such_realm";
/// The URI does not meet the rules.
pub const INVALID_URI: &str = "wamp.error.invalid_uri";
/// The request asks for what the router does not do.
pub const OPTION_NOT_ALLOWED: &str = "wamp.error.option_not_allowed";
/// A connection failed between the request and its answer.
pub const NETWORK_FAILURE: &str = "wamp.error.network_failure";
/// The router goes down.
pub const SYSTEM_SHUTDOWN: &str = "wamp.close.system_shutdown";

/// True for the URI of a cancellation. Some text of the specification writes two l.
pub(super) fn is_canceled(error: &str) -> bool {
    matches!(error, CANCELED | "wamp.error.cancelled")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_uris_of_the_header_are_uris() {
        let list = include_str!("../../include/uris.txt");
        for line in list.lines().filter(|line| !line.starts_with('#')) {
            let words: Vec<_> = line.splitn(3, ' ').collect();
            assert_eq!((words.len(), check(words[1], Match::Exact)), (3, Ok(())), "{line}");
            assert!(words[1].starts_with("wamp."), "{line}");
        }
        for ours in [RUNTIME_ERROR, CANCELED, TIMEOUT, NETWORK_FAILURE, GOODBYE_AND_OUT] {
            assert!(list.contains(&format!(" {ours} ")), "{ours}");
        }
    }

    #[test]
    fn the_loose_rule() {
        for good in ["a", "com.myapp.topic", "com.Ünï-code.x", "$weird/but.OK!"] {
            assert_eq!(check(good, Match::Exact), Ok(()), "{good}");
        }
        assert_eq!(check("", Match::Exact), Err(UriError::Empty));
        for bad in ["a b", "a\tb", "a#b", "ü\u{a0}b", "ü#"] {
            assert_eq!(check(bad, Match::Exact), Err(UriError::Character), "{bad:?}");
        }
        for bad in [".", "a.", ".a", "a..b", "ü.", "ü..b", ".ü"] {
            assert_eq!(check(bad, Match::Exact), Err(UriError::Component), "{bad}");
            assert_eq!(check(bad, Match::Wildcard), Ok(()), "{bad}");
        }
        assert_eq!(check("com.myapp.", Match::Prefix), Ok(()));
        assert_eq!(check("", Match::Prefix), Ok(()));
        assert_eq!(check("a..b", Match::Prefix), Err(UriError::Component));
    }
}
