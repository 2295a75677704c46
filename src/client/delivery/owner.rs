//! The contract of a queue with its owner, with what is queued, and with who waits for it.

use std::sync::Arc;
use std::time::Instant;

use crate::os::Flag;

/// An event on its way.
pub trait Item: Send + 'static {
    /// A rough measure of what it keeps in memory.
    fn cost(&self) -> usize;

    /// The id that it is told for; 0 for none.
    fn told_for(&self) -> u64;

    /// True if there is nothing to tell: it only brings back what the application has given.
    fn is_internal(&self) -> bool;

    /// True if the handler that it is for is to hear nothing more.
    fn is_silent(&self) -> bool;

    /// Ends what the handler that it is for hears.
    fn silence(&self);

    /// Gives back what it would have lent: it is not told any more.
    fn pass_over(&self);
}

/// The owner of a queue, which knows how an event is told. Where it is shared, it gives access to
/// the queue by [`AsRef`].
pub trait Owner: Send + Sync + 'static {
    /// Its events.
    type Event: Item;

    /// Brings an event into the form in which it is told.
    fn prepare(&self, event: &mut Self::Event);

    /// Tells an event that is prepared.
    fn deliver(&self, event: &Self::Event);

    /// Wakes the I/O task: there is room again, or something that it is to deliver itself.
    fn wake_io(&self);

    /// Watches for what is to come on this thread, in place of the I/O task, as long as `waits`
    /// sleeps. Returns early, or at once, where the task is better at it. True if events have come
    /// of which nobody was told.
    fn drive(&self, _waits: &dyn Sleeper, _deadline: Option<Instant>) -> bool {
        false
    }
}

/// A thread that waits, and may do so by other means than a condition.
pub trait Sleeper {
    /// Sleeps by `sleep`, which the flag ends, as long as there is nothing; false if there is.
    fn sleep(&self, flag: &Arc<Flag>, sleep: &mut dyn FnMut()) -> bool;
}

/// Called when events begin to wait in `manual` mode, on the thread that makes them wait.
pub trait Wakeup: Send + Sync {
    /// Tells the host's loop.
    fn wake(&self);
}
