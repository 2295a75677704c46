//! The rights of one role: what its entries allow of a URI, and of everything that a pattern
//! matches.
//!
//! For a URI its *best* entry counts, which is that of [`Table::best`]: an exact one, else the
//! longest prefix, else the wildcard that has a component where the others first leave it open.
//! Whatever no entry matches is denied. A pattern is allowed if the best entry of each URI that it
//! matches allows. There are endlessly many, but a few *typical* ones tell of all others.
//!
//! The typical URI of a set has, wherever the set leaves a choice, text that stands in no entry. An
//! entry that matches it needs nothing but what all URIs of the set have in common, and so matches
//! every one of them. Now let `u` be a URI of the pattern that is denied:
//!
//! * No entry matches `u`. Then none matches the typical URI of the pattern either: it is denied.
//! * The best entry of `u` is `e`, which denies. The typical URI of all that both the pattern and
//!   `e` match is matched by `e`; any other entry that matches it matches `u` too, so it is no
//!   better than `e`. The best entry of the typical URI is `e`: it is denied.
//!
//! So it is enough to look up one URI for the pattern itself and one for each entry that denies and
//! meets the pattern; and as those belong to the pattern, a pattern is never refused for nothing.
//!
//! The making of typical URIs is left to [`super::typical`].
//!
//! Two things make it less than one look-up for each denial. Denials by URI and by prefix are
//! sorted, and only those are looked at that begin as the pattern does: a shorter prefix that meets
//! the pattern matches all of it, and so its typical URI. And a pattern by prefix that is allowed
//! is under a prefix, so no wildcard decides about any of it, and each denial that begins with it
//! is the best entry of something. That leaves wildcards, whose work is bounded by [`MOST_WORK`].
//!
//! URIs that begin with `wamp.` are the router's own: no registration gets calls of its procedures,
//! and of its topics there are [`META_TOPICS`] only, which are looked up one by one. Other denials
//! among them, such as that of `wamp.session.kill`, say nothing about a pattern like `""`.

use std::sync::Arc;

use crate::protocol::uri::Match;

use super::pattern::{Table, matches};
use super::request::{META_TOPICS, is_reserved};
use super::typical::Components;

/// An action that can be allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    Call,
    Register,
    Publish,
    Subscribe,
}

/// All actions, in the order of [`Allowed`].
pub(super) const ACTIONS: [Action; 4] =
    [Action::Call, Action::Register, Action::Publish, Action::Subscribe];

/// For each of [`ACTIONS`] whether it is allowed.
pub(super) type Allowed = [bool; ACTIONS.len()];

/// See the module's text.
#[derive(Debug, Default)]
pub(super) struct Rights {
    entries: Table<Allowed>,
    /// For each of [`ACTIONS`].
    denials: [Denials; ACTIONS.len()],
}

/// The reason why a pattern is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Denied {
    /// Something that it matches is not allowed.
    #[error("not all that it matches is allowed")]
    Some,
    /// To find out would take more than [`MOST_WORK`].
    #[error("it meets too many entries to be compared with all of them")]
    TooMuchWork,
}

/// The bytes of typical URIs, and [`NODE`] for each node of the tries that is visited for them,
/// that a pattern may take: less than a millisecond. A pattern of 40 bytes can meet some thousand
/// denials.
pub(super) const MOST_WORK: usize = 1 << 18;

/// The bytes that take as long as one node.
const NODE: usize = 16;

/// The entries that deny an action, but for those that are only about the router's own URIs.
#[derive(Debug, Default)]
struct Denials {
    /// URIs and prefixes, sorted.
    texts: Vec<(Arc<str>, Match)>,
    wildcards: Vec<Arc<str>>,
}

impl Action {
    /// The name in the configuration and in refusals.
    pub(super) fn name(self) -> &'static str {
        match self {
            Action::Call => "call",
            Action::Register => "register",
            Action::Publish => "publish",
            Action::Subscribe => "subscribe",
        }
    }
}

impl From<Table<Allowed>> for Rights {
    fn from(entries: Table<Allowed>) -> Self {
        let denials = ACTIONS.map(|action| Denials::new(&entries, action));
        Rights { entries, denials }
    }
}

