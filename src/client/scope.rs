//! The scope of the calling thread: whether it is inside a callback, and of which queue, and
//! whether it is an I/O thread. Functions that wait refuse to where that could never end.

use std::cell::{Cell, RefCell};
use std::mem::ManuallyDrop;
use std::thread::LocalKey;

thread_local! {
    /// The queue whose callback runs on this thread, as an address; 0 for none.
    static INNERMOST: Cell<usize> = const { Cell::new(0) };
    /// Those around it, where a callback dispatches another queue, the innermost last. Without a
    /// destructor, as everything here: functions are called until the thread's very end. Empty
    /// it holds no memory.
    static OUTER: ManuallyDrop<RefCell<Vec<usize>>> =
        const { ManuallyDrop::new(RefCell::new(Vec::new())) };
    /// This thread is in the I/O task of a connection.
    static IN_IO: Cell<bool> = const { Cell::new(false) };
    /// This thread is inside a wakeup of the host.
    static IN_WAKEUP: Cell<bool> = const { Cell::new(false) };
}

/// True inside any callback.
pub fn in_callback() -> bool {
    INNERMOST.get() != 0
}

/// True on an I/O thread, that is in callbacks of `inline` mode.
pub fn in_io() -> bool {
    IN_IO.get()
}

/// True inside a wakeup of the host, whichever queue's.
pub(super) fn in_wakeup() -> bool {
    IN_WAKEUP.get()
}

/// True inside a delivery of the queue that is known by `key`, however deep.
pub(super) fn is_inside(key: usize) -> bool {
    INNERMOST.get() == key || OUTER.with(|scopes| scopes.borrow().contains(&key))
}

/// Marks this thread as an I/O thread, or as inside a wakeup of the host, until dropped.
pub struct FlagScope {
    flag: &'static LocalKey<Cell<bool>>,
    before: bool,
}

impl FlagScope {
    /// This thread runs a task of the I/O threads.
    pub fn io() -> FlagScope {
        FlagScope { flag: &IN_IO, before: IN_IO.replace(true) }
    }

    pub(super) fn wakeup() -> FlagScope {
        FlagScope { flag: &IN_WAKEUP, before: IN_WAKEUP.replace(true) }
    }
}

impl Drop for FlagScope {
    fn drop(&mut self) {
        self.flag.set(self.before);
    }
}

/// Marks this thread as inside a delivery until dropped.
pub(super) struct DeliveryScope;

impl DeliveryScope {
    /// Begins deliveries of the queue that is known by `key`, which is not 0.
    pub(super) fn enter(key: usize) -> DeliveryScope {
        let outer = INNERMOST.replace(key);
        if outer != 0 {
            OUTER.with(|scopes| scopes.borrow_mut().push(outer));
        }
        DeliveryScope
    }
}

impl Drop for DeliveryScope {
    fn drop(&mut self) {
        let outer = OUTER.with(|scopes| {
            let mut scopes = scopes.borrow_mut();
            let outer = scopes.pop();
            if scopes.is_empty() {
                *scopes = Vec::new();
            }
            outer
        });
        INNERMOST.set(outer.unwrap_or(0));
    }
}
