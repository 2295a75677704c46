//! The task of a connection: attempts to open it, one after the other, until nobody wants another.
//!
//! An attempt asks the application (on_connect), then tries the transports in order, the one that
//! worked last time first, until one carries a session. What happens once a transport is up is
//! left to [`super::pump`].

use std::any::Any;
use std::future::poll_fn;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Weak};

use bytes::Bytes;
use futures_util::FutureExt;
use serde_json::json;
use tokio::time::{Instant, timeout_at};

use crate::client::awake::wait_awake;
use crate::client::login::Login;
use crate::client::on_connect::{Attempt, Decision};
use crate::client::options::{Options, TransportOptions};
use crate::client::retry::{Next, Retry, normal};
use crate::client::runtime;
use crate::client::session::callbacks::Slot;
use crate::client::session::{Driver, Notice, NoticeKind, Session};
use crate::client::status::{Failure, Status};
use crate::client::sync::{lock, notify};
use crate::codec::{Payload, PayloadRef, Span};
use crate::log;
use crate::os;
use crate::protocol::event::c_text;
use crate::protocol::{Event, EventKind};
use crate::transport::{self, ConnectError, ConnectOptions, Keepalive, Transport};

use super::Connection;
use super::close_reason::{CloseClass, CloseReason, slow_connect};
use super::pump::Pump;
use super::shared_pump::SharedPump;
use super::state::Remains;

/// Runs a connection from its open to its end: an attempt, and as many more as its options want.
pub(super) async fn run(connection: Arc<Connection>, opens: u64) {
    let mut retry = Retry::new(connection.options().retry);
    let mut task = Task { connection: connection.clone(), opens, ended: false };
    loop {
        let attempt = AssertUnwindSafe(attempt(&connection)).catch_unwind().await;
        if !lock(&connection.state).is_served_by(opens) {
            // It has been ended in this task's place, and may be open again.
            task.ended = true;
            return;
        }
        connection.end_session();
        let end = lock(&connection.state)
            .classify(attempt.unwrap_or_else(|panic| internal_error(&*panic)));
        if connection.had_session() {
            retry.reset();
        }
        let next = match connection.wants_retry(&end) {
            // All its clients hear of a planned end at once, and shall not be back at once.
            true if end.is_listed(&connection.options().retry_reasons) => {
                retry.next_spread(fastrand::f64())
            }
            true => retry.next(normal(fastrand::f64(), fastrand::f64())),
            false => None,
        };
        let next = next.map(|next| next.not_before(end.rest));
        connection.tell_end(opens, end.clone(), next);
        let Some(next) = next else {
            task.ended = true;
            return;
        };
        tokio::select! {
            biased;
            () = connection.stop.notified() => {}
            () = connection.retry_now.notified() => {}
            () = wait_awake(next.delay, os::uptime) => {}
        }
        if !lock(&connection.state).begin_retry() {
            let end = match lock(&connection.state).is_closing() {
                true => closed_early(),
                false => CloseReason {
                    text: format!("{}; no further attempts are made", end.text),
                    ..end
                },
            };
            connection.tell_end(opens, end, None);
            task.ended = true;
            return;
        }
    }
}

/// The task as a whole. If it is dropped before its end, because the library is shut down, the
/// connection ends all the same.
struct Task {
    connection: Arc<Connection>,
    /// The open of the connection that it serves.
    opens: u64,
    ended: bool,
}

impl Drop for Task {
    fn drop(&mut self) {
        if self.ended || !lock(&self.connection.state).is_served_by(self.opens) {
            return;
        }
        self.connection.end_session();
        let failure = match std::thread::panicking() {
            true => Failure::new(Status::Internal, runtime::FAILED),
            false => Failure::new(Status::Lost, "the library was shut down"),
        };
        self.connection.ended(self.opens, CloseReason::failed(CloseClass::Closed, failure), None);
        self.connection.changed.notify_all();
        // Nobody else is left to deliver it.
        self.connection.shared.deliver_last();
    }
}

