//! An I/O thread: a tokio runtime of its own, so that a task that is woken never moves to another
//! thread, which would have to be woken, too.
//!
//! The runtime also has the pool of threads that may block. When and how many of these threads
//! there are is left to [`super::runtime`].

use std::io;
use std::mem;
use std::panic::{self, AssertUnwindSafe};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use tokio::runtime::{Handle, Runtime};
use tokio::sync::oneshot;

use super::sync::{Condvar, lock, wait_on};

/// A running I/O thread.
pub(super) struct IoThread {
    handle: Handle,
    stop: oneshot::Sender<Duration>,
}

/// The runtime of a thread that starts, once it has one.
type Made = (Mutex<Option<io::Result<Handle>>>, Condvar);

impl IoThread {
    /// Starts a thread that makes a runtime by `build`, not to leave anything of it on the host's,
    /// and runs it. The thread calls `begin` first, and `failed` if the runtime panics, whose
    /// descriptors may be gone then.
    pub(super) fn start(
        stack_bytes: usize,
        begin: impl FnOnce() + Send + 'static,
        build: impl FnOnce() -> io::Result<Runtime> + Send + 'static,
        failed: impl FnOnce() + Send + 'static,
    ) -> io::Result<IoThread> {
        let made = Arc::new(Made::default());
        let (stop, stopped) = oneshot::channel();
        let maker = made.clone();
        let run = move || {
            begin();
            let tell = |handle| {
                *lock(&maker.0) = Some(handle);
                maker.1.notify_all();
            };
            let runtime = match panic::catch_unwind(AssertUnwindSafe(build)) {
                Ok(Ok(runtime)) => runtime,
                Ok(Err(error)) => return tell(Err(error)),
                Err(_) => return tell(Err(io::Error::other("the system allows no more"))),
            };
            tell(Ok(runtime.handle().clone()));
            match panic::catch_unwind(AssertUnwindSafe(|| runtime.block_on(stopped))) {
                Ok(patience) => runtime.shutdown_timeout(patience.unwrap_or_default()),
                Err(_) => {
                    // Whatever of it is dropped closes descriptors under numbers that may be
                    // others' by now: so nothing of it is dropped.
                    mem::forget(runtime);
                    failed();
                }
            }
        };
        let builder = thread::Builder::new().name("wamp-worker".to_owned());
        builder.stack_size(stack_bytes).spawn(run)?;
        let mut handle = lock(&made.0);
        loop {
            if let Some(handle) = handle.take() {
                return Ok(IoThread { handle: handle?, stop });
            }
            match wait_on(&made.1, handle, None) {
                Some(again) => handle = again,
                None => return Err(io::ErrorKind::TimedOut.into()),
            }
        }
    }

    /// The way to run something on it.
    pub(super) fn handle(&self) -> &Handle {
        &self.handle
    }

    /// False once it has failed.
    pub(super) fn is_running(&self) -> bool {
        !self.stop.is_closed()
    }

    /// Ends the thread, and its pool, for which it waits so long.
    pub(super) fn stop(self, patience: Duration) {
        // Where its descriptors are gone it cannot be woken, and this panics.
        let stop = AssertUnwindSafe(|| self.stop.send(patience).is_ok());
        let _ = panic::catch_unwind(stop);
    }

    /// Leaves a thread alone that may never end, as its descriptors are gone.
    pub(super) fn abandon(self) {
        mem::forget(self);
    }
}
