//! Requests that the application makes of a session: each checks the phase, and is led to its part.

use std::time::Instant;

use crate::codec::{Dict, PayloadRef};
use crate::protocol::error::RequestError;
use crate::protocol::info::SubscriptionInfo;
use crate::protocol::options::CancelMode;
use crate::protocol::publications;
use crate::protocol::uri::{self, Match};

use super::{Phase, Session};

impl<H> Session<H> {
    fn check_open(&self) -> Result<(), RequestError> {
        if self.phase == Phase::Open { Ok(()) } else { Err(RequestError::Closed) }
    }

    fn check_joining(&self) -> Result<(), RequestError> {
        if self.phase == Phase::Joining { Ok(()) } else { Err(RequestError::Closed) }
    }
}

// ===== joining =====

impl<H: Clone> Session<H> {
    /// Answers the challenge whose event had the id `round`.
    pub fn authenticate(
        &mut self,
        round: u64,
        signature: &str,
        extra: Dict<'_>,
    ) -> Result<(), RequestError> {
        self.check_joining()?;
        self.challenges.authenticate(&mut self.link, round, signature, extra)
    }

    /// Gives no answer to a challenge: the session ends with an ABORT.
    pub fn refuse_challenge(
        &mut self,
        round: u64,
        reason: &str,
        text: &str,
    ) -> Result<(), RequestError> {
        uri::check(reason, Match::Exact)?;
        self.check_joining()?;
        self.challenges.take(round)?;
        self.refuse(reason, text);
        Ok(())
    }
}

// ===== publish and subscribe =====

impl<H: Clone> Session<H> {
    /// Publishes without acknowledgement: nothing more will be heard of it.
    pub fn publish(
        &mut self,
        topic: &str,
        options: Dict<'_>,
        payload: PayloadRef<'_>,
    ) -> Result<(), RequestError> {
        self.check_open()?;
        publications::publish(&mut self.link, topic, options, payload)?;
        Ok(())
    }

    /// Publishes with the option `acknowledge`, which `options` must hold; Published or Error
    /// follows. Returns the local id.
    pub fn publish_ack(
        &mut self,
        topic: &str,
        options: Dict<'_>,
        payload: PayloadRef<'_>,
        target: H,
    ) -> Result<u64, RequestError> {
        self.check_open()?;
        publications::publish_ack(&mut self.link, topic, options, payload, target)
    }

    /// Subscribes; Subscribed or Error follows, then Events. Returns the local id.
    pub fn subscribe(
        &mut self,
        topic: &str,
        options: Dict<'_>,
        target: H,
    ) -> Result<u64, RequestError> {
        self.check_open()?;
        self.subscriptions.subscribe(&mut self.link, topic, options, target)
    }

    /// Ends a subscription; Unsubscribed (or Error) follows, to `target`. True if it was the last
    /// handler, so that the router's subscription ends.
    pub fn unsubscribe(&mut self, local: u64, target: Option<H>) -> Result<bool, RequestError> {
        self.check_open()?;
        self.subscriptions.unsubscribe(&mut self.link, local, target)
    }

    /// The active subscriptions, by local id.
    pub fn subscriptions(&self) -> Vec<SubscriptionInfo> {
        self.subscriptions.list()
    }
}

// ===== calls =====

impl<H: Clone> Session<H> {
    /// Calls; Result (several with `receive_progress`) or Error follows. With the option `timeout`
    /// (milliseconds) it fails that long after `now`, or after a progressive result. With the
    /// option `progress` more input follows, by [`Session::call_more`]. Returns the local id.
    pub fn call(
        &mut self,
        procedure: &str,
        options: Dict<'_>,
        payload: PayloadRef<'_>,
        target: H,
        now: impl FnOnce() -> Instant,
    ) -> Result<u64, RequestError> {
        self.check_open()?;
        self.calls.call(&mut self.link, procedure, options, payload, target, now)
    }

    /// Sends more input of a call; the last has no option `progress` (advanced profile,
    /// "Progressive Call Invocations").
    pub fn call_more(
        &mut self,
        local: u64,
        options: Dict<'_>,
        payload: PayloadRef<'_>,
    ) -> Result<(), RequestError> {
        self.check_open()?;
        self.calls.call_more(&mut self.link, local, options, payload)
    }

