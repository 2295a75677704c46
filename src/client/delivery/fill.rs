//! The fill of a queue in bytes: when it is full, and when there is room again.

use std::sync::atomic::{AtomicUsize, Ordering};

/// See the module's text.
#[derive(Debug)]
pub(super) struct Fill {
    bytes: AtomicUsize,
    limit: AtomicUsize,
    /// Threads that wait for an answer, which may be behind what fills the queue.
    waiting: AtomicUsize,
}

impl Fill {
    pub(super) fn new(limit: usize) -> Fill {
        let [bytes, waiting] = [AtomicUsize::new(0), AtomicUsize::new(0)];
        Fill { bytes, limit: AtomicUsize::new(limit), waiting }
    }

    pub(super) fn set_limit(&self, limit: usize) {
        self.limit.store(limit, Ordering::Relaxed);
    }

    #[inline]
    pub(super) fn add(&self, cost: usize) {
        self.bytes.fetch_add(cost, Ordering::Relaxed);
    }

    /// Takes out. True if half of the room is free again by this.
    #[inline]
    pub(super) fn take(&self, cost: usize) -> bool {
        let before = self.bytes.fetch_sub(cost, Ordering::Relaxed);
        let half = self.limit.load(Ordering::Relaxed) / 2;
        before > half && before - cost <= half
    }

    #[inline]
    pub(super) fn is_full(&self) -> bool {
        self.bytes() > self.limit.load(Ordering::Relaxed)
            && self.waiting.load(Ordering::Acquire) == 0
    }

    /// True when things are taken out more slowly than they come.
    #[inline]
    pub(super) fn lags(&self) -> bool {
        const MUCH: usize = 128 * 1024;
        self.bytes() > MUCH
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    pub(super) fn begin_wait(&self) {
        self.waiting.fetch_add(1, Ordering::AcqRel);
    }

    pub(super) fn end_wait(&self) {
        self.waiting.fetch_sub(1, Ordering::AcqRel);
    }
}
