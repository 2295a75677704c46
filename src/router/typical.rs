//! Typical URIs of wildcard patterns: members of a set of URIs that no entry matches unless it
//! matches all others of the set, too.
//!
//! Wherever the set leaves a choice, such a URI has text that stands in no entry of a role. Which
//! of them are looked up, and why that is enough, is told in [`super::rights`].

use crate::protocol::uri::Match;

use super::pattern::matches;

/// A wildcard pattern, cut at its dots: the empty components are open.
pub(super) struct Components<'a> {
    pattern: &'a str,
    all: Vec<&'a str>,
}

impl<'a> Components<'a> {
    /// Cuts a pattern.
    pub(super) fn new(pattern: &'a str) -> Components<'a> {
        Components { pattern, all: pattern.split('.').collect() }
    }

    /// The text with which all that it matches begins.
    pub(super) fn given_beginning(&self) -> &'a str {
        let given = self.all.iter().take_while(|component| !component.is_empty());
        let end = given.map(|component| component.len() + 1).sum();
        self.pattern.get(..end).unwrap_or(self.pattern)
    }

    /// The typical URI of all that it matches.
    pub(super) fn typical(&self) -> String {
        join(self.all.iter().copied().map(or_other))
    }

    /// The typical URI of all that this pattern and an entry both match, if there is any.
    pub(super) fn meet(&self, entry: &str, matching: Match) -> Option<String> {
        match matching {
            Match::Exact => matches(self.pattern, Match::Wildcard, entry).then(|| entry.to_owned()),
            Match::Prefix => self.meet_prefix(entry),
            Match::Wildcard => self.meet_wildcard(entry),
        }
    }

    fn meet_prefix(&self, prefix: &str) -> Option<String> {
        let (whole, begun) =
            prefix.rsplit_once('.').map_or((None, prefix), |(whole, begun)| (Some(whole), begun));
        let mut rest = self.all.iter().copied();
        for component in whole.into_iter().flat_map(|whole| whole.split('.')) {
            both(rest.next()?, component)?;
        }
        let last = rest.next()?;
        if !last.is_empty() && !last.starts_with(begun) {
            return None;
        }
        let last = if last.is_empty() { format!("{begun}{OTHER}") } else { last.to_owned() };
        Some(join(whole.into_iter().chain([&*last]).chain(rest.map(or_other))))
    }

    fn meet_wildcard(&self, wildcard: &str) -> Option<String> {
        let mut others = wildcard.split('.');
        let mut merged = Vec::with_capacity(self.all.len());
        for component in &self.all {
            merged.push(or_other(both(component, others.next()?)?));
        }
        others.next().is_none().then(|| join(merged))
    }
}

/// Any text that stands in no entry: [`uri::check`] keeps this out of them.
///
/// [`uri::check`]: crate::protocol::uri::check
const OTHER: &str = "#";

/// The component that agrees with both, where there is one.
fn both<'a>(one: &'a str, other: &'a str) -> Option<&'a str> {
    match (one, other) {
        ("", other) => Some(other),
        (one, "") => Some(one),
        (one, other) => (one == other).then_some(one),
    }
}

fn or_other(component: &str) -> &str {
    if component.is_empty() { OTHER } else { component }
}

fn join<'a>(components: impl IntoIterator<Item = &'a str>) -> String {
    let mut uri = String::new();
    for (at, component) in components.into_iter().enumerate() {
        if at > 0 {
            uri.push('.');
        }
        uri.push_str(component);
    }
    uri
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_open_is_filled() {
        for (pattern, typical, beginning) in [
            ("com..x", "com.#.x", "com."),
            ("com.x", "com.x", "com.x"),
            ("com.x.", "com.x.#", "com.x."),
            (".", "#.#", ""),
            ("", "#", ""),
        ] {
            let components = Components::new(pattern);
            assert_eq!(components.typical(), typical);
            assert_eq!(components.given_beginning(), beginning, "{pattern}");
        }
    }

    #[test]
    fn a_pattern_meets_entries() {
        use Match::{Exact, Prefix, Wildcard};

        for (pattern, entry, matching, typical) in [
            ("com..x", "com.a.x", Exact, Some("com.a.x")),
            ("com..x", "com.a.y", Exact, None),
            ("com..x", "", Prefix, Some("com.#.x")),
            ("com..x", "c", Prefix, Some("com.#.x")),
            ("com..x", "com.a", Prefix, Some("com.a#.x")),
            ("com..x", "com.a.", Prefix, Some("com.a.x")),
            ("com..xyz", "com.a.xy", Prefix, Some("com.a.xyz")),
            ("com..x", "com.a.xy", Prefix, None),
            ("com..x", "com.a.x.", Prefix, None),
            ("..", "com.a", Prefix, Some("com.a#.#")),
            ("com..x", ".a.", Wildcard, Some("com.a.x")),
            ("com..x", "com..", Wildcard, Some("com.#.x")),
            ("com..x", "org..", Wildcard, None),
            ("com..x", "com.", Wildcard, None),
            ("com.", "com..", Wildcard, None),
        ] {
            let met = Components::new(pattern).meet(entry, matching);
            assert_eq!(met.as_deref(), typical, "{pattern} and {entry}");
        }
    }
}
