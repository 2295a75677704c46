//! Slots with generations, where handles lead: so a stale or made-up handle finds nothing.
//!
//! A handle is a number in the shape of a pointer. It is never dereferenced:
//!
//! ```text
//!   63..60  what it is (1..)     59..28  generation     27..0  slot
//! ```
//!
//! A slot's generation goes up each time it is emptied, so a handle is found only as long as what
//! it was made for. A slot that has had its last generation is not used again, and costs its bytes:
//! so no handle ever comes alive again. Freed slots are reused in the order in which they were
//! freed. (The `sharded-slab` crate does the same with fewer bits of generation, which wrap, and a
//! bound on the number of threads, which a host may exceed.)
//!
//! Of pointers with 32 bits there are too few for that: generations begin again when a slot has had
//! them all, and a handle that old may lead to what has its slot then.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock};

use crate::client::lock;

use super::tag::IS_NARROW;

/// Slots of the first chunk; each chunk has twice as many as the one before.
const FIRST: u32 = 64;
const CHUNKS: usize = 22;

/// The bits of a key that most slabs have for the slot, and for the generation.
const BITS: (u32, u32) = if IS_NARROW { (15, 12) } else { (28, 32) };

/// A slab whose keys have `INDEX` bits for the slot and `GENERATION` bits above them. A value may
/// take several generations, so that as many keys lead to it, but not more than `MOST`.
pub(super) struct Slab<
    T,
    const INDEX: u32 = { BITS.0 },
    const GENERATION: u32 = { BITS.1 },
    const MOST: u64 = 1,
    const WRAPS: bool = IS_NARROW,
> {
    chunks: [OnceLock<Box<[Slot<T>]>>; CHUNKS],
    made: AtomicU32,
    free: Mutex<VecDeque<u32>>,
}

struct Slot<T>(Mutex<(u64, Option<T>)>);

