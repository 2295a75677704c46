//! The barrier without the network: which callback runs, and which must not begin any more.
//!
//! Whoever delivers says before each callback for which id it is, then looks whether that id was
//! silenced; whoever silences an id first says so, then looks which callback runs. So one of the
//! two sees the other, without a lock per event. What marks ids is in
//! [`crate::client::connection::quiesce`].

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Instant;

use crate::client::scope::FlagScope;
use crate::client::sync::{Condvar, lock, wait_on};

/// Of callbacks that run, and threads that wait for their end.
#[derive(Debug)]
pub(in crate::client) struct Barrier {
    /// The id whose callback runs, or [`NOBODY`].
    running: AtomicU64,
    /// Wakeups of the host that run.
    waking: AtomicUsize,
    /// Threads that wait.
    waiting: AtomicUsize,
    /// Nothing of the connection is told any more.
    silent: AtomicBool,
    turn: Mutex<()>,
    left: Condvar,
    /// Ids that were silenced while what is told now had left the queue already.
    silenced: Mutex<Vec<u64>>,
    /// There are some.
    has_silenced: AtomicBool,
}

/// No callback runs.
const NOBODY: u64 = u64::MAX;

impl Default for Barrier {
    fn default() -> Barrier {
        Barrier {
            running: AtomicU64::new(NOBODY),
            waking: AtomicUsize::new(0),
            waiting: AtomicUsize::new(0),
            silent: AtomicBool::new(false),
            turn: Mutex::new(()),
            left: Condvar::new(),
            silenced: Mutex::default(),
            has_silenced: AtomicBool::new(false),
        }
    }
}

impl Barrier {
    /// A callback for `id` is about to begin, unless it is to be passed over; the former one is
    /// over.
    #[inline]
    pub(in crate::client) fn enter(&self, id: u64) {
        // Where the one before was for the same id that has been said: who waits for its end goes
        // on waiting, and who begins to wait now does so for this one.
        if self.running.load(Ordering::Relaxed) == id && self.waiting.load(Ordering::SeqCst) == 0 {
            return;
        }
        self.running.store(id, Ordering::SeqCst);
        self.tell();
    }

    /// The last callback of a turn is over.
    pub(in crate::client) fn leave(&self) {
        self.enter(NOBODY);
    }

    /// Runs a wakeup of the host, unless there shall be none any more; what it owns ends within.
    pub(in crate::client) fn wake(&self, wakeup: impl FnOnce()) {
        self.waking.fetch_add(1, Ordering::SeqCst);
        let scope = FlagScope::wakeup();
        match self.is_silent() {
            true => drop(wakeup),
            false => wakeup(),
        }
        drop(scope);
        self.waking.fetch_sub(1, Ordering::SeqCst);
        self.tell();
    }

    /// From now on nothing of the connection is told.
    pub(in crate::client) fn silence(&self) {
        self.silent.store(true, Ordering::SeqCst);
    }

    /// True after [`Barrier::silence`].
    #[inline]
    pub(in crate::client) fn is_silent(&self) -> bool {
        self.silent.load(Ordering::SeqCst)
    }

    /// Remembers an id that is silenced, for what has left the queue already.
    pub(in crate::client) fn remember(&self, id: u64) {
        lock(&self.silenced).push(id);
        self.has_silenced.store(true, Ordering::SeqCst);
    }

    /// True after [`Barrier::remember`], until the end of the turn.
    #[inline]
    pub(in crate::client) fn remembers(&self, id: u64) -> bool {
        self.has_silenced.load(Ordering::SeqCst) && lock(&self.silenced).contains(&id)
    }

    /// Forgets what was remembered: nothing is on its way any more that had left the queue before.
    pub(in crate::client) fn forget(&self) {
        if self.has_silenced.load(Ordering::SeqCst) {
            let mut silenced = lock(&self.silenced);
            *silenced = Vec::new();
            self.has_silenced.store(false, Ordering::SeqCst);
        }
    }

    /// True while a callback for `id` runs; `None` is any.
    pub(in crate::client) fn runs(&self, id: Option<u64>) -> bool {
        let running = self.running.load(Ordering::SeqCst);
        match id {
            Some(id) => running == id,
            None => running != NOBODY || self.waking.load(Ordering::SeqCst) > 0,
        }
    }

    /// Waits until no callback for `id` runs (`None`: none at all); false when the time is up.
    pub(in crate::client) fn wait(&self, id: Option<u64>, deadline: Option<Instant>) -> bool {
        self.waiting.fetch_add(1, Ordering::SeqCst);
        let mut turn = Some(lock(&self.turn));
        while self.runs(id)
            && let Some(held) = turn
        {
            turn = wait_on(&self.left, held, deadline);
        }
        self.waiting.fetch_sub(1, Ordering::SeqCst);
        turn.is_some()
    }

    #[inline]
    fn tell(&self) {
        if self.waiting.load(Ordering::SeqCst) > 0 {
            drop(lock(&self.turn));
            self.left.notify_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::client::scope::in_wakeup;

    fn soon() -> Option<Instant> {
        Some(Instant::now() + Duration::from_millis(10))
    }

    fn late() -> Option<Instant> {
        Some(Instant::now() + Duration::from_secs(60))
    }

    #[test]
    fn who_runs_is_waited_for() {
        let barrier = Barrier::default();
        assert!(barrier.wait(None, soon()));
        barrier.enter(7);
        assert!(!barrier.wait(Some(7), soon()));
        assert!(!barrier.wait(None, soon()));
        assert!(barrier.wait(Some(8), soon()));
        std::thread::scope(|scope| {
            let waits = scope.spawn(|| barrier.wait(Some(7), late()));
            let waits_for_all = scope.spawn(|| barrier.wait(None, late()));
            barrier.enter(8);
            assert!(waits.join().unwrap());
            barrier.leave();
            assert!(waits_for_all.join().unwrap());
        });
    }

    #[test]
    fn wakeups_are_waited_for_by_who_wants_silence() {
        let barrier = Barrier::default();
        barrier.wake(|| {
            assert!(in_wakeup());
            assert!(!barrier.wait(None, soon()));
            assert!(barrier.wait(Some(7), soon()));
        });
        assert!(!in_wakeup() && barrier.wait(None, soon()));
        barrier.silence();
        barrier.wake(|| unreachable!("nothing is told any more"));
    }
}
