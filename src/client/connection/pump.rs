//! Pumps the messages of one session both ways, from its HELLO to its end.
//!
//! It reads all that is ready, hands it to the protocol core under one lock, and writes all that
//! has gathered in one go; then it sleeps until the socket, a timer or the doorbell wakes it.
//!
//! ```text
//!   Running --the session ends: GOODBYE, ABORT, a violation--> Draining --the peer closes--> over
//!      |                                                          |
//!      +--the transport fails, or the time is up--> Parting <-----+--> over
//! ```

mod borrowed;
mod phases;
#[cfg(test)]
pub(super) mod tests;

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Instant, Sleep, sleep_until};

use crate::client::keepalive::{Observation, PingTimer, Verdict};
use crate::client::options::Mode;
use crate::client::scope::FlagScope;
use crate::client::session::events::Deferred;
use crate::client::session::{Session, Shared};
use crate::client::stats;
use crate::codec::Batch;
use crate::protocol;
use crate::transport::{Incoming, Transport, TransportError, yield_turn};

use super::Connection;
use super::close_reason::{CloseClass, CloseReason, closed_by_peer, slow_connect};

use borrowed::Borrowed;

pub(super) use borrowed::Read;

/// Number of messages that are taken in before they are handled.
const READ_AHEAD: usize = 128;
/// And how many bytes of them, but for the last. After so much other connections get their turn: a
/// few bytes on the wire can be many, where they are compressed.
const TURN_BYTES: usize = 1024 * 1024;
/// While the application lags, messages of up to this size are copied out of the blocks that they
/// were read into, which are large, where these are shared with what is long gone.
const COPIED: usize = 32 * 1024;
/// Fewer bytes of events than these may be all there is in a block.
const FEW: usize = 8 * 1024;
/// Number of rounds in which events gather for a thread that waits for them: it is woken once for
/// all.
const UNTOLD: usize = 4;
/// Number of rounds before other connections get their turn.
const ROUNDS: usize = 64;
/// Time for the closing handshake of the transport after the session has ended.
const TRANSPORT_CLOSE: Duration = Duration::from_secs(1);

/// Without pings the task runs after this time: only then a loss of descriptors may show.
const LOOK: Duration = Duration::from_secs(30);

/// The phase of a pump.
enum Phase {
    /// The session goes on.
    Running,
    /// The session is over: its last words are written, then the transport is closed in order,
    /// which the peer answers by closing it too.
    Draining { end: CloseReason, until: Instant, close_sent: bool },
    /// The transport takes and gives no more, but may take a word that says that it is closed.
    Parting { end: CloseReason, until: Instant },
}

/// Both ends, the protocol's and the transport's, and the time.
pub(super) struct Pump {
    phase: Phase,
    shared: Arc<Shared>,
    session: Arc<Session>,
    transport: Box<dyn Transport>,
    frames: Vec<Bytes>,
    /// The rounds since there are events of which the host was not told.
    untold: usize,
    /// The bytes that were taken in in this turn.
    taken: usize,
    /// The bytes that the transport had read at the last look.
    heard: u64,
    /// The socket was not read, as the application is behind.
    skipped: bool,
    /// A ping waits in the transport's buffer.
    unflushed: bool,
    /// The end of the last ping among the bytes written, once it is.
    ping_end: Option<u64>,
    /// The batch that is being written, and the message to go on with.
    sending: Option<(Batch, usize)>,
    timer: Pin<Box<Sleep>>,
    join_until: Option<Instant>,
    leave_until: Option<Instant>,
    ping_timer: PingTimer,
    /// Every message goes to the log.
    trace: bool,
    borrowed: Borrowed,
}

