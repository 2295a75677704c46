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

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Context;

use futures_util::task::AtomicWaker;

/// Ends the turn of a task that has more to do: it runs again after the others, and after sockets
/// were looked at. (A task that only wakes itself lets dozens of turns pass before that, in which
/// it can fill the queues of those who wait for their sockets.) Called on the task.
pub fn yield_turn(cx: &mut Context<'_>) {
    let _ = pin!(tokio::task::yield_now()).poll(cx);
}

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

    /// True if ringing would wake the task.
    pub fn is_asleep(&self) -> bool {
        !self.awake.load(Ordering::Relaxed)
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

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::task::Poll;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;
    use crate::transport::testing::tcp_pair;

    #[tokio::test]
    async fn sockets_are_looked_at_between_the_turns_of_a_busy_task() {
        let (mut near, mut far) = tcp_pair().await;
        let mut waits = tokio::spawn(async move { far.read_u8().await.unwrap() });
        // It waits for its socket.
        tokio::task::yield_now().await;
        near.write_u8(7).await.unwrap();
        let mut turns = 0;
        let heard = poll_fn(|cx| {
            turns += 1;
            match pin!(&mut waits).poll(cx) {
                Poll::Ready(heard) => Poll::Ready(heard.unwrap()),
                Poll::Pending => {
                    yield_turn(cx);
                    Poll::Pending
                }
            }
        });
        assert_eq!(heard.await, 7);
        assert!(turns < 6, "{turns}");
    }
}
