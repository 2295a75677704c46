//! The lock of a realm: who waits for it gets it before whoever had it last.
//!
//! A mutex lets a thread that unlocks and locks again at once overtake the others, which still have
//! to be woken: clients that flood a realm would keep everybody else out of it. Here the next one
//! waits at a gate that the one who comes back has to pass, too.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, TryLockError};

use crate::os::lock;

/// See the module's text.
#[derive(Debug)]
pub(super) struct FairLock<T> {
    value: Mutex<T>,
    /// Held by the one who gets the value next.
    gate: Mutex<()>,
    /// The threads at the gate or behind it.
    waiting: AtomicUsize,
}

impl<T> FairLock<T> {
    pub(super) fn new(value: T) -> FairLock<T> {
        FairLock { value: Mutex::new(value), gate: Mutex::new(()), waiting: AtomicUsize::new(0) }
    }

    /// Takes the lock. Where nobody waits this is one attempt at the mutex.
    #[inline]
    pub(super) fn lock(&self) -> MutexGuard<'_, T> {
        if self.waiting.load(Ordering::Relaxed) == 0 {
            match self.value.try_lock() {
                Ok(guard) => return guard,
                Err(TryLockError::Poisoned(poisoned)) => return poisoned.into_inner(),
                Err(TryLockError::WouldBlock) => {}
            }
        }
        self.wait()
    }

    #[cold]
    fn wait(&self) -> MutexGuard<'_, T> {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        let gate = lock(&self.gate);
        let guard = lock(&self.value);
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        drop(gate);
        guard
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::AtomicBool;
    use std::thread;

    use super::*;

    /// Two threads that do nothing but take the lock do not keep a third one out: between two of
    /// its own turns each of them has a few, not thousands.
    #[test]
    fn nobody_is_kept_out() {
        let counts = Arc::new(FairLock::new([0_u64; 2]));
        let end = Arc::new(AtomicBool::new(false));
        let greedy: Vec<_> = (0..2)
            .map(|at| {
                let (counts, end) = (counts.clone(), end.clone());
                thread::spawn(move || {
                    while !end.load(Ordering::Relaxed) {
                        let mut counts = counts.lock();
                        counts[at] += 1;
                        // A turn takes a while.
                        (0..2000).for_each(|number| {
                            std::hint::black_box(number);
                        });
                    }
                })
            })
            .collect();
        while counts.lock().contains(&0) {
            thread::yield_now();
        }
        let mut waits = Vec::new();
        for _ in 0..200 {
            counts.waiting.fetch_add(1, Ordering::Relaxed);
            let gate = lock(&counts.gate);
            // From here on nobody overtakes but who has passed the gate.
            let before: u64 = counts.value.lock().unwrap().iter().sum();
            let after: u64 = counts.value.lock().unwrap().iter().sum();
            waits.push(after - before);
            counts.waiting.fetch_sub(1, Ordering::Relaxed);
            drop(gate);
        }
        end.store(true, Ordering::Relaxed);
        for thread in greedy {
            thread.join().unwrap();
        }
        assert!(waits.iter().all(|others| *others <= 2), "{waits:?}");
    }
}
