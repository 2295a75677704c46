//! A connection: what the application has in hand, and what survives its sessions.
//!
//! * `state`: every transition that it makes. `task`: the attempts, one after the other. `pump`:
//!   the I/O while a session lasts; `shared_pump`: by its task, or by threads that wait;
//!   `hand_over`: the steps between these.
//! * [`close_reason`]: why an attempt or a session ended, and whether to try again.
//! * `durables`, `quiesce`, `figures`: what else can be asked of it.
//!
//! [`Shared`] has what sessions need of it; a session does not know its connection.

pub mod close_reason;
mod durables;
mod figures;
mod hand_over;
mod pump;
pub(super) mod quiesce;
mod shared_pump;
mod state;
mod task;

/// The primitives of `hand_over`; the test of its steps has others.
mod primitives {
    pub(super) use std::sync::atomic::{AtomicBool, Ordering};
    pub(super) use std::sync::{Mutex, MutexGuard, TryLockError};
}

use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, Weak};
use std::time::Instant;

use futures_util::FutureExt;
use serde_json::Value;
use tokio::sync::Notify;

use crate::os::{Flag, SignalMask};
use crate::protocol::uri;
use crate::transport::Jar;

use super::delivery::Wakeup;
use super::options::{Mode, Options};
use super::payload_codec::Codec;
use super::runtime::{self, Closable};
use super::scope;
use super::session::callbacks::Slot;
use super::session::{EventHandler, Host, Notice, Session, Shared};
use super::status::{Failure, Status};
use super::sync::{Condvar, lock, notify};

use state::{Opening, State};

/// A connection to a router.
pub struct Connection {
    me: Weak<Connection>,
    shared: Arc<Shared>,
    state: Mutex<State>,
    changed: Condvar,
    /// Wakes its task before there is a session.
    stop: Notify,
    /// Ends its wait for the next attempt.
    retry_now: Notify,
    /// Cookies that routers have set in handshakes.
    cookies: Arc<Jar>,
}

impl Connection {
    /// A connection that is not open.
    pub fn new(options: Options) -> Arc<Connection> {
        let options = Arc::new(options);
        Arc::new_cyclic(|me: &Weak<Connection>| Connection {
            me: me.clone(),
            shared: Shared::new(me.clone(), options.clone()),
            state: Mutex::new(State::new(options)),
            changed: Condvar::new(),
            stop: Notify::new(),
            retry_now: Notify::new(),
            cookies: Arc::default(),
        })
    }

    /// The part that it shares with its sessions.
    pub fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// The present configuration.
    pub fn options(&self) -> Arc<Options> {
        self.shared.options()
    }

    /// Changes an option, while the connection is idle.
    pub fn set_option(&self, name: &str, value: Value) -> Result<(), Failure> {
        let mut state = lock(&self.state);
        state.check_idle(name)?;
        let options = Arc::new(self.options().with(name, value.clone())?);
        // What was changed before an attempt has changed from then on.
        let current = state.current().with(name, value)?;
        self.shared.queue.configure(options.dispatch, options.receive_queue_bytes)?;
        self.shared.set_options(options);
        state.configure(current);
        Ok(())
    }

    /// Starts to connect and returns.
    pub fn open(self: &Arc<Self>) -> Result<(), Failure> {
        runtime::wait_for_look();
        let mut state = lock(&self.state);
        if self.shared.queue.barrier.is_silent() && state.is_idle() && !state.is_freed() {
            let text = "wamp_connection_quiesce has stopped all callbacks of this connection";
            return Err(Failure::new(Status::State, text));
        }
        let opens = match state.open()? {
            Opening::Start(opens) => opens,
            Opening::RetryNow => {
                notify(&self.retry_now);
                return Ok(());
            }
        };
        // A close that crossed with the end of an earlier attempt may have left its word behind.
        let _ = self.stop.notified().now_or_never();
        let _ = self.retry_now.notified().now_or_never();
        drop(state);
        self.shared.queue.set_signals(SignalMask::current());
        if let Some(bytes) = self.options().callback_stack_bytes {
            runtime::want_stack(bytes);
        }
        // Begun under the runtime's lock, which comes after the state's.
        if let Err(failure) = runtime::spawn(self.shared.user(), task::run(self.clone(), opens)) {
            lock(&self.state).cancel_open();
            self.changed.notify_all();
            return Err(failure);
        }
        Ok(())
    }

