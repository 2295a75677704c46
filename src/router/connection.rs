//! The task of one connected client: reads, has the session carry out what it read, and writes.
//!
//! One turn handles all messages that are ready: they are routed together, the clients that got
//! something are told once, and what has gathered for this client is written in one go. It never
//! stops reading, since two clients that wait for each other would never go on.
//!
//! ```text
//!     HELLO: CHALLENGE               AUTHENTICATE: the next CHALLENGE
//!      +-----------------> Challenged ---+
//!      |                       |  ^------+  (held until a delay is over)
//!      |       HELLO: WELCOME  v  AUTHENTICATE: WELCOME
//!   Opening -------------------> Joined --------------------------> Ending
//!      |                           |   GOODBYE: the answer           ^ |
//!      |                           |   anything forbidden: ABORT     | |
//!      |                           |   ABORT, end of the stream      | |  all is written and
//!      |                           |                                 | |  both have closed,
//!      |                           |  the router wants: GOODBYE      | |  or 1 s is over
//!      |                           +--------> Leaving -------------->+ v
//!      |                                        |   GOODBYE, ABORT   | gone
//!      |                                        +---> gone: 1 s      |
//!      +-------------------------------------------------------------+
//!        no such realm, not let in, anything but HELLO (when challenged: AUTHENTICATE): ABORT;
//!        after hello_timeout: gone
//! ```

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::time::{Instant, Sleep, sleep_until};

use crate::codec::{Batch, Dict, DictWriter, PayloadRef, Received};
use crate::protocol::message::{Abort, Challenge, Goodbye, Message};
use crate::protocol::uri;
use crate::transport::{Incoming, Transport, TransportError, yield_turn};

use super::Shared;
use super::auth::{AuthExchange, Origin, Step};
use super::frames::{message, route_chunk};
use super::identity::check_roles;
use super::peer::{Peer, PeerCommand, Sizes, WakeList};
use super::realm::{LeaveReason, RealmSession};
use super::verdict::{Verdict, verdict};

/// The most messages, and about the most bytes, that one turn reads.
const TURN_MESSAGES: usize = 256;
const TURN_BYTES: usize = 1 << 20;

/// The number of messages that are decoded and then routed under one lock of the realm.
const CHUNK: usize = 64;

/// See the module's text.
pub(super) struct Connection<'a> {
    shared: &'a Shared,
    peer: &'a Arc<Peer>,
    origin: Origin,
    transport: Box<dyn Transport>,
    phase: Phase,
    /// Until when the present phase may last.
    deadline: Option<Pin<Box<Sleep>>>,
    /// Sleeps until the next call of the session has to be answered.
    call_timer: Option<Pin<Box<Sleep>>>,
    /// The frames that were read and are not yet routed.
    frames: Vec<Bytes>,
    /// Nothing more can be read.
    hung_up: bool,
    /// The reason for that, until all that was read before is routed.
    hang_up: Option<HangUp>,
    /// The batch that is being written, and the number of its messages that are.
    writing: Option<(Batch, usize)>,
    wakes: WakeList,
}

/// See the module's text.
enum Phase {
    Opening,
    /// Under this realm's name.
    Challenged(String, Box<AuthExchange>),
    /// The same, until it may be told what came of its answer.
    Held(String, Verdict),
    Joined(RealmSession),
    Leaving,
    Ending,
}

/// The end of what can be read.
enum HangUp {
    Closed,
    Failed(TransportError),
}

/// The connection can carry nothing more.
struct Gone;

impl From<TransportError> for Gone {
    fn from(_: TransportError) -> Self {
        Gone
    }
}

impl<'a> Connection<'a> {
    /// A client that has until `hello_due` to join a session.
    pub(super) fn new(
        shared: &'a Shared,
        peer: &'a Arc<Peer>,
        origin: Origin,
        transport: Box<dyn Transport>,
        hello_due: Instant,
    ) -> Self {
        peer.speak(transport.serializer().encoding);
        // What clients do not say they take is as much as we do ourselves: a message grows a little
        // on its way through the router, and theirs is the same limit more often than not.
        let relayed = transport.max_send().min(shared.config.max_message_size);
        let own = transport.announced().unwrap_or(usize::MAX);
        peer.takes_up_to(Sizes { relayed, own });
        Connection {
            shared,
            peer,
            origin,
            transport,
            phase: Phase::Opening,
            deadline: Some(Box::pin(sleep_until(hello_due))),
            call_timer: None,
            frames: Vec::new(),
            hung_up: false,
            hang_up: None,
            writing: None,
            wakes: WakeList::default(),
        }
    }

