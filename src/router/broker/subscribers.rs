//! The subscribers of a topic, in the order in which they came.

use std::sync::Arc;

use super::super::peer::Peer;

/// See the module's text. Each has a *number*, larger than those of all who came before, so that an
/// event that reaches some of them now can go on behind them later.
#[derive(Debug, Default)]
pub(in crate::router) struct Subscribers {
    /// Sorted by number. Those who have gone leave a gap, until half of it are gaps.
    places: Vec<(u64, Option<Arc<Peer>>)>,
    gaps: usize,
}

impl Subscribers {
    /// The number of subscribers.
    pub(in crate::router) fn len(&self) -> usize {
        self.places.len() - self.gaps
    }

    /// True if all have smaller numbers.
    pub(super) fn is_before(&self, number: u64) -> bool {
        self.places.last().is_none_or(|(last, _)| *last < number)
    }

    /// Adds the latest one.
    pub(super) fn push(&mut self, number: u64, peer: Arc<Peer>) {
        self.places.push((number, Some(peer)));
    }

    /// Takes the one with this number away.
    pub(super) fn remove(&mut self, number: u64) -> Option<Arc<Peer>> {
        let at = self.places.binary_search_by_key(&number, |(number, _)| *number).ok()?;
        let peer = self.places[at].1.take()?;
        self.gaps += 1;
        if 2 * self.gaps > self.places.len() {
            self.places.retain(|(_, peer)| peer.is_some());
            self.places.shrink_to(2 * self.places.len());
            self.gaps = 0;
        }
        Some(peer)
    }

    /// The subscribers with this number and those behind them, with their numbers.
    #[inline]
    pub(in crate::router) fn from(&self, number: u64) -> impl Iterator<Item = (u64, &Arc<Peer>)> {
        let start = match number {
            0 => 0,
            number => self.places.partition_point(|(other, _)| *other < number),
        };
        let rest = self.places[start..].iter();
        rest.filter_map(|(number, peer)| peer.as_ref().map(|peer| (*number, peer)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::router::budget::Budget;

    #[test]
    fn gaps_are_closed_and_numbers_stay() {
        let mut all = Subscribers::default();
        for number in 1..=1000 {
            all.push(number, Peer::new(number, 0, &Budget::new(1 << 30)));
        }
        for number in (1..=1000).filter(|number| number % 10 != 0) {
            assert_eq!(all.remove(number).map(|peer| peer.id()), Some(number));
            assert!(all.remove(number).is_none());
            assert!(all.places.len() <= 2 * all.len() + 1);
        }
        assert_eq!(all.len(), 100);
        let numbers: Vec<u64> = all.from(501).map(|(number, _)| number).collect();
        assert_eq!(numbers, (51..=100).map(|tens| tens * 10).collect::<Vec<_>>());
        assert!(all.from(1001).next().is_none());
        assert!(all.from(0).map(|(_, peer)| peer.id()).eq((1..=100).map(|tens| tens * 10)));
    }
}
