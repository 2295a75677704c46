//! A thread that waits for one outcome.

use std::sync::{Arc, Mutex};
use std::time::Instant;

use crate::client::runtime::wait_for_io;
use crate::client::sync::{Condvar, lock};
use crate::os::Flag;

use super::owner::Sleeper;

/// A thread that waits for one outcome. It is woken by the I/O thread itself.
#[derive(Debug)]
pub struct Waiter<T> {
    state: Mutex<State<T>>,
    told: Condvar,
}

#[derive(Debug)]
struct State<T> {
    outcome: Option<T>,
    /// Ends the thread's sleep, where it waits for something else at the same time.
    flag: Option<Arc<Flag>>,
}

impl<T> Default for Waiter<T> {
    fn default() -> Waiter<T> {
        Waiter { state: Mutex::new(State { outcome: None, flag: None }), told: Condvar::new() }
    }
}

impl<T> Waiter<T> {
    /// Hands the outcome over. It is noticed at the latest after [`Waiter::wake`].
    pub fn tell(&self, outcome: T) {
        lock(&self.state).outcome = Some(outcome);
    }

    /// Wakes the thread. Better called where no lock is held that it may want.
    pub fn wake(&self) {
        self.told.notify_one();
        let flag = lock(&self.state).flag.clone();
        flag.inspect(|flag| flag.raise());
    }

    /// Waits for the outcome; `None` when the time is up.
    pub fn wait(&self, deadline: Option<Instant>) -> Option<T> {
        let mut state = lock(&self.state);
        while state.outcome.is_none() {
            state = wait_for_io(&self.told, state, deadline)?;
        }
        state.outcome.take()
    }
}

impl<T> Sleeper for Waiter<T> {
    fn sleep(&self, flag: &Arc<Flag>, sleep: &mut dyn FnMut()) -> bool {
        let mut state = lock(&self.state);
        if state.outcome.is_some() {
            return false;
        }
        state.flag = Some(flag.clone());
        drop(state);
        sleep();
        lock(&self.state).flag = None;
        true
    }
}
