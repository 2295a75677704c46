//! The requests of a session, of any thread: checked, numbered and encoded into the outbox under
//! one short lock; then the I/O task is told, if it sleeps.

use std::sync::{MutexGuard, Weak};
use std::time::{Duration, Instant};

use crate::client::scope;
use crate::client::status::{Failure, Status};
use crate::client::sync::lock;
use crate::codec::{Dict, PayloadRef};
use crate::protocol::{self, CancelMode, Event, Phase, RequestError, SubscriptionInfo};

use super::handler::{Receiver, Waiter};
use super::passthru::{self, refuse_bare};
use super::{Core, Session};

impl Session {
    /// PUBLISH without acknowledgement.
    pub fn publish(
        &self,
        topic: &str,
        options: Dict<'_>,
        payload: PayloadRef<'_>,
    ) -> Result<(), Failure> {
        let topic = &self.shared.prefixes.resolve(topic);
        let payload = passthru::encode_payload(&self.shared, options, payload, self.encoding())?;
        self.request(|core| core.publish(topic, options, payload.as_ref()))
    }

    /// PUBLISH with acknowledgement; `options` hold `acknowledge`.
    pub fn publish_ack(
        &self,
        topic: &str,
        options: Dict<'_>,
        payload: PayloadRef<'_>,
        receiver: Receiver,
    ) -> Result<u64, Failure> {
        let topic = &self.shared.prefixes.resolve(topic);
        let payload = passthru::encode_payload(&self.shared, options, payload, self.encoding())?;
        let next = Next::after(&receiver);
        let run =
            |core: &mut Protocol| core.publish_ack(topic, options, payload.as_ref(), receiver);
        self.request_and(next, run)
    }

    /// SUBSCRIBE.
    pub fn subscribe(
        &self,
        topic: &str,
        options: Dict<'_>,
        receiver: Receiver,
    ) -> Result<u64, Failure> {
        let topic = &self.shared.prefixes.resolve(topic);
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
        let procedure = &self.shared.prefixes.resolve(procedure);
        self.request(|core| core.register(procedure, options, receiver))
    }

    /// Ends a subscription that nobody knows; never put off.
    pub fn drop_subscription(&self, local: u64) {
        let _ = self.command(|core| core.unsubscribe(local, None));
    }

    /// Ends a registration that nobody knows; never put off.
    pub fn drop_registration(&self, local: u64) {
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
        let procedure = &self.shared.prefixes.resolve(procedure);
        let payload = passthru::encode_payload(&self.shared, options, payload, self.encoding())?;
        let next = Next::after(&receiver);
        let payload = payload.as_ref();
        let run =
            |core: &mut Protocol| core.call(procedure, options, payload, receiver, Instant::now);
        self.request_and(next, run)
    }

    /// More input of a call.
    pub fn call_more(
        &self,
        local: u64,
        options: Dict<'_>,
        payload: PayloadRef<'_>,
    ) -> Result<(), Failure> {
        let payload = passthru::encode_payload(&self.shared, options, payload, self.encoding())?;
        self.request(|core| core.call_more(local, options, payload.as_ref()))
    }

    /// CANCEL, or giving up here where the router does not know it.
    pub fn cancel(&self, local: u64, mode: CancelMode) -> Result<(), Failure> {
        self.command(|core| core.cancel(local, mode))
    }

    /// Gives up a call or acknowledged publication; a late answer is swallowed.
    pub fn drop_request(&self, local: u64) -> Result<(), Failure> {
        self.command(|core| core.drop_request(local))
    }

    /// A progressive result of an invocation.
    pub fn progress(
        &self,
        invocation: u64,
        options: Dict<'_>,
        payload: PayloadRef<'_>,
    ) -> Result<(), Failure> {
        let payload = passthru::encode_payload(&self.shared, options, payload, self.encoding())?;
        self.request(|core| core.progress(invocation, options, payload.as_ref()))
    }

    /// The result of an invocation. Final answers are accepted also while the send queue is full:
    /// they are as many as the invocations, and without them a caller would wait for ever.
    pub fn answer(
        &self,
        invocation: u64,
        options: Dict<'_>,
        payload: PayloadRef<'_>,
    ) -> Result<(), Failure> {
        let payload = passthru::encode_payload(&self.shared, options, payload, self.encoding())?;
        self.command(|core| core.answer(invocation, options, payload.as_ref()))
    }

    /// The failure of an invocation.
    pub fn answer_error(
        &self,
        invocation: u64,
        uri: &str,
        payload: PayloadRef<'_>,
    ) -> Result<(), Failure> {
        refuse_bare(payload)?;
        self.command(|core| core.answer_error(invocation, uri, payload))
    }

