//! The counters of a router, for whoever watches it.

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
