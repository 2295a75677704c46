//! Where handles lead: slots with generations, so that a stale or made-up handle finds nothing.
//!
//! A handle is a number in the shape of a pointer. It is never dereferenced:
//!
//! ```text
//!   63..60  what it is (1..)     59..28  generation     27..0  slot
//! ```
//!
//! A slot's generation goes up each time it is emptied, so a handle is found only as long as what
//! it was made for. Freed slots are reused in the order in which they were freed. (The
//! `sharded-slab` crate does the same with fewer bits of generation and a bound on the number of
//! threads, which a host may exceed.)

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock};

use crate::client::lock;

/// Slots of the first chunk; each chunk has twice as many as the one before.
const FIRST: u32 = 64;
const CHUNKS: usize = 22;

/// A slab whose keys have `INDEX` bits for the slot and `GENERATION` bits above them.
pub struct Slab<T, const INDEX: u32 = 28, const GENERATION: u32 = 32> {
    chunks: [OnceLock<Box<[Slot<T>]>>; CHUNKS],
    made: AtomicU32,
    free: Mutex<VecDeque<u32>>,
}

struct Slot<T>(Mutex<(u64, Option<T>)>);

impl<T, const INDEX: u32, const GENERATION: u32> Default for Slab<T, INDEX, GENERATION> {
    fn default() -> Self {
        Slab::new()
    }
}

impl<T, const INDEX: u32, const GENERATION: u32> Slab<T, INDEX, GENERATION> {
    /// An empty slab.
    pub const fn new() -> Self {
        Slab {
            chunks: [const { OnceLock::new() }; CHUNKS],
            made: AtomicU32::new(0),
            free: Mutex::new(VecDeque::new()),
        }
    }

    /// Keeps `value`; returns its key, or `None` when all slots are in use.
    pub fn insert(&self, value: T) -> Option<u64> {
        self.fill(self.lease()?, value)
    }

    /// Takes an empty slot for the caller's own use, until [`Slab::give_back`]: who fills and
    /// empties slots all the time spares the common list of free ones.
    pub fn lease(&self) -> Option<u32> {
        let freed = lock(&self.free).pop_front();
        freed.or_else(|| self.new_slot())
    }

    /// Keeps `value` in a leased slot; returns its key.
    pub fn fill(&self, leased: u32, value: T) -> Option<u64> {
        let mut slot = lock(&self.slot(leased)?.0);
        slot.1 = Some(value);
        Some(slot.0 << INDEX | u64::from(leased))
    }

    /// Takes the value behind `key` out of a leased slot, which stays leased. From now on the key
    /// is stale.
    pub fn empty(&self, key: u64) -> Option<(u32, T)> {
        let (index, generation) = Self::split(key)?;
        let mut slot = lock(&self.slot(index)?.0);
        if slot.0 != generation {
            return None;
        }
        let value = slot.1.take()?;
        slot.0 = Self::next(generation);
        Some((index, value))
    }

    /// Ends a lease.
    pub fn give_back(&self, leased: u32) {
        lock(&self.free).push_back(leased);
    }

    /// Shows the value behind `key` to `look`. The slot is locked meanwhile.
    pub fn with<R>(&self, key: u64, look: impl FnOnce(&T) -> R) -> Option<R> {
        let (index, generation) = Self::split(key)?;
        let slot = lock(&self.slot(index)?.0);
        if slot.0 != generation {
            return None;
        }
        slot.1.as_ref().map(look)
    }

    /// Takes the value behind `key` out. From now on the key is stale.
    pub fn remove(&self, key: u64) -> Option<T> {
        let (index, value) = self.empty(key)?;
        self.give_back(index);
        Some(value)
    }

    /// The values, in no order.
    pub fn values(&self) -> Vec<T>
    where
        T: Clone,
    {
        let made = self.made.load(Ordering::Acquire);
        let slots = (0..made).filter_map(|index| self.slot(index));
        slots.filter_map(|slot| lock(&slot.0).1.clone()).collect()
    }

    fn next(generation: u64) -> u64 {
        let next = (generation + 1) & ((1 << GENERATION) - 1);
        next.max(1)
    }

    fn split(key: u64) -> Option<(u32, u64)> {
        let index = key & ((1 << INDEX) - 1);
        let generation = key >> INDEX;
        (generation < 1 << GENERATION).then_some((index as u32, generation))
    }

    fn new_slot(&self) -> Option<u32> {
        let index = self.made.fetch_add(1, Ordering::AcqRel);
        if u64::from(index) >= 1 << INDEX {
            self.made.fetch_sub(1, Ordering::AcqRel);
            return None;
        }
        let (chunk, _) = place(index);
        self.chunks
            .get(chunk)?
            .get_or_init(|| (0..FIRST << chunk).map(|_| Slot(Mutex::new((1, None)))).collect());
        Some(index)
    }

    fn slot(&self, index: u32) -> Option<&Slot<T>> {
        let (chunk, offset) = place(index);
        self.chunks.get(chunk)?.get()?.get(offset)
    }
}

/// The chunk of a slot, and its place there.
fn place(index: u32) -> (usize, usize) {
    let shifted = u64::from(index) + u64::from(FIRST);
    let chunk = shifted.ilog2() - FIRST.ilog2();
    (chunk as usize, (shifted - (u64::from(FIRST) << chunk)) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_lie_in_growing_chunks() {
        assert_eq!(place(0), (0, 0));
        assert_eq!(place(63), (0, 63));
        assert_eq!(place(64), (1, 0));
        assert_eq!(place(191), (1, 127));
        assert_eq!(place(192), (2, 0));
    }

    #[test]
    fn a_stale_key_finds_nothing() {
        let slab: Slab<i32> = Slab::new();
        let keys: Vec<u64> = (0..500).map(|value| slab.insert(value).unwrap()).collect();
        assert_eq!(slab.with(keys[300], |value| *value), Some(300));
        assert_eq!(slab.remove(keys[300]), Some(300));
        assert_eq!(slab.remove(keys[300]), None);
        let again = slab.insert(7).unwrap();
        assert_eq!(again & 0xfff_ffff, keys[300] & 0xfff_ffff, "the slot is reused");
        assert_eq!(slab.with(keys[300], |value| *value), None);
        assert_eq!(slab.with(again, |value| *value), Some(7));
        for made_up in [0, 1, 12345, u64::MAX, u64::MAX >> 4, 2 << 28, 77 << 28 | 499] {
            assert_eq!(slab.with(made_up, |value| *value), None, "{made_up}");
        }
    }

    #[test]
    fn a_small_slab_fills_up_and_wraps_its_generations() {
        let slab: Slab<u32, 2, 2> = Slab::new();
        let keys: Vec<_> = (0..4).map(|value| slab.insert(value).unwrap()).collect();
        assert_eq!(slab.insert(4), None);
        for round in 0..10 {
            let key = if round == 0 { keys[0] } else { slab.insert(0).unwrap() };
            assert!(key < 1 << 4);
            assert!(slab.remove(key).is_some());
        }
    }
}
