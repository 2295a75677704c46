//! An I/O thread: a tokio runtime of its own, so that a task that is woken never moves to another
//! thread, which would have to be woken, too.
//!
//! The runtime also has the pool of threads that may block. When and how many of these threads
//! there are is left to [`super::runtime`].

use std::io;
use std::mem;
use std::panic::{self, AssertUnwindSafe};
use std::thread;
use std::time::Duration;

use tokio::runtime::{Handle, Runtime};
use tokio::sync::oneshot;

/// A running I/O thread.
pub(super) struct IoThread {
    handle: Handle,
    stop: oneshot::Sender<Duration>,
}

impl IoThread {
    /// Starts a thread that runs `runtime`: it calls `begin` first, and `failed` if the runtime
    /// panics, whose descriptors may be gone then.
    pub(super) fn start(
        runtime: Runtime,
        stack_bytes: usize,
        begin: impl FnOnce() + Send + 'static,
        failed: impl FnOnce() + Send + 'static,
    ) -> io::Result<IoThread> {
        let (stop, stopped) = oneshot::channel();
        let handle = runtime.handle().clone();
        let run = move || {
            begin();
            let ended = panic::catch_unwind(AssertUnwindSafe(|| runtime.block_on(stopped)));
            match ended {
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
        Ok(IoThread { handle, stop })
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