impl<T, const INDEX: u32, const GENERATION: u32, const MOST: u64, const WRAPS: bool>
    Slab<T, INDEX, GENERATION, MOST, WRAPS>
{
    /// An empty slab.
    pub(super) const fn new() -> Self {
        Slab {
            chunks: [const { OnceLock::new() }; CHUNKS],
            made: AtomicU32::new(0),
            free: Mutex::new(VecDeque::new()),
        }
    }

    /// Keeps `value`; returns its key, or `None` when all slots are in use.
    pub(super) fn insert(&self, value: T) -> Option<u64> {
        self.fill(self.lease()?, value)
    }

    /// Takes an empty slot for the caller's own use, until [`Slab::give_back`]: who fills and
    /// empties slots all the time spares the common list of free ones.
    pub(super) fn lease(&self) -> Option<u32> {
        let freed = lock(&self.free).pop_front();
        freed.or_else(|| self.new_slot())
    }

    /// Keeps `value` in a leased slot; returns its key.
    pub(super) fn fill(&self, leased: u32, value: T) -> Option<u64> {
        let mut slot = lock(&self.slot(leased)?.0);
        slot.1 = Some(value);
        Some(slot.0 << INDEX | u64::from(leased))
    }

    /// Ends a lease.
    pub(super) fn give_back(&self, leased: u32) {
        lock(&self.free).push_back(leased);
    }

    /// Shows the value behind `key` to `look`. The slot is locked meanwhile.
    #[inline]
    pub(super) fn with<R>(&self, key: u64, look: impl FnOnce(&mut T) -> R) -> Option<R> {
        self.with_any(key, |value, which| (which == 0).then(|| look(value))).flatten()
    }

    /// Shows a value to `look`, and which of its keys this is: 0 for the first. There may be no
    /// such key, as only the value knows how many it has.
    #[inline]
    pub(super) fn with_any<R>(&self, key: u64, look: impl FnOnce(&mut T, u64) -> R) -> Option<R> {
        let (index, generation) = Self::split(key)?;
        let mut slot = lock(&self.slot(index)?.0);
        let which = generation.checked_sub(slot.0)?;
        slot.1.as_mut().map(|value| look(value, which))
    }

    /// The key that is `which` steps after the first.
    pub(super) const fn nth_key(first: u64, which: u64) -> u64 {
        first + (which << INDEX)
    }

    /// Takes the value behind `key` out. From now on the key is stale.
    pub(super) fn remove(&self, key: u64) -> Option<T> {
        self.remove_of(key, |_| 1)
    }

    /// Does as [`Slab::remove`], where `keys` tells how many keys the value had; `key` is the
    /// first.
    pub(super) fn remove_of(&self, key: u64, keys: impl FnOnce(&T) -> u64) -> Option<T> {
        let (slot, value) = self.empty_of(key, keys)?;
        if let Some(slot) = slot {
            self.give_back(slot);
        }
        Some(value)
    }

    /// Takes the value behind `key`, its first one, out of a leased slot; `keys` tells how many it
    /// had. From now on all of them are stale. The slot comes with it, still leased, unless that
    /// was its last value.
    pub(super) fn empty_of(
        &self,
        key: u64,
        keys: impl FnOnce(&T) -> u64,
    ) -> Option<(Option<u32>, T)> {
        let (index, generation) = Self::split(key)?;
        let mut slot = lock(&self.slot(index)?.0);
        if slot.0 != generation {
            return None;
        }
        let value = slot.1.take()?;
        slot.0 = generation + keys(&value).clamp(1, MOST);
        let mut fits_another = slot.0 + MOST <= 1 << GENERATION;
        if WRAPS && !fits_another {
            (slot.0, fits_another) = (1, true);
        }
        Some((fits_another.then_some(index), value))
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
        let slab: Slab<i32, 28, 32> = Slab::new();
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
    fn a_small_slab_fills_up_and_is_used_up() {
        let slab: Slab<u32, 2, 2, 1, false> = Slab::new();
        let keys: Vec<_> = (0..4).map(|value| slab.insert(value).unwrap()).collect();
        assert_eq!(slab.insert(4), None);
        let mut seen = keys.clone();
        for key in keys {
            slab.remove(key).unwrap();
        }
        // Generations 2 and 3 of four slots, and then no key is used twice.
        for _ in 0..8 {
            let key = slab.insert(0).unwrap();
            assert!(key < 1 << 4 && !seen.contains(&key));
            assert!(seen.iter().all(|stale| slab.with(*stale, |_| ()).is_none()));
            seen.push(key);
            assert!(slab.remove(key).is_some());
        }
        assert_eq!(slab.insert(0), None);
    }

    #[test]
    fn where_bits_are_few_generations_begin_again() {
        let slab: Slab<u32, 2, 2, 1, true> = Slab::new();
        let first = slab.insert(0).unwrap();
        let mut key = first;
        for value in 1..10 {
            assert_eq!(slab.remove(key), Some(value - 1));
            let next = slab.insert(value).unwrap();
            assert!(next != key && next < 1 << 4 && slab.with(key, |_| ()).is_none());
            key = next;
        }
        assert_eq!(slab.made.load(Ordering::Relaxed), 1, "its slot was enough");
    }

    #[test]
    fn a_value_may_have_several_keys() {
        type Wide = Slab<u64, 2, 6, 8, false>;
        let slab = Wide::new();
        let mut stale = Vec::new();
        let mut values = 0;
        while let Some(key) = slab.insert(5) {
            let look = |key| slab.with_any(key, |many, which| (which < *many).then_some(which));
            let keys: Vec<u64> = (0..5).map(|which| Wide::nth_key(key, which)).collect();
            assert!(keys.iter().enumerate().all(|(at, key)| look(*key) == Some(Some(at as u64))));
            assert_eq!(look(Wide::nth_key(key, 5)), Some(None));
            assert!(stale.iter().all(|stale| look(*stale).flatten().is_none()));
            assert_eq!(slab.remove_of(keys[1], |many| *many), None, "not its first key");
            assert_eq!(slab.remove_of(key, |many| *many), Some(5));
            stale.extend(keys);
            values += 1;
        }
        // Each slot: as long as a value of eight keys would fit.
        assert_eq!(values, 4 * 12);
        let fresh = Wide::new();
        let key = fresh.insert(1).unwrap();
        assert_eq!(fresh.with(Wide::nth_key(key, 1), |_| ()), None, "it has one");
    }
}
