//! Registrations or subscriptions, found by their id, by their URI, and by the URIs that they
//! match.
//!
//! An exact URI is one look-up in a hash map. A prefix is looked up once for each length that
//! prefixes have; a wildcard once for each *shape*, which is the places of its empty components.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::SystemTime;

use crate::protocol::ids::IdMap;
use crate::protocol::uri::Match;

/// See the module's text.
#[derive(Debug)]
pub(super) struct Table<T> {
    exact: HashMap<Arc<str>, Entry<T>>,
    prefix: HashMap<Arc<str>, Entry<T>>,
    wildcard: HashMap<Arc<str>, Entry<T>>,
    /// The number of prefixes of each length.
    lengths: BTreeMap<usize, usize>,
    /// The number of wildcards of each shape: for each component whether it is given.
    shapes: BTreeMap<Vec<bool>, usize>,
    keys: IdMap<(Arc<str>, Match)>,
    last_id: u64,
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
            exact: HashMap::new(),
            prefix: HashMap::new(),
            wildcard: HashMap::new(),
            lengths: BTreeMap::new(),
            shapes: BTreeMap::new(),
            keys: IdMap::default(),
            last_id: 0,
        }
    }
}

impl<T> Table<T> {
    /// The number of entries.
    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }

    /// The entry for this very URI.
    #[inline]
    pub(super) fn exact(&self, uri: &str) -> Option<&Entry<T>> {
        self.exact.get(uri)
    }

    /// True if anything but exact URIs is here.
    #[inline]
    pub(super) fn has_patterns(&self) -> bool {
        !self.lengths.is_empty() || !self.shapes.is_empty()
    }

    /// The entry for this very URI or pattern.
    pub(super) fn find_mut(&mut self, uri: &str, matching: Match) -> Option<&mut Entry<T>> {
        self.map_mut(matching).get_mut(uri)
    }

    /// The entry for this very URI or pattern.
    pub(super) fn find(&self, uri: &str, matching: Match) -> Option<&Entry<T>> {
        self.map(matching).get(uri)
    }

    /// Makes an entry for a URI or pattern that has none.
    pub(super) fn insert(&mut self, uri: &str, matching: Match, value: T) -> &mut Entry<T> {
        self.last_id += 1;
        let id = self.last_id;
        let uri: Arc<str> = uri.into();
        self.keys.insert(id, (uri.clone(), matching));
        match matching {
            Match::Exact => {}
            Match::Prefix => *self.lengths.entry(uri.len()).or_default() += 1,
            Match::Wildcard => *self.shapes.entry(shape(&uri)).or_default() += 1,
        }
        let entry = Entry { id, uri: uri.clone(), matching, created: SystemTime::now(), value };
        self.map_mut(matching).entry(uri).insert_entry(entry).into_mut()
    }

    /// The entry with this id.
    pub(super) fn by_id(&self, id: u64) -> Option<&Entry<T>> {
        let (uri, matching) = self.keys.get(&id)?;
        self.map(*matching).get(uri)
    }

    /// The entry with this id.
    pub(super) fn by_id_mut(&mut self, id: u64) -> Option<&mut Entry<T>> {
        let (uri, matching) = self.keys.get(&id)?;
        match matching {
            Match::Exact => self.exact.get_mut(uri),
            Match::Prefix => self.prefix.get_mut(uri),
            Match::Wildcard => self.wildcard.get_mut(uri),
        }
    }

    /// Takes an entry out.
    pub(super) fn remove(&mut self, id: u64) -> Option<Entry<T>> {
        let (uri, matching) = self.keys.remove(&id)?;
        match matching {
            Match::Exact => {}
            Match::Prefix => discount(&mut self.lengths, &uri.len()),
            Match::Wildcard => discount(&mut self.shapes, &shape(&uri)),
        }
        self.map_mut(matching).remove(&uri)
    }

    /// All entries.
    pub(super) fn entries(&self) -> impl Iterator<Item = &Entry<T>> {
        self.exact.values().chain(self.prefix.values()).chain(self.wildcard.values())
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

    /// As [`Table::best_mut`].
    pub(super) fn best<'t>(&'t self, uri: &str) -> Option<&'t Entry<T>> {
        self.exact
            .get(uri)
            .or_else(|| self.prefixes(uri).next())
            .or_else(|| self.wildcards(uri).next())
    }

    /// The longest prefix of `text`.
    pub(super) fn longest_prefix(&self, text: &str) -> Option<&Entry<T>> {
        self.prefixes(text).next()
    }

    /// The most look-ups that [`Table::best`] takes.
    pub(super) fn lookups(&self) -> usize {
        1 + self.lengths.len() + self.shapes.len()
    }

    /// All patterns that match `uri`, prefixes first.
    pub(super) fn patterns<'t>(&'t self, uri: &str) -> impl Iterator<Item = &'t Entry<T>> {
        self.prefixes(uri).chain(self.wildcards(uri))
    }

    /// From the longest to the shortest.
    fn prefixes<'t>(&'t self, uri: &str) -> impl Iterator<Item = &'t Entry<T>> {
        self.lengths
            .range(..=uri.len())
            .rev()
            .filter_map(|(length, _)| self.prefix.get(uri.get(..*length)?))
    }

    fn wildcards<'t>(&'t self, uri: &str) -> impl Iterator<Item = &'t Entry<T>> {
        let components: Vec<&str> =
            if self.shapes.is_empty() { Vec::new() } else { uri.split('.').collect() };
        self.shapes.keys().rev().filter_map(move |shape| {
            if shape.len() != components.len() {
                return None;
            }
            let mut pattern = String::with_capacity(uri.len());
            for (at, (component, given)) in components.iter().zip(shape).enumerate() {
                if at > 0 {
                    pattern.push('.');
                }
                if *given && component.is_empty() {
                    return None;
                }
                if *given {
                    pattern.push_str(component);
                }
            }
            self.wildcard.get(pattern.as_str())
        })
    }

    fn map(&self, matching: Match) -> &HashMap<Arc<str>, Entry<T>> {
        match matching {
            Match::Exact => &self.exact,
            Match::Prefix => &self.prefix,
            Match::Wildcard => &self.wildcard,
        }
    }

    fn map_mut(&mut self, matching: Match) -> &mut HashMap<Arc<str>, Entry<T>> {
        match matching {
            Match::Exact => &mut self.exact,
            Match::Prefix => &mut self.prefix,
            Match::Wildcard => &mut self.wildcard,
        }
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

fn shape(pattern: &str) -> Vec<bool> {
    pattern.split('.').map(|component| !component.is_empty()).collect()
}

fn discount<K: Ord>(counts: &mut BTreeMap<K, usize>, key: &K) {
    if let Some(count) = counts.get_mut(key) {
        *count -= 1;
        if *count == 0 {
            counts.remove(key);
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
            let mut found: Vec<u64> = table.patterns(&uri).map(|entry| entry.id).collect();
            found.sort_unstable();
            let mut expected: Vec<u64> = table
                .entries()
                .filter(|entry| entry.matching != Match::Exact)
                .filter(|entry| matches(&entry.uri, entry.matching, &uri))
                .map(|entry| entry.id)
                .collect();
            expected.sort_unstable();
            prop_assert_eq!(found, expected);
        }
    }
}
