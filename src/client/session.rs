//! One session: requests of any thread go through here into the protocol core.
//!
//! A request is checked, numbered and encoded into the outbox under one short lock; then the I/O
//! task is told, if it sleeps. Nothing is handed over by a channel or a task of its own.

use std::ffi::CStr;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, Weak};
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde_json::Value;

use crate::codec::{Batch, Dict, PayloadRef};
use crate::protocol::event::c_text;
use crate::protocol::{
    self, CancelMode, Cause, Event, EventKind, Listed, Phase, RequestError, uri,
};

use super::callbacks::Slot;
use super::connection::Connection;
use super::dispatch::{self, Dispatcher};
use super::durable::{Durable, DurableKind};
use super::login::Login;
use super::notice::{Notice, NoticeKind};
use super::options::Options;
use super::stats::Traffic;
use super::status::{Failure, Status};
use super::target::{Receiver, Waiter, wait_on};
use super::{lock, runtime};

/// One session, from its HELLO to its end.
pub struct Session {
    me: Weak<Session>,
    connection: Arc<Connection>,
    /// With what it was made: the hook before an attempt may have changed some.
    options: Arc<Options>,
    /// Which of the transports carries it.
    transport: usize,
    /// Tells the sessions of a connection apart.
    serial: u64,
    login: Login,
    begun: Instant,
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
    pub(super) traffic: Traffic,
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
    /// A challenge that the options are to answer.
    challenge: Option<(Arc<Session>, Event<Receiver>)>,
    /// What is to be placed again, and when.
    conflicts: Vec<(Arc<Session>, Arc<Durable>, Duration)>,
}

