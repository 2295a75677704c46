//! The life of a client's session, and the way of each received message to its part.
//!
//! ```text
//!   new: HELLO sent
//!        |   CHALLENGE, any number of times: see `super::challenges`
//!        v      WELCOME             leave: GOODBYE sent
//!     Joining ----------> Open -----------------------> Leaving
//!        |                  |                              | GOODBYE received
//!        | ABORT            | GOODBYE received, answered   | (all else is ignored)
//!        |                  | ABORT received               |
//!        v                  v                              v
//!      Closed <-------------+------------------------------+
//!        ^  violation by the peer: ABORT sent, from Joining and Open
//!        +  lost(): the transport is gone, from everywhere
//! ```
//!
//! The session keeps the phase, and decides what is fatal and what is ignored: a router may be
//! sloppy or late, but what cannot be meant for this session ends it. What a request asks for, and
//! what its answer means, is left to the parts: see [`super`].

mod commands;
mod targets;

use std::vec::Drain;

use bytes::Bytes;

use crate::codec::{Batch, Copies, Dict, Encoding, Outbox, PayloadRef, Received};

use super::calls::Calls;
use super::challenges::{Challenges, Gate};
use super::end::{SessionEnd, message_details, why};
use super::error::{RequestError, Violation};
use super::event::{Event, EventKind, c_text};
use super::features::Features;
use super::ids::Ids;
use super::invocations::Invocations;
use super::link::Link;
use super::message::{self, Message, code};
use super::publications;
use super::registrations::Registrations;
use super::requests::Request;
use super::subscriptions::Subscriptions;
use super::uri;

/// The things that a session needs to know from the start.
#[derive(Debug, Clone)]
pub struct Config {
    /// The realm to join.
    pub realm: String,
    /// HELLO.Details, an encoded dict: roles, agent, credentials.
    pub hello: Vec<u8>,
    /// The encoding of messages on the wire.
    pub encoding: Encoding,
    /// The largest message to send, in bytes.
    pub max_message_size: usize,
    /// Local ids are larger than this, so that those of an earlier session stay stale.
    pub ids_above: u64,
    /// The last word on a WELCOME; `None` lets every router in.
    pub gate: Option<Gate>,
}

/// The phases of a session's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// HELLO is sent.
    Joining,
    /// Requests can be made.
    Open,
    /// GOODBYE is sent, the answer awaited.
    Leaving,
    /// The session is over.
    Closed,
}

/// One session of a client, without sockets, clocks and threads.
///
/// There are four kinds of methods:
///
/// * **Requests** come from the application, at any time: [`publish`](Session::publish),
///   [`subscribe`](Session::subscribe), [`call`](Session::call), [`register`](Session::register),
///   [`answer`](Session::answer), [`authenticate`](Session::authenticate),
///   [`leave`](Session::leave) and their kin. One that is refused has changed nothing. One that
///   returns a local id or takes an `H` has exactly one outcome later, in an event with that `H`.
/// * **Input** comes from the transport: [`receive`](Session::receive) takes each message,
///   [`violated`](Session::violated) what only the transport can see is wrong, and
///   [`lost`](Session::lost) or [`detach`](Session::detach) that nothing more will come.
/// * **Time**: [`handle_timeout`](Session::handle_timeout) is to be called at the time that
///   [`next_timeout`](Session::next_timeout) says. [`call`](Session::call) asks for the time
///   itself, where it needs it.
/// * **Looks** change nothing: [`phase`](Session::phase), [`pending`](Session::pending),
///   [`subscriptions`](Session::subscriptions), [`targets_of`](Session::targets_of) and others.
///
/// After each call of the first three kinds, or of several, ask for what has come of it, in any
/// order:
///
/// * [`take_events`](Session::take_events): what the application is to be told, also after the end;
/// * [`take_ended`](Session::take_ended): the end, which is told once. Requests are refused and
///   messages ignored from then on; what the outbox has is the last word to the router;
/// * [`take_outbox`](Session::take_outbox): what the transport is to write. Requests count as sent
///   from then on. [`recycle`](Session::recycle) takes the written batch back;
/// * [`next_timeout`](Session::next_timeout), which any of them may have changed.
///
/// `H` is what the application wants back with each event. Each that was taken is given back, at
/// last with an [`EventKind::Released`] where nothing else is to be told.
#[derive(Debug)]
pub struct Session<H> {
    phase: Phase,
    ended: Option<SessionEnd>,
    realm: String,
    link: Link<H>,
    challenges: Challenges,
    subscriptions: Subscriptions<H>,
    registrations: Registrations<H>,
    calls: Calls,
    invocations: Invocations<H>,
}

