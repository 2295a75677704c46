//! Locks and waits, as everything here does them.

use std::panic::{AssertUnwindSafe, catch_unwind};
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

/// Wakes the task that waits there. Where the program has closed descriptors that are not its own
/// the runtime panics in that, and is about to be replaced: see [`super::runtime::suspect`].
pub(crate) fn notify(task: &Notify) {
    let _ = catch_unwind(AssertUnwindSafe(|| task.notify_one()));
}