impl After {
    /// Does it. No lock may be held.
    pub(super) fn run(self, connection: &Connection) {
        drop(self.spent);
        if self.wake {
            connection.dispatcher.wake();
        }
        if let Some((session, challenge)) = self.challenge {
            session.answer_by_options(challenge);
        }
        for (session, durable, delay) in self.conflicts {
            session.place_later(durable, delay);
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
        options: &Arc<Options>,
        transport: usize,
        login: Login,
        serial: u64,
        ids_above: u64,
    ) -> Arc<Session> {
        let config = protocol::Config {
            realm: options.realm.clone(),
            hello: login.hello(),
            max_message_size: options.max_message_size,
            ids_above,
            gate: login.gate(),
        };
        Arc::new_cyclic(|me| Session {
            me: me.clone(),
            connection: connection.clone(),
            options: options.clone(),
            transport,
            serial,
            login,
            begun: Instant::now(),
            core: Mutex::new(Core {
                protocol: protocol::Session::new(config),
                traffic: Traffic::default(),
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

    /// With what it was made.
    pub(super) fn options(&self) -> &Arc<Options> {
        &self.options
    }

    /// Which of the transports carries it.
    pub(super) fn transport(&self) -> usize {
        self.transport
    }

    /// When it was made.
    pub fn begun(&self) -> Instant {
        self.begun
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
        let topic = &self.connection.prefixes.resolve(topic);
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
        let topic = &self.connection.prefixes.resolve(topic);
        self.request(|core| core.publish_ack(topic, options, payload, receiver))
    }

    /// SUBSCRIBE.
    pub fn subscribe(
        &self,
        topic: &str,
        options: Dict<'_>,
        receiver: Receiver,
    ) -> Result<u64, Failure> {
        let topic = &self.connection.prefixes.resolve(topic);
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
        let procedure = &self.connection.prefixes.resolve(procedure);
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
        let procedure = &self.connection.prefixes.resolve(procedure);
        self.request(|core| core.call(procedure, options, payload, receiver, Instant::now))
    }

    /// More input of a call.
    pub fn call_more(
        &self,
        local: u64,
        options: Dict<'_>,
        payload: PayloadRef<'_>,
    ) -> Result<(), Failure> {
        self.request(|core| core.call_more(local, options, payload))
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
    pub fn progress(
        &self,
        invocation: u64,
        options: Dict<'_>,
        payload: PayloadRef<'_>,
    ) -> Result<(), Failure> {
        self.request(|core| core.progress(invocation, options, payload))
    }

    /// The result of an invocation. Final answers are accepted also while the send queue is full:
    /// they are as many as the invocations, and without them a caller would wait for ever.
    pub fn answer(
        &self,
        invocation: u64,
        options: Dict<'_>,
        payload: PayloadRef<'_>,
    ) -> Result<(), Failure> {
        self.command(|core| core.answer(invocation, options, payload))
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

    /// Nobody will answer an invocation any more.
    pub fn forget_invocation(&self, invocation: u64, uri: &str, payload: PayloadRef<'_>) {
        let _ = self.command(|core| {
            core.forget_invocation(invocation, uri, payload);
            Ok(())
        });
    }

    /// True if nobody waits for the answer to an invocation any more.
    pub fn is_interrupted(&self, invocation: u64) -> bool {
        lock(&self.core).protocol.is_interrupted(invocation)
    }

    /// Sets who hears when an invocation is given up by its caller.
    pub fn watch_interrupt(&self, invocation: u64, receiver: Receiver) -> Result<(), Failure> {
        self.command(|core| core.watch_interrupt(invocation, receiver))
    }

    /// The application has heard that an invocation was given up.
    pub fn finish_interrupt(&self, invocation: u64) {
        let _ = self.command(|core| {
            core.finish_interrupt(invocation);
            Ok(())
        });
    }

    /// Notes under what the application knows an invocation.
    pub fn tag_invocation(&self, invocation: u64, tag: u64) {
        lock(&self.core).protocol.tag_invocation(invocation, tag);
    }

    /// What [`Session::tag_invocation`] has noted; 0 for nothing.
    pub fn invocation_tag(&self, invocation: u64) -> u64 {
        lock(&self.core).protocol.invocation_tag(invocation)
    }

    /// AUTHENTICATE: the answer to the challenge of this round.
    pub fn authenticate(
        &self,
        round: u64,
        signature: &str,
        extra: Dict<'_>,
    ) -> Result<(), Failure> {
        self.command(|core| core.authenticate(round, signature, extra))
    }

    /// ABORT instead of an answer to the challenge of this round.
    pub fn refuse_challenge(&self, round: u64, reason: &str, text: &str) -> Result<(), Failure> {
        self.command(|core| core.refuse_challenge(round, reason, text))
    }

    /// The active subscriptions.
    pub fn subscriptions(&self) -> Vec<Listed> {
        lock(&self.core).protocol.subscriptions()
    }

    /// The active registrations.
    pub fn registrations(&self) -> Vec<Listed> {
        lock(&self.core).protocol.registrations()
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
        if !core.protocol.has_events() {
            return after;
        }
        let Some(me) = self.me.upgrade() else {
            return after;
        };
        if me.hand_over_events(core, &mut after) {
            // Before anybody else can make a request.
            let failed = me.place_durables(core);
            after.wake |= self.connection.dispatcher.push(&self.connection, failed.into_iter());
            me.hand_over_events(core, &mut after);
        }
        after
    }

    /// True if the session has been opened.
    fn hand_over_events(self: &Arc<Self>, core: &mut Core, after: &mut After) -> bool {
        let me = self;
        let mut joined = false;
        let is_open = core.protocol.phase() == Phase::Open;
        let After { spent, challenge, conflicts, .. } = after;
        let events = core.protocol.take_events();
        let notices = events.filter_map(|mut event| {
            if event.kind == EventKind::Gone
                && is_open
                && let Some(target) = event.target.as_ref().and_then(Receiver::app)
            {
                target.end();
            }
            if let Some(Receiver::Durable(durable)) = &event.target {
                let durable = durable.clone();
                let (kind, again) = durable.translate(&mut event, is_open);
                conflicts.extend(again.map(|delay| (me.clone(), durable, delay)));
                return Some(Notice { kind, ..me.notice(event) });
            }
            if let Some(Receiver::Retracted(id, _)) = &event.target {
                event.id = *id;
            }
            if event.kind == EventKind::Joined {
                joined = true;
                return Some(me.welcomed(event));
            }
            if event.kind == EventKind::Challenge {
                event.target = me.connection.callbacks.receiver(Slot::Challenge);
                if event.target.is_none() {
                    *challenge = Some((me.clone(), event));
                    return None;
                }
            }
            let waits = event.target.as_ref().is_some_and(|t| t.waiter(event.kind).is_some());
            if waits {
                spent.extend(tell_waiter(event));
                return None;
            }
            Some(me.notice(event))
        });
        after.wake |= self.connection.dispatcher.push(&self.connection, notices);
        joined
    }

    /// Makes the requests for what is declared on the connection. Returns what could not be made.
    fn place_durables(self: &Arc<Self>, core: &mut Core) -> Vec<Notice> {
        let durables = self.connection.durables.all();
        let failed = durables.iter().filter_map(|durable| durable.place(self.serial, core));
        failed.map(|(event, failure)| self.failed(event, failure)).collect()
    }

    /// Makes the request for one of them, where that has not been done.
    pub(super) fn place(self: &Arc<Self>, durable: &Arc<Durable>) {
        let mut core = lock(&self.core);
        if core.protocol.phase() != Phase::Open {
            return;
        }
        let failed = durable.place(self.serial, &mut core);
        let failed = failed.map(|(event, failure)| self.failed(event, failure));
        let mut after = self.hand_over(&mut core);
        after.wake |= self.connection.dispatcher.push(&self.connection, failed.into_iter());
        drop(core);
        after.run(&self.connection);
        self.connection.doorbell.ring();
    }

    fn place_later(self: &Arc<Self>, durable: Arc<Durable>, delay: Duration) {
        let session = Arc::downgrade(self);
        let user: Weak<Connection> = Arc::downgrade(&self.connection);
        let placed = async move {
            tokio::time::sleep(delay).await;
            if let Some(session) = session.upgrade() {
                session.place(&durable);
            }
        };
        // Refused only where the library is shut down.
        let _ = runtime::spawn(user, placed);
    }

    /// Ends what a durable subscription or registration was placed as here. `None`: it was not.
    pub(super) fn end_durable(
        &self,
        durable: &Durable,
        kind: DurableKind,
        receiver: Receiver,
    ) -> Option<Result<bool, Failure>> {
        let local = durable.local(self.serial)?;
        let ended = match kind {
            DurableKind::Subscription => {
                self.command(|core| core.unsubscribe(local, Some(receiver)))
            }
            DurableKind::Registration => {
                self.command(|core| core.unregister(local, Some(receiver)).map(|()| true))
            }
        };
        match ended {
            // Its session has ended in this very moment, or the router has revoked it.
            Err(failure) if matches!(failure.status, Status::Closed | Status::NoSuchId) => None,
            ended => Some(ended),
        }
    }

    /// Answers a challenge by what the options say, on a thread that may take its time.
    fn answer_by_options(self: &Arc<Self>, challenge: Event<Receiver>) {
        let work = || {
            let session = self.clone();
            move || {
                let method = challenge.uri.as_deref().map(CStr::to_string_lossy);
                let method = method.unwrap_or_default();
                let extra = challenge.details().unwrap_or(b"{}");
                let round = challenge.wamp_id;
                // Too late where the session has ended meanwhile: then nobody waits for it.
                let _ = match session.login.answer(&method, extra) {
                    Ok(answer) => {
                        let extra = Value::Object(answer.extra).to_string();
                        let extra = Dict::from_checked(extra.as_bytes());
                        session.authenticate(round, answer.signature.expose(), extra)
                    }
                    Err(why) => session.refuse_challenge(round, uri::CANNOT_AUTHENTICATE, &why),
                };
            }
        };
        let _ = runtime::spawn_blocking(work);
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
        let kind = NoticeKind::Session(event.kind);
        let session = Some(self.clone());
        Notice { session, status, text, ..Notice::new(kind, &self.connection, event) }
    }

    /// A failure of our own in the form in which it is told.
    fn failed(self: &Arc<Self>, event: Event<Receiver>, failure: Failure) -> Notice {
        let (status, text) = (failure.status, Some(c_text(&failure.text)));
        Notice { status, text, ..self.notice(event) }
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
        batch.iter().for_each(|message| self.traffic.sent(message));
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
