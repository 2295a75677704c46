//! An open transport of a server: where its requests and its session meet.
//!
//! ```text
//!   send ----> received ------> Served::poll_receive
//!   receive <- waiting  <------ Served::poll_send, which waits until there is one
//! ```
//!
//! Little is kept here: who sends more than the session takes waits with its request, and what
//! the client does not ask for stays with the session, which has its own limit.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{Notify, oneshot};
use tokio::time::{Instant, Sleep, sleep_until};

use crate::codec::Batch;
use crate::transport::framing::Framing;
use crate::transport::{Incoming, Serializer, Transport, TransportError};

use super::server::Hub;
use super::{check_text, unit};

/// So many received bytes may wait for the session.
const ENOUGH: usize = 1024 * 1024;

/// An open transport.
#[derive(Debug)]
pub(super) struct Room {
    pub(super) serializer: Serializer,
    state: Mutex<State>,
    /// Tells those who wait that the session has taken something.
    taken: Notify,
}

#[derive(Debug)]
struct State {
    received: VecDeque<Bytes>,
    received_bytes: usize,
    /// The client has closed it.
    left: bool,
    /// What comes behind what was received.
    mistake: Option<TransportError>,
    /// The receive that hangs.
    waiting: Option<oneshot::Sender<Reply>>,
    /// What the client was about to get when it went away.
    undelivered: Option<Reply>,
    /// When the client was last seen.
    seen: Instant,
    /// The session has closed it.
    closed: bool,
    /// Wakes the session.
    waker: Option<Waker>,
}

/// What a receive is answered with.
#[derive(Debug)]
pub(super) enum Reply {
    Messages(Bytes),
    /// Nothing, but there may be later.
    Later,
    /// Nothing any more.
    End,
}

impl Room {
    pub(super) fn new(serializer: Serializer) -> Arc<Room> {
        let state = State {
            received: VecDeque::new(),
            received_bytes: 0,
            left: false,
            mistake: None,
            waiting: None,
            undelivered: None,
            seen: Instant::now(),
            closed: false,
            waker: None,
        };
        Arc::new(Room { serializer, state: Mutex::new(state), taken: Notify::new() })
    }

    /// The client sends a unit. Waits while there is enough; false if it is closed.
    pub(super) async fn send(&self, unit: Bytes) -> bool {
        loop {
            let taken = self.taken.notified();
            {
                let mut state = self.state();
                if state.closed || state.left {
                    return false;
                }
                if state.received_bytes < ENOUGH {
                    state.received_bytes += unit.len();
                    state.received.push_back(unit);
                    state.touch();
                    return true;
                }
            }
            taken.await;
        }
    }

    /// The client asks for messages; waits for them for at most `patience`. A receive that hangs
    /// already is the one of a connection that was lost.
    pub(super) async fn receive(&self, patience: Duration) -> Reply {
        let reply = {
            let mut state = self.state();
            state.touch();
            if let Some(undelivered) = state.undelivered.take() {
                return undelivered;
            }
            if state.closed || state.left {
                return Reply::End;
            }
            let (sender, reply) = oneshot::channel();
            if let Some(older) = state.waiting.replace(sender) {
                let _ = older.send(Reply::Later);
            }
            reply
        };
        let mut asked = Asked { room: self, reply };
        match tokio::time::timeout(patience, &mut asked.reply).await {
            Ok(reply) => reply.unwrap_or(Reply::End),
            Err(_) => asked.late().unwrap_or(Reply::Later),
        }
    }

    /// The client closes.
    pub(super) fn leave(&self) {
        let mut state = self.state();
        state.left = true;
        state.touch();
        drop(state);
        self.taken.notify_waiters();
    }

    /// The client has made a mistake.
    pub(super) fn fail(&self, mistake: TransportError) {
        let mut state = self.state();
        state.mistake.get_or_insert(mistake);
        state.touch();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn touch(&mut self) {
        self.seen = Instant::now();
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    /// True while a receive hangs that has not been given up.
    fn is_asked(&self) -> bool {
        self.waiting.as_ref().is_some_and(|waiting| !waiting.is_closed())
    }

    /// Answers the receive that hangs, or the next one.
    fn reply(&mut self, reply: Reply) {
        self.undelivered = match self.waiting.take() {
            Some(waiting) => waiting.send(reply).err(),
            None => Some(reply),
        };
    }
}

/// A receive that hangs. However it ends, also with its connection, the client was there till then.
struct Asked<'a> {
    room: &'a Room,
    reply: oneshot::Receiver<Reply>,
}

impl Asked<'_> {
    /// What was answered in the very moment in which nobody wanted to wait any more.
    fn late(&mut self) -> Option<Reply> {
        self.reply.close();
        self.reply.try_recv().ok()
    }
}

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        let late = self.late();
        let mut state = self.room.state();
        state.undelivered = state.undelivered.take().or(late);
        state.touch();
    }
}

