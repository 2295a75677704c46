//! Mistakes in the configuration: the place of each, and what to write there instead.

use std::fmt::{self, Display};

use serde_json::{Map, Value};

/// A mistake at a place inside a JSON value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mistake {
    /// As in `"roles"."user"[2]`; empty for the value itself.
    place: String,
    why: String,
}

impl Mistake {
    /// The same, seen from the object in which the value is that of `key`.
    pub(super) fn within(self, key: &str) -> Mistake {
        self.inside(format!("\"{key}\""))
    }

    /// The same, seen from the list in which the value has this index.
    pub(super) fn at(self, index: usize) -> Mistake {
        self.inside(format!("[{index}]"))
    }

    fn inside(self, outer: String) -> Mistake {
        let dot = if self.place.starts_with('"') { "." } else { "" };
        Mistake { place: format!("{outer}{dot}{}", self.place), why: self.why }
    }

    /// The mistake at the key of an object.
    pub(super) fn of(key: &str, why: impl Into<String>) -> Mistake {
        Mistake::from(why.into()).within(key)
    }

    /// The mistake that a text of another part of the library tells: that at one of several keys
    /// begins with the key's name in backticks.
    pub(super) fn told(text: String) -> Mistake {
        let named = text.strip_prefix('`').and_then(|rest| rest.split_once("`: "));
        match named {
            Some((key, why)) => Mistake::of(key, why),
            None => text.into(),
        }
    }
}

impl From<String> for Mistake {
    fn from(why: String) -> Mistake {
        Mistake { place: String::new(), why }
    }
}

impl From<&str> for Mistake {
    fn from(why: &str) -> Mistake {
        why.to_owned().into()
    }
}

impl Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.place.as_str() {
            "" => f.write_str(&self.why),
            place => write!(f, "{place}: {}", self.why),
        }
    }
}

/// The entries of an object that has no others than `known`; `wanted` says what it has to be.
pub(super) fn object<'a>(
    value: &'a Value,
    known: &[&str],
    wanted: &str,
) -> Result<&'a Map<String, Value>, Mistake> {
    let entries = value.as_object().ok_or(wanted)?;
    check_keys(entries, known)?;
    Ok(entries)
}

/// Refuses keys that mean nothing.
pub(super) fn check_keys(entries: &Map<String, Value>, known: &[&str]) -> Result<(), Mistake> {
    match entries.keys().find(|key| !known.contains(&key.as_str())) {
        Some(key) => Err(unknown(key, known)),
        None => Ok(()),
    }
}

/// The mistake of a key that means nothing, with the nearest one that does.
pub(super) fn unknown(key: &str, known: &[&str]) -> Mistake {
    Mistake::of(key, format!("unknown; {}", nearest(key, known, "the keys are")))
}

/// The sentence about a word that is none of `known`: the nearest one, or all of them.
pub(crate) fn nearest(word: &str, known: &[&str], all_are: &str) -> String {
    let nearest = known
        .iter()
        .map(|known| (strsim::damerau_levenshtein(&word.to_lowercase(), known), known))
        .min()
        .filter(|(distance, known)| *distance <= 1 + known.len() / 3);
    match nearest {
        Some((_, known)) => format!("did you mean \"{known}\"?"),
        None => format!("{all_are} {}", known.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_told_from_outside() {
        let mistake = Mistake::of("match", "no such way").at(2).within("user").within("roles");
        assert_eq!(mistake.to_string(), r#""roles"."user"[2]."match": no such way"#);
        assert_eq!(Mistake::from("not an object").to_string(), "not an object");
        let told = |text: &str| Mistake::told(text.to_owned()).within("tls").to_string();
        assert_eq!(told("`cert`: cannot be read"), r#""tls"."cert": cannot be read"#);
        assert_eq!(told("`cert` and `key` differ"), r#""tls": `cert` and `key` differ"#);
    }

    #[test]
    fn the_nearest_word_is_told() {
        let told = |key: &str| unknown(key, &["ticket", "role"]).to_string();
        assert_eq!(told("tickt"), r#""tickt": unknown; did you mean "ticket"?"#);
        assert_eq!(told("Role"), r#""Role": unknown; did you mean "role"?"#);
        assert_eq!(told("else"), r#""else": unknown; the keys are ticket, role"#);
    }
}
