//! The queue alone: three modes, fullness, discarding, workers that never run, callbacks that
//! block.

use std::sync::Weak;
use std::sync::atomic::AtomicUsize;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use super::super::worker::Worker;
use super::*;
use crate::client::runtime::Closable;

const LIMIT: Duration = Duration::from_secs(60);

/// An event of some bytes, for an id.
#[derive(Default)]
struct Event {
    id: u64,
    cost: usize,
    silent: Arc<AtomicBool>,
    passed: Arc<AtomicUsize>,
}

impl Item for Event {
    fn cost(&self) -> usize {
        self.cost
    }

    fn told_for(&self) -> u64 {
        self.id
    }

    fn is_internal(&self) -> bool {
        self.id == 0
    }

    fn is_silent(&self) -> bool {
        self.silent.load(Ordering::SeqCst)
    }

    fn silence(&self) {
        self.silent.store(true, Ordering::SeqCst);
    }

    fn pass_over(&self) {
        self.passed.fetch_add(1, Ordering::SeqCst);
    }
}

type Callback = Box<dyn Fn(&Program, u64) + Send + Sync>;

/// A program with a queue.
struct Program {
    queue: EventQueue<Event>,
    callback: Callback,
    rings: AtomicUsize,
    told: Mutex<Vec<u64>>,
}

impl Owner for Program {
    type Event = Event;

    fn prepare(&self, _event: &mut Event) {}

    fn deliver(&self, event: &Event) {
        lock(&self.told).push(event.id);
        (self.callback)(self, event.id);
    }

    fn wake_io(&self) {
        self.rings.fetch_add(1, Ordering::SeqCst);
    }
}

impl AsRef<EventQueue<Event>> for Program {
    fn as_ref(&self) -> &EventQueue<Event> {
        &self.queue
    }
}

impl Closable for Program {
    fn start_closing(&self) {}

    fn wait_closed(&self, deadline: Instant) -> bool {
        self.queue.wait_idle(deadline)
    }

    fn finish(&self) {}

    fn fail(&self, _why: &Failure) {}
}

fn program(mode: Mode, callback: impl Fn(&Program, u64) + Send + Sync + 'static) -> Arc<Program> {
    let program = Arc::new(Program {
        queue: EventQueue::new(mode, 1000),
        callback: Box::new(callback),
        rings: AtomicUsize::new(0),
        told: Mutex::default(),
    });
    if mode == Mode::Thread {
        let user: Weak<Program> = Arc::downgrade(&program);
        runtime::enter(user).unwrap();
    }
    program
}

fn events(ids: impl IntoIterator<Item = u64>) -> impl Iterator<Item = Event> {
    ids.into_iter().map(|id| Event { id, cost: 100, ..Event::default() })
}

impl Program {
    /// True if the host is to be told.
    fn push(self: &Arc<Self>, ids: impl IntoIterator<Item = u64>) -> bool {
        let must_wake = self.queue.push(self, events(ids));
        if must_wake && self.queue.mode() == Mode::Thread {
            self.queue.wake();
            return false;
        }
        must_wake
    }

    fn told(&self) -> Vec<u64> {
        lock(&self.told).clone()
    }

    fn waits_idle(&self) -> bool {
        self.queue.wait_idle(Instant::now() + LIMIT)
    }

    fn dispatch(&self, max: usize) -> Result<usize, Failure> {
        self.queue.dispatch(self, max, Some(Instant::now()))
    }
}

/// A gate at which a callback stops.
fn gate() -> (Sender<()>, Mutex<Receiver<()>>) {
    let (open, gate) = channel();
    (open, Mutex::new(gate))
}

#[test]
fn a_worker_delivers_in_order() {
    let program = program(Mode::Thread, |program, _| assert!(program.queue.is_inside()));
    for first in [1, 11, 21] {
        assert!(!program.push(first..first + 10));
    }
    assert!(program.waits_idle());
    assert_eq!(program.told(), (1..31).collect::<Vec<_>>());
    assert!(!program.queue.is_inside());
}

#[test]
fn a_worker_rests_for_a_moment_and_is_told_of_more() {
    let threads = Arc::new(Mutex::new(Vec::new()));
    let seen = threads.clone();
    let callback = move |_: &Program, _| lock(&seen).push(thread::current().id());
    let program = program(Mode::Thread, callback);
    // On a slow machine it may have gone back to the pool each time.
    let was_resting = (0..1000).any(|id| {
        lock(&threads).clear();
        assert!(!program.push([2 * id + 1]) && program.waits_idle());
        let is_resting = program.queue.push(&program, events([2 * id + 2]));
        program.queue.wake();
        assert!(program.waits_idle());
        let threads = lock(&threads);
        assert_eq!(threads.len(), 2);
        is_resting && threads[0] == threads[1]
    });
    assert!(was_resting && program.told().is_sorted());
    let until = Instant::now() + LIMIT;
    while lock(&program.queue.queue).has_resting {
        assert!(Instant::now() < until, "it goes back");
        thread::yield_now();
    }
    assert!(!program.push([5000]) && program.waits_idle());
    assert_eq!(program.told().last(), Some(&5000));
}

#[test]
fn the_io_task_delivers_what_it_is_rung_for() {
    let program = program(Mode::Inline, |_, _| {});
    assert!(!program.push([1, 2, 3]));
    assert_eq!(program.rings.load(Ordering::SeqCst), 1);
    assert!(program.queue.wants_draining() && program.told().is_empty());
    assert!(program.queue.drain_inline(&*program) && !program.queue.drain_inline(&*program));
    assert_eq!(program.told(), [1, 2, 3]);
}

