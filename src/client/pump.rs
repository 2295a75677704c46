//! Pumps the messages of one session both ways, from its HELLO to its end.
//!
//! It reads all that is ready, hands it to the protocol core under one lock, and writes all that
//! has gathered in one go; then it sleeps until the socket, a timer or the doorbell wakes it.

#[cfg(test)]
mod tests;

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Instant, Sleep, sleep_until};

use crate::codec::Batch;
use crate::protocol::{Ended, Phase};
use crate::transport::{Incoming, Transport, TransportError};

use super::attempts::slow_connect;
use super::connection::Connection;
use super::dispatch::Mode;
use super::end::{End, EndClass};
use super::scope::IoScope;
use super::session::Session;
use super::silence::{Due, Sight, Silence};
use super::stats;

/// How many messages are taken in before they are handled.
const READ_AHEAD: usize = 128;
/// And how many bytes of them, but for the last. After so much other connections get their turn: a
/// few bytes on the wire can be many, where they are compressed.
const TURN_BYTES: usize = 1024 * 1024;
/// While the application lags, messages of up to this size are copied out of the blocks that they
/// were read into, which are large and shared with what is long gone.
const COPIED: usize = 32 * 1024;
/// How many rounds a task may go before other connections get their turn.
const ROUNDS: usize = 64;
/// How long the closing handshake of the transport may take after the session has ended.
const TRANSPORT_CLOSE: Duration = Duration::from_secs(1);

/// The two ends, the protocol's and the transport's, and the time.
pub(super) struct Pump {
    connection: Arc<Connection>,
    session: Arc<Session>,
    transport: Box<dyn Transport>,
    frames: Vec<Bytes>,
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
    /// What is being written, and the message to go on with.
    sending: Option<(Batch, usize)>,
    timer: Pin<Box<Sleep>>,
    join_until: Option<Instant>,
    leave_until: Option<Instant>,
    silence: Silence,
    /// The session is over; the transport is closed, until this time at the latest.
    closing: Option<(End, Instant)>,
    /// The transport takes and gives no more.
    broken: bool,
    /// But it may take a last word, which says that it is closed.
    parting: bool,
    close_sent: bool,
    /// Every message goes to the log.
    trace: bool,
}

