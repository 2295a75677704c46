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

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Condvar, Mutex, Weak};
use std::time::Instant;

use bytes::Bytes;
use futures_util::FutureExt;
use serde_json::{Map, Value, json};
use tokio::sync::Notify;

use crate::codec::{Dict, Payload, PayloadRef, Span};
use crate::protocol::event::c_text;
use crate::protocol::{Event, EventKind, RequestError, uri};
use crate::transport::{Doorbell, websocket};

use super::attempts;
use super::callbacks::{Callbacks, Slot};
use super::dispatch::{self, Dispatcher, Mode};
use super::durable::{DurableKind, Durables};
use super::end::End;
use super::hook::Attempt;
use super::login::Login;
use super::notice::{Notice, NoticeKind};
use super::options::Options;
use super::prefixes::Prefixes;
use super::retry::Next;
use super::session::Session;
use super::stats::Traffic;
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
    /// Who hears of what.
    pub callbacks: Callbacks,
    /// Its URI shortcuts.
    pub prefixes: Prefixes,
    pub(super) durables: Durables,
    /// Free for the use of [`crate::ffi`]: the handle under which C knows this connection.
    pub handle: AtomicU64,
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
    /// What attempts are made with.
    current: Arc<Options>,
    /// Which of the transports worked last.
    last_good: usize,
    /// Sessions so far.
    sessions: u64,
    /// What the sessions that have ended have carried.
    traffic: Traffic,
    /// Sessions after a loss, since it was made.
    reconnects: u64,
    /// How the last attempt or session ended.
    last_end: Option<End>,
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

