//! Registrations or subscriptions, found by their id, by their URI, and by the URIs that they
//! match.
//!
//! An exact URI is one look-up in a hash map. `prefixes` and `wildcards` are tries: what a URI
//! costs there does not grow with the number of patterns, but with its length, and with what it
//! meets.
//! The patterns that match are found step by step ([`Table::matches`]), so that whoever has to do
//! with many of them can leave the rest for another turn.

mod prefixes;
mod wildcards;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;

use crate::protocol::ids::IdMap;
use crate::protocol::uri::Match;

use super::spread::Spread;
use super::turn::LOOK;
use prefixes::Prefixes;
use wildcards::Wildcards;

pub(super) use wildcards::MAX_COMPONENTS;

/// See the module's text.
#[derive(Debug)]
pub(super) struct Table<T> {
    exact: Spread<Arc<str>, Entry<T>>,
    /// Prefixes and wildcards.
    patterns: IdMap<Entry<T>>,
    prefixes: Prefixes,
    wildcards: Wildcards,
    /// The URIs of the exact ones, and nothing of the others, in the order in which they came.
    ids: BTreeMap<u64, Option<Arc<str>>>,
    last_id: u64,
    /// The lengths of the patterns that were added and removed, see [`Table::take_work`].
    walked: usize,
}

/// The place up to which the entries that match a URI have been looked through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Place {
    /// At the exact URI.
    #[default]
    Exact,
    /// At prefixes of this length.
    Prefix(usize),
    /// At this one of the wildcards.
    Wildcard(u64),
    /// At the end.
    End,
}

/// One subscription or registration.
#[derive(Debug)]
pub(super) struct Entry<T> {
    /// Its id, the same for all clients.
    pub(super) id: u64,
    /// The URI or pattern.
    pub(super) uri: Arc<str>,
    /// The way of matching.
    pub(super) matching: Match,
    /// Since when there is somebody.
    pub(super) created: SystemTime,
    /// The registration or the subscribers.
    pub(super) value: T,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Table {
            exact: Spread::default(),
            patterns: IdMap::default(),
            prefixes: Prefixes::default(),
            wildcards: Wildcards::default(),
            ids: BTreeMap::new(),
            last_id: 0,
            walked: 0,
        }
    }
}

impl<T> Table<T> {
    /// The number of entries.
    pub(super) fn len(&self) -> usize {
        self.ids.len()
    }

    /// The entry for this very URI.
    #[inline]
    pub(super) fn exact(&self, uri: &str) -> Option<&Entry<T>> {
        self.exact.get(uri)
    }

    /// True if anything but exact URIs is here.
    #[inline]
    pub(super) fn has_patterns(&self) -> bool {
        !self.patterns.is_empty()
    }

    /// The entry for this very URI or pattern.
    pub(super) fn find_mut(&mut self, uri: &str, matching: Match) -> Option<&mut Entry<T>> {
        match self.pattern_id(uri, matching) {
            None if matching == Match::Exact => self.exact.get_mut(uri),
            id => self.patterns.get_mut(&id?),
        }
    }

    /// The entry for this very URI or pattern.
    pub(super) fn find(&self, uri: &str, matching: Match) -> Option<&Entry<T>> {
        match self.pattern_id(uri, matching) {
            None if matching == Match::Exact => self.exact.get(uri),
            id => self.patterns.get(&id?),
        }
    }

    /// Makes an entry for a URI or pattern that has none.
    pub(super) fn insert(&mut self, uri: &str, matching: Match, value: T) -> &mut Entry<T> {
        self.last_id += 1;
        let id = self.last_id;
        let uri: Arc<str> = uri.into();
        let entry = Entry { id, uri: uri.clone(), matching, created: SystemTime::now(), value };
        self.ids.insert(id, (matching == Match::Exact).then(|| uri.clone()));
        match matching {
            Match::Exact => return self.exact.insert(uri, entry),
            Match::Prefix => self.prefixes.insert(&uri, id),
            Match::Wildcard => self.wildcards.insert(&uri, id),
        }
        self.walked += uri.len();
        self.patterns.entry(id).insert_entry(entry).into_mut()
    }

    /// The entry with this id.
    pub(super) fn by_id(&self, id: u64) -> Option<&Entry<T>> {
        match self.ids.get(&id)? {
            Some(uri) => self.exact.get(uri),
            None => self.patterns.get(&id),
        }
    }

    /// The entry with this id.
    pub(super) fn by_id_mut(&mut self, id: u64) -> Option<&mut Entry<T>> {
        match self.ids.get(&id)? {
            Some(uri) => self.exact.get_mut(uri),
            None => self.patterns.get_mut(&id),
        }
    }

    /// Takes an entry out.
    pub(super) fn remove(&mut self, id: u64) -> Option<Entry<T>> {
        if let Some(uri) = self.ids.remove(&id)? {
            return self.exact.remove(&*uri);
        }
        let entry = self.patterns.remove(&id)?;
        self.walked += entry.uri.len();
        match entry.matching {
            Match::Prefix => self.prefixes.remove(&entry.uri),
            _ => self.wildcards.remove(&entry.uri),
        }
        Some(entry)
    }

