//! The queue of events, and the three modes in which they reach the application.
//!
//! | mode | takes from the queue |
//! |---|---|
//! | `thread` | a worker borrowed from the pool, as long as there is something |
//! | `manual` | the host, when it calls dispatch or poll |
//! | `inline` | the I/O task |
//!
//! In each mode one at a time, in the order of the wire. The queue counts bytes: past its limit
//! the I/O task stops reading, unless a thread waits for an answer that is still in the socket.

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::mem;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::time::Instant;

use crate::client::options::Mode;
use crate::client::runtime;
use crate::client::scope::{self, DeliveryScope};
use crate::client::stats::HandlerTime;
use crate::client::status::{Failure, Status};
use crate::client::sync::{Condvar, lock, wait_on};
use crate::log;
use crate::os::{Flag, SignalMask};

use super::backlog::Backlog;
use super::barrier::Barrier;
use super::fill::Fill;
use super::owner::{Item, Owner, Sleeper, Wakeup};

/// See the module's text.
pub struct EventQueue<E> {
    /// A [`Mode`], as a number.
    mode: AtomicU8,
    pub(super) queue: Mutex<Backlog<E>>,
    /// Something came, or a turn has ended.
    pub(super) changed: Condvar,
    fill: Fill,
    /// Its owner is freed: nothing is delivered any more.
    pub(super) discarding: AtomicBool,
    flag: OnceLock<Flag>,
    wakeup: Mutex<Option<Arc<dyn Wakeup>>>,
    /// The callback that runs.
    pub(in crate::client) barrier: Barrier,
    /// Time that callbacks have taken.
    pub handlers: HandlerTime,
}

impl<E: Item> EventQueue<E> {
    /// An empty queue, which is full beyond `limit` bytes.
    pub fn new(mode: Mode, limit: usize) -> EventQueue<E> {
        EventQueue {
            mode: AtomicU8::new(mode as u8),
            queue: Mutex::new(Backlog::default()),
            changed: Condvar::new(),
            fill: Fill::new(limit),
            discarding: AtomicBool::new(false),
            flag: OnceLock::new(),
            wakeup: Mutex::new(None),
            barrier: Barrier::default(),
            handlers: HandlerTime::default(),
        }
    }

    /// The mode in which events reach the application.
    pub fn mode(&self) -> Mode {
        [Mode::Thread, Mode::Manual, Mode::Inline][usize::from(self.mode.load(Ordering::Relaxed))]
    }

    /// Changes how events reach the application, while none is on its way.
    pub(in crate::client) fn configure(&self, mode: Mode, limit: usize) -> Result<(), Failure> {
        let queue = lock(&self.queue);
        if mode != self.mode() && (queue.taken || !queue.events.is_empty()) {
            let text = "option `dispatch`: events of the previous mode are still waiting";
            return Err(Failure::new(Status::State, text));
        }
        self.mode.store(mode as u8, Ordering::Relaxed);
        self.fill.set_limit(limit);
        Ok(())
    }

    /// From now on callbacks of `thread` mode run with these signals blocked.
    pub(crate) fn set_signals(&self, signals: SignalMask) {
        lock(&self.queue).signals = Some(signals);
    }

    /// True when the application is so far behind that the socket should not be read.
    pub fn is_full(&self) -> bool {
        self.fill.is_full()
    }

    /// True when the application does not take things as fast as they come.
    pub fn lags(&self) -> bool {
        self.fill.lags()
    }

    /// True inside a callback that this queue delivers.
    pub fn is_inside(&self) -> bool {
        scope::is_inside(self.key())
    }

    /// The address, by which deliveries are known.
    pub(super) fn key(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }

    /// Appends events. True if [`EventQueue::wake`] must tell of them, once no lock is held.
    #[must_use]
    pub fn push(
        &self,
        owner: &Arc<impl Owner<Event = E> + AsRef<EventQueue<E>>>,
        events: impl Iterator<Item = E>,
    ) -> bool {
        let mut queue = lock(&self.queue);
        if self.discarding.load(Ordering::Acquire) {
            drop(queue);
            events.for_each(drop);
            return false;
        }
        let before = queue.events.len();
        let mut cost = 0;
        for event in events {
            cost += event.cost();
            queue.events.push_back(event);
        }
        if queue.events.len() == before {
            return false;
        }
        self.fill.add(cost);
        match self.mode() {
            Mode::Thread => self.want_worker(&mut queue, owner),
            Mode::Inline => {
                owner.wake_io();
                false
            }
            Mode::Manual => before == 0,
        }
    }

