//! Statistics: what a connection has done so far, in numbers, and the trace of its messages.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::codec::Encoding;
use crate::codec::reader::{message_code, message_text};
use crate::log;
use crate::protocol::message;

/// Messages and bytes that one or more sessions have carried.
#[derive(Debug, Clone)]
pub struct Traffic {
    encoding: Encoding,
    received: Counts,
    sent: Counts,
    /// From the last ping to its answer.
    pub(super) round_trip: Option<Duration>,
}

#[derive(Debug, Clone)]
struct Counts {
    bytes: u64,
    /// By the slot of their type code.
    messages: [u64; SLOTS],
}

const SLOTS: usize = 26;

/// The place of a type code among the counts. The codes have gaps, and each connection has its
/// counts. 0 is for extensions.
#[inline]
fn slot(code: usize) -> usize {
    match code {
        1..=8 => code,
        16..=17 => code - 7,
        32..=36 => code - 21,
        48..=50 => code - 32,
        64..=70 => code - 45,
        _ => 0,
    }
}

impl Default for Traffic {
    fn default() -> Self {
        Traffic::new(Encoding::Json)
    }
}

impl Traffic {
    /// Of a session whose messages are encoded like this.
    pub(super) fn new(encoding: Encoding) -> Traffic {
        Traffic { encoding, received: Counts::new(), sent: Counts::new(), round_trip: None }
    }
}

impl Counts {
    fn new() -> Counts {
        Counts { bytes: 0, messages: [0; SLOTS] }
    }

    #[inline]
    fn count(&mut self, frame: &[u8], encoding: Encoding) {
        self.bytes += frame.len() as u64;
        self.messages[message_code(frame, encoding).map_or(0, slot)] += 1;
    }

    fn add(&mut self, other: &Counts) {
        self.bytes += other.bytes;
        for (sum, more) in self.messages.iter_mut().zip(other.messages) {
            *sum += more;
        }
    }

    fn json(&self) -> Value {
        let by_type: Map<String, Value> = (0..=message::code::YIELD)
            .map(|code| (code, slot(code as usize)))
            .filter(|(code, slot)| self.messages[*slot] > 0 && (*slot > 0 || *code == 0))
            .map(|(code, slot)| (message::name(code).to_owned(), self.messages[slot].into()))
            .collect();
        json!({"bytes": self.bytes, "messages": by_type})
    }
}

impl Traffic {
    /// Counts a received message.
    #[inline]
    pub(super) fn received(&mut self, frame: &[u8]) {
        self.received.count(frame, self.encoding);
    }

    /// Counts a message that was given to the transport.
    #[inline]
    pub(super) fn sent(&mut self, frame: &[u8]) {
        self.sent.count(frame, self.encoding);
    }

    /// Adds what another session has carried.
    pub(super) fn add(&mut self, other: &Traffic) {
        self.received.add(&other.received);
        self.sent.add(&other.sent);
        self.round_trip = other.round_trip.or(self.round_trip);
    }

    /// `received`, `sent` and `round_trip` of the statistics.
    pub(super) fn describe(&self, into: &mut Map<String, Value>) {
        into.insert("received".to_owned(), self.received.json());
        into.insert("sent".to_owned(), self.sent.json());
        let seconds = self.round_trip.map(|time| time.as_secs_f64());
        into.insert("round_trip".to_owned(), seconds.into());
    }
}

/// The time that the application's callbacks have taken.
#[derive(Debug, Default)]
pub struct HandlerTime {
    nanos: AtomicU64,
    events: AtomicU64,
}

impl HandlerTime {
    /// Adds a batch of callbacks.
    pub(super) fn add(&self, time: Duration, events: usize) {
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self.nanos.fetch_add(nanos, Ordering::Relaxed);
        self.events.fetch_add(events as u64, Ordering::Relaxed);
    }

    /// `handlers` of the statistics.
    pub(super) fn describe(&self) -> Value {
        let seconds = self.nanos.load(Ordering::Relaxed) as f64 / 1e9;
        json!({"events": self.events.load(Ordering::Relaxed), "seconds": seconds})
    }
}

/// Writes a message to the log, with secrets masked.
pub(super) fn trace(way: &str, session: Option<u64>, frame: &[u8], encoding: Encoding) {
    let session = session.map_or_else(|| "-".to_owned(), |id| id.to_string());
    log::tell(log::Level::Trace, &format!("{way} {session} {}", masked(frame, encoding)));
}

/// The message as text. The signature of an AUTHENTICATE is a secret, or as good as one.
fn masked(frame: &[u8], encoding: Encoding) -> String {
    if message_code(frame, encoding) == Some(message::code::AUTHENTICATE as usize) {
        return "[5,\"***\",{}]".to_owned();
    }
    message_text(frame, encoding)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_counted_by_type() {
        let mut traffic = Traffic::default();
        traffic.received(b"[36,1,2,{}]");
        traffic.received(b" [ 36 ,1,2,{}]");
        traffic.received(b"[300]");
        traffic.sent(b"[48,1,{},\"a\"]");
        let mut sum = Traffic::default();
        sum.add(&traffic);
        sum.add(&traffic);
        let mut json = Map::new();
        sum.describe(&mut json);
        assert_eq!(
            Value::Object(json),
            json!({
                "received": {"bytes": 60, "messages": {"EVENT": 4, "extension": 2}},
                "sent": {"bytes": 26, "messages": {"CALL": 2}},
                "round_trip": null,
            })
        );
    }

    #[test]
    fn signatures_are_masked() {
        assert_eq!(masked(br#"[5,"secret",{"a":1}]"#, Encoding::Json), r#"[5,"***",{}]"#);
        assert_eq!(masked(br#" [ 5, "secret"]"#, Encoding::Json), r#"[5,"***",{}]"#);
        assert_eq!(masked(br#"[50,1,{}]"#, Encoding::Json), r#"[50,1,{}]"#);
    }
}
