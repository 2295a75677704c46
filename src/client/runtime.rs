//! The hidden tokio runtime: one per process, made when first needed.
//!
//! Two I/O threads serve all connections; callbacks of `thread` dispatch run on a pool that grows
//! while they block and shrinks again. All threads are named `wamp-*` and block all signals.
//! `shutdown` joins them; a later use makes a new runtime.

use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

use tokio::runtime::{Builder, Handle, Runtime};

use super::connection::Connection;
use super::status::{Failure, Status};
use super::{dispatch, lock, log, os};

/// I/O threads: more would only help hosts that saturate two cores with WAMP alone.
const IO_THREADS: usize = 2;
/// Callbacks that block at the same time. Threads beyond the need of the moment end by themselves.
const MAX_CALLBACK_THREADS: usize = 16 * 1024;
/// Room for deep callbacks of the host; untouched pages cost nothing.
const STACK_BYTES: usize = 2 * 1024 * 1024;

struct Hidden {
    runtime: Runtime,
    closers: Vec<Weak<dyn Closable>>,
}

/// What runs on the runtime and must end before it.
pub trait Closable: Send + Sync {
    /// Starts to end; never blocks.
    fn start_closing(&self);
    /// Waits for the end; false if it did not come in time.
    fn wait_closed(&self, deadline: Instant) -> bool;
}

static HIDDEN: Mutex<Option<Hidden>> = Mutex::new(None);

/// A handle of the runtime, on which `user` lives from now on.
pub fn enter(user: Weak<dyn Closable>) -> Result<Handle, Failure> {
    if os::forked() {
        return Err(Status::Forked.into());
    }
    let mut hidden = lock(&HIDDEN);
    if hidden.is_none() {
        *hidden = Some(Hidden {
            runtime: start()?,
            closers: Vec::new(),
        });
    }
    let Some(hidden) = hidden.as_mut() else {
        return Err(Status::Internal.into());
    };
    if hidden.closers.len() == hidden.closers.capacity() {
        hidden.closers.retain(|closer| closer.strong_count() > 0);
    }
    if !hidden.closers.iter().any(|closer| closer.ptr_eq(&user)) {
        hidden.closers.push(user);
    }
    Ok(hidden.runtime.handle().clone())
}

/// Runs `work` on a thread that may block.
pub fn spawn_blocking(work: impl FnOnce() + Send + 'static) -> Result<(), Status> {
    match &*lock(&HIDDEN) {
        Some(hidden) => {
            hidden.runtime.spawn_blocking(work);
            Ok(())
        }
        None => Err(Status::Closed),
    }
}

/// Ends everything that uses the runtime and joins its threads.
pub fn shutdown(timeout: Option<Duration>) -> Result<(), Failure> {
    if os::forked() {
        return Err(Status::Forked.into());
    }
    if dispatch::in_callback() || dispatch::in_io() {
        return Err(Failure::new(
            Status::Deadlock,
            "wamp_shutdown waits for callbacks to end, so it cannot be called inside one",
        ));
    }
    // A limit of a century is none, and no arithmetic overflows.
    let deadline = Instant::now() + timeout.unwrap_or(Duration::from_secs(100 * 365 * 24 * 3600));
    let closers: Vec<_> = match &*lock(&HIDDEN) {
        Some(hidden) => hidden.closers.iter().filter_map(Weak::upgrade).collect(),
        None => return Ok(()),
    };
    closers.iter().for_each(|closer| closer.start_closing());
    let late = closers
        .iter()
        .filter(|closer| !closer.wait_closed(deadline))
        .count();
    drop(closers);
    let Some(hidden) = lock(&HIDDEN).take() else {
        return Ok(());
    };
    let rest = deadline.saturating_duration_since(Instant::now());
    hidden.runtime.shutdown_timeout(rest);
    if late == 0 && (timeout.is_none() || Instant::now() < deadline) {
        return Ok(());
    }
    Err(Failure::new(
        Status::Timeout,
        "a callback was still running when the time was up",
    ))
}

fn start() -> Result<Runtime, Failure> {
    log::read_environment();
    os::watch_fork();
    // Threads inherit the mask of the thread that makes them: so no signal can slip in before
    // on_thread_start has run.
    let _blocked = os::SignalsBlocked::new();
    Builder::new_multi_thread()
        .worker_threads(IO_THREADS)
        .max_blocking_threads(MAX_CALLBACK_THREADS)
        .thread_keep_alive(Duration::from_secs(5))
        .thread_stack_size(STACK_BYTES)
        .thread_name("wamp-worker")
        .on_thread_start(os::block_signals)
        .enable_io()
        .enable_time()
        .build()
        .map_err(|error| Failure::new(Status::Internal, format!("no threads: {error}")))
}

impl Closable for Connection {
    fn start_closing(&self) {
        let _ = self.start_close(crate::protocol::uri::SYSTEM_SHUTDOWN, None);
    }

    fn wait_closed(&self, deadline: Instant) -> bool {
        self.wait_until_quiet(deadline)
    }
}

/// Registers a connection with the runtime.
pub fn enter_connection(connection: &Arc<Connection>) -> Result<Handle, Failure> {
    let weak: Weak<Connection> = Arc::downgrade(connection);
    enter(weak)
}