fn internal_error(panic: &(dyn Any + Send)) -> CloseReason {
    let why = match runtime::is_of_descriptors(panic) {
        true => Failure::new(Status::Internal, runtime::FAILED),
        false => Status::Internal.into(),
    };
    CloseReason::failed(CloseClass::Closed, why)
}

fn closed_early() -> CloseReason {
    CloseReason::closed("closed by the application before a session was open")
}

async fn attempt(connection: &Arc<Connection>) -> CloseReason {
    let options = match ask(connection).await {
        Ok(options) => options,
        Err(end) => return end,
    };
    let transports = &options.transports;
    let deadline = Instant::now() + options.connect_timeout;
    let first = lock(&connection.state).last_good(transports.len());
    let mut told: Option<CloseReason> = None;
    for tried in 0..transports.len() {
        let index = (first + tried) % transports.len();
        // What is left of the time is shared by those that are left: a black hole must not eat all.
        let left = (transports.len() - tried) as u32;
        let until = Instant::now() + deadline.saturating_duration_since(Instant::now()) / left;
        let begun = Instant::now();
        let end = match carry(connection, &options, index, until).await {
            Outcome::Over(end) => return end,
            Outcome::Useless(end) => end,
        };
        log::write(log::Level::Info, || {
            let url = transports[index].url();
            format!("{url}: {} after {:.0?}: {}", end.class, begun.elapsed(), end.text)
        });
        // The first one counts, unless another failed by what may be better next time.
        if told
            .as_ref()
            .is_none_or(|told| told.class == CloseClass::Closed && end.class != CloseClass::Closed)
        {
            told = Some(end);
        }
    }
    told.unwrap_or_else(|| CloseReason::failed(CloseClass::Closed, Status::Internal.into()))
}

/// Outcome of a transport.
enum Outcome {
    /// There was a session, or is to be none: the attempt is over.
    Over(CloseReason),
    /// It carries no session; another one may.
    Useless(CloseReason),
}

/// Asks the application, if it wants to be asked, with what to make the attempt.
async fn ask(connection: &Arc<Connection>) -> Result<Arc<Options>, CloseReason> {
    let Some(attempt) = connection.begin_attempt() else {
        return Ok(lock(&connection.state).current().clone());
    };
    connection.shared.deliver_inline();
    let decision = tokio::select! {
        biased;
        () = connection.stop.notified() => return Err(closed_early()),
        decision = attempt.decision() => decision,
    };
    match decision {
        Decision::Proceed(options) => {
            lock(&connection.state).set_options(options.clone());
            Ok(options)
        }
        Decision::Abandon(text) => Err(CloseReason {
            status: Status::Canceled,
            ..CloseReason::closed(format!("abandoned: {text}"))
        }),
    }
}

/// Connects by one of the transports, and carries a session over it until its end.
async fn carry(
    connection: &Arc<Connection>,
    options: &Arc<Options>,
    index: usize,
    until: Instant,
) -> Outcome {
    let chosen = &options.transports[index];
    let connected = tokio::select! {
        biased;
        () = connection.stop.notified() => return Outcome::Over(closed_early()),
        // On the heap, since all that the handshakes need is of no use any more once they are made.
        connected = timeout_at(until, Box::pin(connect(connection, options, chosen))) => connected,
    };
    let transport = match connected {
        Ok(Ok(transport)) => transport,
        Ok(Err(end)) => return Outcome::Useless(end),
        Err(_) => {
            // Many servers wait in silence when they hear another protocol than their own.
            let hint = "; does it answer at all, and does it speak this transport at that port, with \
                        or without TLS as the URL says?";
            let failure = slow_connect(options, chosen.url(), hint);
            return Outcome::Useless(CloseReason::failed(CloseClass::Unreachable, failure));
        }
    };
    let session = match connection.begin_session(options, index, &*transport) {
        Ok(Some(session)) => session,
        Ok(None) => return Outcome::Over(closed_early()),
        Err(Failure { status, text }) => {
            let failure = Failure::new(status, format!("{}: {text}", chosen.url()));
            return Outcome::Useless(CloseReason::failed(CloseClass::Closed, failure));
        }
    };
    let pump = Pump::new(connection, session.clone(), transport, until);
    let pump = Arc::new(SharedPump::new(pump, connection.shared.clone()));
    let driver: Weak<dyn Driver> = Arc::downgrade(&pump) as _;
    connection.shared.set_driver(driver.clone());
    let _ = session.driver.set(driver);
    let end = poll_fn(|cx| pump.poll(cx)).await;
    connection.end_session();
    connection.drop_unopened();
    match end.class {
        CloseClass::Closed => Outcome::Over(end),
        _ if connection.had_session() || lock(&connection.state).is_closing() => Outcome::Over(end),
        _ => Outcome::Useless(end),
    }
}

