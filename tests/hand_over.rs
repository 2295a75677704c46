//! The steps by which a task and waiting threads hand a connection's socket to each other, in all
//! orders that there are: `src/client/connection/hand_over.rs`, on the primitives of loom.

use loom::model::Builder;
use loom::sync::{Arc, Condvar, Mutex};
use loom::thread;

use hand_over::{HandOver, Turn, Watched};

#[allow(dead_code, reason = "each model needs a part of it")]
#[path = "../src/client/connection/hand_over.rs"]
mod hand_over;

mod primitives {
    pub(super) use std::sync::TryLockError;

    pub(super) use loom::sync::atomic::{AtomicBool, Ordering};
    pub(super) use loom::sync::{Mutex, MutexGuard};
}

/// All that the threads of a model see of each other but for the hand-over: sockets, wake-ups, and
/// who waits.
#[derive(Default)]
struct World {
    /// Messages in the socket.
    arrived: usize,
    /// Messages that wait to be written.
    unsent: usize,
    /// Answers that the thread that waits has.
    told: usize,
    /// The runtime watches the socket, and wakes the task for it.
    is_watched: bool,
    /// The task is to run.
    is_woken: bool,
    /// The flag that ends the sleep of the thread with the socket.
    is_raised: bool,
    /// No more comes, and all others have ended.
    is_over: bool,
}

struct Machine {
    pump: HandOver<Pump>,
    world: Mutex<World>,
    news: Condvar,
}

/// The thing that is handed over.
struct Pump {
    is_detached: bool,
}

impl Watched for Pump {
    fn is_detached(&self) -> bool {
        self.is_detached
    }

    fn attach(&mut self) -> bool {
        std::mem::take(&mut self.is_detached)
    }
}

impl Machine {
    fn new() -> Arc<Machine> {
        let world = World { is_watched: true, ..World::default() };
        Arc::new(Machine {
            pump: HandOver::new(Pump { is_detached: false }),
            world: Mutex::new(world),
            news: Condvar::new(),
        })
    }

    fn change<T>(&self, change: impl FnOnce(&mut World) -> T) -> T {
        let changed = change(&mut self.world.lock().unwrap());
        self.news.notify_all();
        changed
    }

    fn wait(&self, is_so: impl Fn(&World) -> bool) {
        let mut world = self.world.lock().unwrap();
        while !is_so(&world) {
            world = self.news.wait(world).unwrap();
        }
    }

    /// The peer sends a message.
    fn arrives(&self) {
        self.change(|world| {
            world.arrived += 1;
            world.is_woken |= world.is_watched;
        });
    }

    /// Reads and writes all there is. Watched by the runtime from now on, as the reactor tells of
    /// what is there when a socket is given to it.
    fn run(&self, turn: &Pump) {
        self.change(|world| {
            world.is_watched = !turn.is_detached;
            world.told += std::mem::take(&mut world.arrived);
            world.unsent = 0;
        });
    }

    fn give_back(&self, turn: Turn<'_, Pump>) {
        if self.pump.give_back(turn) {
            self.change(|world| world.is_woken = true);
        }
    }

    /// The task, until all is over.
    fn task(&self) {
        loop {
            self.wait(|world| world.is_woken || world.is_over);
            if !self.change(|world| std::mem::take(&mut world.is_woken)) {
                return;
            }
            let took_back = || self.change(|world| world.is_raised = true);
            if let Some(turn) = self.pump.take_on_task(took_back) {
                self.run(&turn);
                drop(turn);
            }
        }
    }

    /// A thread sends a message, and writes it if it can.
    fn sends(&self) {
        self.change(|world| world.unsent += 1);
        match self.pump.try_take() {
            Some(turn) => {
                self.run(&turn);
                self.give_back(turn);
            }
            None => self.change(|world| world.is_woken = true),
        }
    }

    /// A thread waits for an answer, and watches the socket itself if it can.
    fn waits(&self) {
        if let Some(mut turn) = self.pump.try_take() {
            turn.is_detached = true;
            self.change(|world| world.is_watched = false);
            self.give_back(turn);
            let sleeps = || {
                self.wait(|world| world.arrived > 0 || world.is_raised || world.told > 0);
                self.change(|world| {
                    world.is_raised = false;
                    world.told == 0
                })
            };
            let read = |turn: Turn<'_, Pump>| {
                self.run(&turn);
                self.give_back(turn);
                true
            };
            self.pump.watch(sleeps, read);
        }
        self.wait(|world| world.told > 0);
    }
}

/// Tries all orders in which so many turns of threads are cut short, at any step; with
/// `WAMP_TEST_LONG=1` one more.
fn check(cuts: usize, model: impl Fn() + Sync + Send + 'static) {
    let is_long = std::env::var_os("WAMP_TEST_LONG").is_some_and(|long| long == "1");
    let mut builder = Builder::new();
    builder.preemption_bound = Some(cuts + usize::from(is_long));
    builder.check(model);
}

/// Runs the task beside these, and looks at what is left once all are through.
fn run(machine: &Arc<Machine>, threads: Vec<fn(&Machine)>) {
    let spawn = |run: fn(&Machine)| {
        let machine = machine.clone();
        thread::spawn(move || run(&machine))
    };
    let task = spawn(Machine::task);
    let others: Vec<_> = threads.into_iter().map(spawn).collect();
    others.into_iter().for_each(|other| other.join().unwrap());
    machine.change(|world| world.is_over = true);
    task.join().unwrap();
    let world = machine.world.lock().unwrap();
    assert_eq!((world.arrived, world.unsent), (0, 0), "nothing is left undone");
    assert!(world.is_watched && !machine.pump.try_take().unwrap().is_detached);
}

#[test]
fn what_threads_send_is_written_whoever_has_the_lock() {
    check(2, || run(&Machine::new(), vec![Machine::sends, Machine::sends]));
}

#[test]
fn a_thread_that_watches_hears_its_answer_and_gives_the_socket_back() {
    check(2, || run(&Machine::new(), vec![Machine::waits, Machine::arrives]));
}

#[test]
fn a_thread_that_watches_hears_its_answer_while_others_send() {
    check(1, || run(&Machine::new(), vec![Machine::waits, Machine::arrives, Machine::sends]));
}

#[test]
fn a_thread_that_watches_hears_its_answer_although_the_task_wakes() {
    let wakes = |machine: &Machine| machine.change(|world| world.is_woken = true);
    check(1, move || run(&Machine::new(), vec![Machine::waits, Machine::arrives, wakes]));
}