// ===== life =====

impl<H: Clone> Session<H> {
    /// A session that has its HELLO in the outbox.
    pub fn new(config: Config) -> Session<H> {
        let Config { realm, hello, encoding, max_message_size, ids_above, gate } = config;
        let mut link = Link::new(encoding, max_message_size, Ids::new(ids_above));
        link.send_control(|out| {
            let details = Dict::from_checked(&hello);
            message::Hello { realm: (&*realm).into(), details }.write(out);
        });
        Session {
            phase: Phase::Joining,
            ended: None,
            realm,
            link,
            challenges: Challenges::new(gate),
            subscriptions: Subscriptions::default(),
            registrations: Registrations::default(),
            calls: Calls::default(),
            invocations: Invocations::default(),
        }
    }

    /// Says GOODBYE. Before WELCOME there is nobody to say it to: the session ends at once.
    pub fn leave(&mut self, reason: &str, message: Option<&str>) -> Result<(), RequestError> {
        match self.phase {
            Phase::Leaving | Phase::Closed => return Err(RequestError::Closed),
            Phase::Joining => {
                self.abort(reason, message.unwrap_or("the client gave up"));
                self.end(SessionEnd::Goodbye {
                    by_us: true,
                    reason: reason.to_owned(),
                    message: message.unwrap_or_default().to_owned(),
                });
            }
            Phase::Open => {
                let details = message_details(message);
                self.link.send_last(|out| {
                    let details = Dict::from_checked(&details);
                    message::Goodbye { details, reason: reason.into() }.write(out);
                });
                self.phase = Phase::Leaving;
            }
        }
        Ok(())
    }

    /// Takes note that the transport is gone, or nothing more is expected from it: nothing more is
    /// sent either.
    pub fn lost(&mut self) {
        self.link.outbox.clear();
        self.end(SessionEnd::Lost);
    }

    /// Ends a session that nobody is interested in any more. The messages in the outbox may still
    /// be sent, so no request counts as unsent.
    pub fn detach(&mut self) {
        self.link.count_as_sent();
        self.end(SessionEnd::Lost);
    }

    /// Ends a session whose peer broke a rule, possibly one that only the transport can see. After
    /// our GOODBYE everything but the answer is ignored.
    pub fn violated(&mut self, what: String) {
        if matches!(self.phase, Phase::Leaving | Phase::Closed) {
            return;
        }
        self.abort(uri::PROTOCOL_VIOLATION, &what);
        self.end(SessionEnd::Violation { message: what });
    }

    fn abort(&mut self, reason: &str, text: &str) {
        let details = message_details(Some(text));
        self.drop_unsent();
        // Three elements: autobahn refuses the longer form.
        self.link.send_last(|out| {
            let details = Dict::from_checked(&details);
            let payload = PayloadRef::NONE;
            message::Abort { details, reason: reason.into(), payload }.write(out);
        });
    }

    /// Aborts a session that is not authenticated, on one side or the other.
    fn refuse(&mut self, reason: &str, text: &str) {
        self.abort(reason, text);
        let (reason, message) = (reason.to_owned(), text.to_owned());
        self.end(SessionEnd::NotAuthenticated { reason, message });
    }

    /// Clears the outbox before the last word of an open session: its requests that were not sent
    /// never will be, as they are told.
    fn drop_unsent(&mut self) {
        if self.phase == Phase::Open {
            self.link.outbox.clear();
        }
    }

    /// Ends the session: every request that waits gets its one outcome, every `H` is given back.
    fn end(&mut self, end: SessionEnd) {
        if self.phase == Phase::Closed {
            return;
        }
        self.phase = Phase::Closed;
        self.ended = Some(end);
        self.link.seal();
        self.link.fail_requests();
        self.calls.end();
        let mut released = self.subscriptions.end(&mut self.link);
        released.extend(self.invocations.end());
        released.extend(self.registrations.end());
        for (id, target) in released {
            self.link.emit(Event::new(EventKind::Released, id, Some(target)));
        }
    }
}

// ===== output and looks =====

impl<H: Clone> Session<H> {
    /// The phase of its life that the session is in.
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// Takes the end of the session, which is told once.
    pub fn take_ended(&mut self) -> Option<SessionEnd> {
        self.ended.take()
    }

