//! The keys that a client masks its frames with: nobody may foresee them (RFC 6455, section 10.3),
//! so they come from the operating system, many keys at a time.

/// The number of bytes that are asked for at a time.
const POOL: usize = 1024;

/// Keys, each of which is used once.
#[derive(Debug)]
pub(super) struct Keys {
    pool: Box<[u8; POOL]>,
    next: usize,
}

impl Keys {
    pub(super) fn new() -> Result<Keys, getrandom::Error> {
        let mut keys = Keys { pool: Box::new([0; POOL]), next: 0 };
        getrandom::fill(&mut keys.pool[..])?;
        Ok(keys)
    }

    #[inline]
    pub(super) fn next(&mut self) -> [u8; 4] {
        let Some(key) = self.pool.get(self.next..).and_then(|rest| rest.first_chunk()) else {
            return self.refill();
        };
        self.next += key.len();
        *key
    }

    #[cold]
    fn refill(&mut self) -> [u8; 4] {
        // It has worked before. If it does not now, the old keys serve once more.
        let _ = getrandom::fill(&mut self.pool[..]);
        self.next = 4;
        let [a, b, c, d, ..] = *self.pool;
        [a, b, c, d]
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_key_comes_twice() {
        let mut keys = Keys::new().unwrap();
        let seen: HashSet<_> = (0..2000).map(|_| keys.next()).collect();
        // Two of 2000 numbers of 32 bits are equal once in two thousand runs.
        assert!(seen.len() >= 1998, "{}", seen.len());
    }
}