    /// Tells of events who waits for some: a worker, or the host, in a poll, by its fd and by its
    /// wakeup. No lock may be held, which it would only wait for.
    pub fn wake(&self) {
        self.announce(lock(&self.queue));
        if self.mode() != Mode::Manual {
            return;
        }
        if let Some(flag) = self.flag.get() {
            flag.raise();
        }
        // Taken inside: who waits for the barrier waits for the end of what it owns, too.
        self.barrier.wake(|| {
            let wakeup = lock(&self.wakeup).clone();
            wakeup.into_iter().for_each(|wakeup| wakeup.wake());
        });
    }

    /// Sets the host's wakeup; the former one is returned, to be dropped where no lock is held.
    pub fn set_wakeup(&self, wakeup: Option<Arc<dyn Wakeup>>) -> Option<Arc<dyn Wakeup>> {
        let former = mem::replace(&mut *lock(&self.wakeup), wakeup);
        if self.backlog().0 > 0 {
            self.wake();
        }
        former
    }

    /// The flag that is up while events wait.
    pub fn flag(&self) -> Result<&Flag, Failure> {
        self.check_manual()?;
        let queue = lock(&self.queue);
        if self.flag.get().is_none() {
            let flag = Flag::new()
                .map_err(|error| Failure::new(Status::Exhausted, format!("no fd: {error}")))?;
            if !queue.events.is_empty() {
                flag.raise();
            }
            let _ = self.flag.set(flag);
        }
        self.flag.get().ok_or_else(|| Status::Internal.into())
    }

    /// Delivers at most `max` events on this thread; waits until `deadline` for the first one.
    pub fn dispatch(
        &self,
        owner: &impl Owner<Event = E>,
        max: usize,
        deadline: Option<Instant>,
    ) -> Result<usize, Failure> {
        let batch = self.take(owner, max, deadline, true)?;
        if batch.is_empty() {
            return Ok(0);
        }
        let begun = Instant::now();
        let _scope = DeliveryScope::enter(self.key());
        let mut turn = Turn { queue: self, batch };
        let mut delivered = 0;
        while let Some(event) = turn.batch.front_mut() {
            self.account(owner, event.cost());
            delivered += usize::from(self.deliver(owner, event));
            drop(turn.batch.pop_front());
        }
        self.handlers.add(begun.elapsed(), delivered);
        Ok(delivered)
    }

    /// Takes at most `max` events out without delivering them.
    pub fn poll(
        &self,
        owner: &impl Owner<Event = E>,
        max: usize,
        deadline: Option<Instant>,
    ) -> Result<VecDeque<E>, Failure> {
        loop {
            let mut taken = self.take(owner, max, deadline, false)?;
            if taken.is_empty() {
                return Ok(taken);
            }
            self.account(owner, taken.iter().map(E::cost).sum());
            taken.iter_mut().for_each(|event| owner.prepare(event));
            let scope = DeliveryScope::enter(self.key());
            taken.retain(|event| !event.is_internal() && !self.passes(event));
            drop(scope);
            self.end_poll();
            if !taken.is_empty() {
                return Ok(taken);
            }
        }
    }

    /// `inline` mode: delivers all that waits. Called by the I/O task.
    pub fn drain_inline(&self, owner: &impl Owner<Event = E>) -> bool {
        let mut any = false;
        loop {
            let batch = {
                let mut queue = lock(&self.queue);
                // Who delivers at the moment will see to these too.
                if queue.taken || queue.events.is_empty() {
                    return any;
                }
                queue.taken = true;
                queue.take_all()
            };
            any = true;
            let (begun, count) = (Instant::now(), batch.len());
            // At once: while this thread delivers it reads nothing.
            self.account(owner, batch.iter().map(E::cost).sum());
            let _scope = DeliveryScope::enter(self.key());
            let mut turn = Turn { queue: self, batch };
            while let Some(event) = turn.batch.front_mut() {
                self.deliver(owner, event);
                drop(turn.batch.pop_front());
            }
            self.handlers.add(begun.elapsed(), count);
        }
    }

