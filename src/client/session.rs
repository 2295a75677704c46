//! One session: requests of any thread go through here into the protocol core.
//!
//! A request is checked, numbered and encoded into the outbox under one short lock; then the I/O
//! task is told, if it sleeps. Nothing is handed over by a channel or a task of its own.

use std::ffi::CStr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, Weak};
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::codec::{Batch, Dict, PayloadRef};
use crate::protocol::event::c_text;
use crate::protocol::{self, CancelMode, Cause, Event, EventKind, Phase, RequestError};

use super::connection::Connection;
use super::dispatch::{self, Dispatcher, Notice, NoticeKind};
use super::lock;
use super::status::{Failure, Status};
use super::target::{Receiver, Waiter, wait_on};

/// One session, from its HELLO to its end.
pub struct Session {
    me: Weak<Session>,
    connection: Arc<Connection>,
    core: Mutex<Core>,
    /// The outbox has been written.
    written: Condvar,
    joined: OnceLock<Joined>,
    /// Free for the use of [`crate::ffi`]: the handle under which C knows this session.
    pub handle: AtomicU64,
}

/// What WELCOME told.
#[derive(Debug)]
pub struct Joined {
    /// The session's id.
    pub id: u64,
    /// The realm.
    pub realm: Arc<CStr>,
    /// WELCOME.Details, an encoded dict.
    pub details: Bytes,
}

pub(super) struct Core {
    pub(super) protocol: protocol::Session<Receiver>,
    /// Bytes taken from the outbox and not yet written.
    in_flight: usize,
    /// Somebody was told to try again.
    want_writable: bool,
    /// Somebody waits in flush.
    flushing: usize,
    /// The transport is gone: what was not written never will be.
    writing_ended: bool,
}

/// What handing events over has left to do.
#[must_use]
#[derive(Default)]
pub(super) struct After {
    wake: bool,
    /// References of which the last one frees what is the application's.
    spent: Vec<Receiver>,
}

impl After {
    /// Does it. No lock may be held.
    pub(super) fn run(self, connection: &Connection) {
        drop(self.spent);
        if self.wake {
            connection.dispatcher.wake();
        }
    }
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").field("joined", &self.joined).finish_non_exhaustive()
    }
}

impl Session {
    pub(super) fn new(
        connection: &Arc<Connection>,
        ids_above: u64,
        max_send: usize,
    ) -> Arc<Session> {
        let options = &connection.options;
        let config = protocol::Config {
            realm: options.realm.clone(),
            hello: options.hello(),
            max_message_size: options.max_message_size.min(max_send),
            ids_above,
        };
        Arc::new_cyclic(|me| Session {
            me: me.clone(),
            connection: connection.clone(),
            core: Mutex::new(Core {
                protocol: protocol::Session::new(config),
                in_flight: 0,
                want_writable: false,
                flushing: 0,
                writing_ended: false,
            }),
            written: Condvar::new(),
            joined: OnceLock::new(),
            handle: AtomicU64::new(0),
        })
    }

    /// The connection it runs on.
    pub fn connection(&self) -> &Arc<Connection> {
        &self.connection
    }

    /// What WELCOME told; `None` before.
    pub fn joined(&self) -> Option<&Joined> {
        self.joined.get()
    }

    /// True while requests can be made.
    pub fn is_open(&self) -> bool {
        lock(&self.core).protocol.phase() == Phase::Open
    }

    /// PUBLISH without acknowledgement.
    pub fn publish(
        &self,
        topic: &str,
        options: Dict<'_>,
        payload: PayloadRef<'_>,
    ) -> Result<(), Failure> {
        self.request(|core| core.publish(topic, options, payload))
    }

    /// PUBLISH with acknowledgement; `options` hold `acknowledge`.
    pub fn publish_ack(
        &self,
        topic: &str,
        options: Dict<'_>,
        payload: PayloadRef<'_>,
        receiver: Receiver,
    ) -> Result<u64, Failure> {
        self.request(|core| core.publish_ack(topic, options, payload, receiver))
    }

