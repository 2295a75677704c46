//! A round of an I/O thread: all that its tasks do from one look at their sockets to the next.
//!
//! The runtime says when the thread sleeps, which ends a round. Where there is always something to
//! do it never sleeps, and who runs the tasks begins the next round by itself.

use std::cell::Cell;
use std::time::{Duration, Instant};

thread_local! {
    static BEGAN: Cell<Option<Instant>> = const { Cell::new(None) };
}

/// Ends the round of this thread: the next one begins with the next task.
#[inline]
pub fn end_round() {
    BEGAN.set(None);
}

/// Begins a round of this thread that counts as if it had lasted for `had` already.
#[inline]
pub fn begin_round(had: Duration) {
    let now = Instant::now();
    BEGAN.set(Some(now.checked_sub(had).unwrap_or(now)));
}

/// The time since the round of this thread began; it begins now if there is none.
#[inline]
pub fn round_time() -> Duration {
    let now = Instant::now();
    match BEGAN.get() {
        Some(began) => now.saturating_duration_since(began),
        None => {
            BEGAN.set(Some(now));
            Duration::ZERO
        }
    }
}
