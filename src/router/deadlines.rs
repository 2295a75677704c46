//! Until when the calls of a session have to be answered.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashSet};
use std::time::Instant;

/// The time limits of one session's calls, of which some may have ended already.
#[derive(Debug)]
pub(super) struct Deadlines {
    heap: BinaryHeap<Reverse<(Instant, u64)>>,
    /// At how many they are looked through.
    crowded: usize,
}

/// Below this many nobody looks for those that have ended.
const FEW: usize = 64;

impl Default for Deadlines {
    fn default() -> Self {
        Deadlines { heap: BinaryHeap::new(), crowded: FEW }
    }
}

impl Deadlines {
    /// Adds the limit of a call. `waits` tells whether a call is still running: most limits are
    /// never reached, and would pile up. An id may be used again: the earliest limit that it ever
    /// had is kept, at which somebody will look when it is due.
    pub(super) fn add(&mut self, due: Instant, request: u64, waits: impl Fn(u64) -> bool) {
        if self.heap.len() >= self.crowded {
            let mut all = std::mem::take(&mut self.heap).into_vec();
            all.sort_unstable_by_key(|Reverse((due, _))| *due);
            let mut seen = HashSet::new();
            all.retain(|Reverse((_, request))| waits(*request) && seen.insert(*request));
            self.heap = all.into();
            self.crowded = FEW.max(self.heap.len() * 2);
        }
        self.heap.push(Reverse((due, request)));
    }

    /// The end of the next one.
    pub(super) fn next(&self) -> Option<Instant> {
        self.heap.peek().map(|Reverse((due, _))| *due)
    }

    /// Takes a call whose time is over.
    pub(super) fn take(&mut self, now: Instant) -> Option<u64> {
        self.next().filter(|due| *due <= now)?;
        self.heap.pop().map(|Reverse((_, request))| request)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_earliest_comes_first_and_ended_calls_do_not_pile_up() {
        let mut deadlines = Deadlines::default();
        let start = Instant::now();
        let after = |seconds| start + Duration::from_secs(seconds);
        deadlines.add(after(2), 2, |_| true);
        deadlines.add(after(1), 1, |_| true);
        assert_eq!(deadlines.next(), Some(after(1)));
        assert_eq!(deadlines.take(start), None);
        assert_eq!(deadlines.take(after(1)), Some(1));
        assert_eq!(deadlines.take(after(1)), None);
        for request in 3..10_000 {
            deadlines.add(after(request), request, |other| other + 10 > request);
        }
        assert!(deadlines.heap.len() <= FEW + 20);
    }

    #[test]
    fn an_id_that_is_used_again_keeps_its_earliest_limit() {
        let mut deadlines = Deadlines::default();
        let start = Instant::now();
        let after = |seconds| start + Duration::from_secs(seconds);
        for round in 0..10_000 {
            deadlines.add(after(100 + round * 7919 % 10_000), round % 3, |_| true);
        }
        assert!(deadlines.heap.len() <= FEW + 3);
        assert_eq!(deadlines.next(), Some(after(100)));
    }
}
