//! Frames of clients, decoded into messages and led to their session.

use bytes::Bytes;

use crate::codec::{CodecError, Encoding, Received};
use crate::protocol::message::Message;

use super::peer::WakeList;
use super::realm::{LeaveReason, RealmSession};

/// The message that a frame holds.
pub(super) fn message(received: &Result<Received, CodecError>) -> Result<Message<'_>, CodecError> {
    Message::from_received(received.as_ref().map_err(|error| *error)?)
}

/// Decodes messages, and carries out all up to the first that is none.
pub(super) fn route_chunk(
    session: &mut RealmSession,
    frames: &[Bytes],
    encoding: Encoding,
    wakes: &mut WakeList,
) -> Result<(), LeaveReason> {
    let mut messages = Vec::with_capacity(frames.len());
    let mut broken = Ok(());
    let mut received = Vec::new();
    if encoding != Encoding::Json {
        received.extend(frames.iter().map(|frame| Received::from_client(frame, encoding)));
    }
    for (index, frame) in frames.iter().enumerate() {
        let decoded = match encoding {
            Encoding::Json => Message::decode(frame),
            _ => message(&received[index]),
        };
        match decoded {
            Ok(message) => messages.push(message),
            Err(error) => {
                broken = Err(LeaveReason::Violation(error.to_string()));
                break;
            }
        }
    }
    session.route(&messages, wakes)?;
    broken
}
