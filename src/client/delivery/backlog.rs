//! The events that wait in a queue, and who delivers them.

use std::collections::VecDeque;
use std::mem;
use std::sync::Arc;

use crate::os::{Flag, SignalMask};

/// The part of a queue that its lock guards.
pub(super) struct Backlog<E> {
    pub(super) events: VecDeque<E>,
    /// The room of an earlier batch, for the time when these are taken.
    spare: VecDeque<E>,
    /// Somebody is delivering.
    pub(super) taken: bool,
    /// A worker waits for more, without delivering.
    pub(super) has_resting: bool,
    /// Ends the sleep of a thread that waits for more, where it does not wait for the condition.
    pub(super) sleeper: Option<Arc<Flag>>,
    /// The signals that workers block while they deliver.
    pub(super) signals: Option<SignalMask>,
    /// Threads that have taken events out, but not yet given them to the host.
    pub(super) polls: usize,
}

impl<E> Default for Backlog<E> {
    fn default() -> Backlog<E> {
        let [events, spare] = [VecDeque::new(), VecDeque::new()];
        Backlog {
            events,
            spare,
            taken: false,
            has_resting: false,
            sleeper: None,
            signals: None,
            polls: 0,
        }
    }
}

impl<E> Backlog<E> {
    /// The number of events for which room is kept.
    const KEPT: usize = 512;

    /// Takes all events out.
    pub(super) fn take_all(&mut self) -> VecDeque<E> {
        let spare = mem::take(&mut self.spare);
        mem::replace(&mut self.events, spare)
    }

    /// Takes so many events out, if there are as many.
    pub(super) fn take_up_to(&mut self, max: usize) -> VecDeque<E> {
        if self.events.len() <= max {
            return self.take_all();
        }
        let mut taken = mem::take(&mut self.spare);
        taken.extend(self.events.drain(..max));
        taken
    }

    /// Keeps the room of a batch that has been told.
    pub(super) fn recycle(&mut self, batch: &mut VecDeque<E>) {
        if batch.is_empty() && (1..=Self::KEPT).contains(&batch.capacity()) {
            self.spare = mem::take(batch);
        }
    }

    /// Gives the room back.
    pub(super) fn shrink(&mut self) {
        self.spare = VecDeque::new();
    }
}
