//! An open transport of a server: where its requests and its session meet.
//!
//! ```text
//!   send ----> received ------> ServerTransport::poll_receive
//!   receive <- waiting  <------ ServerTransport::poll_send, which waits until there is one
//! ```
//!
//! Little is kept here: who sends more than the session takes waits with its request, and what
//! the client does not ask for stays with the session, which has its own limit.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{Notify, oneshot};
use tokio::time::{Instant, Sleep, sleep_until};

use crate::codec::Batch;
use crate::os::lock;
use crate::transport::framing::Framing;
use crate::transport::{Incoming, Serializer, Transport, TransportError};

use super::server::Server;
use super::{check_text, unit};

/// So many received bytes may wait for the session.
const ENOUGH: usize = 1024 * 1024;

/// An open transport.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) serializer: Serializer,
    /// The limit of a unit that is sent here, where the session has set one.
    limit: AtomicUsize,
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
    /// The client's mistake, which comes behind what was received.
    mistake: Option<TransportError>,
    /// Receives so far.
    receives: u64,
    /// The receive that hangs.
    waiting: Option<Waiting>,
    /// The receive that was answered, and has not looked yet.
    answered: Option<u64>,
    /// The reply that the client was about to get when it went away.
    undelivered: Option<Reply>,
    /// Messages that receives have been answered with, but that the system does not have yet.
    unwritten: usize,
    /// The time at which the client was last seen.
    seen: Instant,
    /// The session has closed it.
    closed: bool,
    /// Wakes the session.
    waker: Option<Waker>,
}

#[derive(Debug)]
struct Waiting {
    number: u64,
    sender: oneshot::Sender<Reply>,
}

/// The answer to a receive.
#[derive(Debug)]
pub(super) enum Reply {
    Messages(Bytes),
    /// Nothing, but there may be later.
    Later,
    /// Nothing any more.
    End,
}

impl Shared {
    pub(super) fn new(serializer: Serializer) -> Arc<Shared> {
        let state = State {
            received: VecDeque::new(),
            received_bytes: 0,
            left: false,
            mistake: None,
            receives: 0,
            waiting: None,
            answered: None,
            undelivered: None,
            unwritten: 0,
            seen: Instant::now(),
            closed: false,
            waker: None,
        };
        let limit = AtomicUsize::new(usize::MAX);
        Arc::new(Shared { serializer, limit, state: Mutex::new(state), taken: Notify::new() })
    }

    /// The largest unit, as far as the session has an opinion; otherwise `usize::MAX`.
    pub(super) fn limit(&self) -> usize {
        self.limit.load(Ordering::Relaxed)
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

    /// The client asks for messages; waits for them for at most `max_wait`. A receive that hangs
    /// already is the one of a connection that was lost. Messages count as unwritten until a
    /// [`Writing`] of them ends.
    pub(super) async fn receive(&self, max_wait: Duration) -> Reply {
        let mut asked = {
            let mut state = self.state();
            state.touch();
            if let Some(undelivered) = state.undelivered.take() {
                state.unwritten += usize::from(matches!(undelivered, Reply::Messages(_)));
                return undelivered;
            }
            if state.closed || state.left {
                return Reply::End;
            }
            self.ask(&mut state)
        };
        match tokio::time::timeout(max_wait, &mut asked.reply).await {
            Ok(reply) => reply.unwrap_or(Reply::End),
            Err(_) => asked.late().unwrap_or(Reply::Later),
        }
    }

    fn ask(&self, state: &mut State) -> PendingReceive<'_> {
        let (sender, reply) = oneshot::channel();
        state.receives += 1;
        let number = state.receives;
        if let Some(older) = state.waiting.replace(Waiting { number, sender }) {
            let _ = older.sender.send(Reply::Later);
        }
        PendingReceive { shared: self, number, reply }
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
        lock(&self.state)
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
        self.waiting.as_ref().is_some_and(|waiting| !waiting.sender.is_closed())
    }

    /// True if the next messages can go out, behind all those that have.
    fn is_ready(&self) -> bool {
        self.is_asked() && self.undelivered.is_none() && self.answered.is_none()
    }

    /// Answers the receive that hangs, or the next one.
    fn reply(&mut self, reply: Reply) {
        let Some(Waiting { number, sender }) = self.waiting.take() else {
            self.undelivered = Some(reply);
            return;
        };
        self.undelivered = sender.send(reply).err();
        self.answered = self.undelivered.is_none().then_some(number);
    }
}

/// A receive that hangs. However it ends, also with its connection, the client was there till then.
struct PendingReceive<'a> {
    shared: &'a Shared,
    number: u64,
    reply: oneshot::Receiver<Reply>,
}

impl PendingReceive<'_> {
    /// The reply that came in the very moment in which nobody wanted to wait any more.
    fn late(&mut self) -> Option<Reply> {
        self.reply.close();
        self.reply.try_recv().ok()
    }
}

impl Drop for PendingReceive<'_> {
    fn drop(&mut self) {
        let late = self.late();
        let mut state = self.shared.state();
        if state.answered == Some(self.number) {
            state.answered = None;
            state.unwritten += usize::from(late.is_none());
        }
        // It is for the receive that has taken the place of this one, if there is one already.
        if let Some(messages @ Reply::Messages(_)) = late {
            state.reply(messages);
        }
        state.touch();
    }
}

/// Messages on their way from an answered receive to the system.
#[derive(Debug)]
pub(super) struct Writing(Arc<Shared>);

impl Writing {
    /// Of the messages that a receive was answered with just now.
    pub(super) fn new(shared: &Arc<Shared>) -> Writing {
        Writing(shared.clone())
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.unwritten = state.unwritten.saturating_sub(1);
        if let Some(waker) = state.waker.take() {
            waker.wake();
        }
    }
}