    /// Takes the events since the last time, in order.
    pub fn take_events(&mut self) -> Drain<'_, Event<H>> {
        self.link.events.drain(..)
    }

    /// True if [`Session::take_events`] has something.
    pub fn has_events(&self) -> bool {
        !self.link.events.is_empty()
    }

    /// The bytes of the messages that [`Session::take_events`] tells of.
    pub fn event_bytes(&self) -> usize {
        self.link.events.iter().map(|event| event.payload.frame().len()).sum()
    }

    /// Copies the messages that [`Session::take_events`] tells of, if they have at most `limit`
    /// bytes, so that they do not keep alive what was received with them.
    pub fn detach_events(&mut self, limit: usize) {
        let sizes = self.link.events.iter().map(|event| event.payload.frame().len());
        let mut copies = Copies::of(sizes);
        for event in &mut self.link.events {
            event.payload.detach_into(&mut copies, limit);
        }
    }

    /// The event of joining, if it is among what [`Session::take_events`] has.
    pub fn welcome(&self) -> Option<&Event<H>> {
        self.link.events.iter().find(|event| event.kind == EventKind::Joined)
    }

    /// The messages that wait to be sent.
    pub fn outbox(&self) -> &Outbox {
        &self.link.outbox
    }

    /// Takes the waiting messages to give them to the transport.
    pub fn take_outbox(&mut self) -> Batch {
        self.link.take_outbox()
    }

    /// Gives the buffers of a written batch back. Those of HELLO are not kept: what a session sends
    /// is seldom as large.
    pub fn recycle(&mut self, batch: Batch) {
        if self.phase != Phase::Joining {
            self.link.outbox.recycle(batch);
        }
    }

    /// The number of requests that wait for their answers.
    pub fn pending(&self) -> usize {
        self.link.requests.len()
    }

    /// A number that no local id of this session reaches.
    pub fn ids_end(&self) -> u64 {
        self.link.ids.end()
    }

    /// Goes on as if the last request had this id.
    #[cfg(test)]
    pub(super) fn skip_requests(&mut self, last: u64) {
        self.link.ids.count_request(last);
    }
}

// ===== input =====

impl<H: Clone> Session<H> {
    /// Takes in one received message.
    pub fn receive(&mut self, frame: &Bytes) {
        if self.phase == Phase::Closed {
            return;
        }
        if let Err(Violation(what)) = self.take_in(frame) {
            self.violated(what);
        }
    }

    #[inline]
    fn take_in(&mut self, frame: &Bytes) -> Result<(), Violation> {
        let received;
        let (frame, message) = match self.link.outbox.encoding() {
            Encoding::Json => (frame, Message::decode(frame)?),
            encoding => {
                received = Received::new(frame, encoding)?;
                (received.frame(), Message::from_received(&received)?)
            }
        };
        self.handle(frame, message)
    }

    #[inline]
    fn handle(&mut self, frame: &Bytes, message: Message<'_>) -> Result<(), Violation> {
        match self.phase {
            Phase::Open => self.handle_open(frame, message),
            Phase::Joining => self.handle_joining(frame, message),
            Phase::Leaving => {
                self.handle_leaving(frame, message);
                Ok(())
            }
            Phase::Closed => Ok(()),
        }
    }

    fn handle_joining(&mut self, frame: &Bytes, message: Message<'_>) -> Result<(), Violation> {
        match message {
            Message::Welcome(welcome) => self.on_welcome(frame, &welcome),
            Message::Challenge(challenge) => {
                self.challenges.on_challenge(&mut self.link, frame, &challenge)
            }
            Message::Abort(abort) => {
                let (reason, message) = why(&abort.reason, abort.details);
                let challenged = self.challenges.any();
                self.end(SessionEnd::Refused { reason, message, challenged });
                Ok(())
            }
            Message::Extension(_) => Ok(()),
            other => Err(Violation(format!("received {} before WELCOME", other.name()))),
        }
    }