#[test]
fn the_host_delivers_or_polls() {
    let program = program(Mode::Manual, |_, _| {});
    let fd = program.queue.flag().unwrap().fd();
    assert!(fd >= 0 && !program.push([]));
    assert!(program.push([1, 2, 0, 3]), "the first that waits calls for the wakeup");
    assert!(!program.push([4]), "and no other");
    assert_eq!(program.dispatch(2).unwrap(), 2);
    let polled = program.queue.poll(&*program, 10, Some(Instant::now())).unwrap();
    assert_eq!(polled.iter().map(|event| event.id).collect::<Vec<_>>(), [3, 4]);
    assert_eq!((program.told(), program.dispatch(1).unwrap()), (vec![1, 2], 0));
}

#[test]
fn who_delivers_cannot_dispatch() {
    let program = program(Mode::Manual, |program, _| {
        assert_eq!(program.dispatch(1).unwrap_err().status, Status::Deadlock);
    });
    program.queue.wake();
    assert!(program.push([1]));
    assert_eq!(program.dispatch(1).unwrap(), 1);
    let threads = super::tests::program(Mode::Thread, |_, _| {});
    assert_eq!(threads.dispatch(1).unwrap_err().status, Status::State);
}

#[test]
fn it_is_full_until_half_is_free_unless_somebody_waits_for_an_answer() {
    let program = program(Mode::Manual, |_, _| {});
    assert!(program.push(1..=10) && !program.queue.is_full());
    assert!(!program.push([11]) && program.queue.is_full());
    assert_eq!(program.queue.backlog(), (11, 1100));
    program.queue.begin_wait();
    assert!(!program.queue.is_full());
    program.queue.end_wait();
    assert!(program.queue.is_full());
    assert_eq!(program.dispatch(5).unwrap(), 5);
    assert_eq!(program.rings.load(Ordering::SeqCst), 0);
    assert_eq!(program.dispatch(1).unwrap(), 1);
    assert_eq!(program.rings.load(Ordering::SeqCst), 1, "half is free again");
}

#[test]
fn nothing_is_told_of_what_was_discarded() {
    let program = program(Mode::Manual, |_, _| {});
    assert!(program.push([1, 2, 3]));
    assert_eq!(program.queue.discard().len(), 3);
    assert!(!program.push([4]));
    assert_eq!(program.dispatch(1).unwrap_err().status, Status::Handle);
    assert!(program.told().is_empty());
}

#[test]
fn a_callback_that_frees_the_owner_is_the_last() {
    let program = program(Mode::Thread, |program, _| {
        program.queue.stop_delivering();
        drop(program.queue.discard());
    });
    let told = program.clone();
    assert!(!program.push(1..=5));
    assert!(told.waits_idle());
    assert_eq!(told.told(), [1]);
}

#[test]
fn a_callback_that_blocks_holds_up_its_own_queue_alone() {
    let (open, closed) = gate();
    let (reached, entered) = channel();
    let blocked = program(Mode::Thread, move |_, id| {
        let _ = reached.send(id);
        lock(&closed).recv_timeout(LIMIT).unwrap();
    });
    let other = program(Mode::Thread, |_, _| {});
    assert!(!blocked.push([1, 2]));
    assert_eq!(entered.recv_timeout(LIMIT).unwrap(), 1);
    assert!(!other.push([1]) && other.waits_idle());
    assert!(!blocked.queue.wait_idle(Instant::now() + Duration::from_millis(10)));
    assert!(blocked.queue.configure(Mode::Inline, 1000).is_err(), "an event is on its way");
    (0..2).for_each(|_| open.send(()).unwrap());
    assert!(blocked.waits_idle());
    assert_eq!(blocked.told(), [1, 2]);
    assert!(blocked.queue.configure(Mode::Inline, 1000).is_ok());
}

#[test]
fn a_worker_that_never_runs_gives_its_turn_back() {
    let program = program(Mode::Manual, |_, _| {});
    assert!(program.push([1]));
    lock(&program.queue.queue).taken = true;
    assert!(!program.queue.wants_draining());
    drop(Worker::new(&program, |_| unreachable!(), |program| program.queue.give_back_turn()));
    assert!(program.queue.wants_draining());
}

#[test]
fn an_id_that_is_silenced_is_passed_over_wherever_it_waits() {
    let program = program(Mode::Manual, |program, id| {
        // The others of this turn have left the queue already.
        if id == 1 {
            program.queue.silence(2);
        }
    });
    let waiting: Vec<_> = events([1, 2, 3, 2]).collect();
    let passed: Vec<_> = waiting.iter().map(|event| event.passed.clone()).collect();
    assert!(program.queue.push(&program, waiting.into_iter()));
    assert_eq!(program.dispatch(4).unwrap(), 2);
    assert_eq!(program.told(), [1, 3]);
    let passed: Vec<_> = passed.iter().map(|passed| passed.load(Ordering::SeqCst)).collect();
    assert_eq!(passed, [0, 1, 0, 1]);
    assert!(program.push([2]));
    assert_eq!(program.dispatch(1).unwrap(), 1, "the id is remembered for the turn alone");
}

#[test]
fn a_panic_in_a_callback_is_that_callbacks_alone() {
    let program = program(Mode::Inline, |_, id| assert!(id != 2));
    assert!(!program.push([1, 2, 3]));
    assert!(program.queue.drain_inline(&*program));
    assert_eq!(program.told(), [1, 2, 3]);
}