    /// SUBSCRIBE.
    pub fn subscribe(
        &self,
        topic: &str,
        options: Dict<'_>,
        receiver: Receiver,
    ) -> Result<u64, Failure> {
        self.request(|core| core.subscribe(topic, options, receiver))
    }

    /// UNSUBSCRIBE; true if the router's subscription ends.
    pub fn unsubscribe(&self, local: u64, receiver: Option<Receiver>) -> Result<bool, Failure> {
        self.request(|core| core.unsubscribe(local, receiver))
    }

    /// REGISTER.
    pub fn register(
        &self,
        procedure: &str,
        options: Dict<'_>,
        receiver: Receiver,
    ) -> Result<u64, Failure> {
        self.request(|core| core.register(procedure, options, receiver))
    }

    /// As [`Session::unsubscribe`], of a subscription that nobody knows: never put off.
    pub fn give_up_subscription(&self, local: u64) {
        let _ = self.command(|core| core.unsubscribe(local, None));
    }

    /// As [`Session::unregister`], of a registration that nobody knows: never put off.
    pub fn give_up_registration(&self, local: u64) {
        let _ = self.command(|core| core.unregister(local, None));
    }

    /// UNREGISTER.
    pub fn unregister(&self, local: u64, receiver: Option<Receiver>) -> Result<(), Failure> {
        self.request(|core| core.unregister(local, receiver))
    }

    /// CALL.
    pub fn call(
        &self,
        procedure: &str,
        options: Dict<'_>,
        payload: PayloadRef<'_>,
        receiver: Receiver,
    ) -> Result<u64, Failure> {
        self.request(|core| core.call(procedure, options, payload, receiver, Instant::now))
    }

    /// CANCEL, or giving up here where the router does not know it.
    pub fn cancel(&self, local: u64, mode: CancelMode) -> Result<(), Failure> {
        self.command(|core| core.cancel(local, mode))
    }

    /// Gives up a call or acknowledged publication; a late answer is swallowed.
    pub fn abandon(&self, local: u64) -> Result<(), Failure> {
        self.command(|core| core.abandon(local))
    }

    /// A progressive result of an invocation.
    pub fn progress(&self, invocation: u64, payload: PayloadRef<'_>) -> Result<(), Failure> {
        self.request(|core| core.progress(invocation, payload))
    }

    /// The result of an invocation. Final answers are accepted also while the send queue is full:
    /// they are as many as the invocations, and without them a caller would wait for ever.
    pub fn answer(&self, invocation: u64, payload: PayloadRef<'_>) -> Result<(), Failure> {
        self.command(|core| core.answer(invocation, payload))
    }

    /// The failure of an invocation.
    pub fn answer_error(
        &self,
        invocation: u64,
        uri: &str,
        payload: PayloadRef<'_>,
    ) -> Result<(), Failure> {
        self.command(|core| core.answer_error(invocation, uri, payload))
    }

    /// GOODBYE.
    pub(super) fn leave(&self, reason: &str, message: Option<&str>) -> Result<(), Failure> {
        self.command(|core| core.leave(reason, message))
    }

    /// Refuses to wait where the answer could never come.
    pub fn check_wait(&self) -> Result<(), Failure> {
        if dispatch::in_io() {
            let text = "this callback runs on the I/O thread (dispatch \"inline\"), which would \
                        wait for itself; use the function without _sync";
            return Err(Failure::new(Status::Deadlock, text));
        }
        Ok(())
    }

    /// Refuses to wait for a call that this very callback keeps from being answered.
    pub fn check_call_wait(&self, procedure: &str) -> Result<(), Failure> {
        self.check_wait()?;
        if Dispatcher::is_inside(&self.connection)
            && lock(&self.core).protocol.is_own_procedure(procedure)
        {
            let text = "the procedure is registered on this very connection, whose callback would \
                        wait for itself; use wamp_session_call";
            return Err(Failure::new(Status::Deadlock, text));
        }
        Ok(())
    }