impl Pump {
    pub(super) fn new(
        connection: &Connection,
        session: Arc<Session>,
        transport: Box<dyn Transport>,
        join_until: Instant,
    ) -> Pump {
        let options = connection.options();
        let interval = options.autoping_interval.filter(|_| transport.pings());
        let ping_timer = PingTimer::new(interval, options.autoping_timeout, Instant::now());
        Pump {
            phase: Phase::Running,
            trace: options.trace,
            shared: connection.shared().clone(),
            session,
            transport,
            frames: Vec::new(),
            untold: 0,
            taken: 0,
            heard: 0,
            skipped: false,
            unflushed: false,
            ping_end: None,
            sending: None,
            timer: Box::pin(sleep_until(join_until)),
            join_until: Some(join_until),
            leave_until: None,
            ping_timer,
            borrowed: Borrowed::default(),
        }
    }

    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<CloseReason> {
        let _scope = FlagScope::io();
        self.shared.doorbell.stay_awake();
        self.take_over();
        self.taken = 0;
        for _ in 0..ROUNDS {
            // A peer that never falls silent must not keep time from passing.
            let now = Instant::now();
            let is_due = self.next_deadline(now).is_some_and(|next| next <= now);
            if is_due && self.is_running() {
                // The router ends a call at the same moment: the program hears of its own limit.
                self.end_late_calls(now);
            }
            // Before anybody is given up: the answer may be there, where it was we who slept.
            let mut progress = self.read(cx);
            if is_due {
                self.on_deadline(now);
            }
            if self.shared.mode() == Mode::Inline {
                progress |= self.shared.queue.drain_inline(&*self.shared);
            }
            progress |= self.write(cx);
            if let Poll::Ready(end) = self.poll_closed(cx) {
                self.tell_host();
                return Poll::Ready(end);
            }
            if progress && self.taken >= TURN_BYTES {
                break;
            }
            if progress {
                continue;
            }
            self.shared.doorbell.fall_asleep(cx);
            if self.has_work() || self.timer_fired(cx) {
                self.shared.doorbell.stay_awake();
                continue;
            }
            return Poll::Pending;
        }
        self.tell_host();
        yield_turn(cx);
        Poll::Pending
    }

    /// Reads and handles what is ready.
    fn read(&mut self, cx: &mut Context<'_>) -> bool {
        let (received, trouble) = self.receive(cx);
        let is_all = self.frames.len() < READ_AHEAD;
        if received {
            let mut deferred = self.handle_frames();
            self.untold += usize::from(deferred.take_wake() || self.untold > 0);
            deferred.run(&self.shared);
        }
        if is_all || self.untold >= UNTOLD {
            self.tell_host();
        }
        let Some(trouble) = trouble else {
            return received;
        };
        self.give_up(trouble);
        true
    }

    /// Tells the host of the events that have come.
    fn tell_host(&mut self) {
        if std::mem::take(&mut self.untold) > 0 {
            self.shared.queue.wake();
        }
    }

    /// Ends the session for what the transport says.
    fn give_up(&mut self, trouble: TransportError) {
        match trouble {
            TransportError::Message(what) => {
                self.session.lock_core().protocol.violated(what);
                self.handle_frames().run(&self.shared);
            }
            error => self.transport_failed(error),
        }
    }

    /// Takes in what is ready, for [`Pump::handle_frames`]; true if there is something.
    fn receive(&mut self, cx: &mut Context<'_>) -> (bool, Option<TransportError>) {
        self.skipped = self.shared.queue.is_full();
        if self.is_parting() || self.skipped || self.is_clogged() {
            return (false, None);
        }
        let mut trouble = None;
        let (mut alive, mut pong) = (false, false);
        for _ in 0..READ_AHEAD {
            if self.taken >= TURN_BYTES {
                break;
            }
            match self.transport.poll_receive(cx) {
                Poll::Pending => break,
                Poll::Ready(Ok(Incoming::Message(frame))) => {
                    self.taken += frame.len();
                    self.frames.push(frame);
                }
                Poll::Ready(Ok(Incoming::Alive)) => alive = true,
                Poll::Ready(Ok(Incoming::Pong)) => (alive, pong) = (true, true),
                Poll::Ready(Ok(Incoming::Closed { code, reason })) => {
                    trouble = Some(TransportError::Lost(closed_by_peer(code, &reason)));
                    break;
                }
                Poll::Ready(Err(error)) => {
                    trouble = Some(error);
                    break;
                }
            }
        }
        let received = alive || !self.frames.is_empty();
        // Who sends a part of a message is alive, however long the whole of it needs.
        let read = self.transport.byte_counts().read;
        let heard = read > std::mem::replace(&mut self.heard, read) || received;
        if heard && let Some(round_trip) = self.ping_timer.heard(Instant::now(), pong) {
            self.session.lock_core().traffic.round_trip = Some(round_trip);
        }
        (received, trouble)
    }

