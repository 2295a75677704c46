//! Gathers the counters of a router, which its parts keep.

use std::sync::atomic::Ordering;

use crate::os::lock;

use super::{Router, RouterStats};

impl Router {
    /// The counters so far.
    pub fn stats(&self) -> RouterStats {
        let counts = self.shared.realms.counts();
        let refused = self.shared.gate.refused();
        RouterStats {
            clients: lock(&self.shared.clients).by_id.len(),
            sessions: counts.sessions,
            subscriptions: counts.subscriptions,
            registrations: counts.registrations,
            pending_calls: counts.pending_calls,
            messages_in: self.shared.received.load(Ordering::Relaxed),
            messages_out: self.shared.sent.load(Ordering::Relaxed),
            dropped: self.shared.dropped.load(Ordering::Relaxed),
            memory: self.shared.budget.used(),
            refused_messages: self.shared.budget.refused(),
            dropped_stalled: self.shared.relief.dropped(),
            dropped_late: self.shared.late.load(Ordering::Relaxed),
            refused_connections: refused.connections,
            refused_addresses: refused.per_address,
            dropped_handshakes: refused.handshakes,
            refused: self.shared.config().limits.refused(),
            retained_topics: counts.retained_topics,
            retained_bytes: counts.retained_bytes,
            history_bytes: counts.history_bytes,
        }
    }
}
