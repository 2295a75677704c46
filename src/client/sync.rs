//! Locks and waits, as everything here does them.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::MutexGuard;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use tokio::sync::Notify;

use crate::os::unpoisoned;

pub(crate) use crate::os::lock;

/// A condition variable that costs nothing while nobody waits: std's own makes a system call each
/// time. What is waited for must be changed under the mutex that is waited with: then whoever
/// waits has either said so before, or sees the change.
#[derive(Debug, Default)]
pub(crate) struct Condvar {
    condition: std::sync::Condvar,
    waiting: AtomicUsize,
}

impl Condvar {
    pub(crate) const fn new() -> Condvar {
        Condvar { condition: std::sync::Condvar::new(), waiting: AtomicUsize::new(0) }
    }

    /// Wakes all that wait.
    pub(crate) fn notify_all(&self) {
        if self.is_awaited() {
            self.condition.notify_all();
        }
    }

    /// Wakes one of those that wait.
    pub(crate) fn notify_one(&self) {
        if self.is_awaited() {
            self.condition.notify_one();
        }
    }

    /// Frees the lock under which something was changed, and wakes all that wait for it: they
    /// would only wait for the lock otherwise.
    pub(crate) fn announce<T>(&self, changed: MutexGuard<'_, T>) {
        drop(changed);
        self.notify_all();
    }

    fn is_awaited(&self) -> bool {
        // The mutex orders it.
        self.waiting.load(Ordering::Relaxed) > 0
    }
}

/// Waits on a condition variable; `None` when the deadline has passed.
pub(crate) fn wait_on<'m, T>(
    condition: &Condvar,
    guard: MutexGuard<'m, T>,
    deadline: Option<Instant>,
) -> Option<MutexGuard<'m, T>> {
    let rest = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
    if rest.is_some_and(|rest| rest.is_zero()) {
        return None;
    }
    condition.waiting.fetch_add(1, Ordering::Relaxed);
    let guard = match rest {
        Some(rest) => unpoisoned(condition.condition.wait_timeout(guard, rest)).0,
        None => unpoisoned(condition.condition.wait(guard)),
    };
    condition.waiting.fetch_sub(1, Ordering::Relaxed);
    Some(guard)
}

/// Wakes the task that waits there. Where the program has closed descriptors that are not its own
/// the runtime panics in that, and is about to be replaced: see [`super::runtime::suspect`].
pub(crate) fn notify(task: &Notify) {
    let _ = catch_unwind(AssertUnwindSafe(|| task.notify_one()));
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::thread;
    use std::time::Duration;

    use super::*;

    /// Counts that go back and forth between two threads.
    #[test]
    fn no_change_is_missed() {
        const TURNS: usize = 20_000;
        let (turn, changed) = (Mutex::new(0), Condvar::new());
        let play = |own: usize| {
            for _ in 0..TURNS {
                let mut guard = lock(&turn);
                while *guard % 2 != own {
                    guard = wait_on(&changed, guard, None).unwrap();
                }
                *guard += 1;
                drop(guard);
                match own {
                    0 => changed.notify_all(),
                    _ => changed.notify_one(),
                }
            }
        };
        thread::scope(|scope| {
            scope.spawn(|| play(0));
            scope.spawn(|| play(1));
        });
        assert_eq!(*lock(&turn), 2 * TURNS);
        assert!(!changed.is_awaited());
    }

    #[test]
    fn a_wait_ends_with_its_time() {
        let (mutex, changed) = (Mutex::new(()), Condvar::new());
        let begun = Instant::now();
        let deadline = begun + Duration::from_millis(5);
        let mut waited = Some(lock(&mutex));
        while let Some(guard) = waited.take() {
            waited = wait_on(&changed, guard, Some(deadline));
        }
        assert!(begun.elapsed() >= Duration::from_millis(5) && !changed.is_awaited());
    }
}
