//! HTTP long-poll: WAMP where nothing but requests and answers gets through (advanced profile,
//! "HTTP Longpoll Transport").
//!
//! ```text
//!   POST <url>/open             {"protocols": [...]} -> {"protocol", "transport"}
//!   POST <url>/<id>/receive     hangs until there are messages, which are the answer
//!   POST <url>/<id>/send        messages; answered when they are taken
//!   POST <url>/<id>/close       ends the transport, and the receive that hangs
//! ```
//!
//! A body has several messages where a batched serializer was agreed on, otherwise it has one. A
//! receive that is answered with 204 had nothing; one that is answered with no messages at all was
//! the last.
//!
//! * `client`: the client's side; `http_connection`: requests in a row over one connection.
//! * `server`: the requests of a server's side; `shared`: the open transport that they are for;
//!   `written`: when an answer is with the system.

mod client;
mod cors;
mod http_connection;
mod server;
mod shared;
mod written;

#[cfg(test)]
mod tests;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::codec::{Batch, Encoding, is_utf8};

use super::framing::Framing;
use super::{Serializer, TransportError};

pub use client::LongPoll;
pub(super) use client::connect;
pub use server::{Server, Times};
pub use shared::ServerTransport;

/// About how large a batch gets.
const BATCH: usize = 256 * 1024;

/// The limit of bodies that hold no messages.
const MAX_OPENED: usize = 64 * 1024;

/// The body of `open`.
#[derive(Deserialize)]
struct Open {
    protocols: Vec<String>,
}

/// The answer to it.
#[derive(Serialize, Deserialize)]
struct Opened {
    protocol: String,
    transport: String,
}

fn content_type(serializer: Serializer) -> &'static str {
    match serializer.encoding {
        Encoding::Json => "application/json",
        Encoding::MsgPack => "application/x-msgpack",
        Encoding::Cbor => "application/cbor",
    }
}

/// The next body: a message, or as many as a batch takes; moves `next` forward.
fn unit(framing: &Framing, batch: &Batch, next: &mut usize, max_message_size: usize) -> Bytes {
    if !framing.serializer().batched {
        *next += 1;
        return batch.message(*next - 1);
    }
    let mut body = Vec::new();
    framing.gather(&mut body, batch, next, max_message_size.min(BATCH));
    Bytes::from(body)
}

/// JSON is UTF-8, which HTTP does not check.
fn check_text(serializer: Serializer, body: &[u8]) -> Result<(), TransportError> {
    match serializer.encoding {
        Encoding::Json if !is_utf8(body) => {
            Err(TransportError::Message("a JSON message that is not UTF-8".to_owned()))
        }
        _ => Ok(()),
    }
}
