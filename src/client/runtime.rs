//! The hidden runtime: one per process, made when first needed.
//!
//! Two I/O threads serve all connections, each its own for as long as it is there; callbacks of
//! `thread` dispatch run on a pool that grows while they block and shrinks again. All threads are
//! named `wamp-*`. They leave the signals of the process to the host's threads, but for callbacks
//! of `thread` dispatch, which run with the mask of the thread that opened their connection.
//!
//! `shutdown` joins them, unless a callback outlasts its time limit; a later use makes a new
//! runtime.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::fmt;
use std::mem;
use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, Weak, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use tokio::runtime::{Builder, Handle};

use crate::log;
use crate::os::{self, Descriptor};
use crate::transport::end_round;

use super::io_thread::IoThread;
use super::scope;
use super::status::{Failure, Status};
use super::sync::{Condvar, lock, wait_on};

/// I/O threads: more would only help hosts that saturate two cores with WAMP alone.
const IO_THREADS: usize = 2;
/// Callbacks that block at the same time. Threads beyond the need of the moment end by themselves.
const MAX_CALLBACK_THREADS: usize = 16 * 1024;

struct Hidden {
    io_threads: Vec<IoThread>,
    /// The one that gets the next task.
    next: usize,
    /// Their descriptors, and what else was opened while they were made.
    descriptors: os::Descriptors,
    threads: Arc<Threads>,
    closers: Vec<Weak<dyn Closable>>,
    /// Nothing new may begin.
    closing: bool,
}

/// The threads of one runtime.
#[derive(Default)]
struct Threads {
    present: Mutex<Present>,
    changed: Condvar,
}

#[derive(Default)]
struct Present {
    count: usize,
    /// Those that have done all that is ours, as far as the system may still have them.
    leaving: Vec<os::ThreadId>,
}

/// A thread of a runtime, until it ends, in whatever way.
struct Presence(Arc<Threads>);

thread_local! {
    static PRESENCE: RefCell<Option<Presence>> = const { RefCell::new(None) };
}

impl Presence {
    fn begin(threads: Arc<Threads>) {
        lock(&threads.present).count += 1;
        PRESENCE.set(Some(Presence(threads)));
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        let mut present = lock(&self.0.present);
        present.count -= 1;
        present.leaving.retain(|thread| !thread.is_gone());
        present.leaving.push(os::ThreadId::current());
        drop(present);
        self.0.changed.notify_all();
    }
}

impl Threads {
    /// Waits for the end of all; false if it did not come in time.
    fn wait_ended(&self, deadline: Instant) -> bool {
        let mut present = lock(&self.present);
        while present.count > 0 {
            match wait_on(&self.changed, present, Some(deadline)) {
                Some(again) => present = again,
                None => return false,
            }
        }
        let leaving = mem::take(&mut present.leaving);
        drop(present);
        // Nobody can join them any more; what the system keeps of them goes with their last
        // instructions.
        while leaving.iter().any(|thread| !thread.is_gone()) {
            if Instant::now() >= deadline {
                lock(&self.present).leaving.extend(leaving);
                return false;
            }
            thread::sleep(Duration::from_micros(100));
        }
        true
    }

    fn are_all_gone(&self) -> bool {
        let present = lock(&self.present);
        present.count == 0 && present.leaving.iter().all(|thread| thread.is_gone())
    }
}

/// A user of the runtime, which must end before it.
pub trait Closable: Send + Sync {
    /// Starts to end; never blocks.
    fn start_closing(&self);
    /// Waits for the end; false if it did not come in time.
    fn wait_closed(&self, deadline: Instant) -> bool;
    /// The runtime is gone: sees to what is left.
    fn finish(&self);
    /// The runtime has failed, and nothing runs on it any more: ends at once, and says why.
    fn fail(&self, why: &Failure);
}

static HIDDEN: Mutex<Option<Hidden>> = Mutex::new(None);
/// The threads of runtimes that are no more, as far as they may be there still.
static LEFT: Mutex<Vec<Arc<Threads>>> = Mutex::new(Vec::new());

/// A handle of one of the I/O threads, on which `user` lives from now on.
pub fn enter(user: Weak<dyn Closable>) -> Result<Handle, Failure> {
    with_runtime(user, Handle::clone)
}