    /// Waits for an outcome; `None` when the time is up.
    pub fn wait(&self, waiter: &Waiter, timeout: Option<Duration>) -> Option<Event<Receiver>> {
        let dispatcher = &self.connection.dispatcher;
        dispatcher.begin_wait();
        // The task may have stopped reading because the queue is full.
        self.connection.doorbell.ring();
        let outcome = waiter.wait(timeout);
        dispatcher.end_wait();
        outcome
    }

    /// Waits until all that has been accepted so far is written.
    pub fn flush(&self, deadline: Option<Instant>) -> Result<(), Failure> {
        self.check_wait()?;
        let mut core = lock(&self.core);
        core.flushing += 1;
        let result = loop {
            if core.writing_ended {
                break Err(Status::Closed.into());
            }
            if core.backlog() == 0 {
                break Ok(());
            }
            match wait_on(&self.written, core, deadline) {
                Some(again) => core = again,
                None => {
                    core = lock(&self.core);
                    break Err(Failure::new(Status::Timeout, "not all was written in time"));
                }
            }
        };
        core.flushing -= 1;
        result
    }

    /// Ends all requests and handlers and returns what they kept, for the caller to drop.
    pub(super) fn detach(&self) -> Vec<Event<Receiver>> {
        let mut core = lock(&self.core);
        core.protocol.detach();
        core.want_writable = false;
        let events: Vec<_> = core.protocol.take_events().collect();
        drop(core);
        self.written.notify_all();
        let (waiters, rest): (Vec<_>, Vec<_>) = events
            .into_iter()
            .partition(|e| e.target.as_ref().is_some_and(|t| t.waiter(e.kind).is_some()));
        drop(waiters.into_iter().filter_map(tell_waiter).collect::<Vec<_>>());
        rest
    }

    // ===== for the I/O task =====