    /// Starts to close and returns.
    pub fn start_close(&self, reason: &str, message: Option<&str>) -> Result<(), Failure> {
        uri::check(reason, uri::Match::Exact)
            .map_err(|error| Failure::new(Status::Uri, error.to_string()))?;
        let session = lock(&self.state).close()?;
        self.changed.notify_all();
        if let Some(session) = session {
            // A session that is leaving already will end without being told again.
            drop(session.leave(reason, message));
        }
        // Also with a session: it may be the last word of one, with the next transport on its way.
        notify(&self.stop);
        self.shared.doorbell.ring();
        Ok(())
    }

    /// Ends the wait for the next attempt: it is made now.
    pub fn reconnect_now(&self) -> Result<(), Failure> {
        if !lock(&self.state).is_waiting() {
            let text = "the connection is not waiting for a retry";
            return Err(Failure::new(Status::State, text));
        }
        notify(&self.retry_now);
        Ok(())
    }

    /// Makes no more attempts until the next open. True if one was waited for.
    pub fn stop_retrying(&self) -> bool {
        let was_waiting = lock(&self.state).stop_retrying();
        if was_waiting {
            notify(&self.stop);
        }
        was_waiting
    }

    /// Closes and waits until no callback runs and all requests have ended.
    pub fn close(
        &self,
        reason: &str,
        message: Option<&str>,
        deadline: Instant,
    ) -> Result<(), Failure> {
        if self.shared.queue.is_inside() || scope::in_io() {
            let text = "a close with a timeout waits for callbacks to end, so it cannot be called \
                        inside one; use timeout_ms 0";
            return Err(Failure::new(Status::Deadlock, text));
        }
        let started = self.start_close(reason, message);
        if matches!(&started, Err(failure) if failure.status != Status::Closed) {
            return started;
        }
        let quiet = match self.mode() {
            Mode::Manual => self.dispatch_until_quiet(deadline)?,
            Mode::Thread | Mode::Inline => self.wait_until_quiet(deadline),
        };
        match quiet {
            true => started,
            false => Err(Failure::new(Status::Timeout, "the close did not complete in time")),
        }
    }

    /// Waits for the end of the connection and of the delivery of its events; in `manual` mode,
    /// where only the host delivers, for the end alone.
    pub fn wait_until_quiet(&self, deadline: Instant) -> bool {
        let mut state = lock(&self.state);
        while !state.is_idle() {
            match runtime::wait_for_io(&self.changed, state, Some(deadline)) {
                Some(again) => state = again,
                None => return false,
            }
        }
        drop(state);
        self.shared.deliver_rest();
        self.mode() == Mode::Manual || self.shared.queue.wait_idle(deadline)
    }

    /// Ends everything without a further callback; never blocks. What requests and callbacks kept
    /// is dropped on this thread, or where a callback is still running, when that returns.
    pub fn free(&self) {
        lock(&self.state).free();
        // Before the session ends: what is told of that is for nobody any more.
        self.shared.queue.stop_delivering();
        let _ = self.start_close(uri::GOODBYE_NORMAL, None);
        // Only now: no new one can begin any more.
        let session = self.current_session();
        let requests = session.map(|session| session.detach());
        let callbacks = self.shared.callbacks.take();
        let durables = self.shared.durables.take();
        let wakeup = self.shared.queue.set_wakeup(None);
        let notices = self.shared.queue.discard();
        let codec = self.set_codec(None);
        drop((requests, callbacks, durables, codec, wakeup, notices));
    }

    /// The open session; waits for it until `deadline`.
    pub fn session(&self, deadline: Option<Instant>) -> Result<Arc<Session>, Failure> {
        let mut state = lock(&self.state);
        loop {
            if let Some(outcome) = state.outcome() {
                return outcome;
            }
            if scope::in_io() {
                let text = "waiting for a session on an I/O thread would never end";
                return Err(Failure::new(Status::Deadlock, text));
            }
            state = runtime::wait_for_io(&self.changed, state, deadline)
                .ok_or_else(|| Failure::new(Status::Timeout, "no session was open in time"))?;
        }
    }

    /// True while a session is open.
    pub fn is_open(&self) -> bool {
        lock(&self.state).is_open()
    }

    /// True while the transport is up, whether or not the session is open already.
    pub fn is_connected(&self) -> bool {
        lock(&self.state).session().is_some()
    }

