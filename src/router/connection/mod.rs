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
//!
//! While a large message of a session is carried out elsewhere it is Away, which is Joined to all
//! others.
//!
//! * `reading`: the way of its messages to the session. `sending`: of those for it, to its end.
//! * `large`: messages that are read elsewhere.
//! * `decisions`: requests that wait until somebody has allowed them.
//! * `logging`: the lines that the log has of it.

mod decisions;
mod large;
mod logging;
mod reading;
mod sending;

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Instant, Sleep, sleep_until};

use crate::codec::{Batch, Dict, Received};
use crate::protocol::message::{Challenge, Message};
use crate::protocol::uri;
use crate::transport::{Transport, TransportError};

use super::Shared;
use super::asking::QuestionKind;
use super::auth::Applicant;
use super::door::Door;
use super::frames::message;
use super::gate::Pass;
use super::identity::check_roles;
use super::login::{Coming, Login, Next, NowOrLater};
use super::peer::{Peer, PeerCommand, Sizes, WakeList};
use super::realm::{LeaveReason, RealmSession};
use super::receiving::Receiving;
use super::throttle::Throttle;

use decisions::Asking;
use large::Away;
use reading::HangUp;

/// The time for which events gather for their receivers, where a turn is too short for all of them.
const GATHER: Duration = Duration::from_millis(4);

