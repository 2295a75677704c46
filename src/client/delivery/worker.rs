//! A turn of `thread` mode, on a thread that may block.

use std::sync::Arc;

use super::owner::Owner;

/// Delivers in `thread` mode. One that never ran, as the library was shut down, gives its turn back.
pub(super) struct Worker<O: Owner> {
    owner: Arc<O>,
    ran: bool,
}

impl<O: Owner> Worker<O> {
    pub(super) fn new(owner: &Arc<O>) -> Worker<O> {
        Worker { owner: owner.clone(), ran: false }
    }

    pub(super) fn run(&mut self) {
        self.ran = true;
        self.owner.queue().work(&*self.owner);
    }
}

impl<O: Owner> Drop for Worker<O> {
    fn drop(&mut self) {
        if !self.ran {
            self.owner.queue().give_back_turn();
        }
    }
}
