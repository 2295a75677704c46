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

use futures_util::FutureExt;
use serde_json::Value;
use tokio::sync::Notify;

use crate::os::SignalMask;
use crate::protocol::uri;
use crate::transport::{Doorbell, Jar};

use super::attempts;
use super::callbacks::Callbacks;
use super::dispatch::{Dispatcher, Mode};
use super::durable::Durables;
use super::end::End;
use super::options::Options;
use super::passthru::Codec;
use super::prefixes::Prefixes;
use super::session::Session;
use super::stats::Traffic;
use super::status::{Failure, Status};
use super::target::wait_on;
use super::{lock, notify, runtime, scope};

/// A connection to a router.
pub struct Connection {
    pub(super) me: Weak<Connection>,
    /// How it was configured.
    options: Mutex<Arc<Options>>,
    /// Its queue of events.
    pub dispatcher: Dispatcher,
    /// Wakes its I/O task.
    pub(crate) doorbell: Doorbell,
    /// Wakes its task before there is a session.
    pub(super) stop: Notify,
    /// Ends its wait for the next attempt.
    pub(super) again: Notify,
    pub(super) state: Mutex<State>,
    pub(super) changed: Condvar,
    /// Who hears of what.
    pub callbacks: Callbacks,
    /// Its URI shortcuts.
    pub prefixes: Prefixes,
    pub(super) durables: Durables,
    pub(super) codec: Mutex<Option<Arc<dyn Codec>>>,
    /// What routers have set in handshakes.
    pub(super) cookies: Arc<Jar>,
    /// Free for the use of [`crate::ffi`]: the handle under which C knows this connection.
    pub handle: AtomicU64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    Idle,
    Connecting,
    Open,
    /// For the time of the next attempt.
    Waiting,
    Closing,
}

pub(super) struct State {
    pub(super) stage: Stage,
    /// How often it was opened: what is left of an earlier task has nothing to say.
    pub(super) opens: u64,
    /// What attempts are made with.
    pub(super) current: Arc<Options>,
    /// Which of the transports worked last.
    pub(super) last_good: usize,
    /// Sessions so far.
    pub(super) sessions: u64,
    /// What the sessions that have ended have carried.
    pub(super) traffic: Traffic,
    /// Sessions after a loss, since it was made.
    pub(super) reconnects: u64,
    /// How the last attempt or session ended.
    pub(super) last_end: Option<End>,
    /// From HELLO to the end.
    pub(super) session: Option<Arc<Session>>,
    /// Why the last attempt ended.
    pub(super) failure: Option<Failure>,
    /// Local ids up to here have been used.
    pub(super) ids_above: u64,
    /// There has been a session since open.
    pub(super) was_open: bool,
    /// Attempts after the first.
    pub(super) retries: u32,
    /// The application wants no more attempts.
    pub(super) give_up: bool,
    pub(super) freed: bool,
}

