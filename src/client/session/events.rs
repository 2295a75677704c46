//! The way of a session's events from the protocol core to their receivers: into the queue, to a
//! waiting thread, or to the login.

use std::ffi::CStr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde_json::Value;

use crate::client::delivery::{EventQueue, Owner, Sleeper};
use crate::client::runtime;
use crate::client::status::{Failure, Status};
use crate::client::sync::lock;
use crate::codec::transcode::Source;
use crate::codec::{Dict, Encoding, Rules, Token};
use crate::protocol::event::c_text;
use crate::protocol::{Cause, Event, EventKind, Phase, uri};

use super::callbacks::Slot;
use super::durable::{Durable, DurableKind};
use super::handler::{Receiver, Waiter};
use super::notice::{Notice, NoticeKind};
use super::shared::Shared;
use super::{Core, Joined, Session, passthru};

/// Work that handing events over has left for a time when no lock is held.
#[must_use]
#[derive(Default)]
pub(in crate::client) struct Deferred {
    pub(super) wake: bool,
    /// The session has been opened, which threads may wait for.
    opened: bool,
    /// Threads that have been told what they wait for.
    told: Vec<Arc<Waiter>>,
    /// References of which the last one frees what is the application's.
    spent: Vec<Receiver>,
    /// The same, of what has been placed: it may have been ended meanwhile.
    placed: Vec<Arc<Durable>>,
    /// A challenge that the options are to answer.
    challenge: Option<(Arc<Session>, Event<Receiver>)>,
    /// Declarations to be placed again, and after how long.
    conflicts: Vec<(Arc<Session>, Arc<Durable>, Duration)>,
}

impl Deferred {
    /// Leaves it to the caller to tell the host of events, if there are some.
    pub(in crate::client) fn take_wake(&mut self) -> bool {
        std::mem::take(&mut self.wake)
    }

    /// True if it runs what is the application's, or takes its time.
    pub(in crate::client) fn is_for_task(&self) -> bool {
        let is_free = |receiver: &Receiver| !matches!(receiver, Receiver::Waiter(_));
        self.wake
            || self.opened
            || self.spent.iter().any(is_free)
            || !self.placed.is_empty()
            || self.challenge.is_some()
            || !self.conflicts.is_empty()
    }

    /// Does it. No lock may be held.
    pub(in crate::client) fn run(self, shared: &Shared) {
        self.told.iter().for_each(|waiter| waiter.wake());
        drop((self.told, self.spent, self.placed));
        if self.opened
            && let Some(host) = shared.host.upgrade()
        {
            host.announce_opened();
        }
        if self.wake {
            shared.queue.wake();
        }
        if let Some((session, challenge)) = self.challenge {
            session.answer_by_options(challenge);
        }
        for (session, durable, delay) in self.conflicts {
            session.place_later(durable, delay);
        }
    }
}

impl Session {
    /// Gives the core's events to their receivers. What is left to do is for a time when no lock is
    /// held.
    pub(in crate::client) fn hand_over(&self, core: &mut Core) -> Deferred {
        let mut deferred = Deferred::default();
        if !core.protocol.has_events() {
            return deferred;
        }
        let Some(me) = self.me.upgrade() else {
            return deferred;
        };
        if me.hand_over_events(core, &mut deferred) {
            // Before anybody else can make a request.
            deferred.placed = self.shared.durables.all();
            let failed = me.place_durables(&deferred.placed, core);
            deferred.wake |= self.shared.queue.push(&self.shared, failed.into_iter());
            me.hand_over_events(core, &mut deferred);
        }
        deferred
    }

    /// True if the session has been opened.
    fn hand_over_events(self: &Arc<Self>, core: &mut Core, deferred: &mut Deferred) -> bool {
        let me = self;
        if me.joined.get().is_none()
            && let Some(event) = core.protocol.welcome()
        {
            // Here, as the state's lock comes before the queue's.
            me.welcomed(event);
            deferred.opened = true;
        }
        let is_open = core.protocol.phase() == Phase::Open;
        let (mut count, mut joined) = (0, false);
        let events = core.protocol.take_events().inspect(|_| count += 1);
        let notices = events.filter_map(|event| match (event.kind, &event.target) {
            // As most are.
            (EventKind::Event, Some(Receiver::App(_))) => Some(me.notice(event)),
            (kind, _) => {
                joined |= kind == EventKind::Joined;
                me.hand_over_event(event, is_open, deferred)
            }
        });
        let must_wake = self.shared.queue.push(&self.shared, notices);
        deferred.wake |= must_wake;
        me.pace.heard(count);
        joined
    }

