//! Those who wait for their turn, party by party, and the order in which they are called.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::time::Duration;

/// The time of a round after which nobody is called who has much to do.
pub(super) const ROUND: Duration = Duration::from_millis(1);

/// The time of a round after which everybody waits for the next one.
pub(super) const LONG_ROUND: Duration = Duration::from_millis(2);

/// The time that a party has until others had as much.
const SHARE: Duration = Duration::from_micros(250);

/// The most that a party owes after a turn that could not be cut.
const MOST_DEBT: Duration = SHARE.saturating_mul(16);

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
}

/// Those of a party that wait.
#[derive(Debug)]
struct Waiting<T> {
    quick: VecDeque<T>,
    busy: VecDeque<T>,
    /// The time that it has had in advance.
    debt: Duration,
}

impl<P, T> Default for Queue<P, T> {
    fn default() -> Self {
        Queue {
            parties: HashMap::new(),
            quick: VecDeque::new(),
            in_order: VecDeque::new(),
            next_round: Vec::new(),
        }
    }
}

impl<T> Waiting<T> {
    fn is_empty(&self) -> bool {
        self.quick.is_empty() && self.busy.is_empty()
    }
}

impl<P: Copy + Eq + Hash, T> Queue<P, T> {
    /// Adds somebody who has little to do, as far as one knows, or much.
    pub(super) fn add(&mut self, party: P, one: T, is_busy: bool) {
        let mut is_new = false;
        let waiting = self.parties.entry(party).or_insert_with(|| {
            is_new = true;
            Waiting { quick: VecDeque::new(), busy: VecDeque::new(), debt: Duration::ZERO }
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
    }

    /// Takes the next one, in a round that has lasted for so long.
    pub(super) fn next(&mut self, round_time: Duration) -> Option<T> {
        if round_time >= LONG_ROUND {
            return None;
        }
        if let Some(party) = self.quick.pop_front() {
            return self.take_of(party);
        }
        if round_time >= ROUND {
            return None;
        }
        while let Some(party) = self.in_order.pop_front() {
            match self.parties.get_mut(&party) {
                Some(waiting) if waiting.debt >= SHARE => {
                    waiting.debt -= SHARE;
                    self.in_order.push_back(party);
                }
                _ => return self.take_of(party),
            }
        }
        None
    }

    /// Takes somebody of a party that is in no list; it is behind all others then.
    fn take_of(&mut self, party: P) -> Option<T> {
        let waiting = self.parties.get_mut(&party)?;
        let one = waiting.quick.pop_front().or_else(|| waiting.busy.pop_front());
        if waiting.is_empty() {
            self.parties.remove(&party);
        } else {
            self.in_order.push_back(party);
        }
        one
    }

    /// Notes the time that somebody of a party has had.
    pub(super) fn charge(&mut self, party: &P, time: Duration) {
        if let Some(waiting) = self.parties.get_mut(party) {
            waiting.debt = (waiting.debt + time).min(MOST_DEBT);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: Duration = Duration::ZERO;

    fn all(queue: &mut Queue<char, &'static str>) -> Vec<&'static str> {
        std::iter::from_fn(|| queue.next(SHORT)).collect()
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
        assert_eq!(all(&mut queue), ["a1", "b1", "c1", "a2", "b2", "a3"]);
        assert!(queue.is_empty() && queue.in_order.is_empty());
    }

    #[test]
    fn who_has_much_to_do_waits_for_the_next_round_behind_those_who_come_anew() {
        let mut queue = Queue::default();
        queue.add('a', "busy", true);
        assert_eq!(queue.next(SHORT), None);
        queue.begin_round();
        queue.add('a', "light", false);
        queue.add('b', "new", false);
        assert_eq!(all(&mut queue), ["new", "light", "busy"]);
    }

    #[test]
    fn a_long_round_is_for_those_who_come_anew_and_a_very_long_one_for_nobody() {
        let mut queue = Queue::default();
        queue.add('a', "busy", true);
        queue.begin_round();
        queue.add('b', "new", false);
        assert_eq!(queue.next(LONG_ROUND), None);
        assert_eq!(queue.next(ROUND), Some("new"));
        assert_eq!(queue.next(ROUND), None);
        assert_eq!(queue.next(SHORT), Some("busy"));
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
        assert_eq!(queue.next(SHORT), Some("a1"));
        queue.charge(&'a', SHARE * 2);
        assert_eq!(all(&mut queue), ["b1", "b2", "b3", "a2", "b4", "a3"]);
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
        assert_eq!(queue.next(SHORT), Some("a1"));
        queue.charge(&'a', Duration::from_secs(3600));
        assert_eq!(queue.next(SHORT), Some("a2"));
    }
}
