//! The task of a connection: attempts to open it, one after the other, until nobody wants another.
//!
//! What happens within an attempt, once the transport is up, is left to [`super::pump`].

use std::future::poll_fn;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt;
use tokio::time::{Instant, timeout_at};

use crate::transport::{self, ConnectError, Endpoint, Keepalive, Target};

use super::connection::{Connection, End};
use super::dispatch::{IoScope, Mode};
use super::log::{self, Level};
use super::options::Options;
use super::pump::Pump;
use super::retry::{Next, Retry, normal};
use super::status::{Failure, Status};

/// Runs a connection from its open to its end: an attempt, and as many more as its options want.
pub async fn run(connection: Arc<Connection>) {
    let mut retry = Retry::new(connection.options.retry);
    let mut task = Task { connection: connection.clone(), ended: false };
    loop {
        let attempt = AssertUnwindSafe(attempt(&connection)).catch_unwind().await;
        connection.abandon_session();
        let end = connection.classify(attempt.unwrap_or_else(|_| internal_error()));
        if connection.had_session() {
            retry.reset();
        }
        let next = match connection.wants_retry(&end) {
            true => retry.next(normal(fastrand::f64(), fastrand::f64())),
            false => None,
        };
        tell_end(&connection, end.clone(), next);
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
            tell_end(&connection, end, None);
            task.ended = true;
            return;
        }
    }
}

/// The task as a whole. If it is dropped before its end, because the library is shut down, the
/// connection ends all the same.
struct Task {
    connection: Arc<Connection>,
    ended: bool,
}

impl Drop for Task {
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        self.connection.abandon_session();
        let failure = Failure::new(Status::Lost, "the library was shut down");
        self.connection.ended(End::failed("closed", failure), None);
        // Nobody else is left to deliver it.
        self.connection.dispatcher.drain_last(&self.connection);
    }
}

fn tell_end(connection: &Arc<Connection>, end: End, next: Option<Next>) {
    connection.ended(end, next);
    if connection.dispatcher.mode() == Mode::Inline {
        let _scope = IoScope::enter();
        connection.dispatcher.drain_inline(connection);
    }
}

fn internal_error() -> End {
    let text = Status::Internal.text().trim_end_matches('\0').to_owned();
    End { class: "closed", status: Status::Internal, text, reason: None, message: None }
}

async fn attempt(connection: &Arc<Connection>) -> End {
    let options = &connection.options;
    let deadline = Instant::now() + options.connect_timeout;
    let target = match target(options) {
        Ok(target) => target,
        Err(error) => return End::failed("unreachable", error.into()),
    };
    let transport = tokio::select! {
        biased;
        () = connection.stop.notified() => return closed_early(),
        connected = timeout_at(deadline, transport::connect(&target)) => connected,
    };
    let transport = match transport {
        Ok(Ok(transport)) => transport,
        Ok(Err(error)) => return End::failed("unreachable", error.into()),
        Err(_) => return End::failed("unreachable", slow_connect(connection)),
    };
    let Some(session) = connection.begin_session(transport.max_send()) else {
        return closed_early();
    };
    let mut pump = Pump::new(connection.clone(), session, transport, deadline);
    poll_fn(|cx| pump.poll(cx)).await
}

fn target(options: &Options) -> Result<Target, ConnectError> {
    let endpoint = Endpoint::parse(&options.url)
        .map_err(|reason| ConnectError::Unreachable { url: options.url.clone(), reason })?;
    if let Some(warning) = options.tls.warning()
        && endpoint.is_secure()
    {
        log::write(Level::Warn, || format!("{endpoint}: {warning}"));
    }
    Ok(Target {
        endpoint,
        headers: options.headers.clone(),
        max_message_size: options.max_message_size,
        tls: options.tls.clone(),
        keepalive: options
            .autoping_interval
            .map(|idle| Keepalive { idle, timeout: options.autoping_timeout }),
    })
}

fn closed_early() -> End {
    let text = "closed by the application before a session was open".to_owned();
    End { class: "closed", status: Status::Ok, text, reason: None, message: None }
}

/// What to say when the time for connecting is up.
pub(super) fn slow_connect(connection: &Connection) -> Failure {
    let limit = connection.options.connect_timeout.as_secs_f64();
    let url = &connection.options.url;
    let text = format!("{url} let no session open within {limit} s (option `connect_timeout`)");
    Failure::new(Status::Timeout, text)
}

impl End {
    /// An end that is a failure.
    pub(super) fn failed(class: &'static str, failure: Failure) -> End {
        End { class, status: failure.status, text: failure.text, reason: None, message: None }
    }
}
