//! Until when the calls of a session have to be answered.

use std::collections::BTreeSet;
use std::ops::Bound;
use std::time::Instant;

use super::spread::Spread;

/// The time limits of one session's calls, of which some may have ended already.
#[derive(Debug, Default)]
pub(super) struct Deadlines {
    in_order: BTreeSet<(Instant, u64)>,
    by_request: Spread<u64, Instant>,
    /// The last one that was looked at, for whether its call is still running.
    looked_at: Option<(Instant, u64)>,
}

impl Deadlines {
    /// Adds the limit of a call. An id may be used again: the earliest limit that it ever had is
    /// kept, at which somebody will look when it is due. `waits` tells whether a call is still
    /// running: most limits are never reached, and would pile up, if it were not for the two that
    /// are looked at each time.
    pub(super) fn add(&mut self, due: Instant, request: u64, waits: impl Fn(u64) -> bool) {
        for _ in 0..2 {
            self.look_at_next(&waits);
        }
        match self.by_request.get(&request) {
            Some(earlier) if *earlier <= due => return,
            Some(later) => {
                self.in_order.remove(&(*later, request));
            }
            None => {}
        }
        self.in_order.insert((due, request));
        self.by_request.insert(request, due);
    }

    /// The end of the next one.
    pub(super) fn next(&self) -> Option<Instant> {
        self.in_order.first().map(|(due, _)| *due)
    }

    /// Takes a call whose time is over.
    pub(super) fn take(&mut self, now: Instant) -> Option<u64> {
        self.next().filter(|due| *due <= now)?;
        let (_, request) = self.in_order.pop_first()?;
        self.by_request.remove(&request);
        Some(request)
    }

    fn look_at_next(&mut self, waits: impl Fn(u64) -> bool) {
        let behind = self.looked_at.map_or(Bound::Unbounded, Bound::Excluded);
        let next = self.in_order.range((behind, Bound::Unbounded)).next().copied();
        self.looked_at = next;
        if let Some((due, request)) = next
            && !waits(request)
        {
            self.in_order.remove(&(due, request));
            self.by_request.remove(&request);
        }
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
        assert!(deadlines.in_order.len() <= 40, "{}", deadlines.in_order.len());
        assert_eq!(deadlines.in_order.len(), deadlines.by_request.len());
    }

    #[test]
    fn an_id_that_is_used_again_keeps_its_earliest_limit() {
        let mut deadlines = Deadlines::default();
        let start = Instant::now();
        let after = |seconds| start + Duration::from_secs(seconds);
        for round in 0..10_000 {
            deadlines.add(after(100 + round * 7919 % 10_000), round % 3, |_| true);
        }
        assert_eq!((deadlines.in_order.len(), deadlines.by_request.len()), (3, 3));
        assert_eq!(deadlines.next(), Some(after(100)));
    }
}