    /// The notice of an event that is for the queue; another one goes past it.
    fn hand_over_event(
        self: &Arc<Self>,
        mut event: Event<Receiver>,
        is_open: bool,
        deferred: &mut Deferred,
    ) -> Option<Notice> {
        // Its application has unsubscribed: events that wait in the queue are not for it any more.
        // At the end of a session they still are.
        if event.kind == EventKind::Released
            && is_open
            && let Some(target) = event.target.as_ref().and_then(Receiver::handler)
        {
            target.end();
        }
        // The session's own id would tell the application nothing.
        if let Some(Receiver::Known(_, id)) = &event.target {
            event.id = *id;
        }
        if let Some(Receiver::Durable(durable)) = &event.target {
            let durable = durable.clone();
            let (kind, later) = durable.translate(&mut event, is_open);
            deferred.conflicts.extend(later.map(|delay| (self.clone(), durable, delay)));
            return Some(Notice { kind, ..self.notice(event) });
        }
        if event.kind == EventKind::Joined {
            return Some(self.opened(event));
        }
        if event.kind == EventKind::Challenge {
            let asked = self.shared.callbacks.receiver(Slot::Challenge);
            event.target = asked.filter(|_| self.login.asks());
            // To answer may take a second, which the core's lock is not held for.
            if event.target.is_none() {
                deferred.challenge = Some((self.clone(), event));
                return None;
            }
        }
        // Past the queue: a thread that waits must not wait for the callbacks before it.
        if event.target.as_ref().is_some_and(|t| t.waiter(event.kind).is_some()) {
            let (receiver, waiter) = tell_waiter(event);
            deferred.spent.extend(receiver);
            deferred.told.extend(waiter);
            return None;
        }
        Some(self.notice(event))
    }

    /// Makes the requests for what is declared on the connection. Returns what could not be made.
    fn place_durables(self: &Arc<Self>, durables: &[Arc<Durable>], core: &mut Core) -> Vec<Notice> {
        let failed = durables.iter().filter_map(|durable| durable.place(self.serial, core));
        failed.map(|(event, failure)| self.failed(event, failure)).collect()
    }

    /// Makes the request for one of them, where that has not been done.
    pub(in crate::client) fn place(self: &Arc<Self>, durable: &Arc<Durable>) {
        let mut core = lock(&self.core);
        if core.protocol.phase() != Phase::Open {
            return;
        }
        let failed = durable.place(self.serial, &mut core);
        let failed = failed.map(|(event, failure)| self.failed(event, failure));
        let mut deferred = self.hand_over(&mut core);
        deferred.wake |= self.shared.queue.push(&self.shared, failed.into_iter());
        drop(core);
        deferred.run(&self.shared);
        self.shared.doorbell.ring();
    }

    fn place_later(self: &Arc<Self>, durable: Arc<Durable>, delay: Duration) {
        let session = Arc::downgrade(self);
        let user = self.shared.user();
        // Its user_data is not to be kept any longer than the application wants it.
        let durable = Arc::downgrade(&durable);
        let placed = async move {
            tokio::time::sleep(delay).await;
            if let (Some(session), Some(durable)) = (session.upgrade(), durable.upgrade()) {
                session.place(&durable);
            }
        };
        // Refused only where the library is shut down.
        let _ = runtime::spawn(user, placed);
    }

