//! A connection: what survives its sessions. Options, callbacks, state; its task is in
//! [`super::attempts`].
//!
//! ```text
//!    Idle --open--> Connecting --WELCOME--> Open
//!     ^              ^  |                     |
//!     |         time |  | failure             | loss
//!     |              |  v                     |
//!     |             Waiting <-----------------+
//!     |                 | close               | close
//!     +--- CLOSE ---- Closing <---------------+
//! ```
//!
//! A failure or loss that is retried tells CLOSE too, with `will_retry`; the last CLOSE after an
//! open is the one without.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, Weak};
use std::time::Instant;

use bytes::Bytes;
use futures_util::FutureExt;
use serde_json::json;
use tokio::sync::Notify;

use crate::codec::{Payload, PayloadRef, Span};
use crate::protocol::event::c_text;
use crate::protocol::{Event, EventKind, uri};
use crate::transport::Doorbell;

use super::attempts;
use super::dispatch::{self, Dispatcher, Mode, Notice, NoticeKind};
use super::options::Options;
use super::retry::Next;
use super::session::Session;
use super::status::{Failure, Status};
use super::target::{Receiver, Target, wait_on};
use super::{lock, log, runtime};

/// A connection to a router.
pub struct Connection {
    me: Weak<Connection>,
    /// How it was configured.
    pub options: Options,
    /// Its queue of events.
    pub dispatcher: Dispatcher,
    /// Wakes its I/O task.
    pub(crate) doorbell: Doorbell,
    /// Wakes its task before there is a session.
    pub(super) stop: Notify,
    /// Ends its wait for the next attempt.
    pub(super) again: Notify,
    state: Mutex<State>,
    changed: Condvar,
    callbacks: Mutex<Callbacks>,
    /// Free for the use of [`crate::ffi`]: the handle under which C knows this connection.
    pub handle: AtomicU64,
}

/// The places for callbacks of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slot {
    /// A session is open.
    Open,
    /// The connection has ended.
    Close,
    /// Requests are accepted again.
    Writable,
}

#[derive(Default)]
struct Callbacks {
    open: Option<Arc<dyn Target>>,
    close: Option<Arc<dyn Target>>,
    writable: Option<Arc<dyn Target>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Idle,
    Connecting,
    Open,
    /// For the time of the next attempt.
    Waiting,
    Closing,
}

struct State {
    stage: Stage,
    /// From HELLO to the end.
    session: Option<Arc<Session>>,
    /// Why the last attempt ended.
    failure: Option<Failure>,
    /// Local ids up to here have been used.
    ids_above: u64,
    /// There has been a session since open.
    was_open: bool,
    /// Attempts after the first.
    retries: u32,
    /// The application wants no more attempts.
    give_up: bool,
    freed: bool,
}

/// Why a connection ended, for on_close.
#[derive(Debug, Clone)]
pub struct End {
    /// `closed`, `lost`, `unreachable` or `unsupported`.
    pub class: &'static str,
    /// What went wrong; [`Status::Ok`] for a close in order.
    pub status: Status,
    /// A sentence for people.
    pub text: String,
    /// The URI of the router's ABORT or GOODBYE.
    pub reason: Option<String>,
    /// The router's words.
    pub message: Option<String>,
}

impl Connection {
    /// A connection that is not open.
    pub fn new(options: Options) -> Arc<Connection> {
        Arc::new_cyclic(|me| Connection {
            me: me.clone(),
            dispatcher: Dispatcher::new(options.dispatch, options.receive_queue_bytes),
            options,
            doorbell: Doorbell::default(),
            stop: Notify::new(),
            again: Notify::new(),
            state: Mutex::new(State {
                stage: Stage::Idle,
                session: None,
                failure: None,
                ids_above: 0,
                was_open: false,
                retries: 0,
                give_up: false,
                freed: false,
            }),
            changed: Condvar::new(),
            callbacks: Mutex::default(),
            handle: AtomicU64::new(0),
        })
    }

    /// Sets a callback; the former one is returned, to be dropped where no lock is held.
    pub fn set_callback(
        &self,
        slot: Slot,
        target: Option<Arc<dyn Target>>,
    ) -> Option<Arc<dyn Target>> {
        let mut callbacks = lock(&self.callbacks);
        let place = match slot {
            Slot::Open => &mut callbacks.open,
            Slot::Close => &mut callbacks.close,
            Slot::Writable => &mut callbacks.writable,
        };
        std::mem::replace(place, target)
    }

