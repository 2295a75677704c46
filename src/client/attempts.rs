//! The task of a connection: attempts to open it, one after the other, until nobody wants another.
//!
//! An attempt asks the application (on_connect), then tries the transports in order, the one that
//! worked last time first, until one carries a session. What happens once a transport is up is
//! left to [`super::pump`].

use std::any::Any;
use std::future::poll_fn;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt;
use tokio::time::{Instant, timeout_at};

use crate::transport::{self, ConnectError, ConnectOptions, Keepalive, Transport};

use super::connection::Connection;
use super::dispatch::Mode;
use super::end::{End, EndClass};
use super::hook::Decision;
use super::log;
use super::options::{Options, TransportOptions};
use super::pump::Pump;
use super::retry::{Next, Retry, normal};
use super::runtime;
use super::scope::IoScope;
use super::status::{Failure, Status};

/// Runs a connection from its open to its end: an attempt, and as many more as its options want.
pub async fn run(connection: Arc<Connection>, opens: u64) {
    let mut retry = Retry::new(connection.options().retry);
    let mut task = Task { connection: connection.clone(), opens, ended: false };
    loop {
        let attempt = AssertUnwindSafe(attempt(&connection)).catch_unwind().await;
        if !connection.is_served_by(opens) {
            // It has been ended in this task's place, and may be open again.
            task.ended = true;
            return;
        }
        connection.abandon_session();
        let end = connection.classify(attempt.unwrap_or_else(|panic| internal_error(&*panic)));
        if connection.had_session() {
            retry.reset();
        }
        let next = match connection.wants_retry(&end) {
            // All its clients hear of a planned end at once, and shall not be back at once.
            true if connection.is_listed(&end) => retry.next_spread(fastrand::f64()),
            true => retry.next(normal(fastrand::f64(), fastrand::f64())),
            false => None,
        };
        let next = next.map(|next| next.not_before(end.rest));
        tell_end(&connection, opens, end.clone(), next);
        let Some(next) = next else {
            task.ended = true;
            return;
        };
        tokio::select! {
            biased;
            () = connection.stop.notified() => {}
            () = connection.again.notified() => {}
            () = tokio::time::sleep(next.delay) => {}
        }
        if !connection.begin_retry() {
            let end = match connection.is_closing() {
                true => closed_early(),
                false => End { text: format!("{}; no more attempts are wanted", end.text), ..end },
            };
            tell_end(&connection, opens, end, None);
            task.ended = true;
            return;
        }
    }
}

/// The task as a whole. If it is dropped before its end, because the library is shut down, the
/// connection ends all the same.
struct Task {
    connection: Arc<Connection>,
    /// Which of the connection's opens it serves.
    opens: u64,
    ended: bool,
}

impl Drop for Task {
    fn drop(&mut self) {
        if self.ended || !self.connection.is_served_by(self.opens) {
            return;
        }
        self.connection.abandon_session();
        let failure = match std::thread::panicking() {
            true => Failure::new(Status::Internal, runtime::FAILED),
            false => Failure::new(Status::Lost, "the library was shut down"),
        };
        self.connection.ended(self.opens, End::failed(EndClass::Closed, failure), None);
        // Nobody else is left to deliver it.
        self.connection.dispatcher.drain_last(&self.connection);
    }
}

fn tell_end(connection: &Arc<Connection>, opens: u64, end: End, next: Option<Next>) {
    connection.ended(opens, end, next);
    deliver_inline(connection);
}

/// Outside of a session nobody else delivers in `inline` mode.
pub(super) fn deliver_inline(connection: &Arc<Connection>) {
    if connection.dispatcher.mode() == Mode::Inline {
        let _scope = IoScope::enter();
        connection.dispatcher.drain_inline(connection);
    }
}

fn internal_error(panic: &(dyn Any + Send)) -> End {
    let why = match runtime::is_of_descriptors(panic) {
        true => Failure::new(Status::Internal, runtime::FAILED),
        false => Status::Internal.into(),
    };
    End::failed(EndClass::Closed, why)
}

