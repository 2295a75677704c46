//! The ids of requests, the local ids that the application knows them by, and maps by id.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use crate::codec::MAX_ID;

/// The numbering of a session's requests, and of its subscriptions and registrations.
///
/// Local ids are even for calls and publications, made of their request ids, and odd for
/// subscriptions and registrations, which are counted by themselves: several share a request.
#[derive(Debug)]
pub(super) struct Ids {
    /// A number that all local ids are larger than.
    above: u64,
    last_request: u64,
    /// All request ids have been used, and begin again.
    wrapped: bool,
    last_local: u64,
}

impl Ids {
    /// Ids of which none has been used.
    pub(super) fn new(above: u64) -> Ids {
        Ids { above, last_request: 0, wrapped: false, last_local: 0 }
    }

    /// The id of the last request; 0 before the first.
    pub(super) fn last_request(&self) -> u64 {
        self.last_request
    }

    /// The id that the next request gets.
    pub(super) fn next_request(&mut self) -> u64 {
        if self.last_request == MAX_ID {
            self.wrapped = true;
            return 1;
        }
        self.last_request + 1
    }

    /// Counts a request that has been made under [`Ids::next_request`].
    pub(super) fn count_request(&mut self, id: u64) {
        self.last_request = id;
    }

    /// True if there has been a request with this id.
    pub(super) fn has_issued(&self, request: u64) -> bool {
        request <= self.last_request || self.wrapped
    }

    /// The local id of a call or publication.
    pub(super) fn local_of(&self, request: u64) -> u64 {
        self.above + 2 * request
    }

    /// The request behind a local id of a call or publication.
    pub(super) fn request_of(&self, local: u64) -> Option<u64> {
        let offset = local.checked_sub(self.above)?;
        offset.is_multiple_of(2).then_some(offset / 2)
    }

    /// A new local id, for a subscription or registration.
    pub(super) fn new_local(&mut self) -> u64 {
        self.last_local += 1;
        self.above + 2 * self.last_local - 1
    }

    /// A number that no local id so far reaches.
    pub(super) fn end(&self) -> u64 {
        self.above + 2 * self.last_request.max(self.last_local) + 2
    }
}

/// A map whose keys are WAMP ids or local ids.
///
/// Ids are made by the router or counted, so hashing them needs no defence.
pub type IdMap<V> = HashMap<u64, V, IdMapHasher>;

/// Makes the hashers of an [`IdMap`].
pub type IdMapHasher = BuildHasherDefault<IdHasher>;

/// A hasher that spreads a number over the word by one multiplication.
#[derive(Debug, Default, Clone, Copy)]
pub struct IdHasher(u64);

impl Hasher for IdHasher {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = (self.0.rotate_left(5) ^ number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    fn finish(&self) -> u64 {
        self.0.rotate_left(26)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn local_ids_are_apart_and_lead_back() {
        let mut ids = Ids::new(1000);
        assert_eq!((ids.next_request(), ids.end()), (1, 1002));
        ids.count_request(1);
        let call = ids.local_of(1);
        let (first, second) = (ids.new_local(), ids.new_local());
        assert_eq!((call, first, second), (1002, 1001, 1003));
        assert_eq!((ids.request_of(call), ids.request_of(first)), (Some(1), None));
        assert_eq!(ids.request_of(998), None, "an id of an earlier session");
        assert!(ids.end() > second);
    }

    #[test]
    fn request_ids_begin_again_after_the_largest() {
        let mut ids = Ids::new(0);
        ids.count_request(MAX_ID - 1);
        assert_eq!((ids.has_issued(MAX_ID), ids.next_request()), (false, MAX_ID));
        ids.count_request(MAX_ID);
        assert_eq!((ids.has_issued(MAX_ID), ids.next_request()), (true, 1));
        ids.count_request(1);
        assert!(ids.has_issued(MAX_ID), "an answer to an earlier request");
    }
}
