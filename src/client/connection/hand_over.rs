//! The steps by which a task and other threads hand a thing with a socket to each other: one at a
//! time runs it, and nobody waits for another. What it is, and how anybody sleeps and is woken, is
//! left to [`super::shared_pump`]; the steps alone are checked in all their orders by
//! `tests/hand_over.rs`.

use super::primitives::{AtomicBool, Mutex, MutexGuard, Ordering, TryLockError};

/// See the module's text.
pub(super) struct HandOver<T> {
    thing: Mutex<T>,
    /// Somebody has found it taken, and the task is to see to it.
    is_wanted: AtomicBool,
}

/// A thing with a socket that either the runtime watches, which wakes the task, or a thread.
pub(super) trait Watched {
    /// True while a thread watches the socket.
    fn is_detached(&self) -> bool;

    /// Gives the socket back to the runtime; false if it was there. The task is woken for it once
    /// it has been read after that.
    fn attach(&mut self) -> bool;
}

/// A turn in which nobody else has it.
pub(super) type Turn<'h, T> = MutexGuard<'h, T>;

impl<T: Watched> HandOver<T> {
    pub(super) fn new(thing: T) -> HandOver<T> {
        HandOver { thing: Mutex::new(thing), is_wanted: AtomicBool::new(false) }
    }

    /// Takes it, unless somebody has it.
    pub(super) fn try_take(&self) -> Option<Turn<'_, T>> {
        match self.thing.try_lock() {
            Ok(turn) => Some(turn),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    /// Takes it, unless somebody has it, who hears on giving it back that the task is wanted.
    pub(super) fn try_take_or_want(&self) -> Option<Turn<'_, T>> {
        self.try_take().or_else(|| {
            self.is_wanted.store(true, Ordering::SeqCst);
            // It may have been given back in this moment, by who did not see that it is wanted.
            self.try_take()
        })
    }

    /// Takes it on the task, and the socket with it; `took_back` ends the sleep of the thread that
    /// had that. `None`: the task is woken when it is given back.
    pub(super) fn take_on_task(&self, took_back: impl FnOnce()) -> Option<Turn<'_, T>> {
        let mut turn = self.try_take_or_want()?;
        if turn.attach() {
            took_back();
        }
        Some(turn)
    }

    /// Ends a turn. True if the task is to be woken.
    #[must_use]
    pub(super) fn give_back(&self, turn: Turn<'_, T>) -> bool {
        drop(turn);
        self.is_wanted.swap(false, Ordering::SeqCst)
    }

    /// Watches the socket, which this thread has detached. `sleeps` until it can be read or the
    /// task has taken it back, and is false when there is nothing more to wait for. `read` reads it
    /// and ends the turn; it is false where the rest is for the task, which it has woken.
    pub(super) fn watch(
        &self,
        mut sleeps: impl FnMut() -> bool,
        mut read: impl FnMut(Turn<'_, T>) -> bool,
    ) {
        while sleeps() {
            let turn = self.try_take_or_want().filter(|turn| turn.is_detached());
            if !turn.is_some_and(&mut read) {
                break;
            }
        }
        // Nobody else gives it back, but the task.
        if let Some(mut turn) = self.try_take_or_want()
            && turn.attach()
        {
            read(turn);
        }
    }
}