async fn connect(
    connection: &Connection,
    options: &Options,
    chosen: &TransportOptions,
) -> Result<Box<dyn Transport>, CloseReason> {
    let endpoint = chosen.endpoint.clone();
    let tls = chosen.tls.as_ref().unwrap_or(&options.tls);
    if let Some(warning) = tls.warning()
        && endpoint.is_secure()
    {
        log::write(log::Level::Warn, || format!("{endpoint}: {warning}"));
    }
    let timeout = options.autoping_timeout;
    let target = ConnectOptions {
        endpoint,
        serializers: chosen.serializers.as_ref().unwrap_or(&options.serializers).clone(),
        json_batch_separator: options.json_batch_separator,
        headers: options.headers_for(chosen),
        cookies: options.cookies.then(|| connection.cookies.clone()),
        deflate: options.deflate,
        max_message_size: options.max_message_size,
        tls: tls.clone(),
        proxy: options.proxy.clone(),
        connect_timeout: options.connect_timeout,
        keepalive: options.autoping_interval.map(|idle| Keepalive { idle, timeout }),
        rawsocket_pings: options.rawsocket_pings,
    };
    transport::connect(&target).await.map_err(|error| {
        if matches!(error, ConnectError::Descriptors { .. }) {
            runtime::suspect();
        } else if runtime::check_descriptors() {
            // Files of the program stand under their numbers, so that the system says something
            // else.
            let failure = Failure::new(Status::Internal, runtime::FAILED);
            return CloseReason::failed(CloseClass::Closed, failure);
        }
        let rest = match &error {
            ConnectError::Http { rest, .. } => *rest,
            _ => None,
        };
        CloseReason { rest, ..CloseReason::failed(CloseClass::Unreachable, error.into()) }
    })
}

impl Connection {
    /// Ends in the place of its task, which will never run again.
    pub(super) fn fail_at_once(self: &Arc<Self>, why: Failure) {
        let opens = lock(&self.state).opens();
        self.end_session();
        self.ended(opens, CloseReason::failed(CloseClass::Closed, why), None);
        self.changed.notify_all();
        self.shared.deliver_rest();
    }

    /// Tells what its session still owes: the attempt is over, in whatever way.
    fn end_session(&self) {
        if let Some(session) = self.current_session() {
            session.end_all();
        }
    }

    /// Lets go of a session that never opened, as another transport may be tried now.
    fn drop_unopened(&self) {
        let session = self.current_session();
        let Some(session) = session.filter(|session| session.joined().is_none()) else {
            return;
        };
        let traffic = session.lock_core().traffic.clone();
        lock(&self.state).drop_session(&traffic);
    }

    /// True if the attempt that has just ended had an open session.
    fn had_session(&self) -> bool {
        self.current_session().is_some_and(|session| session.joined().is_some())
    }

    /// True if there is to be another attempt after `end`.
    fn wants_retry(&self, end: &CloseReason) -> bool {
        if !lock(&self.state).may_retry() || runtime::is_closing() {
            return false;
        }
        let options = self.options();
        end.is_retried(options.retry_if_unreachable, &options.retry_reasons)
    }

