//! The time limits of pending calls.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::ids::IdMap;

/// Time limits by request, and in the order in which they pass.
#[derive(Debug, Default)]
pub(super) struct Limits {
    by_time: BTreeSet<(Instant, u64)>,
    by_request: IdMap<Limit>,
}

#[derive(Debug)]
struct Limit {
    due: Instant,
    /// The time between two results.
    each: Duration,
    /// A progressive result has come since it was set.
    touched: bool,
}

impl Limits {
    /// Gives a request the time `each` from now on.
    pub(super) fn set(&mut self, request: u64, now: Instant, each: Duration) {
        let due = now + each;
        self.by_time.insert((due, request));
        self.by_request.insert(request, Limit { due, each, touched: false });
    }

    /// Notes a progressive result: the time begins anew.
    pub(super) fn touch(&mut self, request: u64) {
        if let Some(limit) = self.by_request.get_mut(&request) {
            limit.touched = true;
        }
    }

    /// Takes the limit of a request away, if it has one.
    #[inline]
    pub(super) fn remove(&mut self, request: u64) {
        // Few calls have a limit, and every result comes by here.
        if !self.by_request.is_empty() {
            self.remove_known(request);
        }
    }

    fn remove_known(&mut self, request: u64) {
        if let Some(limit) = self.by_request.remove(&request) {
            self.by_time.remove(&(limit.due, request));
        }
    }

    /// The time at which the next limit passes.
    pub(super) fn next(&self) -> Option<Instant> {
        self.by_time.first().map(|(due, _)| *due)
    }

    /// Takes the next request whose time is up. One with a progressive result since gets it anew.
    pub(super) fn expired(&mut self, now: Instant) -> Option<u64> {
        while let Some((due, request)) = self.by_time.first().copied() {
            if due > now {
                return None;
            }
            self.by_time.pop_first();
            let limit = self.by_request.remove(&request)?;
            if !limit.touched {
                return Some(request);
            }
            self.set(request, now, limit.each);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_pass_in_order_and_begin_anew_after_progress() {
        let (start, second) = (Instant::now(), Duration::from_secs(1));
        let mut limits = Limits::default();
        limits.set(1, start, 2 * second);
        limits.set(2, start, second);
        limits.set(3, start, second);
        limits.touch(2);
        limits.remove(3);
        assert_eq!(limits.next(), Some(start + second));
        assert_eq!(limits.expired(start), None);
        assert_eq!(limits.expired(start + second), None, "request 2 has got its time anew");
        assert_eq!(limits.next(), Some(start + 2 * second));
        let end = start + 2 * second;
        assert_eq!([limits.expired(end), limits.expired(end)], [Some(1), Some(2)]);
        assert_eq!((limits.expired(end), limits.next()), (None, None));
    }
}