impl Rights {
    /// True if `action` is allowed for this URI.
    #[inline]
    pub(super) fn allow(&self, action: Action, uri: &str) -> bool {
        self.entries.best(uri).is_some_and(|entry| entry.value[action as usize])
    }

    /// True if `action` is allowed for a URI that the pattern matches and that no narrower entry
    /// speaks of.
    pub(super) fn allow_typical(&self, action: Action, pattern: &str, matching: Match) -> bool {
        match matching {
            Match::Exact => self.allow(action, pattern),
            // It matches URIs of more components than any wildcard has.
            Match::Prefix => self
                .entries
                .longest_prefix(pattern)
                .is_some_and(|entry| entry.value[action as usize]),
            Match::Wildcard => self.allow(action, &Components::new(pattern).typical()),
        }
    }

    /// Refuses a pattern unless `action` is allowed for everything that it matches.
    pub(super) fn check_all(
        &self,
        action: Action,
        pattern: &str,
        matching: Match,
    ) -> Result<(), Denied> {
        if !self.allow_typical(action, pattern, matching) {
            return Err(Denied::Some);
        }
        let denied = |topic: &&str| matches(pattern, matching, topic) && !self.allow(action, topic);
        if action == Action::Subscribe && META_TOPICS.iter().any(denied) {
            return Err(Denied::Some);
        }
        if is_all_reserved(pattern, matching) {
            return Ok(());
        }
        let denials = &self.denials[action as usize];
        match matching {
            Match::Exact => Ok(()),
            Match::Prefix if denials.beginning_with(pattern).is_empty() => Ok(()),
            Match::Prefix => Err(Denied::Some),
            Match::Wildcard => self.check_wildcard(action, denials, &Components::new(pattern)),
        }
    }

    fn check_wildcard(
        &self,
        action: Action,
        denials: &Denials,
        pattern: &Components<'_>,
    ) -> Result<(), Denied> {
        let texts = denials.beginning_with(pattern.given_beginning());
        let texts = texts.iter().filter_map(|(text, matching)| pattern.meet(text, *matching));
        let wildcards = denials.wildcards.iter();
        let wildcards = wildcards.filter_map(|text| pattern.meet(text, Match::Wildcard));
        let mut work = 0;
        for typical in texts.chain(wildcards) {
            let (best, visited) = self.entries.best_and_visited(&typical);
            work += typical.len() + visited * NODE;
            if work > MOST_WORK {
                return Err(Denied::TooMuchWork);
            }
            if !best.is_some_and(|entry| entry.value[action as usize]) {
                return Err(Denied::Some);
            }
        }
        Ok(())
    }
}

impl Denials {
    fn new(entries: &Table<Allowed>, action: Action) -> Denials {
        let mut denials = Denials::default();
        for entry in entries.entries().filter(|entry| !entry.value[action as usize]) {
            match entry.matching {
                _ if is_all_reserved(&entry.uri, entry.matching) => {}
                Match::Wildcard => denials.wildcards.push(entry.uri.clone()),
                matching => denials.texts.push((entry.uri.clone(), matching)),
            }
        }
        denials.texts.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        denials
    }

    /// The URIs and prefixes that begin with `text`.
    fn beginning_with(&self, text: &str) -> &[(Arc<str>, Match)] {
        let start = self.texts.partition_point(|(other, _)| **other < *text);
        let rest = &self.texts[start..];
        &rest[..rest.partition_point(|(other, _)| other.starts_with(text))]
    }
}