    /// True from a failure or loss that is retried until a session is open or all is given up.
    pub fn is_retrying(&self) -> bool {
        lock(&self.state).is_retrying()
    }

    /// The transport that is up: its kind, URL and subprotocol.
    pub fn transport(&self) -> Option<(&'static str, String, &'static str)> {
        let session = self.current_session()?;
        let transport = &session.options().transports[session.transport()];
        let protocol = session.serializer().subprotocol();
        Some((transport.kind().name(), transport.url().to_owned(), protocol))
    }

    /// Waits until all that was accepted is written.
    pub fn flush(&self, deadline: Option<Instant>) -> Result<(), Failure> {
        match self.current_session() {
            Some(session) => session.flush(deadline),
            None => Err(Failure::new(Status::Closed, "the connection is not open")),
        }
    }

    /// Sets a callback; the former one is dropped.
    pub fn set_callback(&self, slot: Slot, handler: Option<Arc<dyn EventHandler>>) {
        drop(self.shared.callbacks.set(slot, handler));
    }

    /// Sets the codec; the former one is returned, to be dropped where no lock is held.
    pub fn set_codec(&self, codec: Option<Arc<dyn Codec>>) -> Option<Arc<dyn Codec>> {
        std::mem::replace(&mut *lock(&self.shared.codec), codec)
    }

    /// Sets the key by which [`crate::ffi`] knows the connection.
    pub fn set_handle(&self, key: u64) {
        self.shared.handle.store(key, Ordering::Release);
    }

    // ===== delivery =====

    /// The mode in which events reach the application.
    pub fn mode(&self) -> Mode {
        self.shared.mode()
    }

    /// Delivers at most `max` events on this thread; waits until `deadline` for the first one.
    pub fn dispatch(&self, max: usize, deadline: Option<Instant>) -> Result<usize, Failure> {
        self.shared.queue.dispatch(&*self.shared, max, deadline)
    }

    /// Takes at most `max` events out without delivering them.
    pub fn poll(&self, max: usize, deadline: Option<Instant>) -> Result<VecDeque<Notice>, Failure> {
        self.shared.queue.poll(&*self.shared, max, deadline)
    }

    /// Takes back the room of events that were polled, for those to come.
    pub fn recycle(&self, polled: VecDeque<Notice>) {
        self.shared.queue.recycle(polled);
    }

    /// The flag that is up while events wait.
    pub fn flag(&self) -> Result<&Flag, Failure> {
        self.shared.queue.flag()
    }

    /// Sets the host's wakeup; the former one is returned, to be dropped where no lock is held.
    pub fn set_wakeup(&self, wakeup: Option<Arc<dyn Wakeup>>) -> Option<Arc<dyn Wakeup>> {
        self.shared.queue.set_wakeup(wakeup)
    }

    /// Reports that the application's own code has failed: see [`Shared::report`].
    pub fn report(&self, about: &Notice, text: &str) {
        self.shared.report(about, text);
    }

    fn dispatch_until_quiet(&self, deadline: Instant) -> Result<bool, Failure> {
        loop {
            self.dispatch(usize::MAX, Some(Instant::now()))?;
            if lock(&self.state).is_idle() && self.shared.queue.backlog().0 == 0 {
                return Ok(self.shared.queue.wait_idle(deadline));
            }
            if Instant::now() >= deadline {
                return Ok(false);
            }
            self.dispatch(usize::MAX, Some(deadline))?;
        }
    }

    /// The session from HELLO to its end, open or not.
    fn current_session(&self) -> Option<Arc<Session>> {
        lock(&self.state).session().cloned()
    }
}

impl Host for Connection {
    fn session_opened(&self, transport: usize) {
        lock(&self.state).session_opened(transport);
    }

    fn announce_opened(&self) {
        self.changed.notify_all();
    }
}

impl Closable for Connection {
    fn start_closing(&self) {
        let _ = self.start_close(uri::CLOSE_SYSTEM_SHUTDOWN, None);
    }

    fn wait_closed(&self, deadline: Instant) -> bool {
        self.wait_until_quiet(deadline)
    }

    fn finish(&self) {
        self.shared.deliver_last();
    }

    fn fail(&self, why: &Failure) {
        if let Some(me) = self.me.upgrade() {
            me.fail_at_once(why.clone());
        }
    }
}