/// Runs `task` on one of the I/O threads, on which `user` lives from now on.
pub fn spawn(
    user: Weak<dyn Closable>,
    task: impl Future<Output = ()> + Send + 'static,
) -> Result<(), Failure> {
    let begin =
        |handle: &Handle| panic::catch_unwind(AssertUnwindSafe(|| drop(handle.spawn(task))));
    with_runtime(user, begin)?.map_err(|_| Failure::new(Status::Internal, FAILED))
}

fn with_runtime<T>(
    user: Weak<dyn Closable>,
    begin: impl FnOnce(&Handle) -> T,
) -> Result<T, Failure> {
    if os::threads_are_lost() {
        return Err(Status::Forked.into());
    }
    wait_for_look();
    let mut hidden = lock(&HIDDEN);
    if hidden.is_none() {
        *hidden = Some(start()?);
    }
    let Some(hidden) = hidden.as_mut() else {
        return Err(Status::Internal.into());
    };
    if hidden.closing {
        let text = "the library is being shut down: wait until wamp_shutdown has returned";
        return Err(Failure::new(Status::Closed, text));
    }
    if hidden.closers.len() == hidden.closers.capacity() {
        hidden.closers.retain(|closer| closer.strong_count() > 0);
    }
    if !hidden.closers.iter().any(|closer| closer.ptr_eq(&user)) {
        hidden.closers.push(user);
    }
    hidden.next = (hidden.next + 1) % hidden.io_threads.len();
    Ok(begin(hidden.io_threads[hidden.next].handle()))
}

/// Runs what `make` makes on a thread that may block. Without a runtime nothing is made.
pub fn spawn_blocking<W: FnOnce() + Send + 'static>(
    make: impl FnOnce() -> W,
) -> Result<(), Status> {
    match &*lock(&HIDDEN) {
        Some(hidden) => {
            hidden.io_threads[0].handle().spawn_blocking(make());
            Ok(())
        }
        None => Err(Status::Closed),
    }
}

/// True while a shutdown ends everything.
pub fn is_closing() -> bool {
    lock(&HIDDEN).as_ref().is_some_and(|hidden| hidden.closing)
}

/// Ends everything that uses the runtime and joins its threads.
pub fn shutdown(timeout: Option<Duration>) -> Result<(), Failure> {
    if os::threads_are_lost() {
        return Err(Status::Forked.into());
    }
    if scope::in_callback() || scope::in_io() {
        return Err(Failure::new(
            Status::Deadlock,
            "wamp_shutdown waits for callbacks to end, so it cannot be called inside one",
        ));
    }
    // A limit of a century is none, and no arithmetic overflows.
    let deadline = Instant::now() + timeout.unwrap_or(Duration::from_secs(100 * 365 * 24 * 3600));
    let closers: Vec<_> = match &mut *lock(&HIDDEN) {
        Some(hidden) => {
            hidden.closing = true;
            hidden.closers.iter().filter_map(Weak::upgrade).collect()
        }
        None => Vec::new(),
    };
    closers.iter().for_each(|closer| closer.start_closing());
    let late = closers.iter().filter(|closer| !closer.wait_closed(deadline)).count();
    let hidden = lock(&HIDDEN).take();
    if let Some(hidden) = hidden {
        // Before they are waited for, so that whoever else shuts down waits for them too.
        lock(&LEFT).push(hidden.threads.clone());
        let left = deadline.saturating_duration_since(Instant::now());
        hidden.io_threads.into_iter().for_each(|thread| thread.stop(left));
        hidden.threads.wait_ended(deadline);
        closers.iter().for_each(|closer| closer.finish());
    }
    // An earlier shutdown may have left some.
    let left = lock(&LEFT).clone();
    let are_gone = left.iter().all(|threads| threads.wait_ended(deadline));
    lock(&LEFT).retain(|threads| !threads.are_all_gone());
    if late == 0 && are_gone {
        return Ok(());
    }
    let text = "a callback, the system's lookup of a host name, or a login by argon2 was still \
                running when the time was up; wamp_shutdown can be called again to wait for it";
    Err(Failure::new(Status::Timeout, text))
}

/// The reason of connections whose I/O threads are gone.
pub const FAILED: &str = "the library's I/O threads have failed: has the program closed descriptors that are \
                      not its own?";

