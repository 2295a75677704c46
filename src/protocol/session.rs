//! The life of a client's session, and the way of each received message to its answer.
//!
//! ```text
//!   new: HELLO sent
//!        |   CHALLENGE, any number of times: see `super::challenge`
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
//! What is fatal and what is ignored: a router may be sloppy or late, but what cannot be meant for
//! this session ends it. Requests and their answers are in [`super::pubsub`] and [`super::rpc`].

use bytes::Bytes;

use crate::codec::{
    Batch, CodecError, Dict, Encoding, Out, Outbox, Payload, PayloadRef, Received, Rules, Span,
};

use super::cancel::Limits;
use super::challenge::{Challenges, Gate};
use super::ended::{Ended, message_details, why};
use super::event::{Cause, Event, EventKind, RequestError, c_text};
use super::features::Features;
use super::ids::IdMap;
use super::invocations::Invocations;
use super::message::{self, Message, code};
use super::pubsub::{PendingSubscribe, Subscriptions};
use super::rpc::{PendingRegister, Registrations};
use super::uri;

/// What a session needs to know from the start.
#[derive(Debug, Clone)]
pub struct Config {
    /// The realm to join.
    pub realm: String,
    /// HELLO.Details, an encoded dict: roles, agent, credentials.
    pub hello: Vec<u8>,
    /// How messages are encoded on the wire.
    pub encoding: Encoding,
    /// The largest message to send, in bytes.
    pub max_message_size: usize,
    /// Local ids are larger than this, so that those of an earlier session stay stale.
    pub ids_above: u64,
    /// Has the last word on a WELCOME; `None` lets every router in.
    pub gate: Option<Gate>,
}

/// Where in its life a session is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// HELLO is sent.
    Joining,
    /// Requests can be made.
    Open,
    /// GOODBYE is sent, the answer awaited.
    Leaving,
    /// Over.
    Closed,
}

/// One session of a client.
#[derive(Debug)]
pub struct Session<H> {
    pub(super) phase: Phase,
    pub(super) config: Config,
    pub(super) ended: Option<Ended>,
    pub(super) outbox: Outbox,
    pub(super) events: Vec<Event<H>>,
    /// The id of the last request.
    pub(super) last_request: u64,
    /// Requests up to this one have been given to the transport.
    pub(super) given: u64,
    last_local: u64,
    /// What the router announced.
    pub(super) features: Features,
    pub(super) challenges: Challenges,
    pub(super) requests: IdMap<Request<H>>,
    pub(super) subscriptions: Subscriptions<H>,
    pub(super) registrations: Registrations<H>,
    pub(super) invocations: Invocations<H>,
    pub(super) limits: Limits,
}

/// A request that waits for its answer.
#[derive(Debug)]
pub(super) enum Request<H> {
    Call {
        target: H,
        progress: bool,
        canceled: bool,
        /// The procedure, while more input may follow.
        input: Option<Box<str>>,
    },
    Publish {
        target: H,
    },
    Subscribe(Box<PendingSubscribe<H>>),
    /// The local ids that end with it, and who wants to know.
    Unsubscribe(Vec<(u64, Option<H>)>),
    Register(Box<PendingRegister<H>>),
    Unregister {
        local: u64,
        registration: u64,
        target: Option<H>,
    },
}

impl<H> Request<H> {
    fn code(&self) -> u64 {
        match self {
            Request::Call { .. } => code::CALL,
            Request::Publish { .. } => code::PUBLISH,
            Request::Subscribe(_) => code::SUBSCRIBE,
            Request::Unsubscribe(_) => code::UNSUBSCRIBE,
            Request::Register(_) => code::REGISTER,
            Request::Unregister { .. } => code::UNREGISTER,
        }
    }
}

/// A message that cannot be meant for this session.
#[derive(Debug)]
pub(super) struct Violation(pub String);

impl From<CodecError> for Violation {
    fn from(error: CodecError) -> Self {
        Violation(format!("malformed message: {error}"))
    }
}

