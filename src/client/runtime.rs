//! The hidden tokio runtime: one per process, made when first needed.
//!
//! Two I/O threads serve all connections; callbacks of `thread` dispatch run on a pool that grows
//! while they block and shrinks again. All threads are named `wamp-*`. They leave the signals of the
//! process to the host's threads, but for callbacks of `thread` dispatch, which run with the mask of
//! the thread that opened their connection.
//!
//! `shutdown` joins them, unless a callback outlasts its time limit; a later use makes a new runtime.

use std::fmt;
use std::panic::{self, AssertUnwindSafe};
use std::sync::{Mutex, Weak};
use std::thread;
use std::time::{Duration, Instant};

use tokio::runtime::{Builder, Handle, Runtime};

use crate::os;

use super::connection::Connection;
use super::status::{Failure, Status};
use super::{dispatch, lock, log};

/// I/O threads: more would only help hosts that saturate two cores with WAMP alone.
const IO_THREADS: usize = 2;
/// Callbacks that block at the same time. Threads beyond the need of the moment end by themselves.
const MAX_CALLBACK_THREADS: usize = 16 * 1024;
/// Room for deep callbacks of the host; untouched pages cost nothing.
const STACK_BYTES: usize = 2 * 1024 * 1024;

struct Hidden {
    runtime: Runtime,
    closers: Vec<Weak<dyn Closable>>,
    /// Nothing new may begin.
    closing: bool,
}

/// What runs on the runtime and must end before it.
pub trait Closable: Send + Sync {
    /// Starts to end; never blocks.
    fn start_closing(&self);
    /// Waits for the end; false if it did not come in time.
    fn wait_closed(&self, deadline: Instant) -> bool;
    /// The runtime is gone: sees to what is left.
    fn finish(&self);
}

static HIDDEN: Mutex<Option<Hidden>> = Mutex::new(None);

/// A handle of the runtime, on which `user` lives from now on.
pub fn enter(user: Weak<dyn Closable>) -> Result<Handle, Failure> {
    with_runtime(user, Handle::clone)
}

/// Runs `task` on the runtime, on which `user` lives from now on.
pub fn spawn(
    user: Weak<dyn Closable>,
    task: impl Future<Output = ()> + Send + 'static,
) -> Result<(), Failure> {
    with_runtime(user, |handle| drop(handle.spawn(task)))
}

fn with_runtime<T>(
    user: Weak<dyn Closable>,
    begin: impl FnOnce(&Handle) -> T,
) -> Result<T, Failure> {
    if os::forked() {
        return Err(Status::Forked.into());
    }
    let mut hidden = lock(&HIDDEN);
    if hidden.is_none() {
        *hidden = Some(Hidden { runtime: start()?, closers: Vec::new(), closing: false });
    }
    let Some(hidden) = hidden.as_mut() else {
        return Err(Status::Internal.into());
    };
    if hidden.closing {
        let text = "the library is being shut down: wait until wamp_shutdown has returned";
        return Err(Failure::new(Status::Closed, text));
    }
    if hidden.closers.len() == hidden.closers.capacity() {
        hidden.closers.retain(|closer| closer.strong_count() > 0);
    }
    if !hidden.closers.iter().any(|closer| closer.ptr_eq(&user)) {
        hidden.closers.push(user);
    }
    Ok(begin(hidden.runtime.handle()))
}

/// Runs what `make` makes on a thread that may block. Without a runtime nothing is made.
pub fn spawn_blocking<W: FnOnce() + Send + 'static>(
    make: impl FnOnce() -> W,
) -> Result<(), Status> {
    match &*lock(&HIDDEN) {
        Some(hidden) => {
            hidden.runtime.spawn_blocking(make());
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
    let closers: Vec<_> = match &mut *lock(&HIDDEN) {
        Some(hidden) => {
            hidden.closing = true;
            hidden.closers.iter().filter_map(Weak::upgrade).collect()
        }
        None => return Ok(()),
    };
    closers.iter().for_each(|closer| closer.start_closing());
    let late = closers.iter().filter(|closer| !closer.wait_closed(deadline)).count();
    let Some(hidden) = lock(&HIDDEN).take() else {
        return Ok(());
    };
    let rest = deadline.saturating_duration_since(Instant::now());
    hidden.runtime.shutdown_timeout(rest);
    closers.iter().for_each(|closer| closer.finish());
    if late == 0 && (timeout.is_none() || Instant::now() < deadline) {
        return Ok(());
    }
    let text = "a callback, or the system's lookup of a host name, was still running when the time was \
                up";
    Err(Failure::new(Status::Timeout, text))
}

fn start() -> Result<Runtime, Failure> {
    log::read_environment();
    os::watch_fork();
    let signals = os::SignalMask::of_this_thread().for_io();
    // The first threads inherit it, so that no signal can slip in before on_thread_start has run.
    let _inherited = signals.borrow();
    let exhausted = |error: &dyn fmt::Display| {
        let text = format!("the threads of the library cannot be started: {error}");
        Failure::new(Status::Exhausted, text)
    };
    // Where the system gives no thread, tokio panics.
    let given = thread::Builder::new().name("wamp-probe".to_owned()).spawn(|| {});
    given.map_err(|error| exhausted(&error))?.join().ok();
    let mut builder = Builder::new_multi_thread();
    builder
        .worker_threads(IO_THREADS)
        .max_blocking_threads(MAX_CALLBACK_THREADS)
        .thread_keep_alive(Duration::from_secs(5))
        .thread_stack_size(STACK_BYTES)
        .thread_name("wamp-worker")
        .on_thread_start(move || signals.wear())
        .enable_io()
        .enable_time();
    let built = panic::catch_unwind(AssertUnwindSafe(|| builder.build()));
    let built = built.map_err(|_| exhausted(&"the system gives no more of them"))?;
    built.map_err(|error| exhausted(&error))
}

impl Closable for Connection {
    fn start_closing(&self) {
        let _ = self.start_close(crate::protocol::uri::SYSTEM_SHUTDOWN, None);
    }

    fn wait_closed(&self, deadline: Instant) -> bool {
        self.wait_until_quiet(deadline)
    }

    fn finish(&self) {
        if let Some(me) = self.shared() {
            me.dispatcher.drain_last(&me);
        }
    }
}
