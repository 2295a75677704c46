//! The keys that a client masks its frames with: nobody may foresee them (RFC 6455, section 10.3),
//! so they come from the operating system.

use crate::os::random;

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
}
