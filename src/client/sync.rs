//! Locks and waits, as everything here does them.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, MutexGuard};
use std::time::Instant;

use tokio::sync::Notify;

use crate::os::unpoisoned;

pub(crate) use crate::os::lock;

/// Waits on a condition variable; `None` when the deadline has passed.
pub(crate) fn wait_on<'m, T>(
    condition: &Condvar,
    guard: MutexGuard<'m, T>,
    deadline: Option<Instant>,
) -> Option<MutexGuard<'m, T>> {
    let Some(deadline) = deadline else {
        return Some(unpoisoned(condition.wait(guard)));
    };
    let rest = deadline.checked_duration_since(Instant::now()).filter(|rest| !rest.is_zero())?;
    Some(unpoisoned(condition.wait_timeout(guard, rest)).0)
}

/// A condition variable that costs no system call where nobody waits.
#[derive(Debug, Default)]
pub(crate) struct Changed {
    condition: Condvar,
    /// Threads that wait: changed with the lock held, so that who announces with it sees them.
    waiting: AtomicUsize,
}

impl Changed {
    /// Runs `wait`, which waits on the condition variable. Called with the lock held.
    pub(crate) fn wait<R>(&self, wait: impl FnOnce(&Condvar) -> R) -> R {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        let waited = wait(&self.condition);
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        waited
    }

    /// Tells those who wait of a change, once the lock is free for them.
    pub(crate) fn announce<T>(&self, changed: MutexGuard<'_, T>) {
        let is_awaited = self.waiting.load(Ordering::Relaxed) > 0;
        drop(changed);
        if is_awaited {
            self.condition.notify_all();
        }
    }
}

/// Wakes the task that waits there. Where the program has closed descriptors that are not its own
/// the runtime panics in that, and is about to be replaced: see [`super::runtime::suspect`].
pub(crate) fn notify(task: &Notify) {
    let _ = catch_unwind(AssertUnwindSafe(|| task.notify_one()));
}