    /// Starts to connect and returns.
    pub fn open(self: &Arc<Self>) -> Result<(), Failure> {
        let mut state = lock(&self.state);
        if state.freed {
            return Err(Status::Handle.into());
        }
        if state.stage == Stage::Waiting {
            self.again.notify_one();
            return Ok(());
        }
        if state.stage != Stage::Idle {
            let text = "the connection is open or opening already";
            return Err(Failure::new(Status::State, text));
        }
        state.stage = Stage::Connecting;
        state.failure = None;
        (state.was_open, state.retries, state.give_up) = (false, 0, false);
        // A close that crossed with the end of an earlier attempt may have left its word behind.
        let _ = self.stop.notified().now_or_never();
        let _ = self.again.notified().now_or_never();
        drop(state);
        // Begun under the runtime's lock, which comes after the state's.
        let user: Weak<Connection> = Arc::downgrade(self);
        if let Err(failure) = runtime::spawn(user, attempts::run(self.clone())) {
            lock(&self.state).stage = Stage::Idle;
            self.changed.notify_all();
            return Err(failure);
        }
        Ok(())
    }

    /// Starts to close and returns.
    pub fn start_close(&self, reason: &str, message: Option<&str>) -> Result<(), Failure> {
        uri::check(reason, uri::Match::Exact)
            .map_err(|error| Failure::new(Status::Uri, error.to_string()))?;
        let mut state = lock(&self.state);
        if state.stage == Stage::Idle {
            return Err(Failure::new(Status::Closed, "the connection is not open"));
        }
        state.stage = Stage::Closing;
        let session = state.session.clone();
        drop(state);
        self.changed.notify_all();
        match session {
            // A session that is leaving already will end without being told again.
            Some(session) => drop(session.leave(reason, message)),
            None => self.stop.notify_one(),
        }
        self.doorbell.ring();
        Ok(())
    }

    /// Ends the wait for the next attempt: it is made now.
    pub fn reconnect_now(&self) -> Result<(), Failure> {
        if lock(&self.state).stage != Stage::Waiting {
            let text = "the connection does not wait for a retry";
            return Err(Failure::new(Status::State, text));
        }
        self.again.notify_one();
        Ok(())
    }

    /// No more attempts are made until the next open. True if one was waited for.
    pub fn stop_retrying(&self) -> bool {
        let mut state = lock(&self.state);
        state.give_up = true;
        let waiting = state.stage == Stage::Waiting;
        drop(state);
        if waiting {
            self.stop.notify_one();
        }
        waiting
    }

    /// Closes and waits until no callback runs and all requests have ended.
    pub fn close(
        self: &Arc<Self>,
        reason: &str,
        message: Option<&str>,
        deadline: Instant,
    ) -> Result<(), Failure> {
        if Dispatcher::is_inside(self) || dispatch::in_io() {
            let text = "a close with a timeout waits for callbacks to end, so it cannot be called \
                        inside one; use timeout_ms 0";
            return Err(Failure::new(Status::Deadlock, text));
        }
        let started = self.start_close(reason, message);
        if matches!(&started, Err(failure) if failure.status != Status::Closed) {
            return started;
        }
        let quiet = match self.dispatcher.mode() {
            Mode::Manual => self.dispatch_until_quiet(deadline)?,
            Mode::Thread | Mode::Inline => self.wait_until_quiet(deadline),
        };
        match quiet {
            true => started,
            false => Err(Failure::new(Status::Timeout, "the close did not end in time")),
        }
    }

    /// Waits for the end of the connection and of the delivery of its events; in `manual` mode,
    /// where only the host delivers, for the end alone.
    pub fn wait_until_quiet(&self, deadline: Instant) -> bool {
        let mut state = lock(&self.state);
        while state.stage != Stage::Idle {
            match wait_on(&self.changed, state, Some(deadline)) {
                Some(again) => state = again,
                None => return false,
            }
        }
        drop(state);
        self.dispatcher.mode() == Mode::Manual || self.dispatcher.wait_idle(deadline)
    }

