//! A hash map that grows in small steps.
//!
//! A hash map that is full moves everything that it has into a larger one: with a hundred thousand
//! entries that takes as long as a hundred turns of a realm. Once there are many, they are spread
//! over maps of their own here, each of which has little to move.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::collections::hash_map::{self, Entry};
use std::hash::{BuildHasher, Hash, RandomState};
use std::iter::once;
use std::vec;

use crate::protocol::ids::IdMapHasher;

/// One whose keys are ids.
pub(super) type SpreadIds<V> = Spread<u64, V, IdMapHasher>;

/// The number of entries from which on they are spread.
const MANY: usize = 2048;

/// The number of maps that they are spread over.
const PARTS: usize = 256;

/// See the module's text.
#[derive(Debug)]
pub(super) struct Spread<K, V, S = RandomState> {
    /// All entries, as long as there are few.
    few: HashMap<K, V, S>,
    /// All entries since there have been many; empty before.
    many: Box<[HashMap<K, V, S>]>,
    len: usize,
}

impl<K, V, S: Default> Default for Spread<K, V, S> {
    fn default() -> Self {
        Spread { few: HashMap::default(), many: Box::default(), len: 0 }
    }
}

impl<K, V, S> Spread<K, V, S> {
    /// The number of entries.
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// All entries, in no order.
    fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        once(&self.few).chain(&self.many).flatten()
    }

    /// All keys, in no order.
    pub(super) fn keys(&self) -> impl Iterator<Item = &K> {
        self.iter().map(|(key, _)| key)
    }

    /// All values, in no order.
    pub(super) fn values(&self) -> impl Iterator<Item = &V> {
        self.iter().map(|(_, value)| value)
    }
}

impl<K: Eq + Hash, V, S: BuildHasher + Default> Spread<K, V, S> {
    #[inline]
    fn part<Q: Hash + ?Sized>(&self, key: &Q) -> &HashMap<K, V, S> {
        match self.many.is_empty() {
            true => &self.few,
            false => &self.many[self.number_of(key)],
        }
    }

    #[inline]
    fn part_mut<Q: Hash + ?Sized>(&mut self, key: &Q) -> &mut HashMap<K, V, S> {
        match self.many.is_empty() {
            true => &mut self.few,
            false => {
                let number = self.number_of(key);
                &mut self.many[number]
            }
        }
    }

    /// The part that has a key. Its own map goes by other bits of the hash.
    fn number_of<Q: Hash + ?Sized>(&self, key: &Q) -> usize {
        (self.few.hasher().hash_one(key) >> 40) as usize % PARTS
    }

    #[inline]
    pub(super) fn get<Q: Eq + Hash + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        self.part(key).get(key)
    }

    #[inline]
    pub(super) fn get_mut<Q: Eq + Hash + ?Sized>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        self.part_mut(key).get_mut(key)
    }

    #[inline]
    pub(super) fn contains_key<Q: Eq + Hash + ?Sized>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.get(key).is_some()
    }

    /// Puts a value in the place of a key, and tells where it is.
    #[inline]
    pub(super) fn insert(&mut self, key: K, value: V) -> &mut V {
        if self.few.len() >= MANY {
            self.spread();
        }
        let number = if self.many.is_empty() { None } else { Some(self.number_of(&key)) };
        let part = match number {
            None => &mut self.few,
            Some(number) => &mut self.many[number],
        };
        match part.entry(key) {
            Entry::Occupied(mut entry) => {
                entry.insert(value);
                entry.into_mut()
            }
            Entry::Vacant(entry) => {
                self.len += 1;
                entry.insert(value)
            }
        }
    }

    #[cold]
    fn spread(&mut self) {
        self.many = (0..PARTS).map(|_| HashMap::default()).collect();
        for (key, value) in std::mem::take(&mut self.few) {
            self.part_mut(&key).insert(key, value);
        }
    }

    #[inline]
    pub(super) fn remove<Q: Eq + Hash + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        let value = self.part_mut(key).remove(key)?;
        self.len -= 1;
        if self.len == 0 {
            self.many = Box::default();
        }
        Some(value)
    }
}

/// All entries of a map that is no more, in no order.
#[derive(Debug)]
pub(super) struct IntoIter<K, V, S> {
    part: hash_map::IntoIter<K, V>,
    parts: vec::IntoIter<HashMap<K, V, S>>,
}

impl<K, V, S> IntoIterator for Spread<K, V, S> {
    type Item = (K, V);
    type IntoIter = IntoIter<K, V, S>;

    fn into_iter(self) -> IntoIter<K, V, S> {
        IntoIter { part: self.few.into_iter(), parts: self.many.into_vec().into_iter() }
    }
}

impl<K, V, S> Iterator for IntoIter<K, V, S> {
    type Item = (K, V);

    fn next(&mut self) -> Option<(K, V)> {
        loop {
            if let Some(entry) = self.part.next() {
                return Some(entry);
            }
            self.part = self.parts.next()?.into_iter();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_a_map_with_few_and_with_many() {
        let mut map = Spread::<String, usize>::default();
        let name = |number: usize| format!("com.myapp.{number}");
        for number in 0..3 * MANY {
            assert!(!map.contains_key(name(number).as_str()));
            *map.insert(name(number), 0) = number;
            assert_eq!(map.len(), number + 1);
        }
        assert_eq!(*map.insert(name(7), 70), 70);
        assert_eq!((map.len(), map.many.len()), (3 * MANY, PARTS));
        *map.get_mut(name(8).as_str()).unwrap() = 80;
        assert_eq!(map.get(name(8).as_str()), Some(&80));
        assert_eq!(map.get("com.myapp"), None);
        assert_eq!(map.keys().count(), 3 * MANY);
        assert!(map.values().any(|value| *value == 70));
        for number in 0..3 * MANY {
            assert!(map.remove(name(number).as_str()).is_some());
            assert!(map.remove(name(number).as_str()).is_none());
        }
        assert!(map.len() == 0 && map.many.is_empty(), "what many need is given back");
        assert_eq!(map.insert(name(1), 1), &1);
        assert_eq!(map.remove(name(1).as_str()), Some(1));
    }

    #[test]
    fn all_entries_come_out_once() {
        for count in [0, 1, MANY, MANY + 1, 5 * MANY] {
            let mut map = Spread::<u64, u64>::default();
            (0..count as u64).for_each(|number| {
                map.insert(number, number + 1);
            });
            let mut entries: Vec<_> = map.into_iter().collect();
            entries.sort_unstable();
            assert!(entries.into_iter().eq((0..count as u64).map(|number| (number, number + 1))));
        }
    }

    /// Nothing moves more than its part when it grows.
    #[test]
    fn parts_are_small_and_alike() {
        let mut map = SpreadIds::<()>::default();
        for number in 0..100_000 {
            map.insert(number, ());
        }
        let largest = map.many.iter().map(HashMap::len).max();
        assert!(largest < Some(1000), "{largest:?}");
    }
}
