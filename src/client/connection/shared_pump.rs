//! A pump that two kinds of threads run: its task, and threads that wait for an answer, which write
//! their request themselves. So a call needs no other thread to be woken before it is on its way.
//!
//! Whoever runs the pump has its lock, and nobody waits for that: the task is woken again by who
//! had it, and another thread leaves the writing to the task. What the pump waits for wakes the
//! task, whoever has run it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, TryLockError};
use std::task::{Context, Poll, Waker};

use tokio::runtime::{Handle, TryCurrentError};

use crate::client::session::Writer;

use super::close_reason::CloseReason;
use super::pump::Pump;

/// See the module's text.
pub(super) struct SharedPump {
    pump: Mutex<Pump>,
    /// The task has found the lock taken.
    is_wanted: AtomicBool,
    /// Wakes the task.
    waker: OnceLock<Waker>,
    /// The task's runtime, which has the timers.
    runtime: Handle,
}

impl SharedPump {
    /// Shares a pump. Called on its task.
    pub(super) fn new(pump: Pump) -> SharedPump {
        let (is_wanted, waker) = (AtomicBool::new(false), OnceLock::new());
        SharedPump { pump: Mutex::new(pump), is_wanted, waker, runtime: Handle::current() }
    }

    /// Runs the pump on its task.
    pub(super) fn poll(&self, cx: &mut Context<'_>) -> Poll<CloseReason> {
        self.waker.get_or_init(|| cx.waker().clone());
        if let Some(mut pump) = self.try_lock() {
            return pump.poll(cx);
        }
        self.is_wanted.store(true, Ordering::SeqCst);
        // It may have been given back in this moment, by who did not see that it is wanted.
        match self.try_lock() {
            Some(mut pump) => pump.poll(cx),
            None => Poll::Pending,
        }
    }

    fn try_lock(&self) -> Option<MutexGuard<'_, Pump>> {
        match self.pump.try_lock() {
            Ok(pump) => Some(pump),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }
}

impl Writer for SharedPump {
    fn write_now(&self) -> bool {
        let Some(waker) = self.waker.get() else {
            return false;
        };
        // A thread in its last destructors has no room for the runtime's context any more.
        let is_ending = |error: TryCurrentError| error.is_thread_local_destroyed();
        if Handle::try_current().is_err_and(is_ending) {
            return false;
        }
        let Some(mut pump) = self.try_lock() else {
            return false;
        };
        let timers = self.runtime.enter();
        let written = pump.write_now(&mut Context::from_waker(waker));
        drop(timers);
        drop(pump);
        if self.is_wanted.swap(false, Ordering::SeqCst) {
            waker.wake_by_ref();
        }
        written
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::AtomicUsize;
    use std::task::Wake;

    use super::super::pump::tests::{Scripted, WELCOME, message, pump};
    use super::*;
    use crate::codec::{Dict, PayloadRef};

    /// Counts how often a task is woken.
    #[derive(Default)]
    struct Woken(AtomicUsize);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// An open session whose task sleeps, and that task.
    fn asleep(router: &Scripted) -> (Arc<crate::client::Session>, SharedPump, Arc<Woken>) {
        let (connection, pump) = pump(router);
        let session = connection.current_session().unwrap();
        let (shared, woken) = (SharedPump::new(pump), Arc::new(Woken::default()));
        let waker = Waker::from(woken.clone());
        assert!(shared.poll(&mut Context::from_waker(&waker)).is_pending());
        assert!(session.is_open());
        woken.0.store(0, Ordering::SeqCst);
        (session, shared, woken)
    }

    #[tokio::test]
    async fn another_thread_writes_while_the_task_sleeps() {
        let router = Scripted::new(true, [message(WELCOME)]);
        let (session, shared, _) = asleep(&router);
        session.lock_core().protocol.publish("a.b", Dict::EMPTY, PayloadRef::NONE).unwrap();
        assert!(shared.write_now());
        assert_eq!(router.sent().last().unwrap(), "[16");
        assert!(shared.write_now(), "there is nothing to do");
    }

    #[tokio::test]
    async fn who_finds_the_lock_taken_leaves_it_to_the_other() {
        let router = Scripted::new(true, [message(WELCOME)]);
        let (_session, shared, woken) = asleep(&router);
        let held = shared.try_lock().unwrap();
        assert!(!shared.write_now());
        let waker = Waker::from(woken.clone());
        assert!(shared.poll(&mut Context::from_waker(&waker)).is_pending());
        drop(held);
        assert!(shared.write_now());
        assert_eq!(woken.0.load(Ordering::SeqCst), 1, "the task has wanted it meanwhile");
    }
}
