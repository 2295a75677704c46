//! The calls whose input has not ended where the call itself has: what still comes of it is late,
//! as the caller could not know.

use std::collections::{BTreeMap, HashMap};

/// The number of calls that are remembered for a caller.
const MOST: usize = 1024;

/// The calls of one caller that ended before their last part came. A caller need not send the last
/// part once it knows, so that the oldest of them are forgotten when they are many.
#[derive(Debug, Default)]
pub(super) struct EndedInputs {
    /// The place of each request in the order in which they ended.
    places: HashMap<u64, u64>,
    by_place: BTreeMap<u64, u64>,
    ended: u64,
    /// The largest request that was forgotten.
    forgotten: u64,
}

impl EndedInputs {
    /// More parts of this call may come.
    pub(super) fn add(&mut self, request: u64) {
        self.remove(request);
        self.ended += 1;
        self.places.insert(request, self.ended);
        self.by_place.insert(self.ended, request);
        if self.by_place.len() > MOST
            && let Some((_, oldest)) = self.by_place.pop_first()
        {
            self.places.remove(&oldest);
            self.forgotten = self.forgotten.max(oldest);
        }
    }

    /// The last part of this call has come.
    pub(super) fn remove(&mut self, request: u64) {
        if let Some(place) = self.places.remove(&request) {
            self.by_place.remove(&place);
        }
    }

    /// True if parts of this call may come.
    pub(super) fn contains(&self, request: u64) -> bool {
        !self.places.is_empty() && self.places.contains_key(&request)
    }

    /// True if that cannot be told any more of a request that is not there. It can be only where
    /// requests count.
    pub(super) fn may_have_forgotten(&self, request: u64) -> bool {
        request <= self.forgotten
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_are_remembered_in_whatever_order_they_count() {
        let mut inputs = EndedInputs::default();
        let request = |turn: u64| turn.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 11;
        for turn in 1..=5000 {
            inputs.add(request(turn));
            inputs.add(request(turn));
            assert!(inputs.contains(request(turn)));
        }
        assert_eq!((inputs.places.len(), inputs.by_place.len()), (MOST, MOST));
        let remembered = (1..=5000).filter(|turn| inputs.contains(request(*turn)));
        assert!(remembered.eq(5001 - MOST as u64..=5000));
        assert!((1..=5000 - MOST as u64).all(|turn| inputs.may_have_forgotten(request(turn))));
        for turn in 1..=5000 {
            inputs.remove(request(turn));
        }
        assert!(inputs.places.is_empty() && inputs.by_place.is_empty());
    }
}
