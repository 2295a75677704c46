//! Options that clients send, read in one pass.
//!
//! An option of the wrong type is refused with `wamp.error.invalid_argument`; unknown ones are left
//! to the callers of [`text`], [`flag`] and the others, which ignore them.

use std::borrow::Cow;

use serde::de::DeserializeOwned;
use serde_json::{Map, Number, Value};

use crate::codec::json::{self, text::unescape};
use crate::codec::{self, Dict, DictWriter};
use crate::protocol::uri::{self, Match};

use super::request::{Fault, Refusal};

/// The items of a list, which may be long, and is looked through for each receiver. Sorted, they
/// take no more room than the list.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Set<T>(Vec<T>);

impl<T: Ord> Set<T> {
    #[inline]
    pub(super) fn contains(&self, item: &T) -> bool {
        self.0.binary_search(item).is_ok()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The bytes that it takes, without what its items have elsewhere.
    pub(super) fn size(&self) -> usize {
        self.0.capacity() * size_of::<T>()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        self.0.iter()
    }
}

impl<T: Ord> From<Vec<T>> for Set<T> {
    fn from(mut items: Vec<T>) -> Self {
        items.sort_unstable();
        items.dedup();
        Set(items)
    }
}

impl<T> Default for Set<T> {
    fn default() -> Self {
        Set(Vec::new())
    }
}

/// True for the options that pass through the router, as they speak of the payload (advanced
/// profile, "Payload Passthru Mode"; and the older form of Autobahn), where they are there.
pub(super) fn passes_through(key: &[u8], value: &[u8]) -> bool {
    let is_known =
        key.starts_with(b"ppt_") || matches!(key, b"enc_algo" | b"enc_key" | b"enc_serializer");
    is_known && value != b"null"
}

/// The entries of `options` that pass through.
pub(super) fn passthru(options: Dict<'_>) -> DictWriter {
    let mut details = DictWriter::default();
    if !options.is_empty() {
        for (key, value) in options.entries().filter(|(key, value)| passes_through(key, value)) {
            details.raw(key, value);
        }
    }
    details
}

/// A dict among the arguments of the meta API. `null` is as good as absent, and so is an empty
/// list: in some languages it is the same as an empty dict.
pub(super) fn dict<'v>(
    value: Option<&'v Value>,
    wanted: &str,
) -> Result<Option<&'v Map<String, Value>>, Refusal> {
    match value {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Array(list)) if list.is_empty() => Ok(None),
        Some(Value::Object(entries)) => Ok(Some(entries)),
        Some(_) => Err(Refusal::new(uri::INVALID_ARGUMENT, wanted.to_owned())),
    }
}

/// A bool; `null` is as good as absent.
pub(super) fn flag(key: &[u8], value: &[u8]) -> Result<Option<bool>, Refusal> {
    match value {
        b"true" => Ok(Some(true)),
        b"false" => Ok(Some(false)),
        b"null" => Ok(None),
        _ => Err(mistyped(key, "true or false")),
    }
}

/// A string; `null` is as good as absent.
pub(super) fn text<'a>(key: &[u8], value: &'a [u8]) -> Result<Option<Cow<'a, str>>, Refusal> {
    match value {
        [b'"', inner @ .., b'"'] => Ok(Some(unescape(inner))),
        b"null" => Ok(None),
        _ => Err(mistyped(key, "a string")),
    }
}

/// A whole number that is not negative; `null` is as good as absent.
pub(super) fn number(key: &[u8], value: &[u8]) -> Result<Option<u64>, Refusal> {
    if value == b"null" {
        return Ok(None);
    }
    let wrong = || mistyped(key, "a whole number that is not negative");
    json::whole(value).map(Some).ok_or_else(wrong)
}

/// A list of session ids; `null` is as good as absent.
pub(super) fn ids(key: &[u8], value: &[u8]) -> Result<Option<Set<u64>>, Refusal> {
    const WANTED: &str = "a list of session ids";
    let Some(numbers) = list::<Number>(key, value, WANTED)? else {
        return Ok(None);
    };
    let ids: Option<Vec<u64>> = numbers.iter().map(whole).collect();
    ids.map(|ids| Some(ids.into())).ok_or_else(|| mistyped(key, WANTED))
}

/// A list of strings; `null` is as good as absent.
pub(super) fn texts(key: &[u8], value: &[u8]) -> Result<Option<Set<String>>, Refusal> {
    list(key, value, "a list of strings").map(|items| items.map(Set::from))
}

/// The whole number that is not negative, also where it was written as a float.
pub(super) fn whole(number: &Number) -> Option<u64> {
    number.as_u64().or_else(|| number.as_f64().and_then(codec::whole))
}

fn list<T: DeserializeOwned>(
    key: &[u8],
    value: &[u8],
    wanted: &str,
) -> Result<Option<Vec<T>>, Refusal> {
    if value == b"null" {
        return Ok(None);
    }
    serde_json::from_slice(value).map(Some).map_err(|_| mistyped(key, wanted))
}

fn mistyped(key: &[u8], wanted: &str) -> Refusal {
    let why = format!("option \"{}\" must be {wanted}", String::from_utf8_lossy(key));
    Refusal::new(uri::INVALID_ARGUMENT, why)
}

/// Reads the option `match`.
pub(super) fn read_match(key: &[u8], value: &[u8]) -> Result<Match, Fault> {
    let Some(name) = text(key, value)? else {
        return Ok(Match::Exact);
    };
    Match::parse(&name).ok_or_else(|| {
        let why = format!("option \"match\" must be exact, prefix or wildcard, not \"{name}\"");
        Fault::refused(uri::INVALID_ARGUMENT, why)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_have_types() {
        assert_eq!(flag(b"k", b"true"), Ok(Some(true)));
        assert_eq!(flag(b"k", b"null"), Ok(None));
        assert!(flag(b"k", b"1").is_err());
        assert_eq!(text(b"k", br#""a\n""#).unwrap().as_deref(), Some("a\n"));
        assert!(text(b"k", b"[]").is_err());
        assert_eq!(number(b"k", b"1500.0"), Ok(Some(1500)));
        for bad in ["-1", "1.5", "\"1\"", "true"] {
            assert!(number(b"k", bad.as_bytes()).is_err(), "{bad}");
        }
        assert_eq!(ids(b"k", b"[2, 1.0, 2e0]"), Ok(Some(Set(vec![1, 2]))));
        // The nearest double is that very number.
        assert_eq!(ids(b"k", b"[8261585404950865.0]"), Ok(Some(Set(vec![8261585404950865]))));
        assert_eq!(ids(b"k", b"null"), Ok(None));
        for bad in ["[\"1\"]", "1", "[-1]", "[1.5]", "[1e400]", "[null]", "[[1]]", "{}"] {
            assert!(ids(b"k", bad.as_bytes()).is_err(), "{bad}");
        }
        assert_eq!(texts(b"k", b"[]"), Ok(Some(Set(vec![]))));
        assert_eq!(texts(b"k", br#"["b\u0061", "a"]"#).unwrap().unwrap().0, ["a", "ba"]);
        assert!(texts(b"k", b"[1]").is_err());
    }
}