    /// Ends everything without a further callback; never blocks. What requests and callbacks kept
    /// is dropped on this thread, or where a callback is still running, when that returns.
    pub fn free(&self) {
        let mut state = lock(&self.state);
        state.freed = true;
        let session = state.session.clone();
        drop(state);
        let _ = self.start_close(uri::GOODBYE_NORMAL, None);
        let requests = session.map(|session| session.detach());
        let callbacks = std::mem::take(&mut *lock(&self.callbacks));
        let wakeup = self.dispatcher.set_wakeup(None);
        let notices = self.dispatcher.discard();
        drop((requests, callbacks, wakeup, notices));
    }

    /// The open session; waits for it until `deadline`.
    pub fn session(&self, deadline: Option<Instant>) -> Result<Arc<Session>, Failure> {
        let mut state = lock(&self.state);
        loop {
            match (state.stage, &state.session, &state.failure) {
                (Stage::Open, Some(session), _) => return Ok(session.clone()),
                (Stage::Idle, _, Some(failure)) => return Err(failure.clone()),
                (Stage::Idle, _, None) => {
                    let text = "the connection is not open: call wamp_connection_open first";
                    return Err(Failure::new(Status::Closed, text));
                }
                _ => {}
            }
            if dispatch::in_io() {
                let text = "waiting for a session on an I/O thread could never end";
                return Err(Failure::new(Status::Deadlock, text));
            }
            state = wait_on(&self.changed, state, deadline)
                .ok_or_else(|| Failure::new(Status::Timeout, "no session was open in time"))?;
        }
    }

    /// True while a session is open.
    pub fn is_open(&self) -> bool {
        lock(&self.state).stage == Stage::Open
    }

    /// True while the transport is up, whether or not the session is open already.
    pub fn is_connected(&self) -> bool {
        lock(&self.state).session.is_some()
    }

    /// True from a failure or loss that is retried until a session is open or all is given up.
    pub fn is_retrying(&self) -> bool {
        let state = lock(&self.state);
        match state.stage {
            Stage::Waiting => true,
            Stage::Connecting => state.retries > 0,
            Stage::Idle | Stage::Open | Stage::Closing => false,
        }
    }

    /// Waits until all that was accepted is written.
    pub fn flush(&self, deadline: Option<Instant>) -> Result<(), Failure> {
        let session = lock(&self.state).session.clone();
        match session {
            Some(session) => session.flush(deadline),
            None => Err(Failure::new(Status::Closed, "the connection is not open")),
        }
    }

    // ===== for its task and its session =====

    pub(super) fn shared(&self) -> Option<Arc<Connection>> {
        self.me.upgrade()
    }

    /// The attempt is over, in whatever way: what its session still owes is told.
    pub(super) fn abandon_session(&self) {
        let session = lock(&self.state).session.clone();
        if let Some(session) = session {
            session.abandon_all();
        }
    }

    /// A new session over a new transport, whose peer accepts messages of `max_send` bytes; `None`
    /// if the connection was closed meanwhile.
    pub(super) fn begin_session(self: &Arc<Self>, max_send: usize) -> Option<Arc<Session>> {
        let mut state = lock(&self.state);
        if state.stage != Stage::Connecting {
            return None;
        }
        let session = Session::new(self, state.ids_above, max_send);
        state.session = Some(session.clone());
        Some(session)
    }

    /// WELCOME has come.
    pub(super) fn opened(&self, session: &Arc<Session>, mut event: Event<Receiver>) -> Notice {
        let mut state = lock(&self.state);
        if state.stage == Stage::Connecting {
            state.stage = Stage::Open;
        }
        state.was_open = true;
        state.retries = 0;
        drop(state);
        self.changed.notify_all();
        event.target = lock(&self.callbacks).open.clone().map(Receiver::App);
        Notice {
            kind: NoticeKind::Open,
            connection: self.handle.load(Ordering::Acquire),
            session: Some(session.clone()),
            event,
            status: Status::Ok,
            text: None,
        }
    }

    /// Requests are accepted again.
    pub(super) fn writable(&self, session: &Arc<Session>) -> Notice {
        Notice {
            kind: NoticeKind::Writable,
            connection: self.handle.load(Ordering::Acquire),
            session: Some(session.clone()),
            event: self.plain_event(lock(&self.callbacks).writable.clone()),
            status: Status::Ok,
            text: None,
        }
    }

    /// How an attempt's end looks from the whole of the connection: what fails after there has
    /// been a session is `lost`.
    pub(super) fn classify(&self, mut end: End) -> End {
        if end.class == "unreachable" && lock(&self.state).was_open {
            end.class = "lost";
        }
        end
    }

