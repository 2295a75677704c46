//! The memory of a router: how much of it clients have made it use, against `memory_limit`.
//!
//! Counted is what is large and what a client can make larger: the messages that wait for clients,
//! the parts of messages that are being received, and what realms keep. Each connection counts for
//! [`FLAT`] bytes, so that nothing has to be counted for one that reads what it gets.
//!
//! There are two marks. Above the first, memory is *tight*: clients that send much are not read,
//! and of those who take nothing the one with the most in its queue is dropped. Above the limit
//! nothing large is accepted. Who is dropped is left to [`super::relief`].

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;

/// The bytes that a connection counts for, whatever it does.
pub(super) const FLAT: usize = 16 * 1024;

/// See the module's text.
#[derive(Debug)]
pub(super) struct Budget {
    limit: usize,
    used: AtomicUsize,
    /// The part of it that realms keep.
    kept: AtomicUsize,
    /// The number of connections.
    clients: AtomicUsize,
    /// The number of messages that were refused.
    refused: AtomicUsize,
}

/// A part of the budget, given back when this is dropped.
#[derive(Debug)]
pub(super) struct Lease {
    budget: Arc<Budget>,
    bytes: usize,
}

/// The part of something that a realm keeps.
#[derive(Debug)]
pub(super) struct Kept {
    lease: Lease,
}

impl Budget {
    pub(super) fn new(limit: usize) -> Arc<Budget> {
        let [used, kept, clients, refused] = [0; 4].map(AtomicUsize::new);
        Arc::new(Budget { limit, used, kept, clients, refused })
    }

    /// The number of bytes in use.
    pub(super) fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }

    /// True from three quarters of the limit on.
    #[inline]
    pub(super) fn is_tight(&self) -> bool {
        self.used() >= self.limit / 4 * 3
    }

    /// True if `bytes` more would be above the limit.
    #[inline]
    pub(super) fn is_full(&self, bytes: usize) -> bool {
        self.used().saturating_add(bytes) > self.limit
    }

    /// True if there is room for a message of this size; counts it as refused if there is none.
    pub(super) fn admits(&self, bytes: usize) -> bool {
        let admits = !self.is_full(bytes);
        if !admits {
            self.refused.fetch_add(1, Ordering::Relaxed);
        }
        admits
    }

    /// The number of messages that were refused.
    pub(super) fn refused(&self) -> usize {
        self.refused.load(Ordering::Relaxed)
    }

    /// The size up to which a queue is not cut off while the budget is full: all of them together
    /// take half of the limit.
    pub(super) fn share(&self) -> usize {
        (self.limit / 2 / self.clients.load(Ordering::Relaxed).max(1)).max(FLAT)
    }

    /// A part for what waits or comes in, however much there is already.
    pub(super) fn lease(self: &Arc<Self>, bytes: usize) -> Lease {
        self.used.fetch_add(bytes, Ordering::Relaxed);
        Lease { budget: self.clone(), bytes }
    }

    /// The part of a connection.
    pub(super) fn connection(self: &Arc<Self>) -> Lease {
        self.clients.fetch_add(1, Ordering::Relaxed);
        self.lease(FLAT)
    }

    /// A part for what a realm keeps until it is told otherwise, of no size yet.
    pub(super) fn keeper(self: &Arc<Self>) -> Kept {
        Kept { lease: self.lease(0) }
    }

    /// True if realms may keep `bytes` more: all together they have half of the limit, so that
    /// messages can still come and go.
    #[inline]
    pub(super) fn can_keep(&self, bytes: usize) -> bool {
        self.kept.load(Ordering::Relaxed).saturating_add(bytes) <= self.limit / 2
    }

    /// A connection has ended.
    pub(super) fn leave(&self) {
        self.clients.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Lease {
    /// Makes it a part of another size.
    pub(super) fn resize(&mut self, bytes: usize) {
        if bytes == self.bytes {
            return;
        }
        if bytes > self.bytes {
            self.budget.used.fetch_add(bytes - self.bytes, Ordering::Relaxed);
        } else {
            self.budget.used.fetch_sub(self.bytes - bytes, Ordering::Relaxed);
        }
        self.bytes = bytes;
    }

    /// Its size.
    #[inline]
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The budget that it is a part of.
    pub(super) fn budget(&self) -> &Arc<Budget> {
        &self.budget
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.budget.used.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

impl Kept {
    /// Makes it a part of another size.
    pub(super) fn resize(&mut self, bytes: usize) {
        let kept = &self.lease.budget.kept;
        if bytes > self.lease.bytes {
            kept.fetch_add(bytes - self.lease.bytes, Ordering::Relaxed);
        } else {
            kept.fetch_sub(self.lease.bytes - bytes, Ordering::Relaxed);
        }
        self.lease.resize(bytes);
    }

    /// The budget that it is a part of.
    pub(super) fn budget(&self) -> &Budget {
        &self.lease.budget
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.resize(0);
    }
}

/// A message that several clients are sent, counted once for all of them.
pub(super) fn shared(message: Vec<u8>, budget: &Arc<Budget>) -> Bytes {
    struct Counted(Vec<u8>, #[expect(dead_code, reason = "given back in the end")] Lease);

    impl AsRef<[u8]> for Counted {
        fn as_ref(&self) -> &[u8] {
            &self.0
        }
    }

    let lease = budget.lease(message.capacity());
    Bytes::from_owner(Counted(message, lease))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_leased_is_given_back() {
        let budget = Budget::new(1000);
        let mut lease = budget.lease(700);
        assert!(!budget.is_tight() && !budget.is_full(300) && budget.is_full(301));
        lease.resize(750);
        assert!(budget.is_tight());
        lease.resize(10);
        assert_eq!((budget.used(), lease.bytes()), (10, 10));
        let message = shared(vec![0; 100], &budget);
        let other = message.clone();
        drop(message);
        assert_eq!(budget.used(), 110, "counted once, and to the last");
        drop((other, lease));
        assert_eq!(budget.used(), 0);
    }

    #[test]
    fn realms_keep_half_at_most() {
        let budget = Budget::new(1000);
        let mut kept = budget.keeper();
        kept.resize(400);
        assert!(budget.can_keep(100) && !budget.can_keep(101));
        kept.resize(100);
        assert!(budget.can_keep(400) && budget.used() == 100);
        drop(kept);
        assert!(budget.can_keep(500) && budget.used() == 0);
    }
}
