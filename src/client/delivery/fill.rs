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
        self.bytes.fetch_add(cost, Ordering::SeqCst);
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
            && self.waiting.load(Ordering::SeqCst) == 0
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

    /// Announces a thread that waits. True if who fills the queue may have stopped before it knew
    /// of that: of an announcement and a last look at the bytes one sees the other.
    pub(super) fn begin_wait(&self) -> bool {
        self.waiting.fetch_add(1, Ordering::SeqCst);
        self.bytes.load(Ordering::SeqCst) > self.limit.load(Ordering::Relaxed)
    }

    pub(super) fn end_wait(&self) {
        self.waiting.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_waits_learns_whether_reading_may_have_stopped() {
        let fill = Fill::new(100);
        fill.add(100);
        assert!(!fill.begin_wait() && !fill.is_full());
        fill.end_wait();
        fill.add(1);
        assert!(fill.is_full());
        assert!(fill.begin_wait() && !fill.is_full());
        fill.end_wait();
        assert!(fill.take(60), "there is room again");
    }
}