    /// Cancels a call. Error follows at once, but with [`CancelMode::Kill`] the router's answer.
    pub fn cancel(&mut self, local: u64, mode: CancelMode) -> Result<(), RequestError> {
        self.check_open()?;
        self.calls.cancel(&mut self.link, local, mode)
    }

    /// Abandons a call or an acknowledged publication without a word to the router; a late answer
    /// is swallowed.
    pub fn drop_request(&mut self, local: u64) -> Result<(), RequestError> {
        self.calls.drop_request(&mut self.link, local)
    }

    /// The time at which [`Session::handle_timeout`] wants to be called.
    pub fn next_timeout(&self) -> Option<Instant> {
        self.calls.next_timeout()
    }

    /// Fails the calls whose time is up. Also gives the room back that is left of busier times, so
    /// that it is worth a call now and then where no time is up.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.link.trim();
        self.calls.handle_timeout(&mut self.link, now);
    }
}

// ===== registrations =====

impl<H: Clone> Session<H> {
    /// Registers; Registered or Error follows, then Invocations. Returns the local id.
    pub fn register(
        &mut self,
        procedure: &str,
        options: Dict<'_>,
        target: H,
    ) -> Result<u64, RequestError> {
        self.check_open()?;
        self.registrations.register(&mut self.link, procedure, options, target)
    }

    /// Ends a registration; Unregistered (or Error) follows, to `target`. Invocations may come
    /// until then.
    pub fn unregister(&mut self, local: u64, target: Option<H>) -> Result<(), RequestError> {
        self.check_open()?;
        self.registrations.unregister(&mut self.link, local, target)
    }

    /// The active registrations, by local id.
    pub fn registrations(&self) -> Vec<SubscriptionInfo> {
        self.registrations.list()
    }

    /// True if a call of `procedure` would come back to this very session.
    pub fn is_own_procedure(&self, procedure: &str) -> bool {
        self.registrations.has_procedure(procedure)
    }
}

// ===== invocations =====

impl<H: Clone> Session<H> {
    /// Sends a progressive result of an invocation. `options` may hold more than `progress`,
    /// which is true.
    pub fn progress(
        &mut self,
        request: u64,
        options: Dict<'_>,
        payload: PayloadRef<'_>,
    ) -> Result<(), RequestError> {
        self.check_open()?;
        self.invocations.progress(&mut self.link, request, options, payload)
    }

    /// Answers an invocation with its result.
    pub fn answer(
        &mut self,
        request: u64,
        options: Dict<'_>,
        payload: PayloadRef<'_>,
    ) -> Result<(), RequestError> {
        self.check_open()?;
        self.invocations.answer(&mut self.link, request, options, payload)
    }

    /// Answers an invocation with an error.
    pub fn answer_error(
        &mut self,
        request: u64,
        error: &str,
        payload: PayloadRef<'_>,
    ) -> Result<(), RequestError> {
        self.check_open()?;
        self.invocations.answer_error(&mut self.link, request, error, payload)
    }

    /// True if nobody waits for an answer any more, or the caller wants none.
    pub fn is_interrupted(&self, request: u64) -> bool {
        self.phase != Phase::Open || self.invocations.is_interrupted(request)
    }

    /// Sets who hears of an INTERRUPT; one that has come already is told at once.
    pub fn watch_interrupt(&mut self, request: u64, watcher: H) -> Result<(), RequestError> {
        self.check_open()?;
        self.invocations.watch(&mut self.link, &self.registrations, request, watcher)
    }

    /// Takes note that an INTERRUPT has been told: a caller that still waits gets its error, unless
    /// there has been an answer.
    pub fn finish_interrupt(&mut self, request: u64) {
        if self.phase == Phase::Open {
            self.invocations.finish_interrupt(&mut self.link, request);
        }
    }

    /// Releases an invocation that nobody will answer any more or ask for: an error goes out where
    /// an answer is still waited for.
    pub fn release_invocation(&mut self, request: u64, error: &str, payload: PayloadRef<'_>) {
        self.invocations.release(&mut self.link, request, error, payload);
    }

    /// Notes by what the application knows an invocation, for the events that follow; 0 for none.
    pub fn tag_invocation(&mut self, request: u64, tag: u64) {
        self.invocations.set_tag(request, tag);
    }

    /// The tag that [`Session::tag_invocation`] has noted.
    pub fn invocation_tag(&self, request: u64) -> u64 {
        self.invocations.tag(request)
    }
}