    /// True if something waits and nobody delivers.
    pub(in crate::client) fn wants_draining(&self) -> bool {
        let queue = lock(&self.queue);
        !queue.taken && !queue.events.is_empty()
    }

    /// `thread` mode: sees to it that what waits is delivered.
    pub(in crate::client) fn start(
        &self,
        owner: &Arc<impl Owner<Event = E> + AsRef<EventQueue<E>>>,
    ) {
        let mut queue = lock(&self.queue);
        if !queue.events.is_empty() && self.want_worker(&mut queue, owner) {
            drop(queue);
            self.wake();
        }
    }

    /// Takes back the room of events that were polled.
    pub(in crate::client) fn recycle(&self, mut polled: VecDeque<E>) {
        lock(&self.queue).recycle(&mut polled);
    }

    /// Gives the room back that is kept for events to come.
    pub(in crate::client) fn shrink(&self) {
        lock(&self.queue).shrink();
    }

    /// The events and bytes that wait.
    pub(in crate::client) fn backlog(&self) -> (usize, usize) {
        (lock(&self.queue).events.len(), self.fill.bytes())
    }

    /// Waits until nothing waits and nobody delivers; false when the time is up.
    pub fn wait_idle(&self, deadline: Instant) -> bool {
        let mut queue = lock(&self.queue);
        while queue.taken || !queue.events.is_empty() {
            match wait_on(&self.changed, queue, Some(deadline)) {
                Some(again) => queue = again,
                None => return false,
            }
        }
        true
    }

    /// From now on no delivery begins.
    pub(in crate::client) fn stop_delivering(&self) {
        let queue = lock(&self.queue);
        self.discarding.store(true, Ordering::Release);
        self.announce(queue);
    }

    /// From now on nothing is delivered. Returns what waited, to be dropped where no lock is held.
    pub fn discard(&self) -> VecDeque<E> {
        let mut queue = lock(&self.queue);
        self.discarding.store(true, Ordering::Release);
        let discarded = mem::take(&mut queue.events);
        self.announce(queue);
        discarded
    }

    /// Nothing that waits for `id` is told any more.
    pub(in crate::client) fn silence(&self, id: u64) {
        let queue = lock(&self.queue);
        self.barrier.remember(id);
        queue.events.iter().filter(|event| event.told_for() == id).for_each(E::silence);
    }

    /// Announces a thread that waits for an answer; see [`EventQueue::is_full`]. True if the I/O
    /// task may have stopped reading before, and must be woken.
    pub(in crate::client) fn begin_wait(&self) -> bool {
        self.fill.begin_wait()
    }

    /// The end of [`EventQueue::begin_wait`].
    pub(in crate::client) fn end_wait(&self) {
        self.fill.end_wait();
    }

    /// Frees the lock under which something was changed, and wakes all that wait for it.
    pub(super) fn announce(&self, queue: MutexGuard<'_, Backlog<E>>) {
        let sleeper = queue.sleeper.clone();
        self.changed.announce(queue);
        sleeper.inspect(|flag| flag.raise());
    }

    fn check_manual(&self) -> Result<(), Failure> {
        if self.mode() == Mode::Manual {
            return Ok(());
        }
        let text = "this needs the option \"dispatch\": \"manual\"";
        Err(Failure::new(Status::State, text))
    }