    /// Tells on_connect, if there is one, of the attempt that it returns.
    fn begin_attempt(&self) -> Option<Arc<Attempt>> {
        let receiver = self.shared.callbacks.receiver(Slot::Connect)?;
        let state = lock(&self.state);
        let (options, retries) = (state.current().clone(), state.retries());
        // The one that is tried first.
        let url = options.transports[state.last_good(options.transports.len())].url();
        drop(state);
        let frame = Bytes::from(
            json!({
                "url": url,
                "realm": options.realm,
                "authid": options.credentials.authid,
                "retry_count": retries,
            })
            .to_string(),
        );
        let mut event = Event::new(EventKind::Released, 0, Some(receiver));
        event.uri = Some(c_text(url));
        event.details = Span::new(&frame, Some(&frame));
        event.payload = Payload::from_frame(&frame, PayloadRef::NONE);
        let attempt = Arc::new(Attempt::new(options));
        let notice = self.shared.notice(NoticeKind::Connect, event);
        self.shared.tell(Notice { attempt: Some(attempt.clone()), ..notice });
        Some(attempt)
    }

    /// Makes a session over a new transport; `None` if the connection was closed meanwhile.
    pub(super) fn begin_session(
        &self,
        options: &Arc<Options>,
        transport: usize,
        carrier: &dyn Transport,
    ) -> Result<Option<Arc<Session>>, Failure> {
        let asks = self.shared.callbacks.receiver(Slot::Challenge).is_some();
        let login = Login::new(options, carrier.channel_id(), asks)?;
        let needed = login.hello_size() + options.realm.len();
        // Of our own limit HELLO is free.
        if let Some(most) = carrier.announced().filter(|most| needed > *most) {
            let text = format!("accepts messages of {most} bytes, but HELLO alone has {needed}");
            return Err(Failure::new(Status::TooLarge, text));
        }
        let begun = lock(&self.state).begin_session(|serial, above| {
            Session::new(&self.shared, options, transport, carrier, login, serial, above)
        });
        Ok(begun.map(|(session, former)| {
            drop(former);
            session
        }))
    }

    fn tell_end(&self, opens: u64, end: CloseReason, next: Option<Next>) {
        self.ended(opens, end, next);
        // First, so that who waits for both finds nothing to do.
        self.shared.deliver_inline();
        self.changed.notify_all();
    }

    /// Tells on_close that an attempt of this open has ended. Without a further attempt (`next`)
    /// the connection can be opened again. Of two that end the same open the first counts.
    fn ended(&self, opens: u64, end: CloseReason, next: Option<Next>) {
        let Some(session) = lock(&self.state).take_session(opens) else {
            return;
        };
        log::write(log::Level::Info, || {
            let then =
                next.map_or(String::new(), |next| format!("; next attempt in {:?}", next.delay));
            let realm = &self.options().realm;
            format!("connection to '{realm}' {}: {}{then}", end.class, end.text)
        });
        // The session's lock comes before the state's, so it is taken while that is not held.
        let remains = session.as_ref().map(|session| {
            let core = session.lock_core();
            Remains { ids_end: core.protocol.ids_end(), traffic: core.traffic.clone() }
        });
        // What the notices of a freed connection keep is dropped once no lock is held.
        let mut notices = end.notices(&self.shared, session, next);
        let mut state = lock(&self.state);
        if !state.is_served_by(opens) {
            drop(state);
            return;
        }
        // Told before it is idle, under one lock: whoever sees it idle finds the CLOSE in the
        // queue.
        let wake = !state.is_freed() && self.shared.queue.push(&self.shared, notices.drain(..));
        if state.end(end, remains, next) {
            notify(&self.stop);
        }
        drop(state);
        drop(notices);
        if wake {
            self.shared.queue.wake();
        }
    }
}