    /// True if the peer takes so little that what it makes us answer would fill our memory.
    fn is_clogged(&self) -> bool {
        let limit = self.shared.options().send_queue_bytes;
        self.sending.is_some() && self.session.lock_core().backlog() > limit.saturating_mul(2)
    }

    /// Hands what came to the protocol. What is left to do is for a time when no lock is held.
    fn handle_frames(&mut self) -> Deferred {
        let encoding = self.session.encoding();
        let lags = self.shared.queue.lags();
        let mut core = self.session.lock_core();
        let mut taken_in = 0;
        for frame in self.frames.drain(..) {
            taken_in += frame.len();
            core.traffic.received(&frame);
            if self.trace {
                stats::trace("<-", self.session.joined().map(|joined| joined.id), &frame, encoding);
            }
            core.protocol.receive(&frame);
        }
        if lags {
            let kept = core.protocol.event_bytes();
            if kept < FEW || kept < taken_in / 4 {
                core.protocol.detach_events(COPIED);
            }
        }
        let deferred = self.session.hand_over(&mut core);
        let phase = core.protocol.phase();
        let ended = core.protocol.take_ended();
        drop(core);
        if phase != protocol::Phase::Joining {
            self.join_until = None;
        }
        if let Some(ended) = ended {
            self.session_ended(ended);
        }
        deferred
    }

    /// Writes what has gathered.
    fn write(&mut self, cx: &mut Context<'_>) -> bool {
        let written = self.write_all(cx);
        if self.untold >= UNTOLD {
            self.tell_host();
        }
        written.unwrap_or_else(|error| {
            self.transport_failed(error);
            true
        })
    }

    /// Writes what has gathered, and leaves it to the caller to tell the host of it.
    fn write_all(&mut self, cx: &mut Context<'_>) -> Result<bool, TransportError> {
        let mut progress = false;
        if self.unflushed && !self.is_parting() && self.transport.poll_flush(cx)?.is_ready() {
            self.unflushed = false;
            self.ping_end = Some(self.transport.byte_counts().written);
        }
        loop {
            if self.is_parting() {
                return Ok(progress);
            }
            if self.sending.is_none() {
                let batch = self.session.lock_core().next_batch();
                if let Some(batch) = batch.as_ref().filter(|_| self.trace) {
                    let session = self.session.joined().map(|joined| joined.id);
                    let encoding = self.session.encoding();
                    batch.iter().for_each(|message| stats::trace("->", session, message, encoding));
                }
                self.sending = batch.map(|batch| (batch, 0));
            }
            let Some((batch, next)) = &mut self.sending else {
                return Ok(progress);
            };
            if self.transport.poll_send(cx, batch, next)?.is_pending() {
                return Ok(progress);
            }
            progress = true;
            let Some((batch, _)) = self.sending.take() else {
                return Ok(progress);
            };
            let mut core = self.session.lock_core();
            if self.session.batch_written(&mut core, batch) {
                // At once: it waits for this in order to send more.
                self.untold = UNTOLD;
            }
        }
    }

    /// Ready once the session is over and the transport is closed too, or the time is up.
    fn poll_closed(&mut self, cx: &mut Context<'_>) -> Poll<CloseReason> {
        self.notice_end();
        // The last words may have come since the last look, from another thread.
        let has_words = !self.is_running() && (self.sending.is_some() || self.has_unwritten());
        match &mut self.phase {
            Phase::Running => return Poll::Pending,
            Phase::Draining { until, close_sent, .. } if Instant::now() < *until => {
                if !has_words && (*close_sent || self.transport.poll_close(cx).is_ready()) {
                    // The peer's own closing handshake comes through poll_receive.
                    *close_sent = true;
                }
                return Poll::Pending;
            }
            Phase::Parting { until, .. }
                if Instant::now() < *until && self.transport.poll_close(cx).is_pending() =>
            {
                return Poll::Pending;
            }
            Phase::Draining { .. } | Phase::Parting { .. } => {}
        }
        match std::mem::replace(&mut self.phase, Phase::Running) {
            Phase::Running => Poll::Pending,
            Phase::Draining { end, .. } | Phase::Parting { end, .. } => Poll::Ready(end),
        }
    }