/// The session's end of a room.
#[derive(Debug)]
pub struct Served {
    hub: Arc<Hub>,
    id: String,
    room: Arc<Room>,
    framing: Framing,
    timer: Pin<Box<Sleep>>,
}

impl Served {
    pub(super) fn new(hub: Arc<Hub>, id: String, room: Arc<Room>) -> Served {
        let framing = Framing::following(room.serializer, hub.max_message_size());
        let timer = Box::pin(sleep_until(Instant::now() + hub.expiry()));
        Served { hub, id, room, framing, timer }
    }

    #[cfg(test)]
    pub(super) fn room_is_asked(&self) -> bool {
        self.room.state().is_asked()
    }

    /// Ready when the client has not been seen for too long.
    fn poll_expired(&mut self, state: &State, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            if self.timer.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            let now = Instant::now();
            let seen = if state.is_asked() { now } else { state.seen };
            let due = seen + self.hub.expiry();
            if due <= now {
                return Poll::Ready(());
            }
            self.timer.as_mut().reset(due);
        }
    }
}

impl Transport for Served {
    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<Result<Incoming, TransportError>> {
        if let Some(message) = self.framing.next()? {
            return Poll::Ready(Ok(Incoming::Message(message)));
        }
        let room = self.room.clone();
        let mut state = room.state();
        if let Some(unit) = state.received.pop_front() {
            state.received_bytes -= unit.len();
            drop(state);
            room.taken.notify_waiters();
            check_text(room.serializer, &unit)?;
            return Poll::Ready(self.framing.open(unit).map(Incoming::Message));
        }
        if let Some(mistake) = state.mistake.take() {
            return Poll::Ready(Err(mistake));
        }
        if state.left {
            return Poll::Ready(Ok(Incoming::End { code: None, reason: String::new() }));
        }
        if self.poll_expired(&state, cx).is_ready() {
            let why = "the client asks for nothing any more".to_owned();
            return Poll::Ready(Err(TransportError::Lost(why)));
        }
        state.waker = Some(cx.waker().clone());
        Poll::Pending
    }

    fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        batch: &Batch,
        next: &mut usize,
    ) -> Poll<Result<(), TransportError>> {
        let mut state = self.room.state();
        while *next < batch.count() {
            if state.left {
                return Poll::Ready(Err(TransportError::Lost("the client has closed".to_owned())));
            }
            if !state.is_asked() || state.undelivered.is_some() {
                state.waker = Some(cx.waker().clone());
                return Poll::Pending;
            }
            let limit = self.hub.max_message_size();
            state.reply(Reply::Messages(unit(&self.framing, batch, next, limit)));
        }
        Poll::Ready(Ok(()))
    }

    fn poll_flush(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), TransportError>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), TransportError>> {
        let mut state = self.room.state();
        state.closed = true;
        if let Some(waiting) = state.waiting.take() {
            let _ = waiting.send(Reply::End);
        }
        drop(state);
        self.room.taken.notify_waiters();
        Poll::Ready(Ok(()))
    }

    fn serializer(&self) -> Serializer {
        self.room.serializer
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let mut state = self.room.state();
        state.closed = true;
        // Whoever waits is told that this was the end.
        state.waiting = None;
        drop(state);
        self.room.taken.notify_waiters();
        self.hub.forget(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::Encoding;

    #[tokio::test]
    async fn what_comes_as_a_receive_ends_is_not_lost() {
        let room = Room::new(Encoding::Json.into());
        let (sender, reply) = oneshot::channel();
        let mut asked = Asked { room: &room, reply };
        sender.send(Reply::Messages(Bytes::from_static(b"[1]"))).unwrap();
        assert!(matches!(asked.late(), Some(Reply::Messages(_))), "its time is up");
        drop(asked);
        assert!(room.state().undelivered.is_none());

        let (sender, reply) = oneshot::channel();
        let asked = Asked { room: &room, reply };
        sender.send(Reply::Messages(Bytes::from_static(b"[2]"))).unwrap();
        drop(asked);
        let next = room.receive(Duration::ZERO).await;
        assert!(matches!(next, Reply::Messages(message) if message == "[2]"));
    }
}
