//! Turns: the measure of work that is done under one lock of a realm.
//!
//! Whatever a message of a client asks for, at most about half a millisecond of it is done at a
//! time.
//! Then the lock is free for others, and the task of the client goes on with what is left when
//! they have had their turn, before it looks at the client's next message: what one client says
//! takes effect in the order in which it says it.
//!
//! And because some of it takes longer than one thinks, the clock is looked at from time to time,
//! too: [`MOST`] is the end of any turn.
//!
//! Work is counted in *units* of about 100 ns, so that tests can count, too. [`UNITS`] of them are
//! a turn, which may run over by the last thing that it does: the largest of those is a message
//! that is copied for one receiver, with one unit for each KiB, and a prefix of thousands of bytes
//! that is taken out of a trie of them.

use std::time::{Duration, Instant};

/// The units of a turn.
pub(super) const UNITS: usize = 4000;

/// Something is looked at: an entry of a list, a node of a trie, somebody whom an event is not for.
pub(super) const LOOK: usize = 1;

/// Something is sent or removed.
pub(super) const ACT: usize = 4;

/// A message with arguments that are read: a call of the meta API.
pub(super) const READ: usize = 100;

/// The time of a turn, and the number of units after which it is looked at.
pub(super) const MOST: Duration = Duration::from_micros(400);
const LOOKS: usize = 500;

/// The bytes that are copied in one unit.
const BYTES: usize = 1024;

/// The work that was done under this lock.
#[derive(Debug, Default)]
pub(super) struct Turn {
    spent: usize,
    /// The units at which the clock is looked at, and the first time that it was.
    looks_at: usize,
    began: Option<Instant>,
}

impl Turn {
    /// Notes that work was done.
    #[inline]
    pub(super) fn spend(&mut self, units: usize) {
        self.spent += units;
        if self.spent >= self.looks_at + LOOKS {
            self.look_at_clock();
        }
    }

    /// Notes that something was sent that has so many bytes.
    #[inline]
    pub(super) fn send(&mut self, bytes: usize) {
        self.spend(ACT + bytes / BYTES);
    }

    #[cold]
    fn look_at_clock(&mut self) {
        self.looks_at = self.spent;
        let is_over = self.began.get_or_insert_with(Instant::now).elapsed() >= MOST;
        // Tests count, and have their time.
        if is_over && !cfg!(test) {
            self.spent = self.spent.max(UNITS);
        }
    }

    /// True when others should have the lock.
    #[inline]
    pub(super) fn is_over(&self) -> bool {
        self.spent >= UNITS
    }

    /// The units that are left.
    pub(super) fn left(&self) -> usize {
        UNITS.saturating_sub(self.spent)
    }
}

#[cfg(test)]
pub(super) mod counting {
    //! The turns of this thread, for tests.

    use std::cell::Cell;

    use super::Turn;

    thread_local! {
        static TURNS: Cell<usize> = const { Cell::new(0) };
        static LONGEST: Cell<usize> = const { Cell::new(0) };
    }

    impl Drop for Turn {
        fn drop(&mut self) {
            TURNS.set(TURNS.get() + 1);
            LONGEST.set(LONGEST.get().max(self.spent));
        }
    }

    /// The number of turns since the last time, and the units of the longest.
    pub(in crate::router) fn take() -> (usize, usize) {
        (TURNS.take(), LONGEST.take())
    }
}