    /// Looks whether the application's thread has ended the session.
    fn notice_end(&mut self) {
        if !self.is_running() {
            return;
        }
        let mut core = self.session.lock_core();
        let phase = core.protocol.phase();
        let ended = core.protocol.take_ended();
        drop(core);
        if phase == protocol::Phase::Leaving && self.leave_until.is_none() {
            self.join_until = None;
            self.leave_until = Some(Instant::now() + self.shared.options().close_timeout);
        }
        if let Some(ended) = ended {
            self.session_ended(ended);
        }
    }

    /// True if something came between the last look and falling asleep.
    fn has_work(&mut self) -> bool {
        let queue = &self.shared.queue;
        if queue.mode() == Mode::Inline && queue.wants_draining() {
            return true;
        }
        // The application may have caught up after the look and before the sleep.
        if self.skipped && !self.is_parting() && !queue.is_full() {
            return true;
        }
        match &self.phase {
            Phase::Parting { .. } => false,
            Phase::Draining { close_sent, .. } => !close_sent && self.has_unwritten(),
            Phase::Running => {
                let phase = self.session.lock_core().protocol.phase();
                self.has_unwritten()
                    || phase == protocol::Phase::Closed
                    || phase == protocol::Phase::Leaving && self.leave_until.is_none()
            }
        }
    }

    /// True if there are messages that nobody has begun to write.
    fn has_unwritten(&self) -> bool {
        self.sending.is_none() && !self.session.lock_core().protocol.outbox().is_empty()
    }

    // ===== time =====

    /// Sets the timer; true if it has fired, which was then seen to.
    fn timer_fired(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(next) = self.next_deadline(Instant::now()) else {
            return false;
        };
        if self.timer.deadline() != next {
            self.timer.as_mut().reset(next);
        }
        if self.timer.as_mut().poll(cx).is_pending() {
            return false;
        }
        self.on_deadline(Instant::now());
        true
    }

    fn next_deadline(&self, now: Instant) -> Option<Instant> {
        if let Phase::Draining { until, .. } | Phase::Parting { until, .. } = &self.phase {
            return Some(*until);
        }
        let due = self.ping_timer.due().unwrap_or(now + LOOK);
        // Setting a timer anew costs more than letting it fire once in vain.
        let set = self.timer.deadline();
        let early = set > now && set < due && self.join_until.is_none();
        let ping = Some(if early && !self.ping_timer.has_pinged() { set } else { due });
        let call = self.session.lock_core().protocol.next_timeout().map(Instant::from_std);
        [self.join_until, self.leave_until, ping, call].into_iter().flatten().min()
    }

    fn on_deadline(&mut self, now: Instant) {
        if !self.is_running() {
            return;
        }
        self.end_late_calls(now);
        if self.join_until.is_some_and(|until| until <= now) {
            let options = self.session.options();
            let url = options.transports[self.session.transport()].url();
            let failure = slow_connect(options, url, "");
            self.part(CloseReason::failed(CloseClass::Unreachable, failure), TRANSPORT_CLOSE);
        } else if self.leave_until.is_some_and(|until| until <= now) {
            let text = "closed; the router did not answer the GOODBYE in time";
            self.part(CloseReason::closed(text), TRANSPORT_CLOSE);
        } else {
            self.frames.shrink_to_fit();
            self.check_silence(now);
        }
    }

    /// Pings a peer that is silent, or gives it up.
    fn check_silence(&mut self, now: Instant) {
        self.shared.queue.shrink();
        if self.ping_timer.due().is_none_or(|due| now < due) {
            return;
        }
        let seen = Observation {
            taken: self.transport.taken(),
            ping_end: self.ping_end,
            // A host that does not take its events keeps us from reading the pong.
            not_reading: self.shared.queue.is_full(),
        };
        match self.ping_timer.check(now, seen) {
            Verdict::Nothing => {}
            Verdict::Ping => {
                let payload = vec![b'w'; self.shared.options().autoping_size];
                (self.unflushed, self.ping_end) = (true, None);
                self.transport.ping(&payload);
            }
            Verdict::Lost => {
                let text = "no answer to a ping within `autoping_timeout`".to_owned();
                self.transport_failed(TransportError::Lost(text));
            }
        }
    }

    fn end_late_calls(&mut self, now: Instant) {
        let mut core = self.session.lock_core();
        core.protocol.handle_timeout(now.into_std());
        let deferred = self.session.hand_over(&mut core);
        drop(core);
        deferred.run(&self.shared);
    }
}