    /// Ends what a durable subscription or registration was placed as here. `None`: it was not.
    pub(in crate::client) fn end_durable(
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

    fn welcomed(&self, event: &Event<Receiver>) {
        let _ = self.joined.set(Joined {
            id: event.wamp_id,
            realm: event.uri.clone().unwrap_or_else(|| c_text("")),
            details: Bytes::copy_from_slice(event.details().unwrap_or(b"{}")),
        });
        if let Some(host) = self.shared.host.upgrade() {
            host.session_opened(self.transport);
        }
    }

    /// A WELCOME in the form in which it is told.
    fn opened(self: &Arc<Self>, mut event: Event<Receiver>) -> Notice {
        event.target = self.shared.callbacks.receiver(Slot::Open);
        let session = Some(self.clone());
        Notice { session, ..self.shared.notice(NoticeKind::Open, event) }
    }

    /// An event that a thread has waited for, in the form in which it is told.
    pub fn to_notice(self: &Arc<Self>, event: Event<Receiver>) -> Notice {
        let mut notice = self.notice(event);
        passthru::decode_payload(&self.shared, &mut notice);
        notice
    }

    /// An event in the form in which it is told.
    pub fn notice(self: &Arc<Self>, event: Event<Receiver>) -> Notice {
        let (status, text) = match event.cause {
            None => (Status::Ok, None),
            Some(cause) => (cause_status(cause), Some(cause_text(cause, &event))),
        };
        let kind = NoticeKind::Session(event.kind);
        let session = Some(self.clone());
        Notice { session, status, text, ..self.shared.notice(kind, event) }
    }

    /// A failure of our own in the form in which it is told.
    fn failed(self: &Arc<Self>, event: Event<Receiver>, failure: Failure) -> Notice {
        let (status, text) = (failure.status, Some(c_text(&failure.text)));
        Notice { status, text, ..self.notice(event) }
    }
}

impl AsRef<EventQueue<Notice>> for Shared {
    fn as_ref(&self) -> &EventQueue<Notice> {
        &self.queue
    }
}

impl Owner for Shared {
    type Event = Notice;

    fn prepare(&self, notice: &mut Notice) {
        passthru::decode_payload(self, notice);
    }

    fn deliver(&self, notice: &Notice) {
        let handler = notice.event.target.as_ref().and_then(Receiver::handler);
        if !handler.is_some_and(|handler| handler.deliver(notice)) {
            self.report_unhandled(notice);
        }
    }

    fn wake_io(&self) {
        self.doorbell.ring();
    }

    fn drive(&self, waits: &dyn Sleeper, deadline: Option<Instant>) -> bool {
        self.idle_driver().is_some_and(|driver| driver.drive(waits, true, deadline))
    }
}

/// Hands an event to the thread that waits for it, which is to be woken. The waiter is not to keep
/// what the event would bring back: that is returned.
pub(super) fn tell_waiter(mut event: Event<Receiver>) -> (Option<Receiver>, Option<Arc<Waiter>>) {
    let Some(receiver) = event.target.take() else {
        return (None, None);
    };
    let waiter = receiver.waiter(event.kind).cloned();
    // Who waits for the outcome of a call is not interested in its progress.
    let waiter = waiter.filter(|_| !event.progress);
    if let Some(waiter) = &waiter {
        waiter.tell(event);
    }
    (Some(receiver), waiter)
}

/// The status of a failed request.
fn cause_status(cause: Cause) -> Status {
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
        (Cause::Remote, Some(uri)) => with_words(uri, event),
        (Cause::Canceled, _) => c_text("canceled by the application"),
        _ => c_text(cause_status(cause).text().trim_end_matches('\0')),
    }
}

/// The URI of an error with what its sender says of it, by custom the first of its args.
fn with_words(uri: &Arc<CStr>, event: &Event<Receiver>) -> Arc<CStr> {
    let payload = event.payload.as_ref();
    let words = payload.args.and_then(|args| first_text(args, payload.encoding));
    match words {
        Some(words) => c_text(&format!("{}: {words}", uri.to_string_lossy())),
        None => uri.clone(),
    }
}

fn first_text(list: &[u8], encoding: Encoding) -> Option<String> {
    let mut source = Source::new(encoding, list, Rules::Tolerant);
    match (source.next_token(), source.next_token()) {
        (Ok(Some(Token::List(_))), Ok(Some(Token::Text(text)))) => Some(text.into_owned()),
        _ => None,
    }
}
