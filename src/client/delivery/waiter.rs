//! A thread that waits for one outcome.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::client::runtime::wait_for_io;
use crate::client::sync::{Condvar, lock};

/// A thread that waits for one outcome. It is woken by the I/O thread itself.
#[derive(Debug)]
pub struct Waiter<T> {
    outcome: Mutex<Option<T>>,
    told: Condvar,
}

impl<T> Default for Waiter<T> {
    fn default() -> Waiter<T> {
        Waiter { outcome: Mutex::new(None), told: Condvar::new() }
    }
}

impl<T> Waiter<T> {
    /// Hands the outcome over. It is noticed at the latest after [`Waiter::wake`].
    pub fn tell(&self, outcome: T) {
        *lock(&self.outcome) = Some(outcome);
    }

    /// Wakes the thread. Better called where no lock is held that it may want.
    pub fn wake(&self) {
        self.told.notify_one();
    }

    /// Waits for the outcome; `None` when the time is up.
    pub fn wait(&self, timeout: Option<Duration>) -> Option<T> {
        let deadline = timeout.map(|timeout| Instant::now() + timeout);
        let mut outcome = lock(&self.outcome);
        while outcome.is_none() {
            outcome = wait_for_io(&self.told, outcome, deadline)?;
        }
        outcome.take()
    }
}