/// True if a panic tells that a descriptor of the runtime's is gone.
pub fn is_of_descriptors(panic: &(dyn Any + Send)) -> bool {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or_default();
    text.contains("I/O driver") || text.contains("Bad file descriptor")
}

/// Looks whether the runtime still works, after a panic that says that it may not: an I/O thread
/// that panics outside of any task is gone for good, and so are all of them where the program has
/// closed descriptors that are not its own. Then whatever runs on it ends, and the next to need a
/// runtime gets a new one. Returns at once.
pub fn suspect() {
    begin_look(true);
}

/// `has_panicked`: then descriptors that are gone are proof enough. Otherwise they may be somebody
/// else's, who opened them while the runtime was made, and has closed them since.
fn begin_look(has_panicked: bool) {
    if IS_LOOKED_AT.swap(true, Ordering::AcqRel) {
        return;
    }
    let look = move || {
        os::SignalMask::current().for_io().wear();
        LOOKS.set(true);
        // A look that panics itself finds the same.
        let _ = panic::catch_unwind(|| replace_if_broken(has_panicked));
        end_look();
    };
    if thread::Builder::new().name("wamp-look".to_owned()).spawn(look).is_err() {
        end_look();
    }
}

/// Time between two checks of a thread that waits: a program may close the library's descriptors in
/// the very moment in which a wake-up is on its way, so that nothing on the I/O threads notices.
const CHECKS: Duration = Duration::from_secs(2);

/// As [`wait_on`], for what only the I/O threads can bring: looks now and then whether their
/// descriptors are still there. May return early.
pub(super) fn wait_for_io<'m, T>(
    condition: &Condvar,
    guard: MutexGuard<'m, T>,
    deadline: Option<Instant>,
) -> Option<MutexGuard<'m, T>> {
    let check = Instant::now() + CHECKS;
    let until = deadline.map_or(check, |deadline| deadline.min(check));
    let again = wait_on(condition, guard, Some(until))?;
    if Instant::now() >= check {
        check_descriptors();
    }
    Some(again)
}

/// Waits until one of these descriptors can be read, or failed, and tells which; `None` when the
/// deadline has passed. As [`wait_for_io`] does, it has an eye on those of the runtime.
pub(super) fn wait_readable(fds: [Descriptor; 2], deadline: Option<Instant>) -> Option<[bool; 2]> {
    loop {
        let now = Instant::now();
        let rest = deadline.map_or(CHECKS, |deadline| deadline.saturating_duration_since(now));
        if rest.is_zero() {
            return None;
        }
        match os::wait_readable(fds, rest.min(CHECKS)) {
            Ok([false, false]) if now.elapsed() < CHECKS => {}
            Ok([false, false]) => {
                check_descriptors();
            }
            Ok(ready) => return Some(ready),
            Err(_) => return None,
        }
    }
}

/// Has a look taken where descriptors of the runtime are gone; true if they are.
pub(super) fn check_descriptors() -> bool {
    let are_gone = lock(&HIDDEN).as_ref().is_some_and(|hidden| !hidden.descriptors.are_there());
    if are_gone {
        begin_look(false);
    }
    are_gone
}

/// True while a look is on its way, and the threads that wait for its end.
static IS_LOOKED_AT: AtomicBool = AtomicBool::new(false);
static LOOK: (Mutex<()>, Condvar) = (Mutex::new(()), Condvar::new());

thread_local! {
    /// This thread is the one that looks.
    static LOOKS: Cell<bool> = const { Cell::new(false) };
}

fn end_look() {
    let _turn = lock(&LOOK.0);
    IS_LOOKED_AT.store(false, Ordering::Release);
    LOOK.1.notify_all();
}

/// Waits while a look is on its way, at most ten seconds: what begins now is not to begin on
/// threads that are about to be replaced.
pub fn wait_for_look() {
    if !IS_LOOKED_AT.load(Ordering::Acquire) || LOOKS.get() || scope::in_io() {
        return;
    }
    let deadline = Instant::now() + 2 * PATIENCE;
    let mut turn = lock(&LOOK.0);
    while IS_LOOKED_AT.load(Ordering::Acquire) {
        match wait_on(&LOOK.1, turn, Some(deadline)) {
            Some(again) => turn = again,
            None => return,
        }
    }
}