/// See the module's text.
pub(super) struct Connection<'a> {
    shared: &'a Shared,
    peer: &'a Arc<Peer>,
    pass: &'a Pass,
    /// The listener by which it came.
    door: Arc<Door>,
    transport: Box<dyn Transport>,
    phase: Phase,
    /// The name under which it wants to be let in.
    claimed: String,
    /// The true cause of its ABORT, where it is not told.
    cause: Option<String>,
    /// Until when the present phase may last.
    deadline: Option<Pin<Box<Sleep>>>,
    /// Sleeps until the next call of the session has to be answered.
    call_timer: Option<Pin<Box<Sleep>>>,
    /// The frames that were read and are not yet routed.
    frames: Vec<Bytes>,
    /// The messages that have come, and the one that has begun to.
    received: u64,
    receiving: Receiving,
    throttle: Throttle,
    /// The number of them that are counted.
    counted: usize,
    /// The decision on the first of them.
    asking: Option<Asking>,
    /// A command that comes when the session is back.
    kept_command: Option<PeerCommand>,
    /// Those who got something have waited since then to be woken.
    cut_since: Option<Instant>,
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
    Challenged(Box<Login>),
    /// Until it is decided, and may be told, what comes next.
    Held(Coming),
    Joined(Box<RealmSession>),
    /// Joined, and elsewhere with a large message.
    Away(Away),
    Leaving,
    Ending,
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
        pass: &'a Pass,
        door: Arc<Door>,
        transport: Box<dyn Transport>,
        hello_due: Instant,
    ) -> Self {
        peer.speak(transport.serializer().encoding);
        // What clients do not say they take is as much as we do ourselves: a message grows a little
        // on its way through the router, and theirs is the same limit more often than not.
        let relayed = transport.max_send().min(shared.config().max_message_size);
        let own = transport.announced().unwrap_or(usize::MAX);
        peer.takes_up_to(Sizes { relayed, own });
        let connection = Connection {
            shared,
            peer,
            pass,
            door,
            transport,
            phase: Phase::Opening,
            claimed: String::new(),
            cause: None,
            deadline: Some(Box::pin(sleep_until(hello_due))),
            call_timer: None,
            frames: Vec::new(),
            received: 0,
            receiving: Receiving::default(),
            throttle: Throttle::default(),
            counted: 0,
            asking: None,
            kept_command: None,
            cut_since: None,
            hung_up: false,
            hang_up: None,
            writing: None,
            wakes: WakeList::default(),
        };
        connection.log_connected();
        connection
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
                self.pass.place().has_more();
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
        let mut more = !self.throttle.is_paused(self.shared, self.peer, cx) && self.read(cx)?;
        self.release(cx);
        more |= self.hear_decisions(cx);
        more |= self.come_back(cx)?;
        self.expire_calls(cx);
        self.wake(more);
        self.log_noted();
        let all_written = self.write(cx)?;
        more |= !all_written && self.writing.is_none();

        if let Phase::Leaving | Phase::Ending = self.phase
            && self.transport.is_written(all_written, cx)
        {
            self.shared.settle(self.peer);
        }
        if all_written && matches!(self.phase, Phase::Ending) {
            self.close(cx)?;
        }
        let is_held = matches!(self.phase, Phase::Held(_));
        let deadline = self.deadline.as_mut().filter(|_| !is_held);
        if deadline.is_some_and(|deadline| deadline.as_mut().poll(cx).is_ready()) {
            return Err(Gone);
        }
        Ok(more)
    }

    /// Wakes those who got something; a little later where the work of one message, or of a few, is
    /// too much for a turn: then they write what has gathered, and not each event by itself.
    fn wake(&mut self, more: bool) {
        let is_cut = match &self.phase {
            Phase::Joined(session) => more && (session.has_rest() || !self.frames.is_empty()),
            _ => false,
        };
        let waits = is_cut && self.cut_since.get_or_insert_with(Instant::now).elapsed() < GATHER;
        if !waits {
            self.cut_since = None;
            self.wakes.wake();
        }
    }

    fn obey(&mut self) -> Result<(), Gone> {
        let command = match self.peer.take_command() {
            None if matches!(self.phase, Phase::Joined(_)) => self.kept_command.take(),
            command => command,
        };
        match (command, &self.phase) {
            (None, _) | (Some(PeerCommand::Goodbye(..)), Phase::Leaving | Phase::Ending) => {}
            (Some(goodbye @ PeerCommand::Goodbye(..)), Phase::Away(_)) => {
                self.kept_command.get_or_insert(goodbye);
            }
            (Some(PeerCommand::Drop), _)
            | (
                Some(PeerCommand::Goodbye(..)),
                Phase::Opening | Phase::Challenged(_) | Phase::Held(_),
            ) => return Err(Gone),
            (Some(PeerCommand::Goodbye(reason, message)), Phase::Joined(session)) => {
                // Behind the GOODBYE nobody would hear of them, nor of what is decided.
                session.cancel_calls(&mut self.wakes);
                self.log_left(&reason);
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
        let (id, channel_id) = (self.peer.id(), self.transport.channel_id());
        match Applicant::read(hello.details, id, channel_id, self.pass.origin()) {
            Ok(applicant) => {
                let certificate = self.transport.peer_certificate().map(<[u8]>::to_vec);
                let door = Some(self.door.clone());
                let applicant = Applicant { certificate, door, ..applicant };
                self.claimed = applicant.claimed();
                let realm = hello.realm.into_owned();
                self.follow(Login::begin(&self.shared.reception, realm, applicant));
            }
            Err(error) => self.abort(uri::PROTOCOL_VIOLATION, &error.to_string()),
        }
    }

    fn follow(&mut self, next: NowOrLater) {
        match next {
            Ok(next) => self.go_on(next),
            Err(coming) => self.enter(Phase::Held(coming)),
        }
    }

    /// Sends what comes after HELLO: CHALLENGE, WELCOME or ABORT.
    fn go_on(&mut self, next: Next) {
        match next {
            Next::Challenged(login) => {
                let (method, extra) = login.question();
                let extra = Dict::from_checked(extra.as_bytes());
                let challenge = Challenge { method, extra };
                self.peer.send(&mut self.wakes, |out| challenge.write(out));
                self.enter(Phase::Challenged(login));
            }
            Next::LetIn(realm, identity) => {
                match self.shared.realms.join(&realm, self.peer, *identity, &mut self.wakes) {
                    Ok(mut session) => {
                        if self.shared.desk.wants(QuestionKind::Action) {
                            session.ask_program();
                        }
                        self.enter(Phase::Joined(Box::new(session)));
                        self.log_joined(&realm);
                        self.pass.is_in();
                        self.transport.limit(usize::MAX);
                    }
                    Err(refusal) => {
                        let (reason, why) = refusal.parts();
                        self.abort(reason, why);
                    }
                }
            }
            Next::Denied(reason, why) => self.abort(&reason, &why),
            Next::Concealed { reason, why, cause } => {
                self.cause = Some(cause);
                self.abort(&reason, &why);
            }
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
            Phase::Challenged(login) => {
                let due = self.deadline.as_ref().map_or_else(Instant::now, |time| time.deadline());
                self.follow(login.answered(&answer, due));
            }
            // A second answer, before the first is judged.
            _ => self.abort(uri::PROTOCOL_VIOLATION, "AUTHENTICATE without CHALLENGE"),
        }
    }

    /// Goes on with a login that was held, when it is time.
    fn release(&mut self, cx: &mut Context<'_>) {
        if let Phase::Held(coming) = &mut self.phase
            && let Poll::Ready(next) = coming.as_mut().poll(cx)
        {
            self.go_on(next);
        }
    }

    fn end_session(&mut self, end: LeaveReason) {
        match end {
            LeaveReason::Goodbye => {
                self.log_left("it said GOODBYE");
                self.end();
                self.say_goodbye(uri::GOODBYE_AND_OUT, None);
            }
            LeaveReason::Abort => {
                self.log_left("it said ABORT");
                self.end();
            }
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
            (Phase::Opening | Phase::Joined(_) | Phase::Away(_), _) => None,
            // The time for HELLO is that for the whole login.
            (Phase::Challenged(_) | Phase::Held(_), _) => self.deadline.take(),
            (Phase::Ending, Phase::Leaving | Phase::Ending) => self.deadline.take(),
            _ => Some(Box::pin(sleep_until(Instant::now() + self.peer.goodbye_timeout()))),
        };
        self.asking = None;
        self.phase = phase;
    }
}
