//! Delivery in `thread` mode: by a worker that is borrowed from the pool as long as there is
//! something, and for a moment after that, in which it needs no more than a word.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, MutexGuard};
use std::time::{Duration, Instant};

use crate::client::options::Mode;
use crate::client::runtime;
use crate::client::scope::DeliveryScope;
use crate::client::sync::{lock, wait_on};
use crate::log;

use super::backlog::Backlog;
use super::owner::{Item, Owner};
use super::queue::EventQueue;
use super::worker::Worker;

/// The time for which a worker waits for more, before it goes back to the pool.
const REST: Duration = Duration::from_millis(5);
/// The number of workers that wait at the same time: those of many connections shall not be as
/// many threads.
const MOST_RESTING: usize = 32;

static RESTING: AtomicUsize = AtomicUsize::new(0);

impl<E: Item> EventQueue<E> {
    /// Has a worker deliver what is in the queue. True if one waits for that, and is to be told by
    /// [`EventQueue::wake`], once no lock is held.
    pub(super) fn want_worker<O>(&self, queue: &mut Backlog<E>, owner: &Arc<O>) -> bool
    where
        O: Owner<Event = E> + AsRef<EventQueue<E>>,
    {
        if !queue.taken && !queue.has_resting {
            self.start_worker(queue, owner);
        }
        queue.has_resting
    }

    fn start_worker<O>(&self, queue: &mut Backlog<E>, owner: &Arc<O>)
    where
        O: Owner<Event = E> + AsRef<EventQueue<E>>,
    {
        queue.taken = true;
        let work = || {
            let run = |owner: &Arc<O>| (**owner).as_ref().work(&**owner);
            let skip = |owner: &Arc<O>| (**owner).as_ref().give_back_turn();
            let mut worker = Worker::new(owner.clone(), run, skip);
            move || worker.run()
        };
        if runtime::spawn_blocking(work).is_err() {
            queue.taken = false;
            log::write(log::Level::Warn, || "events after wamp_shutdown are not delivered".into());
        }
    }

    /// Delivers, as long as there is something.
    fn work(&self, owner: &impl Owner<Event = E>) {
        let signals = lock(&self.queue).signals;
        if let Some(signals) = signals {
            // Worn also when the turn is over: a runtime that knows this thread by now has its own
            // signals for it, which must arrive while it is parked.
            signals.wear();
        }
        let mut batch = VecDeque::new();
        loop {
            let mut queue = lock(&self.queue);
            self.end_turn(&mut queue, &mut batch);
            if queue.events.is_empty() {
                queue.taken = false;
                match self.rest(queue) {
                    Some(again) => queue = again,
                    None => return,
                }
            }
            queue.taken = true;
            batch = queue.take_all();
            drop(queue);
            let (begun, count) = (Instant::now(), batch.len());
            let _scope = DeliveryScope::enter(self.key());
            while let Some(event) = batch.front_mut() {
                self.account(owner, event.cost());
                self.deliver(owner, event);
                drop(batch.pop_front());
            }
            self.handlers.add(begun.elapsed(), count);
        }
    }

    /// Waits for events without a turn; `None` if there are none, or they are for somebody else.
    fn rest<'q>(
        &'q self,
        mut queue: MutexGuard<'q, Backlog<E>>,
    ) -> Option<MutexGuard<'q, Backlog<E>>> {
        let is_wanted = || self.mode() == Mode::Thread && !self.discarding.load(Ordering::Acquire);
        let place = Place::take().filter(|_| is_wanted());
        if place.is_none() {
            self.changed.announce(queue);
            return None;
        }
        queue.has_resting = true;
        self.changed.announce(queue);
        let until = Instant::now() + REST;
        queue = lock(&self.queue);
        while queue.events.is_empty() && is_wanted() {
            match wait_on(&self.changed, queue, Some(until)) {
                Some(again) => queue = again,
                None => {
                    queue = lock(&self.queue);
                    break;
                }
            }
        }
        queue.has_resting = false;
        // Also after the time: who has put them there has relied on it.
        let is_for_us = !queue.taken && !queue.events.is_empty() && is_wanted();
        is_for_us.then_some(queue)
    }

    /// Ends the turn of a worker that never ran.
    pub(super) fn give_back_turn(&self) {
        let mut queue = lock(&self.queue);
        queue.taken = false;
        self.changed.announce(queue);
    }
}

/// The place of a worker that rests.
struct Place;

impl Place {
    fn take() -> Option<Place> {
        let place = Place;
        (RESTING.fetch_add(1, Ordering::Relaxed) < MOST_RESTING).then_some(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        RESTING.fetch_sub(1, Ordering::Relaxed);
    }
}