/// True if a pattern matches nothing but URIs that the router defines itself.
fn is_all_reserved(pattern: &str, matching: Match) -> bool {
    match matching {
        Match::Prefix => pattern.starts_with("wamp."),
        Match::Exact | Match::Wildcard => is_reserved(pattern),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::sample::select;

    use super::*;
    use crate::protocol::uri;

    type Entry = (String, Match, bool);

    fn rights(entries: &[Entry]) -> Rights {
        let mut table = Table::default();
        for (uri, matching, allowed) in entries {
            assert_eq!(uri::check(uri, *matching), Ok(()), "{uri}");
            if table.find(uri, *matching).is_none() {
                table.insert(uri, *matching, [*allowed; ACTIONS.len()]);
            }
        }
        table.into()
    }

    fn entries(list: &[(&str, Match, bool)]) -> Vec<Entry> {
        list.iter().map(|(uri, how, allowed)| ((*uri).to_owned(), *how, *allowed)).collect()
    }

    use Match::{Exact, Prefix, Wildcard};

    #[track_caller]
    fn check(rights: &Rights, pattern: &str, matching: Match, allowed: bool) {
        let checked = rights.check_all(Action::Subscribe, pattern, matching);
        assert_eq!(checked.is_ok(), allowed, "\"{pattern}\" ({})", matching.name());
    }

    #[test]
    fn prefixes_are_allowed_under_a_prefix_without_denials() {
        let rights = rights(&entries(&[
            ("com.app.news", Exact, true),
            ("com.app", Prefix, true),
            ("com.app.in", Prefix, false),
            ("com.app.in.x", Prefix, true),
            ("org..x", Wildcard, true),
            ("com..y", Wildcard, false),
        ]));
        for (pattern, allowed) in [
            ("com.app", false),
            ("com.app.", false),
            ("com.app.i", false),
            ("com.app.in", false),
            ("com.app.in.", false),
            ("com.app.in.x", true),
            ("com.app.in.xy.z", true),
            ("com.app.o", true),
            ("com.apple", true),
            ("com.app.news", true),
            ("com.", false),
            ("org.a.x", false),
            ("", false),
        ] {
            check(&rights, pattern, Prefix, allowed);
        }
    }

    #[test]
    fn wildcards_are_allowed_where_entries_cover_them() {
        let rights = rights(&entries(&[
            ("com..x", Wildcard, true),
            ("com.a.", Wildcard, true),
            (".b.", Wildcard, false),
            ("com.c.x", Exact, false),
            ("com.d.x", Prefix, false),
            ("com.d.x", Exact, true),
            ("net.", Prefix, true),
            ("net.a.b", Prefix, false),
            ("net.a.bcd", Prefix, true),
        ]));
        for (pattern, allowed) in [
            ("com.a.", true),
            ("com.a.x", true),
            ("com..x", false),
            ("com.b.x", true),
            ("com.b.", false),
            ("com.c.x", false),
            ("com.d.x", true),
            ("com.", false),
            ("net.", true),
            ("net..", false),
            ("net..a", true),
            ("net..bc", false),
            ("net..bcd", true),
            ("net...", false),
            ("net.a.bcd.", true),
            ("net.b.", true),
            ("", false),
        ] {
            check(&rights, pattern, Wildcard, allowed);
        }
    }

    #[test]
    fn the_examples_of_the_recipes() {
        let rights = rights(&entries(&[
            ("com.app.", Prefix, true),
            ("com.shop..sold", Wildcard, true),
            ("com.app.admin.", Prefix, false),
            ("com.app.news.internal", Exact, false),
        ]));
        check(&rights, "com.app.chat", Prefix, true);
        check(&rights, "com.app.", Prefix, false);
        check(&rights, "com.app.news", Prefix, false);
        check(&rights, "com.app", Prefix, false);
        check(&rights, "com.app.chat.", Wildcard, true);
        check(&rights, "com.app..internal", Wildcard, false);
        check(&rights, "com.shop..sold", Wildcard, true);
        check(&rights, "com.shop.north.sold", Prefix, false);
    }

    #[test]
    fn the_routers_own_uris_are_looked_up_one_by_one() {
        let rights = rights(&entries(&[
            ("", Prefix, true),
            ("wamp.session.kill", Exact, false),
            ("wamp.reg", Prefix, false),
        ]));
        for (pattern, matching, allowed) in [
            ("wamp.session.", Prefix, true),
            ("wamp.", Prefix, false),
            ("", Prefix, false),
            ("wam", Prefix, false),
            ("wampum", Prefix, true),
            ("wamp..kill", Wildcard, true),
            ("..kill", Wildcard, true),
            ("..on_create", Wildcard, false),
            (".subscription.", Wildcard, true),
        ] {
            check(&rights, pattern, matching, allowed);
        }
        assert_eq!(rights.check_all(Action::Register, "", Prefix), Ok(()));
        assert_eq!(rights.check_all(Action::Register, "..", Wildcard), Ok(()));
    }

    /// Denials that have nothing to do with each other, and a pattern that meets them all.
    #[test]
    fn the_work_has_a_bound() {
        let many = |count: usize, wildcard: &str| {
            let mut all = entries(&[(wildcard, Wildcard, true)]);
            for number in 0..count {
                all.push((format!("x{number}."), Prefix, false));
                all.push((format!("x{number}.a"), Prefix, true));
            }
            rights(&all)
        };
        let long = format!(".{}", "a".repeat(250)).repeat(31);
        let check = |count, pattern: &str| {
            many(count, pattern).check_all(Action::Subscribe, pattern, Wildcard)
        };
        assert_eq!(check(1000, ".a"), Ok(()));
        assert_eq!(check(10, &long), Ok(()));
        assert_eq!(check(1000, &long), Err(Denied::TooMuchWork));
    }

    const COMPONENTS: [&str; 11] =
        ["a", "b", "z", "aa", "ab", "az", "ba", "bz", "wamp", "wampz", "w"];

    /// URIs of up to four components, one more than the entries have, with texts that are in none.
    fn universe() -> Vec<String> {
        let mut all: Vec<String> = COMPONENTS.map(str::to_owned).into();
        let mut longest = all.clone();
        for _ in 0..3 {
            let longer = |uri: &String| COMPONENTS.map(|component| format!("{uri}.{component}"));
            longest = longest.iter().flat_map(longer).collect();
            all.extend_from_slice(&longest);
        }
        all.retain(|uri| !is_reserved(uri));
        all.extend(META_TOPICS.map(str::to_owned));
        all
    }

    fn pattern() -> impl Strategy<Value = (String, Match)> {
        let given = || select(vec!["a", "b", "a", "b", "a", "b", "wamp"]);
        let open = || select(vec!["", "", "", "", "a", "a", "b", "b", "wamp"]);
        let exact = proptest::collection::vec(given(), 1..4);
        let prefix = (proptest::collection::vec(given(), 0..3), select(vec!["", "a", "b", "wa"]));
        let wildcard = proptest::collection::vec(open(), 1..4);
        prop_oneof![
            2 => exact.prop_map(|all| (all.join("."), Exact)),
            3 => prefix.prop_map(|(all, last)| ([all, vec![last]].concat().join("."), Prefix)),
            4 => wildcard.prop_map(|all| (all.join("."), Wildcard)),
            1 => select(vec![
                ("", Prefix),
                ("wamp.session.on_join", Exact),
                ("wamp.session.", Prefix),
                ("..", Wildcard),
            ])
            .prop_map(|(uri, matching)| (uri.to_owned(), matching)),
        ]
    }

    /// The rank of an entry among those that match the same URI.
    fn rank((uri, matching, _): &Entry) -> (u8, usize, Vec<bool>) {
        match matching {
            Exact => (2, 0, Vec::new()),
            Prefix => (1, uri.len(), Vec::new()),
            Wildcard => (0, 0, uri.split('.').map(|component| !component.is_empty()).collect()),
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn a_pattern_is_allowed_where_each_uri_is(
            list in proptest::collection::vec((pattern(), prop::bool::weighted(0.8)), 0..16),
            (pattern, matching) in pattern(),
        ) {
            thread_local!(static UNIVERSE: Vec<String> = universe());
            if is_all_reserved(&pattern, matching) {
                // Of the router's own URIs there are too few here.
                return Ok(());
            }
            let mut all: Vec<Entry> = Vec::new();
            for ((uri, how), allowed) in list {
                if !all.iter().any(|(other, also, _)| *other == uri && *also == how) {
                    all.push((uri, how, allowed));
                }
            }
            let rights = rights(&all);
            let allowed = |uri: &str| {
                let matching = all.iter().filter(|(text, how, _)| matches(text, *how, uri));
                matching.max_by_key(|entry| rank(entry)).is_some_and(|(.., allowed)| *allowed)
            };
            let denied = UNIVERSE.with(|universe| {
                let meant = universe.iter().filter(|uri| matches(&pattern, matching, uri));
                meant.clone().find(|uri| !allowed(uri)).cloned()
            });
            let checked = rights.check_all(Action::Subscribe, &pattern, matching);
            prop_assert_eq!(checked.is_ok(), denied.is_none(), "{} {:?}", pattern, denied);
            // What is allowed altogether is allowed in general.
            prop_assert!(checked.is_err() || rights.allow_typical(Action::Subscribe, &pattern, matching));
        }
    }
}
