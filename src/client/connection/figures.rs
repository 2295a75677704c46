//! The figures of a connection: what it has done so far, and what waits.

use serde_json::{Map, Value, json};

use crate::client::sync::lock;

use super::Connection;

impl Connection {
    /// The figures of all that it has done so far, as JSON.
    pub fn stats(&self) -> Value {
        // The session's lock comes before the state's.
        let current = self.current_session().map(|session| {
            let core = session.lock_core();
            (core.traffic.clone(), core.protocol.pending(), core.backlog())
        });
        let state = lock(&self.state);
        let mut traffic = state.traffic.clone();
        let (mut pending, mut unsent) = (0, 0);
        if let Some((of_session, requests, bytes)) = &current {
            traffic.add(of_session);
            (pending, unsent) = (*requests, *bytes);
        }
        let (events, event_bytes) = self.shared.queue.backlog();
        let mut stats = Map::new();
        traffic.describe(&mut stats);
        let last_end = state.last_end.as_ref().map(
            |end| json!({"class": end.class.name(), "reason": end.reason, "message": end.text}),
        );
        for (key, value) in [
            ("pending", json!(pending)),
            ("send_queue_bytes", json!(unsent)),
            ("receive_queue_bytes", json!(event_bytes)),
            ("receive_queue_events", json!(events)),
            ("sessions", json!(state.sessions)),
            ("reconnects", json!(state.reconnects)),
            ("last_end", json!(last_end)),
            ("handlers", self.shared.queue.handlers.describe()),
        ] {
            stats.insert(key.to_owned(), value);
        }
        Value::Object(stats)
    }
}