fn replace_if_broken(has_panicked: bool) {
    let parts = |hidden: &Hidden| {
        let has_all = hidden.descriptors.are_there();
        let run = hidden.io_threads.iter().all(IoThread::is_running);
        let handles: Vec<_> = hidden.io_threads.iter().map(|it| it.handle().clone()).collect();
        (handles, hidden.threads.clone(), has_all, run)
    };
    let there = lock(&HIDDEN).as_ref().map(parts);
    let Some((handles, threads, has_all, run)) = there else {
        return;
    };
    if run && (has_all || !has_panicked) && handles.iter().all(works) {
        if let Some(hidden) = lock(&HIDDEN).as_mut() {
            hidden.descriptors.retain_there();
        }
        return;
    }
    let is_it = |hidden: &mut Hidden| Arc::ptr_eq(&hidden.threads, &threads);
    let Some(broken) = lock(&HIDDEN).take_if(is_it) else {
        return;
    };
    // Its threads may never end, and nobody shall wait for them. Nor shall they take what is the
    // next runtime's for theirs.
    broken.descriptors.occupy();
    log::write(log::Level::Error, || FAILED.to_owned());
    let why = Failure::new(Status::Internal, FAILED);
    broken.closers.iter().filter_map(Weak::upgrade).for_each(|closer| closer.fail(&why));
    broken.io_threads.into_iter().for_each(IoThread::abandon);
}

/// Time for the I/O threads to show that they work, which may have much to do; where none is left,
/// the task is dropped, or never begins.
const PATIENCE: Duration = Duration::from_secs(5);

/// Has a task run that needs the I/O thread's timer.
fn works(handle: &Handle) -> bool {
    let (sender, done) = mpsc::channel();
    let task = async move {
        tokio::time::sleep(Duration::from_millis(1)).await;
        let _ = sender.send(());
    };
    let asked = panic::catch_unwind(AssertUnwindSafe(|| drop(handle.spawn(task))));
    asked.is_ok() && done.recv_timeout(PATIENCE).is_ok()
}

/// The sizes that connections asked for, before the threads are there.
static WANTED_STACK: AtomicUsize = AtomicUsize::new(0);

/// From the next start of the threads on, callbacks have at least so much stack.
pub fn want_stack(bytes: usize) {
    WANTED_STACK.fetch_max(bytes, Ordering::Relaxed);
}

fn stack_bytes() -> usize {
    match WANTED_STACK.load(Ordering::Relaxed) {
        0 => os::STACK_BYTES,
        wanted => wanted,
    }
}

fn start() -> Result<Hidden, Failure> {
    log::read_environment();
    os::watch_process();
    let signals = os::SignalMask::current().for_io();
    // The first threads inherit it, so that no signal can slip in before on_thread_start has run.
    let _inherited = signals.borrow();
    let exhausted = |error: &dyn fmt::Display| {
        let text = format!("the library's threads cannot be started: {error}");
        Failure::new(Status::Exhausted, text)
    };
    // Where the system gives no thread, tokio panics.
    let given = thread::Builder::new().name("wamp-probe".to_owned()).spawn(|| {});
    given.map_err(|error| exhausted(&error))?.join().ok();
    let threads = Arc::new(Threads::default());
    let begin = {
        let threads = threads.clone();
        move || {
            signals.wear();
            Presence::begin(threads.clone());
        }
    };
    let build = {
        let begin = begin.clone();
        move || {
            Builder::new_current_thread()
                .max_blocking_threads(MAX_CALLBACK_THREADS)
                .thread_keep_alive(Duration::from_secs(5))
                .thread_stack_size(stack_bytes())
                .thread_name("wamp-worker")
                .on_thread_start(begin)
                .on_thread_park(end_round)
                .enable_io()
                .enable_time()
                .build()
        }
    };
    let start_one = || IoThread::start(stack_bytes(), begin.clone(), build.clone(), suspect);
    let before = os::descriptors();
    let mut io_threads = Vec::new();
    let started = os::made_above(|| {
        (0..IO_THREADS).try_for_each(|_| start_one().map(|thread| io_threads.push(thread)))
    });
    if let Err(error) = started {
        io_threads.into_iter().for_each(|thread| thread.stop(Duration::ZERO));
        return Err(exhausted(&error));
    }
    let descriptors = os::descriptors().without(&before);
    Ok(Hidden { io_threads, next: 0, descriptors, threads, closers: Vec::new(), closing: false })
}