impl Pump {
    pub(super) fn new(
        connection: Arc<Connection>,
        session: Arc<Session>,
        transport: Box<dyn Transport>,
        join_until: Instant,
    ) -> Pump {
        let interval = connection.options().autoping_interval.filter(|_| transport.pings());
        let silence = Silence::new(interval, connection.options().autoping_timeout, Instant::now());
        Pump {
            trace: connection.options().trace,
            connection,
            session,
            transport,
            frames: Vec::with_capacity(READ_AHEAD),
            taken: 0,
            heard: 0,
            skipped: false,
            unflushed: false,
            ping_end: None,
            sending: None,
            timer: Box::pin(sleep_until(join_until)),
            join_until: Some(join_until),
            leave_until: None,
            silence,
            closing: None,
            broken: false,
            parting: false,
            close_sent: false,
        }
    }

    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        let _scope = IoScope::enter();
        self.connection.doorbell.stay_awake();
        self.taken = 0;
        for _ in 0..ROUNDS {
            // A peer that never falls silent must not keep time from passing.
            let now = Instant::now();
            let is_due = self.next_deadline(now).is_some_and(|next| next <= now);
            if is_due && self.closing.is_none() {
                // The router ends a call at the same moment: the program hears of its own limit.
                self.end_late_calls(now);
            }
            // Before anybody is given up: the answer may be there, where it was we who slept.
            let mut progress = self.read(cx);
            if is_due {
                self.on_deadline(now);
            }
            if self.connection.dispatcher.mode() == Mode::Inline {
                progress |= self.connection.dispatcher.drain_inline(&self.connection);
            }
            progress |= self.write(cx);
            if let Poll::Ready(end) = self.poll_closed(cx) {
                return Poll::Ready(end);
            }
            if progress && self.taken >= TURN_BYTES {
                break;
            }
            if progress {
                continue;
            }
            self.connection.doorbell.fall_asleep(cx);
            if self.has_work() || self.timer_fired(cx) {
                self.connection.doorbell.stay_awake();
                continue;
            }
            return Poll::Pending;
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Reads and handles what is ready.
    fn read(&mut self, cx: &mut Context<'_>) -> bool {
        self.skipped = self.connection.dispatcher.is_full();
        if self.broken || self.skipped || self.is_clogged() {
            return false;
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
        if heard && let Some(round_trip) = self.silence.heard(Instant::now(), pong) {
            self.session.core().traffic.round_trip = Some(round_trip);
        }
        if received {
            self.handle_frames();
        }
        match trouble {
            Some(TransportError::Message(what)) => {
                self.session.core().protocol.violated(what);
                self.handle_frames();
                true
            }
            Some(error) => {
                self.transport_failed(error);
                true
            }
            None => received,
        }
    }

    /// True if the peer takes so little that what it makes us answer would fill our memory.
    fn is_clogged(&self) -> bool {
        let limit = self.connection.options().send_queue_bytes;
        self.sending.is_some() && self.session.core().backlog() > limit.saturating_mul(2)
    }

    fn handle_frames(&mut self) {
        let encoding = self.session.encoding();
        let lags = self.connection.dispatcher.lags();
        let mut core = self.session.core();
        for mut frame in self.frames.drain(..) {
            if lags && frame.len() <= COPIED {
                frame = Bytes::copy_from_slice(&frame);
            }
            core.traffic.received(&frame);
            if self.trace {
                stats::trace("<-", self.session.joined().map(|joined| joined.id), &frame, encoding);
            }
            core.protocol.receive(&frame);
        }
        let after = self.session.hand_over(&mut core);
        let phase = core.protocol.phase();
        let ended = core.protocol.take_ended();
        drop(core);
        after.run(&self.connection);
        if phase != Phase::Joining {
            self.join_until = None;
        }
        if let Some(ended) = ended {
            self.session_ended(ended);
        }
    }

    /// Writes what has gathered.
    fn write(&mut self, cx: &mut Context<'_>) -> bool {
        let mut progress = false;
        if self.unflushed && !self.broken {
            match self.transport.poll_flush(cx) {
                Poll::Pending => {}
                Poll::Ready(Ok(())) => {
                    self.unflushed = false;
                    self.ping_end = Some(self.transport.byte_counts().written);
                }
                Poll::Ready(Err(error)) => self.transport_failed(error),
            }
        }
        loop {
            if self.broken {
                return progress;
            }
            if self.sending.is_none() {
                let batch = self.session.core().next_batch();
                if let Some(batch) = batch.as_ref().filter(|_| self.trace) {
                    let session = self.session.joined().map(|joined| joined.id);
                    let encoding = self.session.encoding();
                    batch.iter().for_each(|message| stats::trace("->", session, message, encoding));
                }
                self.sending = batch.map(|batch| (batch, 0));
            }
            let Some((batch, next)) = &mut self.sending else {
                return progress;
            };
            match self.transport.poll_send(cx, batch, next) {
                Poll::Pending => return progress,
                Poll::Ready(Ok(())) => progress = true,
                Poll::Ready(Err(error)) => {
                    self.transport_failed(error);
                    return true;
                }
            }
            let Some((batch, _)) = self.sending.take() else {
                return progress;
            };
            let mut core = self.session.core();
            let after = self.session.batch_written(&mut core, batch);
            drop(core);
            after.run(&self.connection);
        }
    }

    /// After the session's end: ready once the transport is closed too, or the time is up.
    fn poll_closed(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        self.notice_end();
        let Some((end, until)) = &self.closing else {
            return Poll::Pending;
        };
        let time_is_up = Instant::now() >= *until;
        if self.parting && !time_is_up && self.transport.poll_close(cx).is_pending() {
            return Poll::Pending;
        }
        if !self.broken && !time_is_up {
            // The last words may have come since the last look, from another thread.
            if self.sending.is_some()
                || self.has_unwritten()
                || !self.close_sent && self.transport.poll_close(cx).is_pending()
            {
                return Poll::Pending;
            }
            // The peer's own closing handshake comes through poll_receive and sets `broken`.
            self.close_sent = true;
            return Poll::Pending;
        }
        Poll::Ready(end.clone())
    }

    /// The session may have been ended by the application's thread.
    fn notice_end(&mut self) {
        if self.closing.is_some() {
            return;
        }
        let mut core = self.session.core();
        let phase = core.protocol.phase();
        let ended = core.protocol.take_ended();
        drop(core);
        if phase == Phase::Leaving && self.leave_until.is_none() {
            self.join_until = None;
            self.leave_until = Some(Instant::now() + self.connection.options().close_timeout);
        }
        if let Some(ended) = ended {
            self.session_ended(ended);
        }
    }

    /// True if something came between the last look and falling asleep.
    fn has_work(&mut self) -> bool {
        let dispatcher = &self.connection.dispatcher;
        if dispatcher.mode() == Mode::Inline && dispatcher.wants_draining() {
            return true;
        }
        // The application may have caught up after the look and before the sleep.
        if self.skipped && !self.broken && !dispatcher.is_full() {
            return true;
        }
        if self.closing.is_some() {
            return !self.broken && !self.close_sent && self.has_unwritten();
        }
        let unwritten = self.has_unwritten();
        let phase = self.session.core().protocol.phase();
        unwritten || phase == Phase::Closed || phase == Phase::Leaving && self.leave_until.is_none()
    }

    /// True if there are messages that nobody has begun to write.
    fn has_unwritten(&self) -> bool {
        self.sending.is_none() && !self.session.core().protocol.outbox().is_empty()
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
        if let Some((_, until)) = &self.closing {
            return Some(*until);
        }
        let ping = self.silence.due().map(|due| {
            // Setting a timer anew costs more than letting it fire once in vain.
            let set = self.timer.deadline();
            let early = set > now && set < due && self.join_until.is_none();
            if early && !self.silence.has_asked() { set } else { due }
        });
        let call = self.session.core().protocol.next_timeout().map(Instant::from_std);
        [self.join_until, self.leave_until, ping, call].into_iter().flatten().min()
    }

    fn on_deadline(&mut self, now: Instant) {
        if self.closing.is_some() {
            return;
        }
        self.end_late_calls(now);
        if self.join_until.is_some_and(|until| until <= now) {
            let options = self.session.options();
            let url = options.transports[self.session.transport()].url();
            let failure = slow_connect(options, url, "");
            self.parting = true;
            self.give_up(End::failed(EndClass::Unreachable, failure));
        } else if self.leave_until.is_some_and(|until| until <= now) {
            self.parting = true;
            self.give_up(End::closed("closed; the router did not answer the GOODBYE in time"));
        } else {
            self.listen(now);
        }
    }

    /// Sees to a peer that is silent.
    fn listen(&mut self, now: Instant) {
        if self.silence.due().is_none_or(|due| now < due) {
            return;
        }
        let sight = Sight {
            taken: self.transport.taken(),
            ping_end: self.ping_end,
            // A host that does not take its events keeps us from reading the pong.
            deaf: self.connection.dispatcher.is_full(),
        };
        match self.silence.look(now, sight) {
            Due::Nothing => {}
            Due::Ping => {
                let payload = vec![b'w'; self.connection.options().autoping_size];
                (self.unflushed, self.ping_end) = (true, None);
                self.transport.ping(&payload);
            }
            Due::Lost => {
                let text = "no answer to a ping within `autoping_timeout`".to_owned();
                self.transport_failed(TransportError::Lost(text));
            }
        }
    }

    fn end_late_calls(&mut self, now: Instant) {
        let mut core = self.session.core();
        core.protocol.handle_timeout(now.into_std());
        let after = self.session.hand_over(&mut core);
        drop(core);
        after.run(&self.connection);
    }

    // ===== ends =====

    fn session_ended(&mut self, ended: Ended) {
        let end = End::of_session(ended, self.session.joined().is_some());
        self.closing.get_or_insert((end, Instant::now() + TRANSPORT_CLOSE));
    }

    /// The transport takes and gives no more.
    fn transport_failed(&mut self, error: TransportError) {
        self.broken = true;
        if self.closing.is_some() {
            return;
        }
        let (is_lost, rest) = match &error {
            TransportError::Lost(_) => (true, None),
            TransportError::Busy { rest, .. } => (true, Some(*rest)),
            _ => (false, None),
        };
        self.parting = !is_lost;
        let class = match error {
            TransportError::Lost(_) | TransportError::Busy { .. } => {
                if self.session.joined().is_none() { EndClass::Unreachable } else { EndClass::Lost }
            }
            TransportError::Protocol(_)
            | TransportError::Message(_)
            | TransportError::TooLarge(_)
            | TransportError::Refused(_)
            | TransportError::PeerLimit { .. } => EndClass::Closed,
        };
        let mut end = End { rest, ..End::failed(class, error.into()) };
        if self.leave_until.is_some() {
            // Many routers just close after our GOODBYE.
            end = End::closed("closed by the application");
        }
        self.give_up(end);
    }

    /// Ends the session without another message to the router.
    fn give_up(&mut self, end: End) {
        self.broken = true;
        let mut core = self.session.core();
        core.protocol.lost();
        drop(core.protocol.take_ended());
        let after = self.session.hand_over(&mut core);
        drop(core);
        after.run(&self.connection);
        let patience = if self.parting { TRANSPORT_CLOSE } else { Duration::ZERO };
        self.closing.get_or_insert((end, Instant::now() + patience));
    }
}

fn closed_by_peer(code: Option<u16>, reason: &str) -> String {
    match (code, reason) {
        (None, _) => "closed by the router without a GOODBYE".to_owned(),
        (Some(code), "") => format!("closed by the router with WebSocket code {code}"),
        (Some(code), reason) => {
            format!("closed by the router with WebSocket code {code} ({reason})")
        }
    }
}
