//! The counters of a router, which its parts keep, for whoever watches it.

use std::sync::atomic::Ordering;

use crate::os::lock;

use super::Router;

/// The counters of a router.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RouterStats {
    /// Clients that are connected, whether or not they have joined a realm.
    pub clients: usize,
    /// Sessions in all realms.
    pub sessions: usize,
    /// Subscriptions in all realms, each counted once however many share it.
    pub subscriptions: usize,
    /// Registrations in all realms, each counted once however many share it.
    pub registrations: usize,
    /// Calls that wait for their callees.
    pub pending_calls: usize,
    /// WAMP messages that came in.
    pub messages_in: u64,
    /// WAMP messages that went out, or are about to.
    pub messages_out: u64,
    /// Clients that were dropped because more than `send_queue_bytes` waited for them, or because
    /// memory was tight and they took nothing.
    pub dropped: u64,
    /// The bytes that count against `memory_limit`.
    pub memory: usize,
    /// Large messages that were refused because of `memory_limit`.
    pub refused_messages: usize,
    /// Clients that were dropped because memory was tight and they took nothing.
    pub dropped_stalled: u64,
    /// Clients that were dropped because of `message_timeout`.
    pub dropped_late: u64,
    /// Connections that were turned away because of `max_connections`.
    pub refused_connections: u64,
    /// Those because of `max_connections_per_address`.
    pub refused_addresses: u64,
    /// Handshakes that were ended because of `max_handshakes`.
    pub dropped_handshakes: u64,
    /// Requests that were refused because they would exceed a limit.
    pub refused: u64,
    /// Topics with retained events in all realms.
    pub retained_topics: usize,
    /// Bytes of retained events in all realms.
    pub retained_bytes: usize,
    /// Bytes of past events in all realms.
    pub history_bytes: usize,
}

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
            memory: self.shared.config.budget.used(),
            refused_messages: self.shared.config.budget.refused(),
            dropped_stalled: self.shared.relief.dropped(),
            dropped_late: self.shared.late.load(Ordering::Relaxed),
            refused_connections: refused.connections,
            refused_addresses: refused.per_address,
            dropped_handshakes: refused.handshakes,
            refused: self.shared.config.limits.refused(),
            retained_topics: counts.retained_topics,
            retained_bytes: counts.retained_bytes,
            history_bytes: counts.history_bytes,
        }
    }
}