    /// True if the attempt that has just ended had an open session.
    pub(super) fn had_session(&self) -> bool {
        let state = lock(&self.state);
        state.session.as_ref().is_some_and(|session| session.joined().is_some())
    }

    /// Whether to try again after `end`.
    pub(super) fn wants_retry(&self, end: &End) -> bool {
        let state = lock(&self.state);
        if state.give_up || state.freed || state.stage == Stage::Closing {
            return false;
        }
        match end.class {
            "lost" => true,
            "unreachable" => self.options.retry_if_unreachable,
            // A violation would happen again.
            _ if end.status == Status::Protocol => false,
            _ => end.reason.as_ref().is_some_and(|uri| self.options.retry_reasons.contains(uri)),
        }
    }

    /// The wait for the next attempt is over; false if there shall be none.
    pub(super) fn begin_retry(&self) -> bool {
        let mut state = lock(&self.state);
        if state.stage != Stage::Waiting || state.give_up {
            return false;
        }
        state.stage = Stage::Connecting;
        true
    }

    /// True if the application closes the connection.
    pub(super) fn is_closing(&self) -> bool {
        lock(&self.state).stage == Stage::Closing
    }

    /// An attempt has ended: tells on_close. Without a further attempt (`next`) the connection can
    /// be opened again.
    pub(super) fn ended(self: &Arc<Self>, end: End, next: Option<Next>) {
        log::write(log::Level::Info, || {
            let then =
                next.map_or(String::new(), |next| format!("; next attempt in {:?}", next.delay));
            format!("{}: {}: {}{then}", self.options.url, end.class, end.text)
        });
        let details = json!({
            "reason": end.reason,
            "message": end.message,
            "retry_delay": next.map(|next| next.delay.as_secs_f64()),
            "retry_count": next.map(|next| next.count),
            "will_retry": next.is_some(),
        });
        let frame = Bytes::from(details.to_string());
        let mut event = self.plain_event(lock(&self.callbacks).close.clone());
        event.uri = Some(c_text(end.class));
        event.details = Span::of(&frame, Some(&frame));
        event.payload = Payload::of_frame(&frame, PayloadRef::NONE);

        // The session's lock comes before the state's, so it is taken while that is not held.
        let session = lock(&self.state).session.take();
        let ids_end = session.as_ref().map(|session| session.core().protocol.ids_end());
        let mut state = lock(&self.state);
        state.ids_above = ids_end.unwrap_or(state.ids_above);
        let notice = Notice {
            kind: NoticeKind::Close,
            connection: self.handle.load(Ordering::Acquire),
            session,
            event,
            status: end.status,
            text: Some(c_text(&end.text)),
        };
        // What the notice of a freed connection keeps is dropped once no lock is held.
        let mut notice = Some(notice);
        let wake = match state.freed {
            true => false,
            false => self.dispatcher.push(self, notice.take().into_iter()),
        };
        state.failure = Some(match end.status {
            Status::Ok => Failure::new(Status::Closed, "the connection has been closed"),
            status => Failure::new(status, end.text),
        });
        match next {
            // A close may have come since wants_retry: then the wait ends at once.
            Some(next) if state.stage != Stage::Closing => {
                state.stage = Stage::Waiting;
                state.retries = next.count;
            }
            Some(_) => self.stop.notify_one(),
            None => state.stage = Stage::Idle,
        }
        drop(state);
        self.changed.notify_all();
        drop(notice);
        if wake {
            self.dispatcher.wake();
        }
    }

    fn dispatch_until_quiet(self: &Arc<Self>, deadline: Instant) -> Result<bool, Failure> {
        loop {
            self.dispatcher.dispatch(self, usize::MAX, Some(Instant::now()))?;
            if lock(&self.state).stage == Stage::Idle && self.dispatcher.is_empty() {
                return Ok(self.dispatcher.wait_idle(deadline));
            }
            if Instant::now() >= deadline {
                return Ok(false);
            }
            self.dispatcher.dispatch(self, usize::MAX, Some(deadline))?;
        }
    }

    fn plain_event(&self, target: Option<Arc<dyn Target>>) -> Event<Receiver> {
        Event::new(EventKind::Gone, 0, target.map(Receiver::App))
    }
}
