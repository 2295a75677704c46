//! The door of a listener, as those remember it who came by it: it stays what it is, and the terms
//! on which it lets clients in can change.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::transport::Endpoint;

/// A listener, as those remember it who came by it.
#[derive(Debug)]
pub(super) struct Door {
    /// The place of the listener.
    pub(super) endpoint: Endpoint,
    is_closed: AtomicBool,
}

impl Door {
    pub(super) fn new(endpoint: Endpoint) -> Arc<Door> {
        Arc::new(Door { endpoint, is_closed: AtomicBool::new(false) })
    }

    /// True if it is at this place.
    pub(super) fn is_at(&self, endpoint: &Endpoint) -> bool {
        self.endpoint.is_at(endpoint)
    }

    /// Closes it, also for those who have come by it.
    pub(super) fn close(&self) {
        self.is_closed.store(true, Ordering::Relaxed);
    }

    /// True once it is closed.
    pub(super) fn is_closed(&self) -> bool {
        self.is_closed.load(Ordering::Relaxed)
    }
}
