//! A wait that a suspend of the machine does not lengthen.
//!
//! The runtime's clock stands still meanwhile: of a wait of five minutes, a laptop that is opened
//! in the morning would still have four before it.

use std::time::Duration;

use tokio::time::sleep;

/// Time between two looks at the clock that goes on.
const LOOKS: Duration = Duration::from_secs(5);

/// Waits so long, as `clock` has it, or as the runtime's own clock has it, whichever is first.
pub(super) async fn wait_awake(delay: Duration, clock: impl Fn() -> Duration) {
    let (due, mut left) = (clock() + delay, delay);
    while !left.is_zero() {
        let part = left.min(LOOKS);
        sleep(part).await;
        left = (left - part).min(due.saturating_sub(clock()));
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use tokio::time::Instant;

    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    /// The time that it waits, by the runtime's clock, where the other jumps ahead after a while.
    async fn waited(delay: Duration, suspended: Duration) -> Duration {
        let (begun, looks) = (Instant::now(), Cell::new(0));
        let clock = || {
            looks.set(looks.get() + 1);
            let ahead = if looks.get() > 3 { suspended } else { Duration::ZERO };
            begun.elapsed() + ahead
        };
        wait_awake(delay, clock).await;
        begun.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn a_suspend_counts_as_waiting() {
        let short = Duration::from_millis(1500);
        assert_eq!(waited(short, Duration::ZERO).await, short);
        assert_eq!(waited(5 * MINUTE, Duration::ZERO).await, 5 * MINUTE);
        assert_eq!(waited(5 * MINUTE, 60 * MINUTE).await, 3 * LOOKS);
        assert_eq!(waited(5 * MINUTE, MINUTE).await, 4 * MINUTE);
        assert_eq!(waited(Duration::ZERO, MINUTE).await, Duration::ZERO);
    }
}
