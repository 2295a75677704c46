//! A pump that two kinds of threads run: its task, and threads that wait for an answer, which write
//! their request and read the answer themselves. So a call needs no other thread to be woken.
//!
//! Whoever runs the pump has its lock, and nobody waits for that: the task is woken again by who
//! had it, and another thread leaves its work to the task. What the pump waits for wakes the task,
//! whoever has run it, but for the socket while a thread has it:
//!
//! ```text
//!                     drive: a thread waits for an answer
//!   the runtime  ----------------------------------------------->  the thread
//!   watches the  <-----------------------------------------------  watches the
//!   socket            the answer is there; or the task runs,       socket
//!                     for whatever reason, and tells the thread
//! ```

use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use tokio::runtime::Handle;

use crate::client::delivery::Sleeper;
use crate::client::runtime;
use crate::client::session::{Driver, Shared};
use crate::os::{Descriptor, Flag};

use super::close_reason::CloseReason;
use super::hand_over::{HandOver, Turn};
use super::pump::{Pump, Read};

/// After the task has taken the socket back from a thread, so many others wait without it: the
/// connection is busy.
const PAUSE: u32 = 16;

/// See the module's text.
pub(super) struct SharedPump {
    pump: HandOver<Pump>,
    shared: Arc<Shared>,
    /// Wakes the task.
    waker: OnceLock<Waker>,
    /// The task's runtime, which has the timers.
    runtime: Handle,
    /// Ends the sleep of the thread that has the socket.
    flag: OnceLock<Arc<Flag>>,
    /// Threads that are still to wait without the socket.
    pause: AtomicU32,
}

impl SharedPump {
    /// Shares a pump. Called on its task.
    pub(super) fn new(pump: Pump, shared: Arc<Shared>) -> SharedPump {
        SharedPump {
            pump: HandOver::new(pump),
            shared,
            waker: OnceLock::new(),
            runtime: Handle::current(),
            flag: OnceLock::new(),
            pause: AtomicU32::new(0),
        }
    }

    /// Runs the pump on its task.
    pub(super) fn poll(&self, cx: &mut Context<'_>) -> Poll<CloseReason> {
        self.waker.get_or_init(|| cx.waker().clone());
        let took_back = || {
            self.pause.store(PAUSE, Ordering::Relaxed);
            self.flag.get().inspect(|flag| flag.raise());
        };
        match self.pump.take_on_task(took_back) {
            Some(mut pump) => pump.poll(cx),
            None => Poll::Pending,
        }
    }

    /// Runs a part of the pump on a thread that is not its task's, whose context `run` gets. What
    /// it returns says whether the task must be woken.
    fn borrow<T>(
        &self,
        mut pump: Turn<'_, Pump>,
        run: impl FnOnce(&mut Pump, &mut Context<'_>) -> (T, bool),
    ) -> Option<T> {
        let waker = self.waker.get()?;
        let timers = self.runtime.enter();
        let (value, must_wake) = run(&mut pump, &mut Context::from_waker(waker));
        drop(timers);
        if self.pump.give_back(pump) || must_wake {
            // The runtime panics where its descriptors are gone, and is about to be replaced.
            let _ = catch_unwind(AssertUnwindSafe(|| waker.wake_by_ref()));
        }
        Some(value)
    }

    /// Takes the socket from the runtime, for this thread.
    fn take_socket(&self) -> Option<([Descriptor; 2], &Arc<Flag>)> {
        let is_paused = |pause: u32| pause.checked_sub(1);
        if self.pause.fetch_update(Ordering::Relaxed, Ordering::Relaxed, is_paused).is_ok()
            || !has_context()
        {
            return None;
        }
        let flag = match self.flag.get() {
            Some(flag) => flag,
            None => {
                let flag = Arc::new(Flag::new().ok()?);
                self.flag.get_or_init(|| flag)
            }
        };
        let detach = |pump: &mut Pump, _: &mut Context<'_>| {
            let socket = pump.detach();
            (socket, socket.is_none() && pump.is_left())
        };
        let socket = self.borrow(self.pump.try_take()?, detach)??;
        Some(([socket, flag.fd()], flag))
    }

    /// Reads the socket that this thread has, or has just given back.
    fn read(&self, pump: Turn<'_, Pump>, takes: bool) -> Read {
        let read = self.borrow(pump, |pump, cx| {
            let read = pump.read_now(cx, takes);
            let must_wake = !read.goes_on;
            (read, must_wake)
        });
        let mut read = read.unwrap_or_default();
        mem::take(&mut read.deferred).run(&self.shared);
        read
    }
}

