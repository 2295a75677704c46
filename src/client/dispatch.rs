//! The queue of events of a connection, and the three ways in which they reach the application.
//!
//! | mode | who takes from the queue |
//! |---|---|
//! | `thread` | a worker borrowed from the pool, as long as there is something |
//! | `manual` | the host, when it calls dispatch or poll |
//! | `inline` | the connection's own I/O task |
//!
//! In each mode one at a time, in the order of the wire. The queue counts bytes: past its limit
//! the I/O task stops reading, unless a thread waits for an answer that is still in the socket.

use std::collections::VecDeque;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, OnceLock};
use std::time::Instant;

use crate::os::{Flag, SignalMask};

use super::barrier::Barrier;
use super::connection::Connection;
use super::notice::Notice;
use super::scope::{self, DeliveryScope};
use super::stats::HandlerTime;
use super::status::{Failure, Status};
use super::target::{Receiver, wait_on};
use super::{lock, log, runtime};

/// How events reach the application.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Callbacks run on a library thread, one at a time per connection.
    Thread,
    /// The host calls for events.
    Manual,
    /// Callbacks run on the I/O thread.
    Inline,
}

/// Called when events begin to wait in `manual` mode, on the thread that makes them wait.
pub trait Wakeup: Send + Sync {
    /// Tells the host's loop.
    fn wake(&self);
}

/// See the module's text.
pub struct Dispatcher {
    /// A [`Mode`], as a number.
    mode: AtomicU8,
    queue: Mutex<Queue>,
    /// Something came, or a turn has ended.
    changed: Condvar,
    bytes: AtomicUsize,
    limit: AtomicUsize,
    /// Threads that wait for an answer.
    waiting: AtomicUsize,
    /// The connection is freed: nothing is delivered any more.
    discarding: AtomicBool,
    /// The queue has ids in `silenced`.
    silenced: AtomicBool,
    flag: OnceLock<Flag>,
    wakeup: Mutex<Option<Arc<dyn Wakeup>>>,
    /// Which callback runs.
    pub(super) barrier: Barrier,
    /// What callbacks have taken.
    pub handlers: HandlerTime,
}

#[derive(Default)]
struct Queue {
    notices: VecDeque<Notice>,
    /// Somebody is delivering.
    taken: bool,
    /// The signals that workers block while they deliver.
    signals: Option<SignalMask>,
    /// Ids that were silenced while what is told now had left the queue already.
    silenced: Vec<u64>,
    /// Threads that have taken events out, but not yet given them to the host.
    polls: usize,
}

impl Dispatcher {
    /// An empty queue.
    pub fn new(mode: Mode, limit: usize) -> Dispatcher {
        Dispatcher {
            mode: AtomicU8::new(mode as u8),
            queue: Mutex::default(),
            changed: Condvar::new(),
            bytes: AtomicUsize::new(0),
            limit: AtomicUsize::new(limit),
            waiting: AtomicUsize::new(0),
            discarding: AtomicBool::new(false),
            silenced: AtomicBool::new(false),
            flag: OnceLock::new(),
            wakeup: Mutex::new(None),
            barrier: Barrier::default(),
            handlers: HandlerTime::default(),
        }
    }

    /// How events reach the application.
    pub fn mode(&self) -> Mode {
        const MODES: [Mode; 3] = [Mode::Thread, Mode::Manual, Mode::Inline];
        MODES[usize::from(self.mode.load(Ordering::Relaxed))]
    }

    /// Changes how events reach the application, while none is on its way.
    pub(super) fn configure(&self, mode: Mode, limit: usize) -> Result<(), Failure> {
        let queue = lock(&self.queue);
        if mode != self.mode() && (queue.taken || !queue.notices.is_empty()) {
            let text = "option `dispatch`: events are still on their way in the former mode";
            return Err(Failure::new(Status::State, text));
        }
        self.mode.store(mode as u8, Ordering::Relaxed);
        self.limit.store(limit, Ordering::Relaxed);
        Ok(())
    }

    /// From now on callbacks of `thread` mode run with these signals blocked.
    pub(super) fn set_signals(&self, signals: SignalMask) {
        lock(&self.queue).signals = Some(signals);
    }

    /// True when the application is so far behind that the socket should not be read.
    pub fn is_full(&self) -> bool {
        self.bytes.load(Ordering::Relaxed) > self.limit.load(Ordering::Relaxed)
            && self.waiting.load(Ordering::Acquire) == 0
    }

    /// True when the application does not take things as fast as they come.
    pub fn lags(&self) -> bool {
        const MUCH: usize = 64 * 1024;
        self.bytes.load(Ordering::Relaxed) > MUCH
    }