    /// The work of adding and removing patterns since the last time, in units of a turn. A long
    /// prefix may have a node for each byte, two of which are a unit.
    pub(super) fn take_work(&mut self) -> usize {
        std::mem::take(&mut self.walked) / 2 * LOOK
    }

    /// All entries.
    pub(super) fn entries(&self) -> impl Iterator<Item = &Entry<T>> {
        self.entries_from(0)
    }

    /// The entries whose id is at least `first`, in the order in which they came.
    pub(super) fn entries_from(&self, first: u64) -> impl Iterator<Item = &Entry<T>> {
        self.ids.range(first..).filter_map(|(id, _)| self.by_id(*id))
    }

    /// The entry that a call goes to: the exact one, else the longest prefix, else the wildcard
    /// that has a component where the others first leave it open.
    pub(super) fn best_mut(&mut self, uri: &str) -> Option<&mut Entry<T>> {
        if !self.has_patterns() {
            return self.exact.get_mut(uri);
        }
        let id = self.best(uri)?.id;
        self.by_id_mut(id)
    }

    /// As [`Table::best_mut`], after a search that has come to this place among the wildcards.
    pub(super) fn best_mut_from(&mut self, uri: &str, choices: u64) -> Option<&mut Entry<T>> {
        if choices == 0 {
            return self.best_mut(uri);
        }
        let (_, id) = self.wildcards.walk(uri, choices).next()?;
        self.patterns.get_mut(&id)
    }

    /// True if to look for a wildcard may be more than `most` steps.
    #[inline]
    pub(super) fn may_take(&self, most: usize) -> bool {
        self.wildcards.nodes_in_use() > most
    }

    /// Looks for the best entry, from a place among the wildcards on, in at most so many steps.
    /// True when it is near that place, or nowhere.
    pub(super) fn search(&self, uri: &str, choices: &mut u64, most: usize) -> bool {
        if *choices == 0 && (self.exact.contains_key(uri) || self.longest_prefix(uri).is_some()) {
            return true;
        }
        let mut walk = self.wildcards.walk(uri, *choices);
        while walk.visited < most {
            match walk.step() {
                None => return true,
                Some(None) => {}
                Some(Some((found, _))) => {
                    *choices = found;
                    return true;
                }
            }
        }
        *choices = walk.place().unwrap_or(u64::MAX);
        false
    }

    /// As [`Table::best_mut`].
    pub(super) fn best<'t>(&'t self, uri: &str) -> Option<&'t Entry<T>> {
        self.best_and_visited(uri).0
    }

    /// As [`Table::best`], with the number of nodes that were visited for it.
    pub(super) fn best_and_visited(&self, uri: &str) -> (Option<&Entry<T>>, usize) {
        if let Some(entry) = self.exact.get(uri) {
            return (Some(entry), 0);
        }
        let mut prefixes = self.prefixes.matching(uri);
        let longest = prefixes.by_ref().last();
        let mut wildcards = self.wildcards.walk(uri, 0);
        let best = longest.map(|(_, id)| id).or_else(|| wildcards.next().map(|(_, id)| id));
        let best = best.and_then(|id| self.patterns.get(&id));
        (best, prefixes.visited + wildcards.visited)
    }

    /// The longest prefix of `text`.
    pub(super) fn longest_prefix(&self, text: &str) -> Option<&Entry<T>> {
        let (_, id) = self.prefixes.matching(text).last()?;
        self.patterns.get(&id)
    }

    /// The patterns that match `uri`, from `place` on.
    pub(super) fn matches<'t>(&'t self, uri: &'t str, place: Place) -> Matches<'t, T> {
        let (length, choices) = match place {
            Place::Exact => (Some(0), 0),
            Place::Prefix(length) => (Some(length), 0),
            Place::Wildcard(choices) => (None, choices),
            Place::End => (None, u64::MAX),
        };
        Matches {
            table: self,
            prefixes: length.map(|length| (length, self.prefixes.matching(uri))),
            wildcards: self.wildcards.walk(uri, choices),
            first_choices: choices,
            visited: 0,
        }
    }

    fn pattern_id(&self, uri: &str, matching: Match) -> Option<u64> {
        match matching {
            Match::Exact => None,
            Match::Prefix => self.prefixes.get(uri),
            Match::Wildcard => self.wildcards.get(uri),
        }
    }
}

/// The patterns that match a URI: prefixes from the shortest to the longest, then wildcards.
#[derive(Debug)]
pub(super) struct Matches<'t, T> {
    table: &'t Table<T>,
    /// The prefixes that are left, and the least length of those that are wanted.
    prefixes: Option<(usize, prefixes::Matching<'t>)>,
    wildcards: wildcards::Walk<'t>,
    first_choices: u64,
    visited: usize,
}