impl Driver for SharedPump {
    fn write_now(&self) -> bool {
        let Some(pump) = self.pump.try_take().filter(|_| has_context()) else {
            return false;
        };
        self.borrow(pump, |pump, cx| (pump.write_now(cx), false)).unwrap_or(false)
    }

    fn drive(&self, waits: &dyn Sleeper, takes: bool, deadline: Option<Instant>) -> bool {
        let Some((fds, flag)) = self.take_socket() else {
            return false;
        };
        let sleeps = || {
            let mut ready = None;
            let mut sleep = || ready = runtime::wait_readable(fds, deadline);
            let slept = waits.sleep(flag, &mut sleep);
            if ready.is_some_and(|[_, is_raised]| is_raised) {
                flag.lower();
            }
            slept && ready.is_some()
        };
        // To which the socket is given back.
        let _runtime = self.runtime.enter();
        let mut untold = false;
        let read = |pump: Turn<'_, Pump>| {
            let read = self.read(pump, takes);
            untold |= read.untold;
            read.goes_on
        };
        self.pump.watch(sleeps, read);
        untold
    }
}

/// False for a thread in its last destructors, which has no room for the runtime's context any
/// more.
fn has_context() -> bool {
    !Handle::try_current().is_err_and(|error| error.is_thread_local_destroyed())
}

#[cfg(test)]
mod tests {
    use std::sync::Weak;
    use std::sync::atomic::AtomicUsize;
    use std::task::Wake;
    use std::thread;
    use std::time::Duration;

    use super::super::pump::tests::{Scripted, message, pump_with};
    use super::*;
    use crate::client::session::Waiter;
    use crate::client::{EventHandler, Notice, Receiver, Session};
    use crate::codec::{Dict, PayloadRef};
    use crate::os;
    use crate::protocol::EventKind;

    const WELCOME: &str = r#"[2,7,{"roles":{"broker":{},"dealer":{}}}]"#;

    /// Counts how often a task is woken.
    #[derive(Default)]
    struct Woken(AtomicUsize);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// An open session whose task sleeps, and that task.
    fn asleep(router: &Scripted) -> (Arc<Session>, Arc<SharedPump>, Arc<Woken>) {
        asleep_with(router, "")
    }

    fn asleep_with(router: &Scripted, more: &str) -> (Arc<Session>, Arc<SharedPump>, Arc<Woken>) {
        let (connection, pump) = pump_with(router, more);
        let session = connection.current_session().unwrap();
        let shared = Arc::new(SharedPump::new(pump, connection.shared().clone()));
        let driver: Weak<dyn Driver> = Arc::downgrade(&shared) as _;
        connection.shared().set_driver(driver.clone());
        let _ = session.driver.set(driver);
        let woken = Arc::new(Woken::default());
        assert!(poll(&shared, &woken).is_pending());
        assert!(session.is_open());
        woken.0.store(0, Ordering::SeqCst);
        (session, shared, woken)
    }

    fn poll(shared: &SharedPump, woken: &Arc<Woken>) -> Poll<CloseReason> {
        shared.poll(&mut Context::from_waker(&Waker::from(woken.clone())))
    }

    /// A call whose answer a thread waits for.
    fn call(session: &Session) -> Option<EventKind> {
        let waiter = Arc::new(Waiter::default());
        let receiver = Receiver::Waiter(waiter.clone());
        session.call("a.b", Dict::EMPTY, PayloadRef::NONE, receiver).unwrap();
        let outcome = session.wait(&waiter, Some(Duration::from_secs(60)));
        outcome.map(|event| event.kind)
    }

    /// Waits for what another thread is about to do.
    fn until(is_so: impl Fn() -> bool) {
        let begun = Instant::now();
        while !is_so() {
            assert!(begun.elapsed() < Duration::from_secs(60), "it does not happen");
            thread::yield_now();
        }
    }

