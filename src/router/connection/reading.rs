//! The way of a client's messages from its transport to its session, in turns.

use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;

use crate::protocol::uri;
use crate::transport::{Incoming, TransportError};

use super::super::frames::route_chunk;
use super::super::rulings::Inquiry;
use super::super::throttle::HEAVY;
use super::super::turn;
use super::large::LARGE;
use super::{Connection, Gone, Phase};

/// The most messages, and about the most bytes, that one turn reads.
pub(super) const TURN_MESSAGES: usize = 256;
pub(super) const TURN_BYTES: usize = 256 * 1024;

/// The number of messages that are decoded and then routed under one lock of the realm.
const CHUNK: usize = 64;

/// The end of what can be read.
pub(super) enum HangUp {
    Closed,
    Failed(TransportError),
}

impl Connection<'_> {
    /// Reads what is ready and has it carried out. Tells whether there may be more.
    pub(super) fn read(&mut self, cx: &mut Context<'_>) -> Result<bool, Gone> {
        if let Phase::Away(_) = self.phase {
            // It is the router that takes its time.
            self.peer.is_paused();
            return Ok(false);
        }
        if !self.route() {
            // First comes what is left of an earlier turn.
            return Ok(true);
        }
        if let Phase::Away(_) = self.phase {
            return Ok(false);
        }
        let before = self.transport.byte_counts().read;
        let (bytes, is_all) = self.receive(cx);
        if !self.route() {
            return Ok(true);
        }
        if let Phase::Away(_) = self.phase {
            self.throttle.has_read(bytes, self.shared, self.peer);
            return Ok(false);
        }
        self.hung_up |= self.hang_up.is_some();
        match self.hang_up.take() {
            Some(HangUp::Closed) => {
                self.log_left("it closed the connection");
                self.end();
            }
            Some(HangUp::Failed(error)) => self.fail(error)?,
            None => {}
        }
        if is_all {
            self.receive_rest(cx);
            let is_paused = self.throttle.has_read(bytes, self.shared, self.peer);
            // A part of a large message is much, too.
            let is_much = self.transport.byte_counts().read - before > TURN_BYTES as u64;
            return Ok(is_paused || is_much);
        }
        self.throttle.has_read(HEAVY + 1, self.shared, self.peer);
        Ok(!self.hung_up && !self.has_enough())
    }

    /// Takes what is ready. Tells how many bytes of messages that was, and if it was all.
    fn receive(&mut self, cx: &mut Context<'_>) -> (usize, bool) {
        let mut bytes = 0;
        let mut is_all = false;
        for _ in 0..TURN_MESSAGES {
            let is_enough = bytes > TURN_BYTES || self.has_enough();
            if self.hung_up || self.hang_up.is_some() || is_enough {
                break;
            }
            match self.transport.poll_receive(cx) {
                Poll::Ready(Ok(Incoming::Message(frame))) => {
                    bytes += frame.len();
                    self.received += 1;
                    self.frames.push(frame);
                    // How large the next one may be is up to what becomes of this one.
                    if let Phase::Opening | Phase::Challenged(_) | Phase::Held(_) = self.phase {
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
        (bytes, is_all)
    }

    /// Looks at a message of which a part has come.
    fn receive_rest(&mut self, cx: &mut Context<'_>) {
        if let Phase::Joined(_) = self.phase {
            let limit = self.shared.message_timeout();
            let (transport, peer) = (&*self.transport, &**self.peer);
            let part = self.receiving.look(transport, self.received, (peer, limit), cx);
            if let Err(why) = part {
                self.shared.late.fetch_add(1, Ordering::Relaxed);
                self.abort(uri::PAYLOAD_SIZE_EXCEEDED, &why);
            }
        }
    }

    /// Has what was read carried out. False if others are to have their turn before all is.
    pub(super) fn route(&mut self) -> bool {
        if let Phase::Joined(session) = &mut self.phase
            && session.has_rest()
        {
            session.go_on(&mut self.wakes);
            return false;
        }
        if self.frames.is_empty() || self.asking.is_some() {
            return true;
        }
        let mut frames = std::mem::take(&mut self.frames);
        let new = frames.len() - std::mem::take(&mut self.counted);
        self.shared.received.fetch_add(new as u64, Ordering::Relaxed);
        let (mut at, mut is_over, mut inquiry) = (0, false, None);
        // A turn for each chunk may be too much for the turn of a task.
        let began = (frames.len() > CHUNK).then(Instant::now);
        while at < frames.len() && !is_over {
            at += match &mut self.phase {
                Phase::Opening => {
                    self.open(&frames[at]);
                    1
                }
                Phase::Challenged(_) | Phase::Held(_) => {
                    self.authenticate(&frames[at]);
                    1
                }
                Phase::Joined(_) if frames[at].len() > LARGE => {
                    self.send_away(frames[at].clone());
                    1
                }
                Phase::Joined(_) => {
                    let some = frames[at..].iter().take(CHUNK);
                    let small = some.take_while(|frame| frame.len() <= LARGE).count();
                    let done = self.route_chunk(&frames[at..at + small], &mut inquiry);
                    is_over = done < small || self.has_rest();
                    done
                }
                // The answer to a GOODBYE is never as large.
                Phase::Leaving if frames[at].len() > LARGE => 1,
                Phase::Leaving => {
                    self.await_goodbye(&frames[at]);
                    1
                }
                Phase::Away(_) => break,
                Phase::Ending => frames.len() - at,
            };
            is_over |=
                at < frames.len() && began.is_some_and(|began| began.elapsed() >= turn::MOST);
        }
        frames.drain(..at);
        self.counted = frames.len();
        self.frames = frames;
        if let Some(inquiry) = inquiry {
            self.ask_about(inquiry);
            return true;
        }
        !is_over
    }

    /// Has messages of a session carried out; tells how many are done with.
    fn route_chunk(&mut self, chunk: &[Bytes], inquiry: &mut Option<Inquiry>) -> usize {
        let Phase::Joined(session) = &mut self.phase else {
            return 0;
        };
        match route_chunk(session, chunk, self.peer.encoding(), &mut self.wakes) {
            Ok(done) => {
                *inquiry = session.take_inquiry();
                done
            }
            Err(end) => {
                self.end_session(end);
                chunk.len()
            }
        }
    }

    /// True if something is left of the last message that was carried out.
    fn has_rest(&self) -> bool {
        matches!(&self.phase, Phase::Joined(session) if session.has_rest())
    }
}