    /// True inside a callback of `connection`.
    pub fn is_inside(connection: &Connection) -> bool {
        scope::is_inside(key(connection))
    }

    /// Appends notices. True if the host's wakeup must be called, by [`Dispatcher::wake`], once no
    /// lock is held.
    #[must_use]
    pub fn push(
        &self,
        connection: &Arc<Connection>,
        notices: impl Iterator<Item = Notice>,
    ) -> bool {
        let mut queue = lock(&self.queue);
        if self.discarding.load(Ordering::Acquire) {
            drop(queue);
            notices.for_each(drop);
            return false;
        }
        let before = queue.notices.len();
        let mut cost = 0;
        for notice in notices {
            cost += notice.cost();
            queue.notices.push_back(notice);
        }
        if queue.notices.len() == before {
            return false;
        }
        self.bytes.fetch_add(cost, Ordering::Relaxed);
        match self.mode() {
            Mode::Thread if !queue.taken => self.start_worker(&mut queue, connection),
            Mode::Thread => {}
            Mode::Inline => connection.doorbell.ring(),
            Mode::Manual if before == 0 => {
                if let Some(flag) = self.flag.get() {
                    flag.raise();
                }
                self.changed.notify_all();
                return true;
            }
            Mode::Manual => {}
        }
        false
    }

    /// Calls the host's wakeup. No lock may be held.
    pub fn wake(&self) {
        let wakeup = lock(&self.wakeup).clone();
        if let Some(wakeup) = wakeup {
            self.barrier.wake(move || wakeup.wake());
        }
    }

    /// Sets the host's wakeup; the former one is returned, to be dropped where no lock is held.
    pub fn set_wakeup(&self, wakeup: Option<Arc<dyn Wakeup>>) -> Option<Arc<dyn Wakeup>> {
        let former = std::mem::replace(&mut *lock(&self.wakeup), wakeup);
        let waiting = !lock(&self.queue).notices.is_empty();
        if waiting {
            self.wake();
        }
        former
    }

    /// The fd that is readable while events wait.
    pub fn fd(&self) -> Result<i32, Failure> {
        self.check_manual()?;
        let queue = lock(&self.queue);
        if self.flag.get().is_none() {
            let flag = Flag::new()
                .map_err(|error| Failure::new(Status::Exhausted, format!("no fd: {error}")))?;
            if !queue.notices.is_empty() {
                flag.raise();
            }
            let _ = self.flag.set(flag);
        }
        self.flag.get().map(Flag::fd).ok_or_else(|| Status::Internal.into())
    }

    /// Delivers at most `max` events on this thread; waits until `deadline` for the first one.
    pub fn dispatch(
        &self,
        connection: &Arc<Connection>,
        max: usize,
        deadline: Option<Instant>,
    ) -> Result<usize, Failure> {
        let batch = self.take(connection, max, deadline, true)?;
        if batch.is_empty() {
            return Ok(0);
        }
        let begun = Instant::now();
        let mut turn = Turn { dispatcher: self, batch: batch.into_iter() };
        let mut delivered = 0;
        for notice in turn.batch.by_ref() {
            delivered += usize::from(self.deliver(connection, notice));
        }
        self.handlers.add(begun.elapsed(), delivered);
        Ok(delivered)
    }

    /// Takes at most `max` events out without delivering them.
    pub fn poll(
        &self,
        connection: &Arc<Connection>,
        max: usize,
        deadline: Option<Instant>,
    ) -> Result<Vec<Notice>, Failure> {
        loop {
            let mut taken = self.take(connection, max, deadline, false)?;
            if taken.is_empty() {
                return Ok(taken);
            }
            for notice in &mut taken {
                self.account(connection, notice);
                connection.unwrap(notice);
            }
            let (gone, polled): (Vec<_>, Vec<_>) =
                taken.into_iter().partition(|notice| notice.is_void() || self.passes(notice));
            let scope = DeliveryScope::enter(key(connection));
            drop(gone);
            drop(scope);
            self.end_poll();
            if !polled.is_empty() {
                return Ok(polled);
            }
        }
    }

    /// `inline` mode: delivers all that waits. Called by the I/O task.
    pub(super) fn drain_inline(&self, connection: &Arc<Connection>) -> bool {
        let mut any = false;
        loop {
            let batch = {
                let mut queue = lock(&self.queue);
                // Who delivers at the moment will see to these too.
                if queue.taken || queue.notices.is_empty() {
                    return any;
                }
                queue.taken = true;
                std::mem::take(&mut queue.notices)
            };
            any = true;
            let (begun, count) = (Instant::now(), batch.len());
            let mut turn = Turn { dispatcher: self, batch: batch.into_iter() };
            for notice in turn.batch.by_ref() {
                self.deliver(connection, notice);
            }
            self.handlers.add(begun.elapsed(), count);
        }
    }

