//! The pace of a session's messages: one that comes alone is written by the thread that sends it,
//! which spares waking the I/O task; of many that come together the task writes what has gathered.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

/// A message comes alone if none has come before it for so long.
const PAUSE: Duration = Duration::from_micros(40);

/// The most bytes that a sender writes by itself: to mask and copy more takes longer than to wake
/// the task.
const MOST: usize = 6 * 1024;

/// See the module's text.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// Time at which a message has found the task asleep, in microseconds of the session.
    last: AtomicU64,
    /// The number of events that came together last.
    heard: AtomicUsize,
}

impl Pace {
    /// Notes the number of events that came together, which may all be answered.
    #[inline]
    pub(super) fn heard(&self, count: usize) {
        self.heard.store(count, Ordering::Relaxed);
    }

    /// True if the message that finds the task asleep at `now` comes alone, with so many bytes. A
    /// large one is for the task: its sender has better things to do than to copy it.
    pub(super) fn is_lone(&self, size: usize, now: Duration) -> bool {
        let now = now.as_micros() as u64;
        let last = self.last.swap(now, Ordering::Relaxed);
        now.saturating_sub(last) >= PAUSE.as_micros() as u64
            && size <= MOST
            && self.heard.load(Ordering::Relaxed) <= 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_message_is_alone_without_one_before_it_and_with_one_event_to_answer() {
        let pace = Pace::default();
        let at = Duration::from_micros;
        assert!(pace.is_lone(10, at(100)));
        assert!(!pace.is_lone(10, at(101)) && !pace.is_lone(10, at(140)));
        assert!(pace.is_lone(MOST, at(200)) && !pace.is_lone(MOST + 1, at(300)));
        pace.heard(2);
        assert!(!pace.is_lone(10, at(400)));
        pace.heard(1);
        assert!(pace.is_lone(10, at(500)));
    }
}
