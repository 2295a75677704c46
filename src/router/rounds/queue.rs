//! Those who wait for their turn, party by party, and the order in which they are called.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::time::Duration;

/// The time of a round after which nobody is called who has much to do.
pub(super) const ROUND: Duration = Duration::from_micros(500);

/// The time of a round after which everybody waits for the next one.
pub(super) const LONG_ROUND: Duration = Duration::from_millis(1);

/// The time that a party has until others had as much.
const SHARE: Duration = Duration::from_micros(100);

/// The most that counts of a turn that could not be cut.
const MOST: Duration = SHARE.saturating_mul(16);

/// See the module's text. `P` is a party, `T` someone of it.
#[derive(Debug)]
pub(super) struct Queue<P, T> {
    parties: HashMap<P, Waiting<T>>,
    /// Parties that had nobody waiting when somebody came who has little to do.
    quick: VecDeque<P>,
    /// All others, in the order in which they are called.
    in_order: VecDeque<P>,
    /// Those that come into this order with the next round.
    next_round: Vec<P>,
    /// One of them was called in this round.
    has_called: bool,
}

/// Those of a party that wait.
#[derive(Debug)]
struct Waiting<T> {
    quick: VecDeque<T>,
    busy: VecDeque<T>,
    /// The time that it has had of its share.
    had: Duration,
}

impl<P, T> Default for Queue<P, T> {
    fn default() -> Self {
        Queue {
            parties: HashMap::new(),
            quick: VecDeque::new(),
            in_order: VecDeque::new(),
            next_round: Vec::new(),
            has_called: false,
        }
    }
}

impl<T> Waiting<T> {
    /// True if something of its share is left; else it has the next one when all others had theirs.
    fn take_share(&mut self) -> bool {
        let is_left = self.had < SHARE;
        self.had = self.had.saturating_sub(if is_left { Duration::ZERO } else { SHARE });
        is_left
    }
}

impl<P: Copy + Eq + Hash, T> Queue<P, T> {
    /// Adds somebody who has little to do, as far as one knows, or much.
    pub(super) fn add(&mut self, party: P, one: T, is_busy: bool) {
        let mut is_new = false;
        let waiting = self.parties.entry(party).or_insert_with(|| {
            is_new = true;
            Waiting { quick: VecDeque::new(), busy: VecDeque::new(), had: Duration::ZERO }
        });
        match is_busy {
            true => waiting.busy.push_back(one),
            false => waiting.quick.push_back(one),
        }
        match (is_new, is_busy) {
            (true, true) => self.next_round.push(party),
            (true, false) => self.quick.push_back(party),
            (false, _) => {}
        }
    }

    /// True if nobody waits.
    pub(super) fn is_empty(&self) -> bool {
        self.parties.is_empty()
    }

    /// Begins a round.
    pub(super) fn begin_round(&mut self) {
        self.in_order.extend(self.next_round.drain(..));
        self.has_called = false;
    }

    /// Takes the next one, in a round that has lasted for so long, and tells if it has much to do.
    /// At least one of those is taken in a round.
    pub(super) fn next(&mut self, round_time: Duration) -> Option<(T, bool)> {
        while round_time < LONG_ROUND
            && let Some(party) = self.quick.front()
        {
            let waiting = self.parties.get_mut(party);
            if waiting.is_some_and(|waiting| !waiting.quick.is_empty() && waiting.take_share()) {
                return self.take_first(|queue| &mut queue.quick);
            }
            self.in_order.extend(self.quick.pop_front());
        }
        while round_time < ROUND || !self.has_called {
            let waiting = self.parties.get_mut(self.in_order.front()?);
            if waiting.is_some_and(Waiting::take_share) {
                self.has_called = true;
                return self.take_first(|queue| &mut queue.in_order);
            }
            self.in_order.rotate_left(1);
        }
        None
    }

    /// Takes somebody of the first party of a list.
    fn take_first(&mut self, list: impl Fn(&mut Self) -> &mut VecDeque<P>) -> Option<(T, bool)> {
        let party = *list(self).front()?;
        let waiting = self.parties.get_mut(&party)?;
        let quick = waiting.quick.pop_front().map(|one| (one, false));
        let one = quick.or_else(|| waiting.busy.pop_front().map(|one| (one, true)));
        if waiting.quick.is_empty() && waiting.busy.is_empty() {
            self.parties.remove(&party);
            list(self).pop_front();
        }
        one
    }

