//! Relief for a router whose memory is tight: clients that take nothing of what waits for them are
//! dropped, the one with the most first. [`super::budget`] counts; what is read meanwhile is left
//! to [`super::connection`].

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::os::lock;

use super::budget::Budget;
use super::peer::Peer;

/// The time between two looks.
pub(super) const INTERVAL: Duration = Duration::from_millis(10);

/// The time for which a client has to have taken nothing, to be dropped.
const PATIENCE: Duration = Duration::from_millis(500);

/// The time for which memory may be tight without anybody whom to drop for that; then those count
/// who take their messages too slowly.
const ENDURANCE: Duration = Duration::from_secs(3);

/// See the module's text.
#[derive(Debug, Default)]
pub(super) struct Relief {
    state: Mutex<State>,
    dropped: AtomicU64,
}

#[derive(Debug, Default)]
struct State {
    looked: Option<Instant>,
    /// Since when memory has been tight.
    tight: Option<Instant>,
}

impl Relief {
    /// Drops whom it has to, where memory is tight. Looks at all clients, unless somebody has just
    /// done so.
    pub(super) fn look(&self, budget: &Budget, now: Instant, peers: impl Fn() -> Vec<Arc<Peer>>) {
        let mut state = lock(&self.state);
        let just = |time: Option<Instant>, limit: Duration| {
            time.is_some_and(|time| now.saturating_duration_since(time) < limit)
        };
        if just(state.looked, INTERVAL) {
            return;
        }
        if !just(state.looked, 10 * INTERVAL) {
            // It was not tight all the time.
            state.tight = None;
        }
        state.looked = Some(now);
        let tight = *state.tight.get_or_insert(now);
        let patience = match just(Some(tight), ENDURANCE) {
            true => PATIENCE,
            false => Duration::ZERO,
        };
        let mut stalled: Vec<_> = peers()
            .into_iter()
            .filter_map(|peer| Some((peer.stalled(patience, now)?, peer)))
            .collect();
        stalled.sort_unstable_by_key(|(waiting, _)| *waiting);
        while budget.is_tight()
            && let Some((_, peer)) = stalled.pop()
        {
            if peer.drop_slow() {
                self.dropped.fetch_add(1, Ordering::Relaxed);
                state.tight = None;
            }
        }
        if !budget.is_tight() {
            state.tight = None;
        }
    }

    /// The number of clients that were dropped.
    pub(super) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}