impl<'t, T> Matches<'t, T> {
    /// The next pattern; without one all have been found, or as many nodes of the tries have been
    /// visited as `most` allows.
    pub(super) fn next(&mut self, most: usize) -> Option<&'t Entry<T>> {
        while let Some((least, matching)) = &mut self.prefixes {
            let before = matching.visited;
            let found = matching.next();
            let visited = matching.visited - before;
            match found {
                Some((length, id)) if length >= *least => {
                    // Up to the place where it goes on the way is not counted: a turn that has
                    // to go a long way could do nothing else.
                    self.visited += visited.min(length - *least + 1);
                    *least = length + 1;
                    return self.table.patterns.get(&id);
                }
                Some(_) => {}
                None => {
                    self.visited += visited;
                    self.prefixes = None;
                }
            }
        }
        while self.visited < most {
            self.visited += 1;
            if let Some((choices, id)) = self.wildcards.step()? {
                self.first_choices = choices + 1;
                return self.table.patterns.get(&id);
            }
        }
        None
    }

    /// The place at which other matches can go on.
    pub(super) fn place(&self) -> Place {
        match (&self.prefixes, self.wildcards.place()) {
            (Some((length, _)), _) => Place::Prefix(*length),
            (None, Some(choices)) => Place::Wildcard(choices.max(self.first_choices)),
            (None, None) => Place::End,
        }
    }

    /// The nodes of the tries that were visited.
    pub(super) fn visited(&self) -> usize {
        self.visited
    }
}

/// True if `uri` meets `pattern`.
pub(super) fn matches(pattern: &str, matching: Match, uri: &str) -> bool {
    match matching {
        Match::Exact => pattern == uri,
        Match::Prefix => uri.starts_with(pattern),
        Match::Wildcard => {
            let mut components = uri.split('.');
            let mut given = pattern.split('.');
            loop {
                match (given.next(), components.next()) {
                    (None, None) => return true,
                    (Some(given), Some(component)) if given.is_empty() || given == component => {}
                    _ => return false,
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn table(entries: &[(&str, Match)]) -> Table<()> {
        let mut table = Table::default();
        for (uri, matching) in entries {
            table.insert(uri, *matching, ());
        }
        table
    }

    #[test]
    fn the_most_specific_entry_is_called() {
        let table = table(&[
            ("a.b.c", Match::Exact),
            ("a.b", Match::Prefix),
            ("a.", Match::Prefix),
            ("x..c", Match::Wildcard),
            ("x.b.", Match::Wildcard),
            ("", Match::Wildcard),
        ]);
        let best = |uri: &str| table.best(uri).map(|entry| &*entry.uri);
        assert_eq!(best("a.b.c"), Some("a.b.c"));
        assert_eq!(best("a.bxyz"), Some("a.b"));
        assert_eq!(best("a.c"), Some("a."));
        assert_eq!(best("x.b.c"), Some("x.b."));
        assert_eq!(best("x.y.c"), Some("x..c"));
        assert_eq!(best("y"), Some(""));
        assert_eq!(best("y.z"), None);
    }

    #[test]
    fn what_is_removed_is_not_found() {
        let mut table =
            table(&[("a", Match::Prefix), ("a", Match::Exact), ("a.", Match::Wildcard)]);
        assert_eq!(table.len(), 3);
        assert!(table.remove(1).is_some() && table.remove(1).is_none());
        assert!(table.has_patterns() && table.by_id(1).is_none());
        assert!(table.remove(3).is_some() && !table.has_patterns());
        assert_eq!(table.best("a").map(|entry| entry.id), Some(2));
        assert_eq!(table.insert("b", Match::Exact, ()).id, 4);
    }

    proptest! {
        #[test]
        fn finding_agrees_with_matching(
            patterns in proptest::collection::vec(("[ab.]{0,5}", 0..3u8), 0..8),
            uri in "[ab.ü]{0,6}",
        ) {
            let mut table = Table::default();
            for (pattern, matching) in &patterns {
                let matching = [Match::Exact, Match::Prefix, Match::Wildcard][usize::from(*matching)];
                if table.find(pattern, matching).is_none() {
                    table.insert(pattern, matching, ());
                }
            }
            let mut walk = table.matches(&uri, Place::default());
            let mut found = Vec::new();
            while let Some(entry) = walk.next(usize::MAX) {
                found.push(entry.id);
            }
            prop_assert_eq!(walk.place(), Place::End);
            let in_order = found.clone();
            found.sort_unstable();
            let mut expected: Vec<u64> = table
                .entries()
                .filter(|entry| entry.matching != Match::Exact)
                .filter(|entry| matches(&entry.uri, entry.matching, &uri))
                .map(|entry| entry.id)
                .collect();
            expected.sort_unstable();
            prop_assert_eq!(found, expected);

            // The same in turns of one pattern each.
            let (mut place, mut found) = (Place::default(), Vec::new());
            while place != Place::End {
                let mut walk = table.matches(&uri, place);
                found.extend(walk.next(usize::MAX).map(|entry| entry.id));
                place = walk.place();
            }
            prop_assert_eq!(found, in_order);

            // The best one, in steps of which each goes on where the last one has stopped. None is
            // so short that it does not come further.
            let best = table.best(&uri).map(|entry| entry.id);
            let mut choices = 0;
            while !table.search(&uri, &mut choices, MAX_COMPONENTS + 2) {}
            prop_assert_eq!(table.best_mut_from(&uri, choices).map(|entry| entry.id), best);
        }
    }
}
