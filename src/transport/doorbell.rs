//! The bell by which threads tell the task that owns a transport that there is something to do.
//!
//! Ringing costs one atomic operation while the task is awake; only a sleeping task is woken.
//!
//! ```text
//!             ring: wake the task
//!   asleep ------------------------> awake ---+
//!      ^                               |  ^   | ring: nothing to do
//!      +--- fall_asleep, then the -----+  +---+
//!           task looks once more
//! ```

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Context;

use futures_util::task::AtomicWaker;

/// See the module's text.
#[derive(Debug)]
pub struct Doorbell {
    awake: AtomicBool,
    waker: AtomicWaker,
}

impl Default for Doorbell {
    fn default() -> Self {
        Doorbell { awake: AtomicBool::new(true), waker: AtomicWaker::new() }
    }
}

impl Doorbell {
    /// Makes sure that the task looks for work after this call.
    #[inline]
    pub fn ring(&self) {
        if !self.awake.swap(true, Ordering::AcqRel) {
            // Where the program has closed descriptors that are not its own the runtime panics.
            // What was to be done stays to be done: the connection ends with the runtime.
            let _ = catch_unwind(AssertUnwindSafe(|| self.waker.wake()));
        }
    }

    /// Called by the task before it returns `Pending`. It must look for work once more afterwards,
    /// and call [`Doorbell::stay_awake`] if it found some.
    pub fn fall_asleep(&self, cx: &Context<'_>) {
        self.waker.register(cx.waker());
        self.awake.swap(false, Ordering::AcqRel);
    }

    /// Called by the task when it runs, whoever woke it.
    pub fn stay_awake(&self) {
        self.awake.store(true, Ordering::Release);
    }
}