    /// Nobody will answer an invocation any more.
    pub fn release_invocation(&self, invocation: u64, uri: &str, payload: PayloadRef<'_>) {
        let _ = self.command(|core| {
            core.release_invocation(invocation, uri, payload);
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

    /// The note of [`Session::tag_invocation`]; 0 for none.
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
    pub fn subscriptions(&self) -> Vec<SubscriptionInfo> {
        let listed = lock(&self.core).protocol.subscriptions();
        self.as_known(listed)
    }

    /// The active registrations.
    pub fn registrations(&self) -> Vec<SubscriptionInfo> {
        let listed = lock(&self.core).protocol.registrations();
        self.as_known(listed)
    }

    /// The list with durable ones under the ids that the application has for them.
    fn as_known(&self, mut listed: Vec<SubscriptionInfo>) -> Vec<SubscriptionInfo> {
        for durable in self.shared.durables.all() {
            let local = durable.local(self.serial);
            let entry = listed.iter_mut().find(|entry| Some(entry.id) == local);
            entry.into_iter().for_each(|entry| entry.id = durable.id());
        }
        listed
    }

    /// Refuses to wait where the answer could never come.
    pub fn check_wait(&self) -> Result<(), Failure> {
        if scope::in_io() {
            let text = "this callback runs on the I/O thread (dispatch \"inline\"), which would \
                        wait for itself; use the function without _sync";
            return Err(Failure::new(Status::Deadlock, text));
        }
        Ok(())
    }

    /// Refuses to wait for a call that this very callback keeps from being answered.
    pub fn check_call_wait(&self, procedure: &str) -> Result<(), Failure> {
        self.check_wait()?;
        if self.shared.queue.is_inside() && lock(&self.core).protocol.is_own_procedure(procedure) {
            let text = "the procedure is registered on this very connection, whose callback would \
                        wait for itself; use wamp_session_call";
            return Err(Failure::new(Status::Deadlock, text));
        }
        Ok(())
    }

    /// Waits for an outcome; `None` when the time is up.
    pub fn wait(&self, waiter: &Waiter, timeout: Option<Duration>) -> Option<Event<Receiver>> {
        let deadline = timeout.map(|timeout| Instant::now() + timeout);
        let queue = &self.shared.queue;
        let driver = self.driver.get().and_then(Weak::upgrade);
        let must_wake = queue.begin_wait();
        match driver.filter(|driver| !must_wake && driver.write_now()) {
            Some(driver) if self.options.drive => drop(driver.drive(waiter, false, deadline)),
            Some(_) => {}
            None => self.shared.doorbell.ring(),
        }
        let outcome = waiter.wait(deadline);
        queue.end_wait();
        outcome
    }

    /// Sees to it that what waits is written: by the task, which gathers what comes meanwhile; or
    /// here, where nothing else seems to come, which spares waking the task.
    fn send(&self, unsent: usize) {
        let is_sent = self.shared.doorbell.is_asleep()
            && self.pace.is_lone(unsent, self.begun.elapsed())
            && self.driver.get().and_then(Weak::upgrade).is_some_and(|driver| driver.write_now());
        if !is_sent {
            self.shared.doorbell.ring();
        }
    }

    /// Runs a request, unless too much waits to be sent.
    fn request<T>(
        &self,
        run: impl FnOnce(&mut Protocol) -> Result<T, RequestError>,
    ) -> Result<T, Failure> {
        self.request_and(Next::Ring, run)
    }

    fn request_and<T>(
        &self,
        next: Next,
        run: impl FnOnce(&mut Protocol) -> Result<T, RequestError>,
    ) -> Result<T, Failure> {
        let mut core = lock(&self.core);
        if core.backlog() >= self.options().send_queue_bytes {
            if core.protocol.phase() != Phase::Open {
                return Err(Status::Closed.into());
            }
            core.want_writable = true;
            return Err(Status::Again.into());
        }
        self.run(core, next, run)
    }

    /// Runs a request of those that are never put off.
    pub(in crate::client) fn command<T>(
        &self,
        run: impl FnOnce(&mut Protocol) -> Result<T, RequestError>,
    ) -> Result<T, Failure> {
        self.run(lock(&self.core), Next::Ring, run)
    }

    fn run<T>(
        &self,
        mut core: MutexGuard<'_, Core>,
        next: Next,
        run: impl FnOnce(&mut Protocol) -> Result<T, RequestError>,
    ) -> Result<T, Failure> {
        let result = run(&mut core.protocol);
        let unsent = core.protocol.outbox().len();
        if core.protocol.has_events() {
            let deferred = self.hand_over(&mut core);
            drop(core);
            deferred.run(&self.shared);
        } else {
            drop(core);
        }
        if next == Next::Ring || result.is_err() {
            self.send(unsent);
        }
        result.map_err(Failure::from)
    }
}

type Protocol = protocol::Session<Receiver>;

/// The step after a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    /// The task is woken, if it sleeps.
    Ring,
    /// The thread waits for the outcome, see [`Session::wait`], which sees to the writing.
    Wait,
}

impl Next {
    fn after(receiver: &Receiver) -> Next {
        match receiver {
            Receiver::Waiter(_) => Next::Wait,
            _ => Next::Ring,
        }
    }
}