    /// Runs the task, and again whenever it is woken, until another thread has done its part: one
    /// that has the pump meanwhile wakes it.
    fn run(shared: &SharedPump, woken: &Arc<Woken>, is_done: impl Fn() -> bool) {
        woken.0.fetch_add(1, Ordering::SeqCst);
        until(|| {
            if woken.0.swap(0, Ordering::SeqCst) > 0 {
                assert!(poll(shared, woken).is_pending());
            }
            is_done()
        });
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
        let held = shared.pump.try_take().unwrap();
        assert!(!shared.write_now());
        assert!(poll(&shared, &woken).is_pending());
        drop(held);
        assert!(shared.write_now());
        assert_eq!(woken.0.load(Ordering::SeqCst), 1, "the task has wanted it meanwhile");
    }

    #[tokio::test]
    async fn a_thread_that_waits_reads_its_answer_and_the_task_sleeps_on() {
        let router = Scripted::new(true, [message(WELCOME)]).with_socket();
        let (session, _shared, woken) = asleep(&router);
        for answer in ["[50,1,{}]", "[50,2,{}]", "[8,48,3,{},\"a.b\"]"] {
            let outcome = thread::scope(|scope| {
                let calls = scope.spawn(|| call(&session));
                until(|| router.is_detached());
                router.says(message(answer));
                calls.join().unwrap()
            });
            let is_error = answer.starts_with("[8");
            assert_eq!(outcome, Some(if is_error { EventKind::Error } else { EventKind::Result }));
            assert!(!router.is_detached(), "the runtime watches it again");
        }
        assert_eq!(woken.0.load(Ordering::SeqCst), 0);
    }

    #[tokio::test]
    async fn the_task_takes_the_socket_back_whatever_it_wakes_for() {
        let router = Scripted::new(true, [message(WELCOME)]).with_socket();
        let (session, shared, woken) = asleep(&router);
        thread::scope(|scope| {
            let calls = scope.spawn(|| call(&session));
            until(|| router.is_detached());
            until(|| poll(&shared, &woken).is_pending() && !router.is_detached());
            // The thread waits without the socket, and is told by the task.
            router.says(message("[50,1,{}]"));
            run(&shared, &woken, || calls.is_finished());
            assert_eq!(calls.join().unwrap(), Some(EventKind::Result));
        });
        // And so do those after it, for a while.
        thread::scope(|scope| {
            let calls = scope.spawn(|| call(&session));
            until(|| router.sent().len() == 3);
            router.says(message("[50,2,{}]"));
            run(&shared, &woken, || calls.is_finished());
            assert_eq!(calls.join().unwrap(), Some(EventKind::Result));
        });
        assert_eq!(shared.pause.load(Ordering::SeqCst), PAUSE - 1);
    }

    #[tokio::test]
    async fn what_runs_the_applications_code_is_left_to_the_task() {
        let router = Scripted::new(true, [message(WELCOME)]).with_socket();
        let (session, shared, woken) = asleep(&router);
        thread::scope(|scope| {
            let calls = scope.spawn(|| call(&session));
            until(|| router.is_detached());
            // The end of the session frees what is the application's.
            router.says(message("[6,{},\"wamp.close.system_shutdown\"]"));
            until(|| woken.0.load(Ordering::SeqCst) > 0);
            until(|| poll(&shared, &woken).is_pending() && !router.is_detached());
            assert_eq!(calls.join().unwrap(), Some(EventKind::Error));
        });
        assert!(!router.is_detached());
    }

    /// The handler of a program that polls.
    struct Polls;

    impl EventHandler for Polls {
        fn deliver(&self, _notice: &Notice) -> bool {
            false
        }
        fn end(&self) {}
        fn has_ended(&self) -> bool {
            false
        }
        fn silence(&self) {}
        fn is_silent(&self) -> bool {
            false
        }
        fn pass_over(&self, _notice: &Notice) {}
        fn user_data(&self) -> usize {
            0
        }
    }

    /// Polls for events, and returns what they are about.
    fn polled(session: &Session, max: usize) -> Vec<u64> {
        let deadline = Instant::now() + Duration::from_secs(60);
        let shared = session.shared();
        let events = shared.queue.poll(&**shared, max, Some(deadline)).unwrap();
        events.iter().map(|event| event.event.wamp_id).collect()
    }

