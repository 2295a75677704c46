//! The keys that a client masks its frames with: nobody may foresee them (RFC 6455, section 10.3),
//! so they come from the operating system, many keys at a time, for all connections of a thread.

use std::cell::RefCell;

/// The number of bytes that are asked for at a time.
const POOL: usize = 1024;

thread_local! {
    // Without a destructor, so that it is there as long as the thread is.
    static BYTES: RefCell<Pool> = const { RefCell::new(Pool { bytes: [0; POOL], next: POOL }) };
}

/// Random bytes, each of which is used once.
struct Pool {
    bytes: [u8; POOL],
    next: usize,
}

impl Pool {
    #[inline]
    fn take<const SIZE: usize>(&mut self) -> Result<[u8; SIZE], getrandom::Error> {
        if self.next + SIZE > POOL {
            self.refill()?;
        }
        let mut taken = [0; SIZE];
        taken.copy_from_slice(&self.bytes[self.next..self.next + SIZE]);
        self.next += SIZE;
        Ok(taken)
    }

    #[cold]
    fn refill(&mut self) -> Result<(), getrandom::Error> {
        getrandom::fill(&mut self.bytes)?;
        self.next = 0;
        Ok(())
    }
}

/// Random bytes that nobody can foresee.
#[inline]
pub(super) fn random<const SIZE: usize>() -> Result<[u8; SIZE], getrandom::Error> {
    BYTES.with_borrow_mut(Pool::take)
}

/// The keys of a client, each of which is used once.
#[derive(Debug)]
pub(super) struct Keys {
    /// The last one.
    last: [u8; 4],
}

impl Keys {
    pub(super) fn new() -> Result<Keys, getrandom::Error> {
        Ok(Keys { last: random()? })
    }

    #[inline]
    pub(super) fn next(&mut self) -> [u8; 4] {
        // It has worked before. If it does not now, the old key serves once more.
        self.last = random().unwrap_or(self.last);
        self.last
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_key_comes_twice() {
        let mut several = [Keys::new().unwrap(), Keys::new().unwrap()];
        let seen: HashSet<_> = (0..2000).map(|turn| several[turn % 2].next()).collect();
        // Two of 2000 numbers of 32 bits are equal once in two thousand runs.
        assert!(seen.len() >= 1998, "{}", seen.len());
    }

    #[test]
    fn sizes_of_any_kind_come_out_of_one_pool() {
        let seen: HashSet<[u8; 16]> = (0..500)
            .map(|_| {
                let _odd: [u8; 7] = random().unwrap();
                random().unwrap()
            })
            .collect();
        assert_eq!(seen.len(), 500);
    }
}