    pub(super) fn core(&self) -> MutexGuard<'_, Core> {
        lock(&self.core)
    }

    /// Gives the core's events to their receivers. What is left to do is for a time when no lock is
    /// held.
    pub(super) fn hand_over(&self, core: &mut Core) -> After {
        let mut after = After::default();
        let Some(me) = self.me.upgrade() else {
            return after;
        };
        if !core.protocol.has_events() {
            return after;
        }
        let is_open = core.protocol.phase() == Phase::Open;
        let spent = &mut after.spent;
        let events = core.protocol.take_events();
        let notices = events.filter_map(|event| {
            if event.kind == EventKind::Gone
                && is_open
                && let Some(target) = event.target.as_ref().and_then(Receiver::app)
            {
                target.end();
            }
            if event.kind == EventKind::Joined {
                return Some(me.welcomed(event));
            }
            let waits = event.target.as_ref().is_some_and(|t| t.waiter(event.kind).is_some());
            if waits {
                spent.extend(tell_waiter(event));
                return None;
            }
            Some(me.notice(event))
        });
        after.wake = self.connection.dispatcher.push(&self.connection, notices);
        after
    }

    /// A written batch comes back. As [`Session::hand_over`].
    pub(super) fn batch_written(self: &Arc<Self>, core: &mut Core, batch: Batch) -> After {
        let mut after = After::default();
        core.in_flight = 0;
        core.protocol.recycle(batch);
        if core.flushing > 0 {
            self.written.notify_all();
        }
        let limit = self.connection.options.send_queue_bytes;
        if !core.want_writable || core.backlog() > limit / 2 {
            return after;
        }
        core.want_writable = false;
        let notice = self.connection.writable(self);
        after.wake = self.connection.dispatcher.push(&self.connection, std::iter::once(notice));
        after
    }

    /// Its task ends, in whatever way: what still waits has its end too.
    pub(super) fn abandon_all(&self) {
        let mut core = lock(&self.core);
        core.protocol.lost();
        let after = self.hand_over(&mut core);
        self.writing_ended(&mut core);
        drop(core);
        after.run(&self.connection);
    }

    /// The transport is gone: nothing more is written.
    pub(super) fn writing_ended(&self, core: &mut Core) {
        core.in_flight = 0;
        core.writing_ended = true;
        drop(core.protocol.take_outbox());
        self.written.notify_all();
    }

    // ===== steps =====

    /// Runs a request, unless too much waits to be sent.
    fn request<T>(
        &self,
        run: impl FnOnce(&mut protocol::Session<Receiver>) -> Result<T, RequestError>,
    ) -> Result<T, Failure> {
        let mut core = lock(&self.core);
        if core.backlog() >= self.connection.options.send_queue_bytes {
            if core.protocol.phase() != Phase::Open {
                return Err(Status::Closed.into());
            }
            core.want_writable = true;
            return Err(Status::Again.into());
        }
        self.run(core, run)
    }

    /// Runs a request of those that are never put off.
    fn command<T>(
        &self,
        run: impl FnOnce(&mut protocol::Session<Receiver>) -> Result<T, RequestError>,
    ) -> Result<T, Failure> {
        self.run(lock(&self.core), run)
    }

    fn run<T>(
        &self,
        mut core: MutexGuard<'_, Core>,
        run: impl FnOnce(&mut protocol::Session<Receiver>) -> Result<T, RequestError>,
    ) -> Result<T, Failure> {
        let result = run(&mut core.protocol);
        let after = self.hand_over(&mut core);
        drop(core);
        after.run(&self.connection);
        self.connection.doorbell.ring();
        result.map_err(Failure::from)
    }

    fn welcomed(self: &Arc<Self>, event: Event<Receiver>) -> Notice {
        let _ = self.joined.set(Joined {
            id: event.wamp_id,
            realm: event.uri.clone().unwrap_or_else(|| c_text("")),
            details: Bytes::copy_from_slice(event.details().unwrap_or(b"{}")),
        });
        self.connection.opened(self, event)
    }

    /// An event in the form in which it is told.
    pub fn notice(self: &Arc<Self>, event: Event<Receiver>) -> Notice {
        let (status, text) = match event.cause {
            None => (Status::Ok, None),
            Some(cause) => (cause_status(cause), Some(cause_text(cause, &event))),
        };
        Notice {
            kind: NoticeKind::Session(event.kind),
            connection: self.connection.handle.load(Ordering::Acquire),
            session: Some(self.clone()),
            event,
            status,
            text,
        }
    }
}

impl Core {
    /// Bytes accepted and not yet written.
    pub(super) fn backlog(&self) -> usize {
        self.protocol.outbox().len() + self.in_flight
    }

    /// Takes what waits to be written.
    pub(super) fn next_batch(&mut self) -> Option<Batch> {
        if self.protocol.outbox().is_empty() {
            return None;
        }
        let batch = self.protocol.take_outbox();
        self.in_flight = batch.len();
        Some(batch)
    }
}

/// Hands an event to the thread that waits for it. The waiter is not to keep what the event would
/// bring back: that is returned.
fn tell_waiter(mut event: Event<Receiver>) -> Option<Receiver> {
    let receiver = event.target.take()?;
    // Who waits for the outcome of a call is not interested in its progress.
    if !event.progress
        && let Some(waiter) = receiver.waiter(event.kind)
    {
        waiter.tell(event);
    }
    Some(receiver)
}

/// The status of a failed request.
pub fn cause_status(cause: Cause) -> Status {
    match cause {
        Cause::Remote => Status::Remote,
        Cause::Canceled => Status::Canceled,
        Cause::Timeout => Status::Timeout,
        Cause::NotSent => Status::NotSent,
        Cause::OutcomeUnknown => Status::OutcomeUnknown,
    }
}

fn cause_text(cause: Cause, event: &Event<Receiver>) -> Arc<CStr> {
    match (cause, &event.uri) {
        (Cause::Remote, Some(uri)) => uri.clone(),
        (Cause::Canceled, _) => c_text("given up by the application"),
        _ => c_text(cause_status(cause).text().trim_end_matches('\0')),
    }
}