fn closed_early() -> End {
    End::closed("closed by the application before a session was open")
}

async fn attempt(connection: &Arc<Connection>) -> End {
    let options = match ask(connection).await {
        Ok(options) => options,
        Err(end) => return end,
    };
    let transports = &options.transports;
    let deadline = Instant::now() + options.connect_timeout;
    let first = connection.last_good(transports.len());
    let mut told: Option<End> = None;
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
            .is_none_or(|told| told.class == EndClass::Closed && end.class != EndClass::Closed)
        {
            told = Some(end);
        }
    }
    told.unwrap_or_else(|| End::failed(EndClass::Closed, Status::Internal.into()))
}

/// What came of a transport.
enum Outcome {
    /// There was a session, or is to be none: the attempt is over.
    Over(End),
    /// It carries no session; another one may.
    Useless(End),
}

/// Asks the application, if it wants to be asked, with what to make the attempt.
async fn ask(connection: &Arc<Connection>) -> Result<Arc<Options>, End> {
    let Some(attempt) = connection.begin_attempt() else {
        return Ok(connection.current_options());
    };
    deliver_inline(connection);
    let decision = tokio::select! {
        biased;
        () = connection.stop.notified() => return Err(closed_early()),
        decision = attempt.decision() => decision,
    };
    match decision {
        Decision::Proceed(options) => {
            connection.set_options(options.clone());
            Ok(options)
        }
        Decision::Abandon(text) => {
            Err(End { status: Status::Canceled, ..End::closed(format!("given up: {text}")) })
        }
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
        connected = timeout_at(until, connect(connection, options, chosen)) => connected,
    };
    let transport = match connected {
        Ok(Ok(transport)) => transport,
        Ok(Err(end)) => return Outcome::Useless(end),
        Err(_) => {
            // Many servers wait in silence when they hear another protocol than their own.
            let hint = "; does it answer at all, and does it speak this transport at that port, with \
                        or without TLS as the URL says?";
            let failure = slow_connect(options, chosen.url(), hint);
            return Outcome::Useless(End::failed(EndClass::Unreachable, failure));
        }
    };
    let session = match connection.begin_session(options, index, &*transport) {
        Ok(Some(session)) => session,
        Ok(None) => return Outcome::Over(closed_early()),
        Err(Failure { status, text }) => {
            let failure = Failure::new(status, format!("{}: {text}", chosen.url()));
            return Outcome::Useless(End::failed(EndClass::Closed, failure));
        }
    };
    let mut pump = Pump::new(connection.clone(), session, transport, until);
    let end = poll_fn(|cx| pump.poll(cx)).await;
    connection.abandon_session();
    connection.drop_unopened();
    match end.class {
        EndClass::Closed => Outcome::Over(end),
        _ if connection.had_session() || connection.is_closing() => Outcome::Over(end),
        _ => Outcome::Useless(end),
    }
}

async fn connect(
    connection: &Connection,
    options: &Options,
    chosen: &TransportOptions,
) -> Result<Box<dyn Transport>, End> {
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
        }
        let rest = match &error {
            ConnectError::Http { rest, .. } => *rest,
            _ => None,
        };
        End { rest, ..End::failed(EndClass::Unreachable, error.into()) }
    })
}

/// What to say when the time for connecting is up; `hint` is what to check.
pub(super) fn slow_connect(options: &Options, url: &str, hint: &str) -> Failure {
    let limit = options.connect_timeout.as_secs_f64();
    let text = match options.transports.len() {
        1 => format!("{url} let no session open within {limit} s (option `connect_timeout`){hint}"),
        several => format!(
            "{url} let no session open in its share of {limit} s for {several} transports (option \
             `connect_timeout`){hint}"
        ),
    };
    Failure::new(Status::Timeout, text)
}