impl<H: Clone> Session<H> {
    /// A session that has its HELLO in the outbox.
    pub fn new(config: Config) -> Session<H> {
        let mut session = Session {
            phase: Phase::Joining,
            ended: None,
            outbox: Outbox::new(config.encoding, Rules::Strict),
            events: Vec::new(),
            last_request: 0,
            given: 0,
            last_local: 0,
            features: Features::default(),
            challenges: Challenges::default(),
            limits: Limits::default(),
            requests: IdMap::default(),
            subscriptions: Subscriptions::default(),
            registrations: Registrations::default(),
            invocations: Invocations::default(),
            config,
        };
        let realm = session.config.realm.clone();
        let details = session.config.hello.clone();
        session.send(|out| {
            let details = Dict::from_checked(&details);
            message::Hello { realm: realm.into(), details }.write(out);
        });
        session
    }

    /// Where in its life the session is.
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// How it ended, told once.
    pub fn take_ended(&mut self) -> Option<Ended> {
        self.ended.take()
    }

    /// The events since the last time, in order.
    pub fn take_events(&mut self) -> std::vec::Drain<'_, Event<H>> {
        self.events.drain(..)
    }

    /// True if [`Session::take_events`] has something.
    pub fn has_events(&self) -> bool {
        !self.events.is_empty()
    }

    /// Joined, if it is among what [`Session::take_events`] has.
    pub fn welcome(&self) -> Option<&Event<H>> {
        self.events.iter().find(|event| event.kind == EventKind::Joined)
    }

    /// The messages that wait to be sent.
    pub fn outbox(&self) -> &Outbox {
        &self.outbox
    }

    /// Takes the waiting messages to give them to the transport.
    pub fn take_outbox(&mut self) -> Batch {
        self.given = self.last_request;
        self.outbox.take()
    }

    /// Gives the buffers of a written batch back.
    pub fn recycle(&mut self, batch: Batch) {
        self.outbox.recycle(batch);
    }

    /// The number of requests that wait for their answers.
    pub fn pending(&self) -> usize {
        self.requests.len()
    }

    /// A number that no local id of this session reaches.
    pub fn ids_end(&self) -> u64 {
        self.config.ids_above + 2 * self.last_request.max(self.last_local) + 2
    }

    /// Says GOODBYE. Before WELCOME there is nobody to say it to: the session ends at once.
    pub fn leave(&mut self, reason: &str, message: Option<&str>) -> Result<(), RequestError> {
        match self.phase {
            Phase::Leaving | Phase::Closed => return Err(RequestError::Closed),
            Phase::Joining => {
                self.send_abort(reason, message.unwrap_or("the client gave up"));
                self.end(Ended::Goodbye {
                    by_us: true,
                    reason: reason.to_owned(),
                    message: message.unwrap_or_default().to_owned(),
                });
            }
            Phase::Open => {
                let details = message_details(message);
                self.send(|out| {
                    let details = Dict::from_checked(&details);
                    message::Goodbye { details, reason: reason.into() }.write(out);
                });
                self.phase = Phase::Leaving;
            }
        }
        Ok(())
    }

    /// The transport is gone, or nothing more is expected from it: nothing more is sent either.
    pub fn lost(&mut self) {
        self.outbox.clear();
        self.end(Ended::Lost);
    }

    /// Nobody is interested any more. What waits in the outbox may still be sent, so no request
    /// counts as unsent.
    pub fn detach(&mut self) {
        self.given = self.last_request;
        self.end(Ended::Lost);
    }

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
        let (frame, message) = match self.config.encoding {
            Encoding::Json => (frame, Message::decode(frame)?),
            encoding => {
                received = Received::new(frame, encoding)?;
                (received.frame(), Message::of(&received)?)
            }
        };
        self.handle(frame, message)
    }

    /// The peer broke a rule, possibly one that only the transport can see. After our GOODBYE
    /// everything but the answer is ignored.
    pub fn violated(&mut self, what: String) {
        if matches!(self.phase, Phase::Leaving | Phase::Closed) {
            return;
        }
        self.send_abort(uri::PROTOCOL_VIOLATION, &what);
        self.end(Ended::Violation { message: what });
    }

    fn handle(&mut self, frame: &Bytes, message: Message<'_>) -> Result<(), Violation> {
        match (self.phase, message) {
            (Phase::Joining, Message::Welcome(welcome)) => self.on_welcome(frame, &welcome),
            (Phase::Joining, Message::Challenge(challenge)) => self.on_challenge(frame, &challenge),
            (Phase::Joining, Message::Abort(abort)) => {
                let (reason, message) = why(&abort.reason, abort.details);
                let challenged = self.challenges.any();
                self.end(Ended::Refused { reason, message, challenged });
                Ok(())
            }
            (Phase::Joining, Message::Extension(_)) => Ok(()),
            (Phase::Joining, other) => {
                Err(Violation(format!("received {} before WELCOME", other.name())))
            }
            (Phase::Leaving, Message::Goodbye(goodbye)) => {
                let (reason, message) = why(&goodbye.reason, goodbye.details);
                self.end(Ended::Goodbye { by_us: true, reason, message });
                Ok(())
            }
            // What has crossed with our GOODBYE is answered all the same, and so told.
            (Phase::Leaving, answer) if answer.is_answer() => {
                // Nothing that is wrong with it matters any more.
                let _ = self.handle_open(frame, answer);
                Ok(())
            }
            (Phase::Leaving | Phase::Closed, _) => Ok(()),
            (Phase::Open, message) => self.handle_open(frame, message),
        }
    }

    fn handle_open(&mut self, frame: &Bytes, message: Message<'_>) -> Result<(), Violation> {
        match message {
            Message::Event(event) => self.on_event(frame, &event),
            Message::Result(result) => self.on_result(frame, &result),
            Message::Invocation(invocation) => self.on_invocation(frame, &invocation),
            Message::Error(error) => self.on_error(frame, &error),
            Message::Published(published) => self.on_published(&published),
            Message::Subscribed(subscribed) => self.on_subscribed(&subscribed),
            Message::Unsubscribed(unsubscribed) => self.on_unsubscribed(frame, &unsubscribed),
            Message::Registered(registered) => self.on_registered(&registered),
            Message::Unregistered(unregistered) => self.on_unregistered(frame, &unregistered),
            Message::Goodbye(goodbye) => {
                let (reason, message) = why(&goodbye.reason, goodbye.details);
                self.drop_unsent();
                self.send(|out| {
                    let reason = uri::GOODBYE_AND_OUT.into();
                    message::Goodbye { details: Dict::EMPTY, reason }.write(out);
                });
                self.end(Ended::Goodbye { by_us: false, reason, message });
                Ok(())
            }
            Message::Abort(abort) => {
                let (reason, message) = why(&abort.reason, abort.details);
                self.end(Ended::Aborted { reason, message });
                Ok(())
            }
            Message::Interrupt(interrupt) => self.on_interrupt(frame, &interrupt),
            Message::Extension(_) => Ok(()),
            other => Err(Violation(format!("received {} in an open session", other.name()))),
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
        self.features = Features::of_roles(roles)?;
        if !self.features.broker && !self.features.dealer {
            return Err(Violation("the WELCOME announces neither broker nor dealer".to_owned()));
        }
        if !self.passes_gate(welcome.details) {
            return Ok(());
        }
        self.phase = Phase::Open;
        let mut event = Event::new(EventKind::Joined, 0, None);
        event.wamp_id = welcome.session;
        let realm = welcome.details.text("realm")?;
        event.uri = Some(c_text(realm.as_deref().unwrap_or(&self.config.realm)));
        event.payload = Payload::from_frame(frame, PayloadRef::NONE);
        event.details = Span::from_dict(frame, welcome.details);
        self.emit(event);
        Ok(())
    }

    fn on_error(&mut self, frame: &Bytes, error: &message::Error<'_>) -> Result<(), Violation> {
        // nexus answers a CANCEL that it does not understand with an ERROR of its own type.
        if error.kind == code::CANCEL {
            return Ok(());
        }
        let Some(request) = self.answered(error.request, error.kind)? else {
            return Ok(());
        };
        let cause = |id, target| {
            let mut event = Event::failed(id, target, Cause::Remote, &error.error);
            event.payload = Payload::from_frame(frame, error.payload);
            event.details = Span::from_dict(frame, error.details);
            event
        };
        match request {
            Request::Call { target, canceled, .. } => {
                let mut event = cause(self.request_local(error.request), target);
                // As asked for, by the mode "kill". Some text of the specification writes two l.
                if canceled && matches!(&*error.error, uri::CANCELED | "wamp.error.cancelled") {
                    event.cause = Some(Cause::Canceled);
                }
                self.emit(event);
            }
            Request::Publish { target } => {
                let event = cause(self.request_local(error.request), target);
                self.emit(event);
            }
            Request::Subscribe(pending) => self.subscribe_failed(error.request, *pending, cause),
            Request::Unsubscribe(leaving) => {
                let gone = error.error == uri::NO_SUCH_SUBSCRIPTION;
                for (id, target) in leaving {
                    match target {
                        Some(target) if !gone => self.emit(cause(id, target)),
                        target => self.emit(Event::new(EventKind::Unsubscribed, id, target)),
                    }
                }
            }
            Request::Register(pending) => self.register_failed(*pending, cause),
            Request::Unregister { local, registration, target } => {
                self.unregister_failed(local, registration, error, target, cause);
            }
        }
        Ok(())
    }

    // ===== what requests have in common =====

    /// Writes a request under the next id.
    pub(super) fn request(
        &mut self,
        write: impl FnOnce(u64, &mut Out<'_>),
    ) -> Result<u64, RequestError> {
        self.check_open()?;
        let id = if self.last_request == crate::codec::MAX_ID { 1 } else { self.last_request + 1 };
        self.outbox.push(self.config.max_message_size, |out| write(id, out))?;
        self.last_request = id;
        Ok(id)
    }

    /// Writes a message that is no request.
    pub(super) fn write(&mut self, write: impl FnOnce(&mut Out<'_>)) -> Result<(), RequestError> {
        self.outbox.push(self.config.max_message_size, write)?;
        Ok(())
    }

    /// Takes the request that a message of the router answers. `None`: it was given up, or
    /// answered before; that is no violation, as answers and cancellations cross.
    pub(super) fn answered(
        &mut self,
        request: u64,
        code: u64,
    ) -> Result<Option<Request<H>>, Violation> {
        self.check_issued(request)?;
        match self.requests.get(&request) {
            None if is_request(code) => Ok(None),
            Some(pending) if pending.code() == code => {
                self.limits.remove(request);
                Ok(self.requests.remove(&request))
            }
            _ => Err(Violation(format!("an answer of type {code} to request {request}"))),
        }
    }

    pub(super) fn check_issued(&self, request: u64) -> Result<(), Violation> {
        if request > self.last_request {
            return Err(Violation(format!("an answer to request {request}, which was never made")));
        }
        Ok(())
    }

    pub(super) fn check_open(&self) -> Result<(), RequestError> {
        if self.phase == Phase::Open { Ok(()) } else { Err(RequestError::Closed) }
    }

    pub(super) fn check_broker(&self) -> Result<(), RequestError> {
        self.check_open()?;
        if self.features.broker { Ok(()) } else { Err(RequestError::NoRole("broker")) }
    }

    pub(super) fn check_dealer(&self) -> Result<(), RequestError> {
        self.check_open()?;
        if self.features.dealer { Ok(()) } else { Err(RequestError::NoRole("dealer")) }
    }

    /// The local id of a call or publication: even, made of its request id.
    pub(super) fn request_local(&self, request: u64) -> u64 {
        self.config.ids_above + 2 * request
    }

    /// The request behind a local id of a call or publication.
    pub(super) fn local_request(&self, local: u64) -> Option<u64> {
        let offset = local.checked_sub(self.config.ids_above)?;
        offset.is_multiple_of(2).then_some(offset / 2)
    }

    /// A new local id of a subscription or registration: odd.
    pub(super) fn new_local(&mut self) -> u64 {
        self.last_local += 1;
        self.config.ids_above + 2 * self.last_local - 1
    }

    pub(super) fn emit(&mut self, event: Event<H>) {
        self.events.push(event);
    }
}

fn is_request(code: u64) -> bool {
    use code::{CALL, PUBLISH, REGISTER, SUBSCRIBE, UNREGISTER, UNSUBSCRIBE};
    matches!(code, PUBLISH | SUBSCRIBE | UNSUBSCRIBE | CALL | REGISTER | UNREGISTER)
}
