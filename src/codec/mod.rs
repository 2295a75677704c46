//! How WAMP messages and payloads are written as bytes.
//!
//! A message is decoded into its *head* (type, ids, URIs, details) and slices of the received
//! buffer for args and kwargs; nobody parses a payload that nobody looks at. Encoding writes the
//! head and splices the caller's encoded payload once. What the messages *are* is left to
//! [`crate::protocol`]; this module knows arrays, ids, texts, dicts and payloads only.
//!
//! * [`json`]: the JSON encoding: scanner, reader and writer.
//! * [`outbox`]: encoded messages that wait to be written.
//! * [`payload`]: encoded args and kwargs, lent ([`PayloadRef`]) and owned ([`Payload`]).
//! * [`value`]: a read-only tree over a received payload, made when somebody looks.
//! * [`builder`]: writes a payload without a JSON library.

pub mod builder;
pub mod json;
pub mod outbox;
pub mod payload;
pub mod value;

pub use builder::Builder;
pub use json::{Dict, Reader, Writer};
pub use outbox::{Batch, Outbox, TooLarge};
pub use payload::{Payload, PayloadRef, Span};
pub use value::Tree;

/// The encodings that a payload can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Encoding {
    /// JSON text (RFC 8259), with WAMP's convention for binary values.
    #[default]
    Json,
}

/// The largest WAMP id, 2^53 inclusive (basic profile, "IDs").
pub const MAX_ID: u64 = 1 << 53;

/// How deep lists and dicts may nest in what we send, and in what a value lens shows.
pub const MAX_DEPTH: usize = 128;

/// What is wrong with an encoded text, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{what} at byte {at}")]
pub struct CodecError {
    /// The offset of the first byte that cannot stand where it stands.
    pub at: usize,
    /// What was expected or is wrong.
    pub what: &'static str,
}
