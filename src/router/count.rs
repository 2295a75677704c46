//! So many of something, until there is none.

use std::sync::{Condvar, Mutex};
use std::time::Instant;

use crate::os::{lock, unpoisoned};

/// So many of something, whose end can be waited for.
#[derive(Debug, Default)]
pub(super) struct Count {
    number: Mutex<usize>,
    is_none: Condvar,
}

impl Count {
    pub(super) fn add(&self) {
        *lock(&self.number) += 1;
    }

    pub(super) fn done(&self) {
        let mut number = lock(&self.number);
        *number -= 1;
        if *number == 0 {
            self.is_none.notify_all();
        }
    }

    /// Waits until there is none; false if that was not so by the deadline.
    pub(super) fn wait_none(&self, deadline: Instant) -> bool {
        let rest = deadline.saturating_duration_since(Instant::now());
        let number = lock(&self.number);
        let waited = self.is_none.wait_timeout_while(number, rest, |number| *number > 0);
        *unpoisoned(waited).0 == 0
    }
}