impl Connection {
    /// A connection that is not open.
    pub fn new(options: Options) -> Arc<Connection> {
        let current = Arc::new(options.clone());
        Arc::new_cyclic(|me| Connection {
            me: me.clone(),
            dispatcher: Dispatcher::new(options.dispatch, options.receive_queue_bytes),
            options,
            doorbell: Doorbell::default(),
            stop: Notify::new(),
            again: Notify::new(),
            state: Mutex::new(State {
                stage: Stage::Idle,
                current,
                last_good: 0,
                sessions: 0,
                traffic: Traffic::default(),
                reconnects: 0,
                last_end: None,
                session: None,
                failure: None,
                ids_above: 0,
                was_open: false,
                retries: 0,
                give_up: false,
                freed: false,
            }),
            changed: Condvar::new(),
            callbacks: Callbacks::default(),
            prefixes: Prefixes::default(),
            durables: Durables::default(),
            handle: AtomicU64::new(0),
        })
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
        let callbacks = self.callbacks.take();
        let durables = self.durables.take();
        let wakeup = self.dispatcher.set_wakeup(None);
        let notices = self.dispatcher.discard();
        drop((requests, callbacks, durables, wakeup, notices));
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

    /// The transport that is up: its kind, URL and subprotocol.
    pub fn transport(&self) -> Option<(&'static str, String, &'static str)> {
        let session = lock(&self.state).session.clone()?;
        let transport = &session.options().transports[session.transport()];
        Some((transport.kind.name(), transport.url.clone(), websocket::JSON))
    }

    /// Declares a subscription or registration that outlives sessions. Returns its id.
    pub fn declare(
        self: &Arc<Self>,
        kind: DurableKind,
        uri: &str,
        options: Dict<'_>,
        target: Arc<dyn Target>,
    ) -> Result<u64, Failure> {
        let uri = &*self.prefixes.resolve(uri);
        uri::check(uri, uri::matching(options)?).map_err(RequestError::from)?;
        if kind == DurableKind::Registration && self.durables.is_registered(uri, options) {
            return Err(RequestError::AlreadyRegistered.into());
        }
        let state = lock(&self.state);
        if state.freed {
            return Err(Status::Handle.into());
        }
        let durable = self.durables.declare(kind, uri, options, target);
        let session = state.session.clone();
        drop(state);
        if let Some(session) = session {
            session.place(&durable);
        }
        Ok(durable.id())
    }

    /// Ends a declaration; `target` hears of it. True if the router's subscription ends too.
    pub fn retract(
        self: &Arc<Self>,
        kind: DurableKind,
        id: u64,
        target: Arc<dyn Target>,
    ) -> Result<bool, Failure> {
        let durable = self.durables.remove(id, kind).ok_or(RequestError::NoSuchId)?;
        let receiver = Receiver::Retracted(id, target);
        let session = lock(&self.state).session.clone();
        let ended = session
            .as_ref()
            .and_then(|session| session.end_durable(&durable, kind, receiver.clone()));
        ended.unwrap_or_else(|| {
            let kind = match kind {
                DurableKind::Subscription => EventKind::Unsubscribed,
                DurableKind::Registration => EventKind::Unregistered,
            };
            let event = Event::new(kind, id, Some(receiver));
            self.tell(Notice::new(NoticeKind::Session(kind), self, event));
            Ok(true)
        })
    }

    /// What it has done so far, as JSON.
    pub fn stats(&self) -> Value {
        // The session's lock comes before the state's.
        let session = lock(&self.state).session.clone();
        let current = session.map(|session| {
            let core = session.core();
            (core.traffic.clone(), core.protocol.pending(), core.backlog())
        });
        let state = lock(&self.state);
        let mut traffic = state.traffic.clone();
        let (mut pending, mut unsent) = (0, 0);
        if let Some((of_session, requests, bytes)) = &current {
            traffic.add(of_session);
            (pending, unsent) = (*requests, *bytes);
        }
        let (events, event_bytes) = self.dispatcher.backlog();
        let mut stats = Map::new();
        traffic.describe(&mut stats);
        let last_end = state
            .last_end
            .as_ref()
            .map(|end| json!({"class": end.class, "reason": end.reason, "message": end.text}));
        for (key, value) in [
            ("pending", json!(pending)),
            ("send_queue_bytes", json!(unsent)),
            ("receive_queue_bytes", json!(event_bytes)),
            ("receive_queue_events", json!(events)),
            ("sessions", json!(state.sessions)),
            ("reconnects", json!(state.reconnects)),
            ("last_end", json!(last_end)),
            ("handlers", self.dispatcher.handlers.describe()),
        ] {
            stats.insert(key.to_owned(), value);
        }
        Value::Object(stats)
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

    /// With what the next attempt is made.
    pub(super) fn current_options(&self) -> Arc<Options> {
        lock(&self.state).current.clone()
    }

    /// The application has changed what attempts are made with.
    pub(super) fn set_options(&self, options: Arc<Options>) {
        lock(&self.state).current = options;
    }

    /// Which of `count` transports to try first.
    pub(super) fn last_good(&self, count: usize) -> usize {
        lock(&self.state).last_good % count.max(1)
    }

    /// Tells on_connect, if there is one, of the attempt that it returns.
    pub(super) fn begin_attempt(self: &Arc<Self>) -> Option<Arc<Attempt>> {
        let receiver = self.callbacks.receiver(Slot::Connect)?;
        let state = lock(&self.state);
        let (options, retries) = (state.current.clone(), state.retries);
        drop(state);
        let frame = Bytes::from(
            json!({
                "url": options.transports[0].url,
                "realm": options.realm,
                "authid": options.credentials.authid,
                "retry_count": retries,
            })
            .to_string(),
        );
        let mut event = Event::new(EventKind::Gone, 0, Some(receiver));
        event.uri = Some(c_text(&options.transports[0].url));
        event.details = Span::of(&frame, Some(&frame));
        event.payload = Payload::of_frame(&frame, PayloadRef::NONE);
        let attempt = Arc::new(Attempt::new(options));
        let notice = Notice::new(NoticeKind::Connect, self, event);
        self.tell(Notice { attempt: Some(attempt.clone()), ..notice });
        Some(attempt)
    }

    /// Puts a notice into the queue. No lock may be held.
    pub fn tell(self: &Arc<Self>, notice: Notice) {
        let mut notice = Some(notice);
        let wake = match lock(&self.state).freed {
            true => false,
            false => self.dispatcher.push(self, notice.take().into_iter()),
        };
        drop(notice);
        if wake {
            self.dispatcher.wake();
        }
        if self.dispatcher.mode() == Mode::Inline && !self.is_connected() {
            // The task may wait for its next attempt, or there is none.
            let (me, user) = (self.clone(), Arc::downgrade(self));
            let _ = runtime::spawn(user, async move { attempts::deliver_inline(&me) });
        }
    }

    /// A notice that nobody wanted to hear: a failure is told to on_user_error, or logged.
    pub(super) fn unheard(&self, notice: &Notice) {
        let is_failure = notice.status != Status::Ok
            && matches!(notice.kind, NoticeKind::Session(_) | NoticeKind::Restored);
        if is_failure && let Some(receiver) = self.callbacks.receiver(Slot::UserError) {
            let told = Notice { kind: NoticeKind::UserError, ..notice.copy() };
            if receiver.app().is_some_and(|target| target.deliver(&told)) {
                return;
            }
        }
        notice.log_unheard();
    }

    /// The application's own code has failed: tells on_user_error, in turn with the other events.
    pub fn report(self: &Arc<Self>, about: &Notice, text: &str) {
        let mut notice = about.copy();
        notice.kind = NoticeKind::UserError;
        notice.status = Status::Remote;
        notice.text = Some(c_text(text));
        notice.event.target = self.callbacks.receiver(Slot::UserError);
        self.tell(notice);
    }

    /// A new session over a new transport; `None` if the connection was closed meanwhile.
    pub(super) fn begin_session(
        self: &Arc<Self>,
        options: &Arc<Options>,
        transport: usize,
        channel_id: Option<[u8; 32]>,
    ) -> Result<Option<Arc<Session>>, Failure> {
        let asks = self.callbacks.receiver(Slot::Challenge).is_some();
        let login = Login::new(options, channel_id, asks)?;
        let mut state = lock(&self.state);
        if state.stage != Stage::Connecting {
            return Ok(None);
        }
        state.sessions += 1;
        let (serial, above) = (state.sessions, state.ids_above);
        let session = Session::new(self, options, transport, login, serial, above);
        let former = state.session.replace(session.clone());
        drop(state);
        // A transport that was tried before carried one that never opened.
        drop(former);
        Ok(Some(session))
    }

    /// WELCOME has come.
    pub(super) fn opened(&self, session: &Arc<Session>, mut event: Event<Receiver>) -> Notice {
        let mut state = lock(&self.state);
        if state.stage == Stage::Connecting {
            state.stage = Stage::Open;
        }
        state.last_good = session.transport();
        state.reconnects += u64::from(state.was_open);
        state.was_open = true;
        state.retries = 0;
        drop(state);
        self.changed.notify_all();
        event.target = self.callbacks.receiver(Slot::Open);
        Notice { session: Some(session.clone()), ..Notice::new(NoticeKind::Open, self, event) }
    }

    /// Requests are accepted again.
    pub(super) fn writable(&self, session: &Arc<Session>) -> Notice {
        let event = self.plain_event(Slot::Writable);
        Notice { session: Some(session.clone()), ..Notice::new(NoticeKind::Writable, self, event) }
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
            // A violation would happen again, and so would a refusal of what we are.
            _ if matches!(end.status, Status::Protocol | Status::Auth | Status::Canceled) => false,
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
            let realm = &self.options.realm;
            format!("connection to '{realm}' {}: {}{then}", end.class, end.text)
        });
        let details = json!({
            "reason": end.reason,
            "message": end.message,
            "retry_delay": next.map(|next| next.delay.as_secs_f64()),
            "retry_count": next.map(|next| next.count),
            "will_retry": next.is_some(),
        });
        let frame = Bytes::from(details.to_string());
        let mut event = self.plain_event(Slot::Close);
        event.uri = Some(c_text(end.class));
        event.details = Span::of(&frame, Some(&frame));
        event.payload = Payload::of_frame(&frame, PayloadRef::NONE);

        // The session's lock comes before the state's, so it is taken while that is not held.
        let session = lock(&self.state).session.take();
        let done = session.as_ref().map(|session| {
            let core = session.core();
            (core.protocol.ids_end(), core.traffic.clone())
        });
        let internal = end.is_internal().then(|| Notice {
            session: session.clone(),
            status: end.status,
            text: Some(c_text(&end.text)),
            ..Notice::new(NoticeKind::InternalError, self, self.plain_event(Slot::InternalError))
        });
        let close = Notice {
            session,
            status: end.status,
            text: Some(c_text(&end.text)),
            ..Notice::new(NoticeKind::Close, self, event)
        };
        // What the notices of a freed connection keep is dropped once no lock is held.
        let mut notices: Vec<_> = internal.into_iter().chain([close]).collect();
        let mut state = lock(&self.state);
        if let Some((ids_end, traffic)) = done {
            state.ids_above = ids_end;
            state.traffic.add(&traffic);
        }
        state.last_end = Some(end.clone());
        let wake = match state.freed {
            true => false,
            false => self.dispatcher.push(self, notices.drain(..)),
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
        drop(notices);
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

    fn plain_event(&self, slot: Slot) -> Event<Receiver> {
        Event::new(EventKind::Gone, 0, self.callbacks.receiver(slot))
    }
}