    fn handle_open(&mut self, frame: &Bytes, message: Message<'_>) -> Result<(), Violation> {
        let link = &mut self.link;
        match message {
            Message::Event(event) => self.subscriptions.on_event(link, frame, &event),
            Message::Result(result) => self.calls.on_result(link, frame, &result),
            Message::Invocation(invocation) => {
                self.invocations.on_invocation(link, &self.registrations, frame, &invocation)
            }
            Message::Error(error) => self.on_error(frame, &error),
            Message::Published(published) => publications::on_published(link, &published),
            Message::Subscribed(subscribed) => self.subscriptions.on_subscribed(link, &subscribed),
            Message::Unsubscribed(ended) => self.subscriptions.on_unsubscribed(link, frame, &ended),
            Message::Registered(registered) => self.registrations.on_registered(link, &registered),
            Message::Unregistered(ended) => self.registrations.on_unregistered(link, frame, &ended),
            Message::Interrupt(interrupt) => {
                self.invocations.on_interrupt(link, &self.registrations, frame, &interrupt)
            }
            Message::Goodbye(goodbye) => {
                self.on_goodbye(&goodbye);
                Ok(())
            }
            Message::Abort(abort) => {
                let (reason, message) = why(&abort.reason, abort.details);
                self.end(SessionEnd::Aborted { reason, message });
                Ok(())
            }
            Message::Extension(_) => Ok(()),
            other => Err(Violation(format!("received {} in an open session", other.name()))),
        }
    }

    /// After our GOODBYE nothing that is wrong with a message matters any more.
    fn handle_leaving(&mut self, frame: &Bytes, message: Message<'_>) {
        match message {
            Message::Goodbye(goodbye) => {
                let (reason, message) = why(&goodbye.reason, goodbye.details);
                self.end(SessionEnd::Goodbye { by_us: true, reason, message });
            }
            // What has crossed with our GOODBYE is answered all the same, and so told.
            answer if answer.is_answer() => {
                let _ = self.handle_open(frame, answer);
            }
            _ => {}
        }
    }

    fn on_welcome(
        &mut self,
        frame: &Bytes,
        welcome: &message::Welcome<'_>,
    ) -> Result<(), Violation> {
        let Some(roles) = welcome.details.dict("roles")? else {
            return Err(Violation("the WELCOME has no roles".to_owned()));
        };
        let features = Features::from_roles(roles)?;
        if !features.broker && !features.dealer {
            return Err(Violation("the WELCOME announces neither broker nor dealer".to_owned()));
        }
        if let Err(why) = self.challenges.check_router(welcome.details) {
            self.refuse(uri::AUTHENTICATION_FAILED, &why);
            return Ok(());
        }
        let realm = welcome.details.text("realm")?;
        let mut event = Event::new(EventKind::Joined, 0, None);
        event.wamp_id = welcome.session;
        event.uri = Some(c_text(realm.as_deref().unwrap_or(&self.realm)));
        event.attach(frame, welcome.details, PayloadRef::NONE);
        self.link.features = features;
        self.link.emit(event);
        self.phase = Phase::Open;
        Ok(())
    }

    /// Answers a GOODBYE that the router says first.
    fn on_goodbye(&mut self, goodbye: &message::Goodbye<'_>) {
        let (reason, message) = why(&goodbye.reason, goodbye.details);
        self.drop_unsent();
        self.link.send_last(|out| {
            let reason = uri::GOODBYE_AND_OUT.into();
            message::Goodbye { details: Dict::EMPTY, reason }.write(out);
        });
        self.end(SessionEnd::Goodbye { by_us: false, reason, message });
    }

    /// Leads an ERROR to the part whose request has failed.
    fn on_error(&mut self, frame: &Bytes, error: &message::Error<'_>) -> Result<(), Violation> {
        // nexus answers a CANCEL that it does not understand with an ERROR of its own type.
        if error.kind == code::CANCEL {
            return Ok(());
        }
        let Session { link, subscriptions, registrations, calls, .. } = self;
        match link.answered(error.request, error.kind)? {
            None => {}
            Some(Request::Call(call)) => calls.on_call_error(link, call, frame, error),
            Some(Request::Publish { target }) => {
                let local = link.ids.local_of(error.request);
                link.emit(Event::from_error(local, target, frame, error));
            }
            Some(Request::Subscribe(pending)) => {
                subscriptions.on_subscribe_error(link, *pending, frame, error);
            }
            Some(Request::Unsubscribe(leaving)) => {
                Subscriptions::on_unsubscribe_error(link, leaving, frame, error);
            }
            Some(Request::Register(pending)) => {
                registrations.on_register_error(link, *pending, frame, error);
            }
            Some(Request::Unregister { local, registration, target }) => {
                let ended = (local, registration, target);
                registrations.on_unregister_error(link, ended, frame, error);
            }
        }
        Ok(())
    }
}
