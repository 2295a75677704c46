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
    #[error("a URI contains neither white space nor '#'")]
    Character,
    /// Two dots in a row, or one at an end.
    #[error(
        "a URI component between two dots cannot be empty, except with \"match\": \"wildcard\""
    )]
    Component,
}

/// The class of a byte in a URI.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    Plain,
    Dot,
    Forbidden,
    Unicode,
}

/// The classes of all bytes: every URI that is sent is looked at byte by byte.
const CLASSES: [Class; 256] = {
    let mut classes = [Class::Plain; 256];
    let mut byte = 0;
    while byte < 256 {
        classes[byte] = match byte as u8 {
            b'.' => Class::Dot,
            b'#' | b'\t'..=b'\r' | b' ' => Class::Forbidden,
            0x80.. => Class::Unicode,
            _ => Class::Plain,
        };
        byte += 1;
    }
    classes
};

/// Checks `uri` for use with `matching`.
pub fn check(uri: &str, matching: Match) -> Result<(), UriError> {
    let bytes = uri.as_bytes();
    let (mut component, mut empty_component) = (0, false);
    for (at, byte) in bytes.iter().enumerate() {
        match CLASSES[usize::from(*byte)] {
            Class::Plain => {}
            Class::Dot => {
                empty_component |= at == component;
                component = at + 1;
            }
            Class::Forbidden => return Err(UriError::Character),
            Class::Unicode => return check_unicode(uri, matching),
        }
    }
    let last_is_empty = component == bytes.len();
    conclude(bytes.is_empty(), empty_component, last_is_empty, matching)
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

// The predefined URIs, such as `CANCELED`: include/uris.txt, which wamp.h has them from, too.
include!(concat!(env!("OUT_DIR"), "/uris.rs"));

/// The reason of a registration's end, where a router gives it no other.
pub const UNREGISTERED: &str = "wamp.error.unregistered";
/// The reason of a subscription's end, where a router gives it no other.
pub const UNSUBSCRIBED: &str = "wamp.error.unsubscribed";

/// True for the URI of a cancellation. Some text of the specification writes two l.
pub(super) fn is_canceled(error: &str) -> bool {
    matches!(error, CANCELED | "wamp.error.cancelled")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_predefined_uris_are_uris() {
        let table = include_str!("../../include/uris.txt");
        let mut names = BTreeSet::new();
        for line in table.lines().filter(|line| !line.starts_with('#')) {
            let words: Vec<_> = line.splitn(3, ' ').collect();
            assert_eq!((words.len(), check(words[1], Match::Exact)), (3, Ok(())), "{line}");
            assert!(words[1].starts_with("wamp."), "{line}");
            assert!(names.insert(words[0]), "{line}");
        }
        assert_eq!(CANCELED, "wamp.error.canceled");
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