impl Connection {
    /// A connection that is not open.
    pub fn new(options: Options) -> Arc<Connection> {
        let options = Arc::new(options);
        Arc::new_cyclic(|me| Connection {
            me: me.clone(),
            dispatcher: Dispatcher::new(options.dispatch, options.receive_queue_bytes),
            options: Mutex::new(options.clone()),
            doorbell: Doorbell::default(),
            stop: Notify::new(),
            again: Notify::new(),
            state: Mutex::new(State {
                stage: Stage::Idle,
                opens: 0,
                current: options,
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
            codec: Mutex::new(None),
            cookies: Arc::default(),
            handle: AtomicU64::new(0),
        })
    }

    /// How it is configured now.
    pub fn options(&self) -> Arc<Options> {
        lock(&self.options).clone()
    }

    /// Changes an option, while the connection is idle.
    pub fn set_option(&self, name: &str, value: Value) -> Result<(), Failure> {
        let mut state = lock(&self.state);
        if state.stage != Stage::Idle {
            let text = format!("option `{name}`: can only be set while the connection is not open");
            return Err(Failure::new(Status::State, text));
        }
        let options = Arc::new(self.options().with(name, value.clone())?);
        // What was changed before an attempt has changed from then on.
        let current = state.current.with(name, value)?;
        self.dispatcher.configure(options.dispatch, options.receive_queue_bytes)?;
        *lock(&self.options) = options;
        state.current = Arc::new(current);
        state.last_good = 0;
        Ok(())
    }

    /// Starts to connect and returns.
    pub fn open(self: &Arc<Self>) -> Result<(), Failure> {
        runtime::wait_for_look();
        let mut state = lock(&self.state);
        if state.freed {
            return Err(Status::Handle.into());
        }
        if state.stage == Stage::Waiting {
            notify(&self.again);
            return Ok(());
        }
        if state.stage != Stage::Idle {
            let text = "the connection is open or opening already";
            return Err(Failure::new(Status::State, text));
        }
        if self.dispatcher.barrier.is_silent() {
            let text = "wamp_connection_quiesce has ended all callbacks of this connection";
            return Err(Failure::new(Status::State, text));
        }
        state.current.check_complete()?;
        state.stage = Stage::Connecting;
        state.failure = None;
        state.opens += 1;
        let opens = state.opens;
        (state.was_open, state.retries, state.give_up) = (false, 0, false);
        // A close that crossed with the end of an earlier attempt may have left its word behind.
        let _ = self.stop.notified().now_or_never();
        let _ = self.again.notified().now_or_never();
        drop(state);
        self.dispatcher.set_signals(SignalMask::current());
        if let Some(bytes) = self.options().callback_stack_bytes {
            runtime::want_stack(bytes);
        }
        // Begun under the runtime's lock, which comes after the state's.
        let user: Weak<Connection> = Arc::downgrade(self);
        if let Err(failure) = runtime::spawn(user, attempts::run(self.clone(), opens)) {
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
        if let Some(session) = session {
            // A session that is leaving already will end without being told again.
            drop(session.leave(reason, message));
        }
        // Also with a session: it may be the last word of one, with the next transport on its way.
        notify(&self.stop);
        self.doorbell.ring();
        Ok(())
    }

    /// Ends the wait for the next attempt: it is made now.
    pub fn reconnect_now(&self) -> Result<(), Failure> {
        if lock(&self.state).stage != Stage::Waiting {
            let text = "the connection does not wait for a retry";
            return Err(Failure::new(Status::State, text));
        }
        notify(&self.again);
        Ok(())
    }

    /// No more attempts are made until the next open. True if one was waited for.
    pub fn stop_retrying(&self) -> bool {
        let mut state = lock(&self.state);
        state.give_up = true;
        let waiting = state.stage == Stage::Waiting;
        drop(state);
        if waiting {
            notify(&self.stop);
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
        if Dispatcher::is_inside(self) || scope::in_io() {
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
        self.deliver_rest();
        self.dispatcher.mode() == Mode::Manual || self.dispatcher.wait_idle(deadline)
    }

    /// Ends everything without a further callback; never blocks. What requests and callbacks kept
    /// is dropped on this thread, or where a callback is still running, when that returns.
    pub fn free(&self) {
        let mut state = lock(&self.state);
        state.freed = true;
        drop(state);
        // Before the session ends: what is told of that is for nobody any more.
        self.dispatcher.stop_delivering();
        let _ = self.start_close(uri::GOODBYE_NORMAL, None);
        // Only now: no new one can begin any more.
        let session = lock(&self.state).session.clone();
        let requests = session.map(|session| session.detach());
        let callbacks = self.callbacks.take();
        let durables = self.durables.take();
        let wakeup = self.dispatcher.set_wakeup(None);
        let notices = self.dispatcher.discard();
        let codec = self.set_codec(None);
        drop((requests, callbacks, durables, codec, wakeup, notices));
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
            if scope::in_io() {
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
        let protocol = session.serializer().subprotocol();
        Some((transport.kind().name(), transport.url().to_owned(), protocol))
    }

    /// Waits until all that was accepted is written.
    pub fn flush(&self, deadline: Option<Instant>) -> Result<(), Failure> {
        let session = lock(&self.state).session.clone();
        match session {
            Some(session) => session.flush(deadline),
            None => Err(Failure::new(Status::Closed, "the connection is not open")),
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
}