    /// Notes the time that somebody of a party has had.
    pub(super) fn charge(&mut self, party: &P, time: Duration) {
        if let Some(waiting) = self.parties.get_mut(party) {
            waiting.had = (waiting.had + time).min(MOST);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: Duration = Duration::ZERO;

    fn name(next: Option<(&'static str, bool)>) -> Option<&'static str> {
        next.map(|(name, _)| name)
    }

    /// Those who are called, each of whom has this part of its party's share.
    fn all(queue: &mut Queue<char, &'static str>, parts: u32) -> Vec<&'static str> {
        let mut called = Vec::new();
        while let Some((name, _)) = queue.next(SHORT) {
            called.push(name);
            queue.charge(&name.chars().next().unwrap(), SHARE / parts);
        }
        called
    }

    #[test]
    fn parties_take_turns() {
        let mut queue = Queue::default();
        for name in ["a1", "a2", "a3"] {
            queue.add('a', name, false);
        }
        queue.add('b', "b1", false);
        queue.add('b', "b2", false);
        queue.add('c', "c1", false);
        assert_eq!(all(&mut queue, 1), ["a1", "b1", "c1", "a2", "b2", "a3"]);
        assert!(queue.is_empty() && queue.in_order.is_empty());
    }

    #[test]
    fn a_party_has_its_share_at_a_time() {
        let mut queue = Queue::default();
        for name in ["a1", "a2", "a3", "a4"] {
            queue.add('a', name, false);
        }
        for name in ["b1", "b2", "b3"] {
            queue.add('b', name, true);
        }
        queue.begin_round();
        assert_eq!(all(&mut queue, 2), ["a1", "a2", "b1", "b2", "a3", "a4", "b3"]);
    }

    #[test]
    fn who_has_much_to_do_waits_for_the_next_round_behind_those_who_come_anew() {
        let mut queue = Queue::default();
        queue.add('c', "c busy", true);
        assert_eq!(queue.next(SHORT), None);
        queue.begin_round();
        queue.add('c', "c light", false);
        queue.add('b', "b busy", true);
        queue.add('a', "a light", false);
        assert_eq!(all(&mut queue, 1), ["a light", "c light", "c busy"]);
        queue.begin_round();
        assert_eq!(all(&mut queue, 1), ["b busy"]);
    }

    #[test]
    fn a_long_round_is_for_those_who_come_anew_and_a_very_long_one_for_nobody() {
        let mut queue = Queue::default();
        queue.add('a', "a1", true);
        queue.add('a', "a2", true);
        queue.begin_round();
        queue.add('b', "b1", false);
        queue.add('c', "c1", false);
        assert_eq!(name(queue.next(ROUND)), Some("b1"));
        assert_eq!(name(queue.next(LONG_ROUND)), Some("a1"), "one in each round");
        assert_eq!(queue.next(LONG_ROUND), None);
        assert_eq!(name(queue.next(ROUND)), Some("c1"));
        assert_eq!(queue.next(ROUND), None);
        queue.begin_round();
        assert_eq!(name(queue.next(LONG_ROUND)), Some("a2"));
    }

    #[test]
    fn who_has_used_more_than_its_share_is_passed_over() {
        let mut queue = Queue::default();
        for name in ["a1", "a2", "a3"] {
            queue.add('a', name, true);
        }
        for name in ["b1", "b2", "b3", "b4"] {
            queue.add('b', name, true);
        }
        queue.begin_round();
        assert_eq!(name(queue.next(SHORT)), Some("a1"));
        queue.charge(&'a', SHARE * 3);
        assert_eq!(all(&mut queue, 1), ["b1", "b2", "b3", "a2", "b4", "a3"]);
        queue.charge(&'a', SHARE);
        assert!(queue.is_empty(), "nothing is kept of those who do not wait");
    }

    /// However long a turn was, the others do not have to wait for ever until it is paid off.
    #[test]
    fn debts_have_an_end() {
        let mut queue = Queue::default();
        queue.add('a', "a1", true);
        queue.add('a', "a2", true);
        queue.begin_round();
        assert_eq!(name(queue.next(SHORT)), Some("a1"));
        queue.charge(&'a', Duration::from_secs(3600));
        assert_eq!(name(queue.next(SHORT)), Some("a2"));
    }
}