    /// Waits for events and takes at most `max`; with `keep_turn` the caller is the one who
    /// delivers until its [`Turn`] ends.
    fn take(
        &self,
        owner: &impl Owner<Event = E>,
        max: usize,
        deadline: Option<Instant>,
        keep_turn: bool,
    ) -> Result<VecDeque<E>, Failure> {
        self.check_manual()?;
        if self.is_inside() {
            let text = "dispatch and poll cannot be called inside a callback of their own queue";
            return Err(Failure::new(Status::Deadlock, text));
        }
        let (mut may_drive, mut untold) = (true, false);
        let mut queue = lock(&self.queue);
        while queue.taken || queue.events.is_empty() {
            if self.discarding.load(Ordering::Acquire) {
                return Err(Failure::new(Status::Handle, "the connection or router was freed"));
            }
            if mem::take(&mut may_drive) && deadline.is_none_or(|until| until > Instant::now()) {
                drop(queue);
                untold = owner.drive(self, deadline);
                queue = lock(&self.queue);
                continue;
            }
            match runtime::wait_for_io(&self.changed, queue, deadline) {
                Some(again) => queue = again,
                None => {
                    let queue = lock(&self.queue);
                    // It may have been raised after somebody had taken the events already.
                    self.lower_flag(&queue);
                    self.leave(queue, untold);
                    return Ok(VecDeque::new());
                }
            }
        }
        let taken = queue.take_up_to(max);
        queue.taken = keep_turn;
        queue.polls += usize::from(!keep_turn);
        self.lower_flag(&queue);
        self.leave(queue, untold);
        Ok(taken)
    }

    /// Frees the lock, and tells of events that are left, where nobody was told that they came.
    fn leave(&self, queue: MutexGuard<'_, Backlog<E>>, untold: bool) {
        let must_wake = untold && !queue.events.is_empty();
        drop(queue);
        if must_wake {
            self.wake();
        }
    }

    fn lower_flag(&self, queue: &Backlog<E>) {
        if let Some(flag) = self.flag.get().filter(|_| queue.events.is_empty()) {
            flag.lower();
        }
    }

    pub(super) fn account(&self, owner: &impl Owner<Event = E>, cost: usize) {
        // The I/O task sleeps while the queue is full.
        if self.fill.take(cost) {
            owner.wake_io();
        }
    }

    /// Tells an event; false if there was nothing to tell. Called in the scope of a delivery, as
    /// what is freed with the event is still inside of it.
    pub(super) fn deliver(&self, owner: &impl Owner<Event = E>, event: &mut E) -> bool {
        self.barrier.enter(event.told_for());
        if self.discarding.load(Ordering::Acquire) || event.is_internal() || self.passes(event) {
            return false;
        }
        owner.prepare(event);
        if std::panic::catch_unwind(AssertUnwindSafe(|| owner.deliver(event))).is_err() {
            log::write(log::Level::Error, || "a panic in the delivery of an event".into());
        }
        true
    }

    /// Passes over an event that is for nobody any more; false if it is to be told.
    #[inline]
    fn passes(&self, event: &E) -> bool {
        let silenced = self.barrier.is_silent()
            || event.is_silent()
            || self.barrier.remembers(event.told_for());
        if silenced {
            event.pass_over();
        }
        silenced
    }

    /// Ends a turn: all that had been taken out of the queue has been told. The batch is what is
    /// left of it: room.
    pub(super) fn end_turn(&self, queue: &mut Backlog<E>, batch: &mut VecDeque<E>) {
        queue.recycle(batch);
        self.barrier.leave();
        if queue.polls == 0 {
            self.barrier.forget();
        }
    }

    /// Ends a poll: all that had been taken out of the queue is in the hands of the host.
    fn end_poll(&self) {
        let mut queue = lock(&self.queue);
        queue.polls -= 1;
        if queue.polls == 0 && !queue.taken {
            self.barrier.forget();
        }
    }
}

/// The right to deliver, given back when dropped, also by a panic.
struct Turn<'q, E: Item> {
    queue: &'q EventQueue<E>,
    batch: VecDeque<E>,
}

impl<E: Item> Drop for Turn<'_, E> {
    fn drop(&mut self) {
        let mut queue = lock(&self.queue.queue);
        self.queue.end_turn(&mut queue, &mut self.batch);
        queue.taken = false;
        self.queue.announce(queue);
    }
}

impl<E: Item> Sleeper for EventQueue<E> {
    fn sleep(&self, flag: &Arc<Flag>, sleep: &mut dyn FnMut()) -> bool {
        let mut queue = lock(&self.queue);
        let is_over = self.discarding.load(Ordering::Acquire);
        if is_over || queue.taken || !queue.events.is_empty() {
            return false;
        }
        queue.sleeper = Some(flag.clone());
        drop(queue);
        sleep();
        lock(&self.queue).sleeper = None;
        true
    }
}