    /// True if something waits and nobody delivers.
    pub(super) fn wants_draining(&self) -> bool {
        let queue = lock(&self.queue);
        !queue.taken && !queue.notices.is_empty()
    }

    /// After the end of all threads: delivers what is left on this one. In `manual` mode that is
    /// left to the host.
    pub(super) fn drain_last(&self, connection: &Arc<Connection>) {
        if self.mode() != Mode::Manual {
            self.drain_inline(connection);
        }
    }

    /// `thread` mode: sees to it that what waits is delivered.
    pub(super) fn start(&self, connection: &Arc<Connection>) {
        let mut queue = lock(&self.queue);
        if !queue.taken && !queue.notices.is_empty() {
            self.start_worker(&mut queue, connection);
        }
    }

    /// The events and bytes that wait.
    pub(super) fn backlog(&self) -> (usize, usize) {
        (lock(&self.queue).notices.len(), self.bytes.load(Ordering::Relaxed))
    }

    /// True when nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        lock(&self.queue).notices.is_empty()
    }

    /// Waits until nothing waits and nobody delivers; false when the time is up.
    pub(super) fn wait_idle(&self, deadline: Instant) -> bool {
        let mut queue = lock(&self.queue);
        while queue.taken || !queue.notices.is_empty() {
            match wait_on(&self.changed, queue, Some(deadline)) {
                Some(again) => queue = again,
                None => return false,
            }
        }
        true
    }

    /// From now on no delivery begins.
    pub(super) fn stop_delivering(&self) {
        let _queue = lock(&self.queue);
        self.discarding.store(true, Ordering::Release);
    }

    /// From now on nothing is delivered. Returns what waited, to be dropped where no lock is held.
    pub(super) fn discard(&self) -> VecDeque<Notice> {
        let mut queue = lock(&self.queue);
        self.discarding.store(true, Ordering::Release);
        let discarded = std::mem::take(&mut queue.notices);
        drop(queue);
        self.changed.notify_all();
        discarded
    }

    /// Nothing that waits for `id` is told any more.
    pub(super) fn silence(&self, id: u64) {
        let mut queue = lock(&self.queue);
        queue.silenced.push(id);
        self.silenced.store(true, Ordering::SeqCst);
        let waiting = queue.notices.iter().filter(|notice| notice.told_for() == id);
        let targets = waiting.filter_map(|notice| notice.event.target.as_ref()?.app());
        targets.for_each(|target| target.silence());
    }

    /// Announces a thread that waits for an answer; see [`Dispatcher::is_full`].
    pub(super) fn begin_wait(&self) {
        self.waiting.fetch_add(1, Ordering::AcqRel);
    }

    /// The end of [`Dispatcher::begin_wait`].
    pub(super) fn end_wait(&self) {
        self.waiting.fetch_sub(1, Ordering::AcqRel);
    }

    fn check_manual(&self) -> Result<(), Failure> {
        if self.mode() == Mode::Manual {
            return Ok(());
        }
        let text = "this needs the connection option \"dispatch\": \"manual\"";
        Err(Failure::new(Status::State, text))
    }

    fn start_worker(&self, queue: &mut Queue, connection: &Arc<Connection>) {
        queue.taken = true;
        let work = || {
            let mut worker = Worker { connection: connection.clone(), ran: false };
            move || worker.run()
        };
        if runtime::spawn_blocking(work).is_err() {
            queue.taken = false;
            log::write(log::Level::Warn, || "events after wamp_shutdown are not delivered".into());
        }
    }

    /// What a worker of `thread` mode does.
    fn work(&self, connection: &Arc<Connection>) {
        let signals = lock(&self.queue).signals;
        if let Some(signals) = signals {
            // Worn also when the turn is over: a runtime that knows this thread by now has its own
            // signals for it, which must arrive while it is parked.
            signals.wear();
        }
        loop {
            let batch = {
                let mut queue = lock(&self.queue);
                self.end_turn(&mut queue);
                if queue.notices.is_empty() {
                    queue.taken = false;
                    self.changed.notify_all();
                    return;
                }
                std::mem::take(&mut queue.notices)
            };
            let (begun, count) = (Instant::now(), batch.len());
            for notice in batch {
                self.deliver(connection, notice);
            }
            self.handlers.add(begun.elapsed(), count);
        }
    }

    /// Waits for events and takes at most `max`; with `keep_turn` the caller is the one who
    /// delivers until its [`Turn`] ends.
    fn take(
        &self,
        connection: &Arc<Connection>,
        max: usize,
        deadline: Option<Instant>,
        keep_turn: bool,
    ) -> Result<Vec<Notice>, Failure> {
        self.check_manual()?;
        if Dispatcher::is_inside(connection) {
            let text = "dispatch and poll cannot be called inside a callback of their connection";
            return Err(Failure::new(Status::Deadlock, text));
        }
        let mut queue = lock(&self.queue);
        while queue.taken || queue.notices.is_empty() {
            if self.discarding.load(Ordering::Acquire) {
                return Err(Failure::new(Status::Handle, "the connection was freed"));
            }
            match wait_on(&self.changed, queue, deadline) {
                Some(again) => queue = again,
                None => return Ok(Vec::new()),
            }
        }
        let count = max.min(queue.notices.len());
        let taken: Vec<Notice> = queue.notices.drain(..count).collect();
        queue.taken = keep_turn;
        queue.polls += usize::from(!keep_turn);
        if queue.notices.is_empty()
            && let Some(flag) = self.flag.get()
        {
            flag.lower();
        }
        Ok(taken)
    }

    fn account(&self, connection: &Connection, notice: &Notice) {
        let cost = notice.cost();
        let before = self.bytes.fetch_sub(cost, Ordering::Relaxed);
        // The I/O task sleeps while the queue is full: wake it when half is free again.
        let half = self.limit.load(Ordering::Relaxed) / 2;
        if before > half && before - cost <= half {
            connection.doorbell.ring();
        }
    }

    /// Tells a notice; false if there was nothing to tell.
    fn deliver(&self, connection: &Arc<Connection>, notice: Notice) -> bool {
        self.account(connection, &notice);
        let _scope = DeliveryScope::enter(key(connection));
        self.barrier.enter(notice.told_for());
        // Dropped before the scope ends: what is freed with it is still inside the delivery.
        let mut notice = notice;
        if self.discarding.load(Ordering::Acquire) || notice.is_void() || self.passes(&notice) {
            return false;
        }
        connection.unwrap(&mut notice);
        let told = AssertUnwindSafe(|| {
            let target = notice.event.target.as_ref().and_then(Receiver::app);
            if !target.is_some_and(|target| target.deliver(&notice)) {
                connection.unheard(&notice);
            }
        });
        if std::panic::catch_unwind(told).is_err() {
            log::write(log::Level::Error, || "a panic in the delivery of an event".into());
        }
        true
    }

    /// Passes a notice over that is for nobody any more; false if it is to be told.
    fn passes(&self, notice: &Notice) -> bool {
        let target = notice.event.target.as_ref().and_then(Receiver::app);
        let silenced = self.barrier.is_silent()
            || target.is_some_and(|target| target.is_silent())
            || (self.silenced.load(Ordering::SeqCst)
                && lock(&self.queue).silenced.contains(&notice.told_for()));
        if silenced && let Some(target) = target {
            target.pass_over(notice);
        }
        silenced
    }

    /// What had been taken out of the queue has been told.
    fn end_turn(&self, queue: &mut Queue) {
        self.barrier.leave();
        self.forget_silenced(queue);
    }

    /// What had been taken out of the queue is in the hands of the host.
    fn end_poll(&self) {
        let mut queue = lock(&self.queue);
        queue.polls -= 1;
        if !queue.taken {
            self.forget_silenced(&mut queue);
        }
    }

    fn forget_silenced(&self, queue: &mut Queue) {
        if queue.polls == 0 && !queue.silenced.is_empty() {
            queue.silenced = Vec::new();
            self.silenced.store(false, Ordering::SeqCst);
        }
    }
}

/// The address of a connection, by which deliveries of it are known.
fn key(connection: &Connection) -> usize {
    std::ptr::from_ref(connection).addr()
}

/// Delivers in `thread` mode. One that never ran, as the library was shut down, gives its turn back.
struct Worker {
    connection: Arc<Connection>,
    ran: bool,
}

impl Worker {
    fn run(&mut self) {
        self.ran = true;
        self.connection.dispatcher.work(&self.connection);
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        if !self.ran {
            let dispatcher = &self.connection.dispatcher;
            lock(&dispatcher.queue).taken = false;
            dispatcher.changed.notify_all();
        }
    }
}

/// The right to deliver, given back when dropped, also by a panic.
struct Turn<'d, I: Iterator<Item = Notice>> {
    dispatcher: &'d Dispatcher,
    batch: I,
}

impl<I: Iterator<Item = Notice>> Drop for Turn<'_, I> {
    fn drop(&mut self) {
        let mut queue = lock(&self.dispatcher.queue);
        self.dispatcher.end_turn(&mut queue);
        queue.taken = false;
        drop(queue);
        self.dispatcher.changed.notify_all();
    }
}