    #[tokio::test]
    async fn a_thread_that_polls_reads_its_events_itself() {
        let router = Scripted::new(true, [message(WELCOME)]).with_socket();
        let (session, shared, woken) = asleep(&router);
        let fd = session.shared().queue.flag().unwrap().fd();
        let is_raised = || os::wait_readable([fd, fd], Duration::ZERO).unwrap()[0];
        // ON_OPEN.
        assert_eq!(polled(&session, 1).len(), 1);
        let receiver = Receiver::App(Arc::new(Polls));
        session.subscribe("a.b", Dict::EMPTY, receiver).unwrap();
        router.says(message("[33,1,7]"));
        assert!(poll(&shared, &woken).is_pending());
        assert_eq!(polled(&session, 1).len(), 1);
        woken.0.store(0, Ordering::SeqCst);
        for (max, left) in [(9, vec![]), (1, vec![9])] {
            thread::scope(|scope| {
                let polls = scope.spawn(|| polled(&session, max));
                until(|| router.is_detached());
                router.say_together([message("[36,7,8,{}]"), message("[36,7,9,{}]")]);
                assert_eq!([polls.join().unwrap(), left.clone()].concat(), [8, 9]);
            });
            assert!(!router.is_detached() && is_raised() != left.is_empty());
        }
        assert_eq!((polled(&session, 9), is_raised()), (vec![9], false));
        assert_eq!(woken.0.load(Ordering::SeqCst), 0, "the task sleeps on");
        thread::scope(|scope| {
            let polls = scope.spawn(|| polled(&session, 9));
            until(|| router.is_detached());
            // What comes by the task ends the wait, too.
            router.says(message("[36,7,10,{}]"));
            until(|| poll(&shared, &woken).is_pending() && !router.is_detached());
            assert_eq!(polls.join().unwrap(), [10]);
        });
    }

    #[tokio::test]
    async fn what_is_left_in_the_transport_is_read_by_the_task() {
        let router = Scripted::new(true, [message(WELCOME)]).with_socket();
        let (session, shared, woken) = asleep(&router);
        assert_eq!(polled(&session, 1).len(), 1);
        session.subscribe("a.b", Dict::EMPTY, Receiver::App(Arc::new(Polls))).unwrap();
        router.says(message("[33,1,7]"));
        assert!(poll(&shared, &woken).is_pending());
        assert_eq!(polled(&session, 1).len(), 1);
        woken.0.store(0, Ordering::SeqCst);
        // As many as one read and the one after it take in; the socket has no more to tell.
        let mut heard = thread::scope(|scope| {
            let polls = scope.spawn(|| polled(&session, 1000));
            until(|| router.is_detached());
            router.say_together((0..300).map(|_| message("[36,7,8,{}]")));
            polls.join().unwrap().len()
        });
        assert!(heard < 300 && woken.0.load(Ordering::SeqCst) > 0, "{heard}");
        while heard < 300 {
            let _ = poll(&shared, &woken);
            heard += polled(&session, 1000).len();
        }
        assert_eq!(heard, 300);
    }

    #[tokio::test]
    async fn a_socket_that_is_lost_on_its_way_is_told_to_the_task() {
        let router = Scripted::new(true, [message(WELCOME)]).with_socket();
        let (session, shared, woken) = asleep(&router);
        router.lose_socket();
        thread::scope(|scope| {
            let calls = scope.spawn(|| call(&session));
            until(|| woken.0.load(Ordering::SeqCst) > 0);
            until(|| poll(&shared, &woken).is_ready());
            assert_eq!(calls.join().unwrap(), Some(EventKind::Error));
        });
    }

    #[tokio::test]
    async fn the_option_leaves_all_reading_to_the_task() {
        let router = Scripted::new(true, [message(WELCOME)]).with_socket();
        let (session, shared, woken) = asleep_with(&router, r#", "drive": false"#);
        thread::scope(|scope| {
            let calls = scope.spawn(|| call(&session));
            until(|| router.sent().len() == 2);
            router.says(message("[50,1,{}]"));
            until(|| poll(&shared, &woken).is_pending() && calls.is_finished());
            assert_eq!(calls.join().unwrap(), Some(EventKind::Result));
        });
        assert!(!router.was_detached());
    }

    #[tokio::test]
    async fn an_outcome_that_comes_by_another_way_ends_the_wait() {
        let router = Scripted::new(true, [message(WELCOME)]).with_socket();
        let (session, _shared, _woken) = asleep(&router);
        thread::scope(|scope| {
            let calls = scope.spawn(|| call(&session));
            until(|| router.is_detached());
            session.end_all();
            assert_eq!(calls.join().unwrap(), Some(EventKind::Error));
        });
        assert!(!router.is_detached());
    }
}
