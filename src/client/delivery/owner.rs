//! The contract of a queue with its owner, and with what is queued.

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
}

/// Called when events begin to wait in `manual` mode, on the thread that makes them wait.
pub trait Wakeup: Send + Sync {
    /// Tells the host's loop.
    fn wake(&self);
}