/// An open transport as its session sees it.
#[derive(Debug)]
pub struct ServerTransport {
    server: Arc<Server>,
    id: String,
    shared: Arc<Shared>,
    framing: Framing,
    timer: Pin<Box<Sleep>>,
}

impl ServerTransport {
    pub(super) fn new(server: Arc<Server>, id: String, shared: Arc<Shared>) -> ServerTransport {
        let framing = Framing::following(shared.serializer, server.max_message_size());
        let timer = Box::pin(sleep_until(Instant::now() + server.expiry()));
        ServerTransport { server, id, shared, framing, timer }
    }

    #[cfg(test)]
    pub(super) fn is_asked(&self) -> bool {
        self.shared.state().is_asked()
    }

    /// Ready when the client has not been seen for too long.
    fn poll_expired(&mut self, state: &State, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            if self.timer.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            let now = Instant::now();
            let seen = if state.is_asked() { now } else { state.seen };
            let due = seen + self.server.expiry();
            if due <= now {
                return Poll::Ready(());
            }
            self.timer.as_mut().reset(due);
        }
    }
}

impl Transport for ServerTransport {
    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<Result<Incoming, TransportError>> {
        if let Some(message) = self.framing.next()? {
            return Poll::Ready(Ok(Incoming::Message(message)));
        }
        let shared = self.shared.clone();
        let mut state = shared.state();
        if let Some(unit) = state.received.pop_front() {
            state.received_bytes -= unit.len();
            drop(state);
            shared.taken.notify_waiters();
            check_text(shared.serializer, &unit)?;
            return Poll::Ready(self.framing.open(unit).map(Incoming::Message));
        }
        if let Some(mistake) = state.mistake.take() {
            return Poll::Ready(Err(mistake));
        }
        if state.left {
            return Poll::Ready(Ok(Incoming::Closed { code: None, reason: String::new() }));
        }
        if self.poll_expired(&state, cx).is_ready() {
            let why = "the client no longer asks for messages".to_owned();
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
        let mut state = self.shared.state();
        while *next < batch.count() {
            if state.left {
                return Poll::Ready(Err(TransportError::Lost("the client has closed".to_owned())));
            }
            if !state.is_ready() {
                state.waker = Some(cx.waker().clone());
                return Poll::Pending;
            }
            let limit = self.server.max_message_size();
            state.reply(Reply::Messages(unit(&self.framing, batch, next, limit)));
        }
        Poll::Ready(Ok(()))
    }

    fn poll_flush(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), TransportError>> {
        Poll::Ready(Ok(()))
    }

    fn is_written(&self, taken: bool, cx: &mut Context<'_>) -> bool {
        let mut state = self.shared.state();
        let answered = state.undelivered.is_none() && state.answered.is_none();
        let written = taken && answered && state.unwritten == 0;
        if !written && !state.left {
            state.waker = Some(cx.waker().clone());
            return false;
        }
        true
    }

    fn poll_close(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), TransportError>> {
        let mut state = self.shared.state();
        state.closed = true;
        if let Some(waiting) = state.waiting.take() {
            let _ = waiting.sender.send(Reply::End);
        }
        drop(state);
        self.shared.taken.notify_waiters();
        Poll::Ready(Ok(()))
    }

    /// For the requests that begin from now on.
    fn limit(&mut self, max_message_size: usize) {
        self.shared.limit.store(max_message_size, Ordering::Relaxed);
    }

    fn serializer(&self) -> Serializer {
        self.shared.serializer
    }
}

impl Drop for ServerTransport {
    fn drop(&mut self) {
        let mut state = self.shared.state();
        state.closed = true;
        // Whoever waits is told that this was the end.
        state.waiting = None;
        drop(state);
        self.shared.taken.notify_waiters();
        self.server.remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::Encoding;

    fn ask(shared: &Shared) -> PendingReceive<'_> {
        shared.ask(&mut shared.state())
    }

    fn answer(shared: &Shared, message: &'static [u8]) {
        shared.state().reply(Reply::Messages(Bytes::from_static(message)));
    }

    #[tokio::test]
    async fn what_comes_as_a_receive_ends_is_not_lost() {
        let shared = Shared::new(Encoding::Json.into());
        let mut asked = ask(&shared);
        answer(&shared, b"[1]");
        assert!(matches!(asked.late(), Some(Reply::Messages(_))), "its time is up");
        drop(asked);
        assert!(shared.state().undelivered.is_none());

        let asked = ask(&shared);
        answer(&shared, b"[2]");
        drop(asked);
        let next = shared.receive(Duration::ZERO).await;
        assert!(matches!(next, Reply::Messages(message) if message == "[2]"));
    }

    #[test]
    fn a_receive_takes_the_place_of_one_whose_connection_is_lost() {
        let shared = Shared::new(Encoding::Json.into());
        let (older, mut newer) = (ask(&shared), ask(&shared));
        drop(older);
        assert!(shared.state().is_ready(), "that it was told to ask later is nothing to keep");
        answer(&shared, b"[1]");
        assert!(matches!(newer.late(), Some(Reply::Messages(message)) if message == "[1]"));
    }

    #[test]
    fn and_gets_what_that_one_did_not_before_anything_else() {
        let shared = Shared::new(Encoding::Json.into());
        let older = ask(&shared);
        answer(&shared, b"[1]");
        let mut newer = ask(&shared);
        assert!(!shared.state().is_ready(), "the first answer is not with the client yet");
        drop(older);
        assert!(matches!(newer.late(), Some(Reply::Messages(message)) if message == "[1]"));
        drop(newer);
        let next = ask(&shared);
        assert!(shared.state().is_ready());
        drop(next);
    }
}