    /// Does all there is to do; ready when the connection is to be dropped.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            self.peer.bell().stay_awake();
            let Ok(more) = self.turn(cx) else {
                return Poll::Ready(());
            };
            if more {
                // Others have their turn first.
                yield_turn(cx);
                return Poll::Pending;
            }
            self.peer.bell().fall_asleep(cx);
            if !self.peer.has_work(self.writing.is_some()) {
                return Poll::Pending;
            }
        }
    }

    /// Tells whether there may be more to read.
    fn turn(&mut self, cx: &mut Context<'_>) -> Result<bool, Gone> {
        self.obey()?;
        let more = self.read(cx)?;
        self.release(cx);
        self.expire_calls(cx);
        self.wakes.wake();
        let all_written = self.write(cx)?;
        if let Phase::Leaving | Phase::Ending = self.phase
            && self.transport.is_written(all_written, cx)
        {
            self.shared.settle(self.peer);
        }
        if all_written && matches!(self.phase, Phase::Ending) {
            self.close(cx)?;
        }
        let is_held = matches!(self.phase, Phase::Held(..));
        let deadline = self.deadline.as_mut().filter(|_| !is_held);
        if deadline.is_some_and(|deadline| deadline.as_mut().poll(cx).is_ready()) {
            return Err(Gone);
        }
        Ok(more)
    }

    fn obey(&mut self) -> Result<(), Gone> {
        match (self.peer.take_command(), &self.phase) {
            (None, _) | (Some(PeerCommand::Goodbye(..)), Phase::Leaving | Phase::Ending) => {}
            (Some(PeerCommand::Drop), _)
            | (
                Some(PeerCommand::Goodbye(..)),
                Phase::Opening | Phase::Challenged(..) | Phase::Held(..),
            ) => return Err(Gone),
            (Some(PeerCommand::Goodbye(reason, message)), Phase::Joined(session)) => {
                // Behind the GOODBYE nobody would hear of them.
                session.cancel_calls(&mut self.wakes);
                self.enter(Phase::Leaving);
                self.say_goodbye(&reason, message.as_deref());
            }
        }
        Ok(())
    }

    /// Ends the calls whose time is over, and sleeps until the next one's is.
    fn expire_calls(&mut self, cx: &mut Context<'_>) {
        let Phase::Joined(session) = &mut self.phase else {
            return;
        };
        while let Some(due) = session.deadline() {
            let due = Instant::from_std(due);
            let timer = self.call_timer.get_or_insert_with(|| Box::pin(sleep_until(due)));
            if timer.deadline() != due {
                timer.as_mut().reset(due);
            }
            if timer.as_mut().poll(cx).is_pending() {
                return;
            }
            session.expire(Instant::now().into_std(), &mut self.wakes);
        }
    }

    /// Reads what is ready and has it carried out. Tells whether there may be more.
    fn read(&mut self, cx: &mut Context<'_>) -> Result<bool, Gone> {
        if !self.route() {
            // First comes what is left of an earlier turn.
            return Ok(true);
        }
        let mut bytes = 0;
        let mut is_all = false;
        for _ in 0..TURN_MESSAGES {
            if self.hung_up || self.hang_up.is_some() || bytes > TURN_BYTES {
                break;
            }
            match self.transport.poll_receive(cx) {
                Poll::Ready(Ok(Incoming::Message(frame))) => {
                    bytes += frame.len();
                    self.frames.push(frame);
                    // How large the next one may be is up to what becomes of this one.
                    if let Phase::Opening | Phase::Challenged(..) | Phase::Held(..) = self.phase {
                        self.route();
                    }
                }
                Poll::Ready(Ok(Incoming::Alive | Incoming::Pong)) => {}
                Poll::Pending => {
                    is_all = true;
                    break;
                }
                Poll::Ready(Ok(Incoming::Closed { .. })) => self.hang_up = Some(HangUp::Closed),
                Poll::Ready(Err(error)) => self.hang_up = Some(HangUp::Failed(error)),
            }
        }
        if !self.route() {
            return Ok(true);
        }
        self.hung_up |= self.hang_up.is_some();
        match self.hang_up.take() {
            Some(HangUp::Closed) => self.end(),
            Some(HangUp::Failed(error)) => self.fail(error)?,
            None => {}
        }
        Ok(!is_all && !self.hung_up)
    }

    /// Writes what waits. Tells whether that is all.
    fn write(&mut self, cx: &mut Context<'_>) -> Result<bool, Gone> {
        if self.writing.is_none() {
            self.writing = self.peer.take().map(|batch| (batch, 0));
            if let Some((batch, _)) = &self.writing {
                self.shared.sent.fetch_add(batch.count() as u64, Ordering::Relaxed);
            }
        }
        let Some((batch, next)) = &mut self.writing else {
            return Ok(true);
        };
        if self.transport.poll_send(cx, batch, next)?.is_pending() {
            return Ok(false);
        }
        if let Some((batch, _)) = self.writing.take() {
            self.peer.written(batch);
        }
        Ok(!self.peer.has_work(false))
    }

    /// Closes when all is written. The client has the last word: to drop a socket with unread data
    /// would take back what the client has not yet read, such as an ABORT.
    fn close(&mut self, cx: &mut Context<'_>) -> Result<(), Gone> {
        if self.transport.poll_close(cx)?.is_ready() && self.hung_up {
            return Err(Gone);
        }
        Ok(())
    }

    /// Has what was read carried out. False if others are to have their turn before all is.
    fn route(&mut self) -> bool {
        if let Phase::Joined(session) = &mut self.phase
            && session.has_rest()
        {
            session.go_on(&mut self.wakes);
            return false;
        }
        if self.frames.is_empty() {
            return true;
        }
        let mut frames = std::mem::take(&mut self.frames);
        let encoding = self.peer.encoding();
        let (mut at, mut is_over) = (0, false);
        while at < frames.len() && !is_over {
            at += match &mut self.phase {
                Phase::Opening => {
                    self.open(&frames[at]);
                    1
                }
                Phase::Challenged(..) | Phase::Held(..) => {
                    self.authenticate(&frames[at]);
                    1
                }
                Phase::Joined(session) => {
                    let chunk = &frames[at..frames.len().min(at + CHUNK)];
                    match route_chunk(session, chunk, encoding, &mut self.wakes) {
                        Ok(done) => {
                            is_over = done < chunk.len() || session.has_rest();
                            done
                        }
                        Err(end) => {
                            self.end_session(end);
                            chunk.len()
                        }
                    }
                }
                Phase::Leaving => {
                    self.await_goodbye(&frames[at]);
                    1
                }
                Phase::Ending => frames.len() - at,
            };
        }
        self.shared.received.fetch_add(at as u64, Ordering::Relaxed);
        frames.drain(..at);
        self.frames = frames;
        !is_over
    }

    fn open(&mut self, frame: &Bytes) {
        let received = Received::from_client(frame, self.peer.encoding());
        let hello = match message(&received) {
            Ok(Message::Hello(hello)) => hello,
            Ok(Message::Abort(_)) => return self.end(),
            Ok(other) => {
                let name = other.name();
                return self.abort(
                    uri::PROTOCOL_VIOLATION,
                    &format!("{name} before HELLO: a session begins with HELLO"),
                );
            }
            Err(error) => return self.abort(uri::PROTOCOL_VIOLATION, &error.to_string()),
        };
        if let Err(why) = check_roles(hello.details) {
            return self.abort(uri::PROTOCOL_VIOLATION, &why);
        }
        if let Err(error) = uri::check(&hello.realm, uri::Match::Exact) {
            return self.abort(uri::INVALID_URI, &format!("realm: {error}"));
        }
        if !self.shared.realms.has(&hello.realm) {
            let why = format!("this router has no realm \"{}\"", hello.realm);
            return self.abort(uri::NO_SUCH_REALM, &why);
        }
        let (store, id) = (self.shared.config.auth.as_ref(), self.peer.id());
        let channel_id = self.transport.channel_id();
        match AuthExchange::begin(store, hello.details, id, channel_id, self.origin) {
            Ok(step) => self.go_on(hello.realm.into_owned(), step),
            Err(error) => self.abort(uri::PROTOCOL_VIOLATION, &error.to_string()),
        }
    }

    /// Sends what comes after HELLO: CHALLENGE, WELCOME or ABORT.
    fn go_on(&mut self, realm: String, step: Step) {
        match step {
            Step::Challenged(login) => {
                let (method, extra) = login.question();
                self.enter(Phase::Challenged(realm, login));
                let extra = Dict::from_checked(extra.as_bytes());
                let challenge = Challenge { method: method.into(), extra };
                self.peer.send(&mut self.wakes, |out| challenge.write(out));
            }
            Step::LetIn(identity) => {
                let realms = &self.shared.realms;
                match realms.join(&realm, self.peer, identity, &mut self.wakes) {
                    Ok(session) => {
                        self.enter(Phase::Joined(session));
                        self.transport.limit(usize::MAX);
                    }
                    Err(refusal) => {
                        let (reason, why) = refusal.parts();
                        self.abort(reason, why);
                    }
                }
            }
            Step::Denied(denial) => self.abort(denial.reason, &denial.why),
        }
    }

    /// While it is challenged a client can say AUTHENTICATE, or give up.
    fn authenticate(&mut self, frame: &Bytes) {
        let received = Received::from_client(frame, self.peer.encoding());
        let answer = match message(&received) {
            Ok(Message::Authenticate(answer)) => answer,
            Ok(Message::Abort(_)) => return self.end(),
            Ok(other) => {
                let why = format!("{} instead of AUTHENTICATE", other.name());
                return self.abort(uri::PROTOCOL_VIOLATION, &why);
            }
            Err(error) => return self.abort(uri::PROTOCOL_VIOLATION, &error.to_string()),
        };
        match std::mem::replace(&mut self.phase, Phase::Opening) {
            Phase::Challenged(realm, login) => {
                match verdict(login, &answer, &self.shared.hashers) {
                    Ok(step) => self.go_on(realm, step),
                    Err(verdict) => self.phase = Phase::Held(realm, verdict),
                }
            }
            // A second answer, before the first is judged.
            _ => self.abort(uri::PROTOCOL_VIOLATION, "AUTHENTICATE without CHALLENGE"),
        }
    }

    /// Goes on with a login that was held, when it is time.
    fn release(&mut self, cx: &mut Context<'_>) {
        let Phase::Held(realm, verdict) = &mut self.phase else {
            return;
        };
        if let Poll::Ready(step) = verdict.as_mut().poll(cx) {
            let realm = std::mem::take(realm);
            self.go_on(realm, step);
        }
    }

    fn end_session(&mut self, end: LeaveReason) {
        match end {
            LeaveReason::Goodbye => {
                self.end();
                self.say_goodbye(uri::GOODBYE_AND_OUT, None);
            }
            LeaveReason::Abort => self.end(),
            LeaveReason::Violation(why) => self.abort(uri::PROTOCOL_VIOLATION, &why),
        }
    }

    /// After our GOODBYE everything but the answer is ignored.
    fn await_goodbye(&mut self, frame: &Bytes) {
        let received = Received::from_client(frame, self.peer.encoding());
        if let Ok(Message::Goodbye(_) | Message::Abort(_)) = message(&received) {
            self.end();
        }
    }

    fn fail(&mut self, error: TransportError) -> Result<(), Gone> {
        match error {
            TransportError::Lost(_)
            | TransportError::Busy { .. }
            | TransportError::Refused(_)
            | TransportError::PeerLimit { .. } => return Err(Gone),
            _ if matches!(self.phase, Phase::Ending) => return Err(Gone),
            TransportError::Protocol(why) | TransportError::Message(why) => {
                self.abort(uri::PROTOCOL_VIOLATION, &why);
            }
            TransportError::TooLarge(why) => self.abort(uri::PAYLOAD_SIZE_EXCEEDED, &why),
        }
        Ok(())
    }

    fn end(&mut self) {
        self.enter(Phase::Ending);
    }

    /// Enters a phase, and leaves the realm in doing so.
    fn enter(&mut self, phase: Phase) {
        self.deadline = match (&phase, &self.phase) {
            (Phase::Opening | Phase::Joined(_), _) => None,
            // The time for HELLO is that for the whole login.
            (Phase::Challenged(..) | Phase::Held(..), _) => self.deadline.take(),
            (Phase::Ending, Phase::Leaving | Phase::Ending) => self.deadline.take(),
            _ => Some(Box::pin(sleep_until(Instant::now() + self.peer.goodbye_timeout()))),
        };
        self.phase = phase;
    }

    fn say_goodbye(&mut self, reason: &str, message: Option<&str>) {
        let mut details = DictWriter::default();
        if let Some(message) = message {
            details.text("message", message);
        }
        let details = details.finish();
        let goodbye = Goodbye { details: details.dict(), reason: reason.into() };
        self.peer.send(&mut self.wakes, |out| goodbye.write(out));
    }

    /// Leaves the realm before the client is told, so that ABORT is the last message.
    fn abort(&mut self, reason: &str, why: &str) {
        self.end();
        let mut details = DictWriter::default();
        details.text("message", why);
        let details = details.finish();
        let abort =
            Abort { details: details.dict(), reason: reason.into(), payload: PayloadRef::NONE };
        self.peer.send(&mut self.wakes, |out| abort.write(out));
    }
}
