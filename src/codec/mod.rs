//! WAMP messages and payloads as bytes.
//!
//! A message is decoded into its *head* (type, ids, URIs, details) and slices of the received
//! buffer for args and kwargs; nobody parses a payload that nobody looks at. Encoding writes the
//! head and splices the caller's encoded payload once. What the messages *are* is left to
//! [`crate::protocol`]; this module knows arrays, ids, texts, dicts and payloads only.
//!
//! * [`json`]; [`binary`], which MsgPack and CBOR share: the encodings.
//! * [`reader`], [`writer`]: messages in any of them.
//! * [`transcode`](mod@transcode): from one to another; [`token`], [`timestamp`]: what they have in
//!   common.
//! * [`outbox`]: encoded messages that wait to be written.
//! * [`check`]: payloads that the application gives.
//! * [`payload`]: encoded args and kwargs, lent ([`PayloadRef`]) and owned ([`Payload`]).
//!   [`copies`]: copies of those that are kept longer than what came with them.
//! * [`value`]: a read-only tree over a received payload, which grows as somebody looks.
//!   `utf8`: the check of texts.
//! * [`builder`]: writes a payload without a library for its encoding.

pub mod binary;
pub mod builder;
pub mod check;
pub mod copies;
pub mod json;
pub mod outbox;
pub mod payload;
pub mod reader;
pub mod timestamp;
pub mod token;
pub mod transcode;
mod utf8;
pub mod value;
pub mod writer;

pub use builder::Builder;
pub use copies::Copies;
pub use json::{Dict, DictWriter, Rules, WrittenDict};
pub use outbox::{Batch, Outbox, TooLarge, Unsendable};
pub use payload::{Payload, PayloadRef, Span};
pub use reader::{Read, Received};
pub use timestamp::Timestamp;
pub use token::Token;
pub use transcode::transcode;
pub use utf8::is_utf8;
pub use value::Tree;
pub use writer::{Out, Writer};

/// The encodings of messages and payloads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Encoding {
    /// JSON text (RFC 8259), with WAMP's convention for binary values.
    #[default]
    Json,
    /// MsgPack.
    MsgPack,
    /// CBOR (RFC 8949).
    Cbor,
}

impl Encoding {
    /// All of them.
    pub const ALL: [Encoding; 3] = [Encoding::Json, Encoding::MsgPack, Encoding::Cbor];

    /// Its name in WAMP.
    pub fn name(self) -> &'static str {
        match self {
            Encoding::Json => "json",
            Encoding::MsgPack => "msgpack",
            Encoding::Cbor => "cbor",
        }
    }

    /// The encoding of this name.
    pub fn parse(name: &str) -> Option<Encoding> {
        Encoding::ALL.into_iter().find(|encoding| encoding.name() == name)
    }
}

/// The largest WAMP id, 2^53 inclusive (basic profile, "IDs").
pub const MAX_ID: u64 = 1 << 53;

/// The whole number from 0 to 2^53 that a float stands for: some peers write all numbers as floats.
pub fn whole(float: f64) -> Option<u64> {
    let fits = float.fract() == 0.0 && (0.0..=MAX_ID as f64).contains(&float);
    fits.then_some(float as u64)
}

/// The depth to which lists and dicts may nest in what we send, and in what a value lens shows.
pub const MAX_DEPTH: usize = 128;

/// A fault in an encoded text, and its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{what} at byte {at}")]
pub struct CodecError {
    /// The offset of the first byte that cannot stand where it stands.
    pub at: usize,
    /// The fault, or what was expected.
    pub what: &'static str,
}
